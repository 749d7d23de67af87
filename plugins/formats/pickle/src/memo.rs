/*! The memo: values by number. Picklers count up from 0, so it is an array with a map for strays. */

use std::collections::HashMap;

use crate::arena::Segmented;
use crate::value::Value;

pub(crate) struct Memo {
    dense: Segmented<u64>,
    strays: HashMap<u64, Value>,
}

/// What a stray entry costs in the map, about.
const STRAY_BYTES: u64 = 40;

impl Memo {
    pub(crate) fn new() -> Self {
        Memo { dense: Segmented::new(), strays: HashMap::new() }
    }

    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.dense.len()) * 8 + self.strays.len() as u64 * STRAY_BYTES
    }

    /// Entries: the number that MEMOIZE gives next.
    pub(crate) fn len(&self) -> u64 {
        u64::from(self.dense.len()) + self.strays.len() as u64
    }

    pub(crate) fn get(&self, number: u64) -> Option<Value> {
        match u32::try_from(number).ok().and_then(|index| self.dense.get(index)) {
            Some(bits) => Some(Value::from_bits(bits)),
            None => self.strays.get(&number).copied(),
        }
    }

    pub(crate) fn put(&mut self, number: u64, value: Value) {
        if number == u64::from(self.dense.len()) && self.dense.push(value.to_bits()).is_some() {
            self.strays.remove(&number);
            return;
        }
        match u32::try_from(number).ok().and_then(|index| self.dense.get_mut(index)) {
            Some(stored) => *stored = value.to_bits(),
            None => {
                self.strays.insert(number, value);
            }
        }
    }
}
