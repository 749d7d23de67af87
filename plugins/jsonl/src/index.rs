/*! Which record stands where: 57 bytes a record at most, so that a million fit a guest easily. */

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// A digest of a record's collection and id: 128 bits of BLAKE3, so that two records never share one, not even
/// when somebody tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key([u64; 2]);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

impl Key {
    pub(crate) fn new(collection: &str, id: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(collection.len() as u64).to_le_bytes()).update(collection.as_bytes()).update(id.as_bytes());
        let mut halves = [[0; 8]; 2];
        hasher.finalize_xof().fill(halves.as_flattened_mut());
        Key(halves.map(u64::from_le_bytes))
    }

    fn shard(self) -> usize {
        (self.0[1] & 0xff) as usize
    }
}

/// The digest is random enough to be its own hash.
#[derive(Default)]
pub(crate) struct Own(u64);

impl Hasher for Own {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = self.0.rotate_left(8) ^ value;
    }
}

/// Offsets of lines, by record. In shards, so that a table that grows stands beside its double only for one
/// part in 256.
pub(crate) struct Index(Vec<HashMap<Key, u64, BuildHasherDefault<Own>>>);

impl Index {
    pub(crate) fn new() -> Self {
        Index((0..256).map(|_| HashMap::default()).collect())
    }

    pub(crate) fn get(&self, key: Key) -> Option<u64> {
        self.0.get(key.shard())?.get(&key).copied()
    }

    /// Says where the record stands now; returns where it stood before.
    pub(crate) fn insert(&mut self, key: Key, offset: u64) -> Option<u64> {
        self.0.get_mut(key.shard())?.insert(key, offset)
    }
}
