/*!
Where containers live: fixed-size heads, and their values in chunks of one long array. Everything is an
index, so nothing recurses, and dropping a graph of any depth frees a few thousand segments.

A container of n values that were added at once costs 24 + 8n bytes. One that grows while others do gets
another chunk for each time it was touched.
*/

use std::collections::HashMap;

use crate::class::{self, Class, Known};
use crate::value::{FLOAT_STRIDE, Tag, Value};

/// An array that grows in segments: no doubling, no copying, and almost no slack. A guest's memory never
/// shrinks again, so the peak is what counts.
pub(crate) struct Segmented<T> {
    segments: Vec<Vec<T>>,
    len: u32,
}

const SEGMENT_BITS: u32 = 13;
const SEGMENT: usize = 1 << SEGMENT_BITS;

impl<T: Copy> Segmented<T> {
    pub(crate) fn new() -> Self {
        Segmented { segments: Vec::new(), len: 0 }
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Adds one; its index. `None` at 2^32 entries.
    #[inline]
    pub(crate) fn push(&mut self, item: T) -> Option<u32> {
        let index = self.len;
        self.len = index.checked_add(1)?;
        match self.segments.last_mut() {
            Some(last) if last.len() < SEGMENT => last.push(item),
            _ => self.begin_segment(item),
        }
        Some(index)
    }

    #[cold]
    fn begin_segment(&mut self, item: T) {
        // The first segment grows as needed: most pickles are small.
        let mut segment = Vec::with_capacity(if self.segments.is_empty() { 64 } else { SEGMENT });
        segment.push(item);
        self.segments.push(segment);
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> Option<T> {
        self.segments.get((index >> SEGMENT_BITS) as usize)?.get(index as usize & (SEGMENT - 1)).copied()
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.segments.get_mut((index >> SEGMENT_BITS) as usize)?.get_mut(index as usize & (SEGMENT - 1))
    }
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeKind {
    List,
    Tuple,
    Dict,
    Set,
    FrozenSet,
    /// Slots: callable, arguments, state, content, and for NEWOBJ_EX keyword arguments.
    Object,
}

/// The slots of an object.
pub(crate) const SLOT_CALLABLE: u32 = 0;
pub(crate) const SLOT_ARGS: u32 = 1;
pub(crate) const SLOT_STATE: u32 = 2;
pub(crate) const SLOT_CONTENT: u32 = 3;

/// A container's or object's head, 16 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) kind: NodeKind,
    /// Values (for a dict: keys and values).
    pub(crate) count: u32,
    /// Its first chunk, as index into the values; `NO_CHUNK` = empty.
    first: u32,
    last: u32,
}

/// Index of no chunk. The values never grow to it.
const NO_CHUNK: u32 = u32::MAX;

/// A chunk is a header slot (how many slots follow, where the next chunk is), then the slots.
fn header(slots: u32, next: u32) -> u64 {
    (u64::from(slots) << 32) | u64::from(next)
}

fn parse_header(bits: u64) -> (u32, u32) {
    ((bits >> 32) as u32, bits as u32)
}

/// Module and qualified name of a class or function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) module: String,
    pub(crate) name: String,
}

pub(crate) struct Arena {
    heads: Segmented<Head>,
    values: Segmented<u64>,
    names: Vec<(Name, Option<Known>)>,
    by_name: HashMap<Name, u32>,
    name_bytes: u64,
}

/// The arena cannot hold more; the memory budget is reached long before.
#[derive(Debug)]
pub(crate) struct Full;

impl Arena {
    pub(crate) fn new() -> Self {
        Arena {
            heads: Segmented::new(),
            values: Segmented::new(),
            names: Vec::new(),
            by_name: HashMap::new(),
            name_bytes: 0,
        }
    }

