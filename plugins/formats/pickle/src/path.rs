/*!
Where in a pickle a value stands, as a Python programmer would write it: `[3]['meta']`. Looked up only
when an error has to say it, by walking the graph without recursion.
*/

use crate::arena::{Arena, NodeKind, SLOT_ARGS, SLOT_CALLABLE, SLOT_CONTENT, SLOT_STATE, Steps};
use crate::value::{Tag, Value};

/// Steps at each end of a long path that are written out.
const SHOWN: usize = 6;

struct Frame {
    kind: NodeKind,
    steps: Steps,
    /// Values taken from this node so far.
    taken: u32,
    key: Option<Value>,
}

/// Finds `target`, in the file's order. `key` renders a dict key; `budget` counts the values that are looked at, and
/// ends the search when it is used up.
pub(crate) fn find(
    arena: &Arena,
    root: Value,
    target: Value,
    key: &mut dyn FnMut(Value) -> String,
    budget: &mut u64,
) -> Option<String> {
    if root == target {
        return Some(String::new());
    }
    let words = arena.nodes() / 64 + 1;
    if *budget < u64::from(words) {
        return None;
    }
    let mut seen = vec![0_u64; words as usize];
    let mut stack = Vec::new();
    enter(arena, root, &mut seen, &mut stack);
    *budget = budget.saturating_sub(seen.len() as u64);
    while let Some(frame) = stack.last_mut() {
        *budget = budget.checked_sub(1)?;
        let Some(value) = frame.steps.next(arena) else {
            stack.pop();
            continue;
        };
        frame.taken += 1;
        if frame.kind == NodeKind::Dict && frame.taken % 2 == 1 {
            frame.key = Some(value);
        }
        if value == target {
            return Some(render(&stack, key));
        }
        enter(arena, value, &mut seen, &mut stack);
    }
    None
}

fn enter(arena: &Arena, value: Value, seen: &mut [u64], stack: &mut Vec<Frame>) {
    if value.tag() != Tag::Node {
        return;
    }
    let node = value.index();
    let (Some(head), Some(word)) = (arena.head(node), seen.get_mut(node as usize / 64)) else { return };
    let bit = 1 << (node % 64);
    if *word & bit == 0 {
        *word |= bit;
        stack.push(Frame { kind: head.kind, steps: Steps::over(arena, node), taken: 0, key: None });
    }
}

fn render(stack: &[Frame], key: &mut dyn FnMut(Value) -> String) -> String {
    let mut out = String::new();
    for (depth, frame) in stack.iter().enumerate() {
        let from_end = stack.len() - depth;
        if depth >= SHOWN && from_end > SHOWN {
            if depth == SHOWN {
                out.push_str(&format!("…({} more)…", stack.len() - 2 * SHOWN));
            }
            continue;
        }
        let index = frame.taken.saturating_sub(1);
        match frame.kind {
            NodeKind::List | NodeKind::Tuple => out.push_str(&format!("[{index}]")),
            NodeKind::Set | NodeKind::FrozenSet => out.push_str(&format!("{{{index}}}")),
            NodeKind::Dict => {
                let name = frame.key.map(&mut *key).unwrap_or_default();
                let what = if frame.taken % 2 == 1 { ".key" } else { "" };
                out.push_str(&format!("{what}[{name}]"));
            }
            NodeKind::Object => match index {
                SLOT_CALLABLE => out.push_str(".callable"),
                SLOT_ARGS => out.push_str(".args"),
                SLOT_STATE => out.push_str(".state"),
                SLOT_CONTENT => {}
                _ => out.push_str(".kwargs"),
            },
        }
    }
    out
}
