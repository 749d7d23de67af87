/*! Walks over sequences and dicts. */

use crate::arena::Steps;
use crate::node::Node;
use crate::pickle::Pickle;

/// A place in a sequence or dict without its pickle: see [`Items::place`] and [`Entries::place`].
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub(crate) steps: Steps,
    pub(crate) pairs: bool,
}

/// The values of a sequence.
#[derive(Clone)]
pub struct Items<'p> {
    pub(crate) pickle: &'p Pickle,
    pub(crate) steps: Steps,
}

impl<'p> Items<'p> {
    pub(crate) fn none(pickle: &'p Pickle) -> Self {
        Items { pickle, steps: Steps::empty() }
    }

    /// This place, to go on from with [`Pickle::items_from`].
    pub fn place(&self) -> Place {
        Place { steps: self.steps, pairs: false }
    }

    /// Moves over `count` values; cheaper than taking them.
    pub fn skip_items(&mut self, count: usize) {
        self.steps.skip(&self.pickle.arena, u32::try_from(count).unwrap_or(u32::MAX));
    }
}

impl<'p> Iterator for Items<'p> {
    type Item = Node<'p>;

    fn next(&mut self) -> Option<Node<'p>> {
        self.steps.next(&self.pickle.arena).map(|value| Node { pickle: self.pickle, value })
    }
}

/// The keys and values of a dict.
#[derive(Clone)]
pub struct Entries<'p> {
    pub(crate) items: Items<'p>,
    /// Each item is a (key, value) sequence.
    pub(crate) pairs: bool,
}

impl Entries<'_> {
    /// This place, to go on from with [`Pickle::entries_from`].
    pub fn place(&self) -> Place {
        Place { steps: self.items.steps, pairs: self.pairs }
    }

    /// Moves over `count` entries; cheaper than taking them.
    pub fn skip_entries(&mut self, count: usize) {
        self.items.skip_items(if self.pairs { count } else { count.saturating_mul(2) });
    }
}

impl<'p> Iterator for Entries<'p> {
    type Item = (Node<'p>, Node<'p>);

    fn next(&mut self) -> Option<(Node<'p>, Node<'p>)> {
        if self.pairs {
            let mut pair = self.items.next()?.raw_items();
            return Some((pair.next()?, pair.next()?));
        }
        Some((self.items.next()?, self.items.next()?))
    }
}