    /// Bytes in use.
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.heads.len()) * size_of::<Head>() as u64 + u64::from(self.values.len()) * 8 + self.name_bytes
    }

    pub(crate) fn nodes(&self) -> u32 {
        self.heads.len()
    }

    pub(crate) fn class(&self, index: u32) -> Option<Class<'_>> {
        let (name, known) = self.names.get(index as usize)?;
        Some(Class { module: &name.module, name: &name.name, known: *known })
    }

    pub(crate) fn intern(&mut self, name: Name) -> Result<u32, Full> {
        if let Some(&index) = self.by_name.get(&name) {
            return Ok(index);
        }
        let index = u32::try_from(self.names.len()).map_err(|_| Full)?;
        self.name_bytes += 2 * (name.module.len() + name.name.len() + 64) as u64;
        self.names.push((name.clone(), class::known(&name.module, &name.name)));
        self.by_name.insert(name, index);
        Ok(index)
    }

    pub(crate) fn head(&self, node: u32) -> Option<Head> {
        self.heads.get(node)
    }

    /// A node with these values.
    pub(crate) fn add(&mut self, kind: NodeKind, values: &[Value]) -> Result<u32, Full> {
        let node = self.heads.push(Head { kind, count: 0, first: NO_CHUNK, last: NO_CHUNK }).ok_or(Full)?;
        self.extend(node, values)?;
        Ok(node)
    }

    /// Appends values to a node.
    pub(crate) fn extend(&mut self, node: u32, values: &[Value]) -> Result<(), Full> {
        let Some(mut head) = self.heads.get(node) else { return Err(Full) };
        let added = u32::try_from(values.len()).map_err(|_| Full)?;
        head.count = head.count.checked_add(added).ok_or(Full)?;
        let runs = matches!(head.kind, NodeKind::List | NodeKind::Tuple);
        let mut rest = values;
        let mut slots = 0;
        while let Some((&first, tail)) = rest.split_first() {
            let run = if runs && first.tag() == Tag::Float { float_run(rest) } else { None };
            let slot = match run {
                Some((value, taken)) => {
                    rest = rest.get(taken..).unwrap_or_default();
                    value
                }
                None => {
                    rest = tail;
                    first
                }
            };
            if slots == 0 && !self.is_open(&head) {
                self.begin_chunk(&mut head)?;
            }
            self.values.push(slot.to_bits()).ok_or(Full)?;
            slots += 1;
        }
        if let Some(stored) = self.values.get_mut(head.last) {
            let (before, next) = parse_header(*stored);
            *stored = header(before + slots, next);
        }
        if let Some(stored) = self.heads.get_mut(node) {
            *stored = head;
        }
        Ok(())
    }

    /// Whether the last chunk ends where the values end, so that it can grow.
    fn is_open(&self, head: &Head) -> bool {
        let stored = self.values.get(head.last);
        stored.is_some_and(|stored| head.last + 1 + parse_header(stored).0 == self.values.len())
    }

    /// Adds an empty chunk at the end.
    fn begin_chunk(&mut self, head: &mut Head) -> Result<(), Full> {
        let chunk = self.values.push(header(0, NO_CHUNK)).ok_or(Full)?;
        match self.values.get_mut(head.last) {
            Some(before) => *before = header(parse_header(*before).0, chunk),
            None => head.first = chunk,
        }
        head.last = chunk;
        Ok(())
    }

    /// One slot of an object.
    pub(crate) fn slot(&self, node: u32, slot: u32) -> Option<Value> {
        let head = self.heads.get(node).filter(|head| head.kind == NodeKind::Object && slot < head.count)?;
        // An object's slots are added at once, so they are one chunk.
        self.values.get(head.first + 1 + slot).map(Value::from_bits)
    }

    pub(crate) fn set_slot(&mut self, node: u32, slot: u32, value: Value) {
        let head = self.heads.get(node).filter(|head| head.kind == NodeKind::Object && slot < head.count);
        if let Some(stored) = head.and_then(|head| self.values.get_mut(head.first + 1 + slot)) {
            *stored = value.to_bits();
        }
    }
}

/// The floats at the head of `values` that follow each other in the file, as one slot; `None` for fewer
/// than two.
fn float_run(values: &[Value]) -> Option<(Value, usize)> {
    let first = values.first().filter(|value| value.tag() == Tag::Float)?.offset();
    let follows =
        |(i, value): &(usize, &Value)| value.tag() == Tag::Float && value.offset() == first + *i as u64 * FLOAT_STRIDE;
    let taken = values.iter().enumerate().take(usize::from(u16::MAX)).take_while(follows).count();
    let count = u16::try_from(taken).ok().filter(|&count| count > 1)?;
    Some((Value::float_run(first, count)?, taken))
}

/// A walk over a node's values, as plain data: it can be kept beside the graph it walks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    /// Next slot, as index into the values.
    at: u32,
    /// Slots left in this chunk.
    left: u32,
    next_chunk: u32,
    /// Offset of the next float, and how many are left of a run.
    run: (u64, u16),
}

impl Steps {
    pub(crate) fn over(arena: &Arena, node: u32) -> Self {
        let first = arena.head(node).map_or(NO_CHUNK, |head| head.first);
        Steps { at: 0, left: 0, next_chunk: first, run: (0, 0) }
    }

    pub(crate) fn empty() -> Self {
        Steps { at: 0, left: 0, next_chunk: NO_CHUNK, run: (0, 0) }
    }

    pub(crate) fn next(&mut self, arena: &Arena) -> Option<Value> {
        loop {
            if self.run.1 > 0 {
                let value = Value::at(Tag::Float, self.run.0);
                self.run = (self.run.0 + FLOAT_STRIDE, self.run.1 - 1);
                return Some(value);
            }
            if self.left == 0 {
                if self.next_chunk == NO_CHUNK {
                    return None;
                }
                self.at = self.next_chunk + 1;
                (self.left, self.next_chunk) = parse_header(arena.values.get(self.next_chunk)?);
                continue;
            }
            let value = Value::from_bits(arena.values.get(self.at)?);
            self.at += 1;
            self.left -= 1;
            if value.tag() != Tag::FloatRun {
                return Some(value);
            }
            self.run = value.run();
        }
    }

    /// Moves over `count` values without yielding them.
    pub(crate) fn skip(&mut self, arena: &Arena, mut count: u32) {
        while count > 0 {
            if self.run.1 > 0 {
                let over = u32::from(self.run.1).min(count);
                self.run.0 += u64::from(over) * FLOAT_STRIDE;
                self.run.1 -= u16::try_from(over).unwrap_or(self.run.1);
                count -= over;
            } else if self.next(arena).is_some() {
                count -= 1;
            } else {
                return;
            }
        }
    }
}
