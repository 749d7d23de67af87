/*! Where each record of a collection stands: 24 bytes a record and what a hash table adds. */

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// Where a record stands: the number of its part, and its row there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) part: u32,
    pub(crate) row: u32,
}

/// A digest of a record's id: 128 bits of BLAKE3, so that two ids never share one, not even when somebody tries.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key([u64; 2]);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

impl Key {
    fn of(id: &str) -> Self {
        let mut halves = [[0; 8]; 2];
        let mut digest = blake3::Hasher::new();
        digest.update(id.as_bytes()).finalize_xof().fill(halves.as_flattened_mut());
        Key(halves.map(u64::from_le_bytes))
    }

    fn shard(self) -> usize {
        (self.0[1] & 0xff) as usize
    }
}

/// The digest is random enough to be its own hash.
#[derive(Default)]
struct Own(u64);

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

/// Places, by record. In shards, so that a table that grows stands beside its double only for one part in 256.
pub(crate) struct Index {
    shards: Vec<HashMap<Key, Place, BuildHasherDefault<Own>>>,
    records: u64,
}

impl Index {
    pub(crate) fn new() -> Self {
        Index { shards: (0..256).map(|_| HashMap::default()).collect(), records: 0 }
    }

    /// Records.
    pub(crate) fn len(&self) -> u64 {
        self.records
    }

    pub(crate) fn get(&self, id: &str) -> Option<Place> {
        let key = Key::of(id);
        self.shards.get(key.shard())?.get(&key).copied()
    }

    /// Says where the record stands now; returns where it stood before.
    pub(crate) fn insert(&mut self, id: &str, place: Place) -> Option<Place> {
        let key = Key::of(id);
        let earlier = self.shards.get_mut(key.shard())?.insert(key, place);
        self.records += u64::from(earlier.is_none());
        earlier
    }
}
