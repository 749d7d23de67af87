/*!
A map from digests to three numbers: in memory while it is small, in unnamed temporary files once it is not.

What is new is collected in memory and written as a sorted run when there is enough of it; runs of like size are merged.
A filter in memory knows almost every digest that was never put in, so that a new one, which is the rule, costs no
reading. Memory is the same for a million entries as for a hundred thousand.
*/

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::Error as IoError;
use std::os::unix::fs::FileExt;

use vecferry_contract::{Error, Result};

use crate::engine::Digest;

/// What is kept with a digest.
pub(crate) type Value = [u32; 3];

/// Entries that are held in memory.
const IN_MEMORY: usize = 1 << 16;
/// Bytes of an entry in a run: a digest and three numbers.
const ENTRY: usize = 28;
/// Entries of a run of which one is remembered: what one look-up reads.
const STRIDE: usize = 64;
/// Entries that are read at a time when all are.
const SWEEP: usize = STRIDE * 256;
/// Words of the filter: 8 MiB. Of new digests it takes one in 90,000 for a known one when there are a million entries,
/// one in 25 when there are ten million; each costs a few reads.
const FILTER_WORDS: usize = 1 << 20;

/// A digest is its own hash.
#[derive(Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }
    fn write_usize(&mut self, _length: usize) {}
}

/// The map.
#[derive(Default)]
pub(crate) struct Table {
    fresh: HashMap<Digest, Value, BuildHasherDefault<Identity>>,
    /// What no longer fits into memory.
    older: Option<Older>,
}

struct Older {
    filter: Filter,
    /// Oldest first; an entry of a later run replaces that of an earlier one.
    runs: Vec<Run>,
}

impl Table {
    /// Puts what `change` makes of the entry's value in its place.
    ///
    /// # Errors
    /// `transient` when a temporary file fails.
    pub(crate) fn update(&mut self, key: &Digest, change: impl FnOnce(Option<Value>) -> Value) -> Result<()> {
        let known = self.get(key)?;
        self.fresh.insert(*key, change(known));
        if self.fresh.len() >= IN_MEMORY { self.spill().map_err(|e| failed(&e)) } else { Ok(()) }
    }

    /// The entry's value.
    ///
    /// # Errors
    /// `transient` when a temporary file fails.
    pub(crate) fn get(&self, key: &Digest) -> Result<Option<Value>> {
        match (self.fresh.get(key), &self.older) {
            (Some(value), _) => Ok(Some(*value)),
            (None, Some(older)) if older.filter.may_hold(key) => older.find(key).map_err(|e| failed(&e)),
            _ => Ok(None),
        }
    }

    /// Every entry, in no order.
    ///
    /// # Errors
    /// `transient` when a temporary file fails.
    pub(crate) fn each(&mut self, mut see: impl FnMut(&Digest, Value)) -> Result<()> {
        let Some(older) = &mut self.older else {
            self.fresh.iter().for_each(|(key, value)| see(key, *value));
            return Ok(());
        };
        let mut whole = || -> Result<(), IoError> {
            older.runs.push(Run::write(sorted(&mut self.fresh).into_iter().map(Ok))?);
            while older.runs.len() > 1 {
                older.merge_last()?;
            }
            older
                .runs
                .iter()
                .try_for_each(|run| run.entries().try_for_each(|entry| entry.map(|(key, value)| see(&key, value))))
        };
        whole().map_err(|e| failed(&e))
    }

    fn spill(&mut self) -> Result<(), IoError> {
        let older = self.older.get_or_insert_with(|| Older { filter: Filter::new(), runs: Vec::new() });
        let entries = sorted(&mut self.fresh);
        entries.iter().for_each(|(key, _)| older.filter.add(key));
        older.runs.push(Run::write(entries.into_iter().map(Ok))?);
        // Each run stays at least twice as long as the one after it: there are few, and each entry is rarely rewritten.
        while let [.., earlier, later] = older.runs.as_slice()
            && earlier.len < later.len * 2
        {
            older.merge_last()?;
        }
        Ok(())
    }
}

fn sorted(fresh: &mut HashMap<Digest, Value, BuildHasherDefault<Identity>>) -> Vec<(Digest, Value)> {
    let mut entries: Vec<_> = fresh.drain().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    entries
}

fn failed(error: &IoError) -> Error {
    Error::transient("seen/disk", format!("cannot keep what the run has seen: {error}"))
        .at("folder", std::env::temp_dir().display())
        .hint("make room there, or name another folder in TMPDIR")
}

