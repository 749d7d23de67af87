/*!
The memo: values by number. Picklers count up from 0, so it is an array with a map for strays.

Picklers memoize nearly everything and fetch little of it again. For a large file a first pass tells which numbers
are fetched, and only those are kept: see [`Memo::of_fetched`].
*/

use std::collections::HashMap;

use crate::arena::Segmented;
use crate::value::Value;

pub(crate) enum Memo {
    All {
        dense: Segmented<u64>,
        strays: HashMap<u64, Value>,
    },
    Fetched {
        /// Ascending.
        numbers: Vec<u32>,
        /// Of each number; `UNSET` until it is put.
        values: Vec<u64>,
        /// MEMOIZE opcodes so far, and the place of the first number that is not below.
        count: u64,
        next: usize,
    },
}

/// What a stray entry costs in the map, about.
const STRAY_BYTES: u64 = 40;
/// No value's bits.
const UNSET: u64 = u64::MAX;

impl Memo {
    pub(crate) fn new() -> Self {
        Memo::All { dense: Segmented::new(), strays: HashMap::new() }
    }

    /// A memo that keeps these numbers only, ascending and each once, of a pickle that numbers with MEMOIZE alone or
    /// not at all.
    pub(crate) fn of_fetched(numbers: Vec<u32>) -> Self {
        let values = vec![UNSET; numbers.len()];
        Memo::Fetched { numbers, values, count: 0, next: 0 }
    }

    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Memo::All { dense, strays } => u64::from(dense.len()) * 8 + strays.len() as u64 * STRAY_BYTES,
            Memo::Fetched { numbers, .. } => numbers.len() as u64 * 12,
        }
    }

    pub(crate) fn get(&self, number: u64) -> Option<Value> {
        let index = u32::try_from(number);
        match self {
            Memo::All { dense, strays } => match index.ok().and_then(|index| dense.get(index)) {
                Some(bits) => Some(Value::from_bits(bits)),
                None => strays.get(&number).copied(),
            },
            Memo::Fetched { numbers, values, .. } => {
                let place = numbers.binary_search(&index.ok()?).ok()?;
                values.get(place).filter(|&&bits| bits != UNSET).map(|&bits| Value::from_bits(bits))
            }
        }
    }

    /// Under a number that the pickle names.
    pub(crate) fn put(&mut self, number: u64, value: Value) {
        let index = u32::try_from(number);
        match self {
            Memo::All { dense, strays } => {
                if number == u64::from(dense.len()) && dense.push(value.to_bits()).is_some() {
                    strays.remove(&number);
                    return;
                }
                match index.ok().and_then(|index| dense.get_mut(index)) {
                    Some(stored) => *stored = value.to_bits(),
                    None => {
                        strays.insert(number, value);
                    }
                }
            }
            Memo::Fetched { numbers, values, .. } => {
                let place = index.ok().and_then(|index| numbers.binary_search(&index).ok());
                if let Some(stored) = place.and_then(|place| values.get_mut(place)) {
                    *stored = value.to_bits();
                }
            }
        }
    }

    /// Under the next number: MEMOIZE counts the entries.
    pub(crate) fn memoize(&mut self, value: Value) {
        match self {
            Memo::All { dense, strays } => {
                let number = u64::from(dense.len()) + strays.len() as u64;
                self.put(number, value);
            }
            Memo::Fetched { numbers, values, count, next } => {
                if numbers.get(*next).is_some_and(|&number| u64::from(number) == *count) {
                    if let Some(stored) = values.get_mut(*next) {
                        *stored = value.to_bits();
                    }
                    *next += 1;
                }
                *count += 1;
            }
        }
    }
}
