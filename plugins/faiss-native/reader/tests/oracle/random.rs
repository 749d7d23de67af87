//! Numbers that look random and are the same for the same seed (SplitMix64).

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` up to `high`, both included.
    pub(crate) fn between(&mut self, low: usize, high: usize) -> usize {
        low + (self.next() % (high - low + 1) as u64) as usize
    }

    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.between(0, choices.len() - 1)]
    }

    /// From −1 to 1.
    pub(crate) fn value(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    /// Different numbers of both signs and every size.
    pub(crate) fn ids(&mut self, count: usize) -> Vec<i64> {
        let mut ids = std::collections::BTreeSet::from([-1, i64::from(u32::MAX) + 5]);
        while ids.len() < count {
            let shift = self.between(1, 60);
            ids.insert((self.next() as i64) >> shift);
        }
        let mut ids: Vec<i64> = ids.into_iter().take(count).collect();
        for at in (1..ids.len()).rev() {
            ids.swap(at, self.between(0, at));
        }
        ids
    }
}