impl Older {
    fn find(&self, key: &Digest) -> Result<Option<Value>, IoError> {
        for run in self.runs.iter().rev() {
            if let Some(value) = run.find(key)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// Makes one run of the last two.
    fn merge_last(&mut self) -> Result<(), IoError> {
        if let [.., earlier, later] = self.runs.as_slice() {
            let merged =
                Run::write(Merge { earlier: earlier.entries().peekable(), later: later.entries().peekable() })?;
            self.runs.truncate(self.runs.len() - 2);
            self.runs.push(merged);
        }
        Ok(())
    }
}

/// A Bloom filter with four bits a digest, all taken from the digest itself.
struct Filter(Vec<u64>);

impl Filter {
    fn new() -> Self {
        Filter(vec![0; FILTER_WORDS])
    }

    fn bits(key: &Digest) -> impl Iterator<Item = (usize, u64)> {
        key.chunks_exact(4).filter_map(|bytes| {
            let bits = u32::from_le_bytes(bytes.try_into().ok()?);
            Some(((bits >> 6) as usize % FILTER_WORDS, 1 << (bits & 63)))
        })
    }

    fn add(&mut self, key: &Digest) {
        for (word, bit) in Self::bits(key) {
            if let Some(word) = self.0.get_mut(word) {
                *word |= bit;
            }
        }
    }

    fn may_hold(&self, key: &Digest) -> bool {
        Self::bits(key).all(|(word, bit)| self.0.get(word).is_some_and(|word| word & bit != 0))
    }
}

/// Entries in a file, by digest, each digest once.
struct Run {
    file: File,
    len: u64,
    /// The digest of every [`STRIDE`]th entry.
    index: Vec<Digest>,
}

type Entry = (Digest, Value);

impl Run {
    fn write(entries: impl Iterator<Item = Result<Entry, IoError>>) -> Result<Run, IoError> {
        let mut run = Run { file: tempfile::tempfile()?, len: 0, index: Vec::new() };
        let mut block = Vec::with_capacity(SWEEP * ENTRY);
        let mut written = 0;
        for entry in entries {
            let (key, value) = entry?;
            if run.len.is_multiple_of(STRIDE as u64) {
                run.index.push(key);
            }
            run.len += 1;
            block.extend_from_slice(&key);
            value.iter().for_each(|number| block.extend_from_slice(&number.to_le_bytes()));
            if block.len() >= SWEEP * ENTRY {
                run.file.write_all_at(&block, written)?;
                written += block.len() as u64;
                block.clear();
            }
        }
        run.file.write_all_at(&block, written)?;
        Ok(run)
    }

    fn read(&self, from: u64, most: usize, into: &mut Vec<u8>) -> Result<(), IoError> {
        let count = usize::try_from(self.len.saturating_sub(from)).unwrap_or(most).min(most);
        into.resize(count * ENTRY, 0);
        self.file.read_exact_at(into, from * ENTRY as u64)
    }

    fn find(&self, key: &Digest) -> Result<Option<Value>, IoError> {
        let Some(stride) = self.index.partition_point(|first| first <= key).checked_sub(1) else { return Ok(None) };
        let mut block = Vec::new();
        self.read((stride * STRIDE) as u64, STRIDE, &mut block)?;
        Ok(block.chunks_exact(ENTRY).filter_map(entry).find(|(found, _)| found == key).map(|(_, value)| value))
    }

    fn entries(&self) -> Entries<'_> {
        Entries { run: self, next: 0, block: Vec::new(), at: 0 }
    }
}

fn entry(bytes: &[u8]) -> Option<Entry> {
    let (key, numbers) = bytes.split_first_chunk::<16>()?;
    let mut value = [0; 3];
    for (number, bytes) in value.iter_mut().zip(numbers.chunks_exact(4)) {
        *number = u32::from_le_bytes(bytes.try_into().ok()?);
    }
    Some((*key, value))
}

/// A run's entries, read in large pieces.
struct Entries<'a> {
    run: &'a Run,
    /// The first entry that was not read yet.
    next: u64,
    block: Vec<u8>,
    /// Bytes of the block that were given out.
    at: usize,
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, IoError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.block.len() {
            if self.next >= self.run.len {
                return None;
            }
            if let Err(error) = self.run.read(self.next, SWEEP, &mut self.block) {
                return Some(Err(error));
            }
            self.next += (self.block.len() / ENTRY) as u64;
            self.at = 0;
        }
        let found = self.block.get(self.at..).and_then(entry);
        self.at += ENTRY;
        found.map(Ok)
    }
}

/// Two runs as one; of entries with the same digest the later run's.
struct Merge<'a> {
    earlier: std::iter::Peekable<Entries<'a>>,
    later: std::iter::Peekable<Entries<'a>>,
}

impl Iterator for Merge<'_> {
    type Item = Result<Entry, IoError>;

    fn next(&mut self) -> Option<Self::Item> {
        match (self.earlier.peek(), self.later.peek()) {
            (Some(Ok((a, _))), Some(Ok((b, _)))) if a < b => self.earlier.next(),
            (Some(Ok((a, _))), Some(Ok((b, _)))) if a == b => {
                self.earlier.next();
                self.later.next()
            }
            (Some(Err(_)), _) | (Some(_), None) => self.earlier.next(),
            _ => self.later.next(),
        }
    }
}
