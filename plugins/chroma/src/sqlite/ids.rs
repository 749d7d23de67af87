/*!
Tables from record id to something small, for a million ids in a guest's memory.

All ids stand in one text, entries are sorted by id: a million ids of 36 bytes with a label each take 48 MB, no hash
can be made to collide, and a caller that asks in ascending order (as SQLite's index yields ids) walks instead of
searching.
*/

use std::ops::Range;

use vecferry_sdk::{Error, Result};

/// Entries by id; an id may have several, which keep the order in which they were added.
pub(crate) struct IdTable<T> {
    text: String,
    entries: Vec<Entry<T>>,
}

#[derive(Clone, Copy)]
struct Entry<T> {
    start: u32,
    bytes: u32,
    value: T,
}

impl<T> Default for IdTable<T> {
    fn default() -> Self {
        IdTable { text: String::new(), entries: Vec::new() }
    }
}

impl<T: Copy> IdTable<T> {
    /// Adds an entry; [`IdTable::sort`] must follow before anything is looked up.
    ///
    /// # Errors
    /// `unsupported` when the ids together have more than 4 GiB.
    pub(crate) fn push(&mut self, id: &str, value: T) -> Result<()> {
        let place = u32::try_from(self.text.len()).ok().zip(u32::try_from(id.len()).ok());
        let (start, bytes) = place.ok_or_else(|| {
            Error::unsupported("chroma/too-many-ids", "the ids of this collection have more than 4 GiB together")
        })?;
        self.text.push_str(id);
        self.entries.push(Entry { start, bytes, value });
        Ok(())
    }

    /// Makes lookups possible.
    pub(crate) fn sort(&mut self) {
        let text = &self.text;
        self.entries.sort_by(|a, b| slice(text, a).cmp(slice(text, b)));
    }

    /// The entries of an id, as a range for [`IdTable::values`]. `hint` is where the last lookup ended: the next
    /// greater id is found there at once.
    pub(crate) fn find(&self, id: &str, hint: &mut usize) -> Range<usize> {
        let at = |index: usize| self.entries.get(index).map(|entry| slice(&self.text, entry));
        let follows =
            (*hint == 0 || at(*hint - 1).is_some_and(|before| before < id)) && at(*hint).is_none_or(|it| it >= id);
        let start = match follows {
            true => *hint,
            false => self.entries.partition_point(|entry| slice(&self.text, entry) < id),
        };
        let mut end = start;
        while at(end) == Some(id) {
            end += 1;
        }
        *hint = end;
        start..end
    }

    /// The values of a range, in the order in which they were added.
    pub(crate) fn values(&self, range: Range<usize>) -> impl Iterator<Item = T> + Clone + '_ {
        self.entries.get(range).unwrap_or_default().iter().map(|entry| entry.value)
    }

    /// All ids with the ranges of their entries, ascending.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        let mut start = 0;
        self.entries.chunk_by(|a, b| slice(&self.text, a) == slice(&self.text, b)).map(move |group| {
            let range = start..start + group.len();
            start = range.end;
            (group.first().map_or("", |entry| slice(&self.text, entry)), range)
        })
    }

    /// Entries.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

fn slice<'a, T>(text: &'a str, entry: &Entry<T>) -> &'a str {
    let start = entry.start as usize;
    text.get(start..start + entry.bytes as usize).unwrap_or_default()
}

/// A set of positions.
pub(crate) struct Marks(Vec<u64>);

impl Marks {
    /// None of `count` positions.
    pub(crate) fn none(count: usize) -> Marks {
        Marks(vec![0; count.div_ceil(64)])
    }

    /// Adds some.
    pub(crate) fn set_all(&mut self, positions: Range<usize>) {
        for position in positions {
            if let Some(word) = self.0.get_mut(position / 64) {
                *word |= 1 << (position % 64);
            }
        }
    }

    /// Whether it was added.
    pub(crate) fn has(&self, position: usize) -> bool {
        self.0.get(position / 64).is_some_and(|word| word >> (position % 64) & 1 == 1)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[path = "ids_tests.rs"]
mod tests;
