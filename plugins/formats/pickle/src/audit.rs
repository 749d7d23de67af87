/*!
Whether values can be converted, told before any is: by looking at each node once, however often it is
referred to. Reads no texts, so a value whose texts alone are too large is found only when it is written.
*/

use vecferry_sdk::{Error, ErrorKind, Result};

use crate::class::Known;
use crate::limits::Limits;
use crate::node::{Kind, Node};
use crate::pickle::Pickle;
use crate::value::Tag;
use crate::walk::Items;

/// Checks the values of one pickle. What was checked once is not looked at again.
pub struct Audit<'p> {
    pickle: &'p Pickle,
    limits: Limits,
    /// By node: bytes that it expands to at least; 0 = not seen, `OPEN` = being looked at.
    sizes: Vec<u32>,
    /// By node: containers inside each other.
    depths: Vec<u8>,
}

const OPEN: u32 = u32::MAX;
/// A value and what separates it from the next: two bytes at least.
const VALUE_BYTES: u32 = 2;

struct Frame<'p> {
    node: Node<'p>,
    items: Children<'p>,
    size: u32,
    depth: u8,
}

enum Children<'p> {
    Items(Items<'p>),
    Entries(crate::walk::Entries<'p>, Option<Node<'p>>),
}

impl<'p> Children<'p> {
    fn next(&mut self) -> Option<Node<'p>> {
        match self {
            Children::Items(items) => items.next(),
            Children::Entries(entries, value) => match value.take() {
                Some(value) => Some(value),
                None => {
                    let (key, next) = entries.next()?;
                    *value = Some(next);
                    Some(key)
                }
            },
        }
    }
}

impl<'p> Audit<'p> {
    /// Checks values of this pickle.
    pub fn new(pickle: &'p Pickle, limits: &Limits) -> Self {
        let nodes = pickle.arena.nodes() as usize;
        Audit { pickle, limits: *limits, sizes: vec![0; nodes], depths: vec![0; nodes] }
    }

    /// Checks one value.
    ///
    /// # Errors
    /// Those of [`crate::Json::value`], but for what only its texts and arguments tell.
    pub fn check(&mut self, node: Node<'p>) -> Result<()> {
        let mut stack: Vec<Frame<'p>> = Vec::new();
        self.look(node, &mut stack)?;
        while let Some(frame) = stack.last_mut() {
            if let Some(child) = frame.items.next() {
                if self.look(child, &mut stack)? && stack.len() > self.limits.depth as usize {
                    return Err(node.too_deep(self.limits.depth));
                }
                continue;
            }
            let Some(done) = stack.pop() else { break };
            let size = done.size.saturating_add(VALUE_BYTES).min(OPEN - 1);
            let depth = done.depth.saturating_add(1);
            if u64::from(size) > self.limits.expanded {
                return Err(self.too_large(done.node));
            }
            if u32::from(depth) > self.limits.depth {
                return Err(node.too_deep(self.limits.depth));
            }
            self.keep(done.node, size, depth);
            if let Some(parent) = stack.last_mut() {
                parent.size = parent.size.saturating_add(size);
                parent.depth = parent.depth.max(depth);
            }
        }
        Ok(())
    }

    fn too_large(&self, node: Node<'p>) -> Error {
        let message = format!("a value expands to more than {} MiB", self.limits.expanded >> 20);
        node.error(ErrorKind::Unsupported, "pickle/too-large", message)
            .hint("values that refer to the same value many times can name far more than they hold")
    }

    fn index(node: Node<'p>) -> Option<usize> {
        (node.value.tag() == Tag::Node).then(|| node.value.index() as usize)
    }

    fn keep(&mut self, node: Node<'p>, size: u32, depth: u8) {
        if let Some(index) = Self::index(node) {
            if let Some(stored) = self.sizes.get_mut(index) {
                *stored = size;
            }
            if let Some(stored) = self.depths.get_mut(index) {
                *stored = depth;
            }
        }
    }

    /// Adds a value to the innermost open container, or opens it; whether it was opened.
    fn look(&mut self, node: Node<'p>, stack: &mut Vec<Frame<'p>>) -> Result<bool> {
        let index = Self::index(node);
        let seen = index.and_then(|index| self.sizes.get(index).copied()).unwrap_or(0);
        let depth = index.and_then(|index| self.depths.get(index).copied()).unwrap_or(0);
        let (size, depth, children) = match seen {
            OPEN => return Err(node.cycle()),
            0 => {
                let (size, children) = self.children(node)?;
                (size, 0, children)
            }
            _ => (seen, depth, None),
        };
        if let Some(items) = children {
            if let Some(stored) = index.and_then(|index| self.sizes.get_mut(index)) {
                *stored = OPEN;
            }
            stack.push(Frame { node, items, size: 0, depth: 0 });
            return Ok(true);
        }
        if u64::from(size) > self.limits.expanded {
            return Err(self.too_large(node));
        }
        if let Some(parent) = stack.last_mut() {
            parent.size = parent.size.saturating_add(size);
            parent.depth = parent.depth.max(depth);
        }
        Ok(false)
    }

    /// A value's size if it is a leaf, or what it holds.
    fn children(&self, node: Node<'p>) -> Result<(u32, Option<Children<'p>>)> {
        let leaf = (VALUE_BYTES, None);
        Ok(match node.kind() {
            Kind::None | Kind::Bool | Kind::Int | Kind::Float | Kind::Str | Kind::Bytes => leaf,
            Kind::List | Kind::Tuple | Kind::Set => (0, Some(Children::Items(node.items()))),
            Kind::Dict => (0, Some(Children::Entries(node.entries(), None))),
            Kind::Global => return Err(node.opaque()),
            Kind::Object => match node.known() {
                Some(Known::NumpyReconstruct | Known::NumpyFromBuffer | Known::ArrayReconstructor) => {
                    let array = node.array()?.ok_or_else(|| node.opaque())?;
                    let size = array.elements().saturating_mul(u64::from(VALUE_BYTES));
                    let objects = array.objects().map(|list| Children::Items(self.pickle.node(list).items()));
                    (u32::try_from(size).unwrap_or(OPEN - 1), objects)
                }
                Some(known) if known.is_scalar() => leaf,
                _ => return Err(node.opaque()),
            },
        })
    }
}

impl std::fmt::Debug for Audit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").field("file", &self.pickle.file().name()).finish_non_exhaustive()
    }
}
