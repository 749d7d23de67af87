/*! What was made to fit while values were converted. */

use std::collections::BTreeMap;

use vecferry_sdk::Change;

/// NaN and infinities, and pandas' and numpy's "not a time", became null.
pub const NON_FINITE: &str = "metadata/non-finite-to-null";
/// Dates and times became ISO 8601 texts.
pub const DATE: &str = "metadata/date-to-text";
/// Time spans became seconds.
pub const DURATION: &str = "metadata/duration-to-seconds";
/// Tuples, sets and deques became arrays.
pub const SEQUENCE: &str = "metadata/sequence-to-array";
/// Bytes became Base64.
pub const BYTES: &str = "metadata/bytes-to-base64";
/// Decimals, fractions, UUIDs, paths and complex numbers became texts.
pub const OBJECT: &str = "metadata/object-to-text";
/// Whole numbers that no 64-bit float can come near became texts.
pub const BIG_INTEGER: &str = "metadata/big-integer-to-text";
/// Keys that were no texts became texts.
pub const KEY: &str = "metadata/key-to-text";
/// Two keys became the same text; the later one's value was kept.
pub const KEY_COLLISION: &str = "metadata/key-collision";
/// A record's metadata was no dict; it became the value of the key `metadata`.
pub const WRAPPED: &str = "metadata/value-to-object";
/// Lone surrogates, which no Unicode text can hold, were replaced.
pub const SURROGATE: &str = "text/surrogate-replaced";
/// A Python 2 string that is no UTF-8 was taken as Latin-1.
pub const LATIN1: &str = "text/taken-as-latin1";

/// What happened to one record: each kind once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes(Vec<&'static str>);

impl Notes {
    /// Notes that something of this kind happened.
    pub fn add(&mut self, code: &'static str) {
        if !self.0.contains(&code) {
            self.0.push(code);
        }
    }

    /// What happened.
    pub fn codes(&self) -> &[&'static str] {
        &self.0
    }
}

/// Counts records by what happened to them.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<&'static str, u32>);

impl Tally {
    /// Adds one record.
    pub fn add(&mut self, notes: &Notes) {
        for code in &notes.0 {
            *self.0.entry(code).or_default() += 1;
        }
    }

    /// The counts, by code, as a page carries them.
    pub fn changes(&self) -> Vec<Change> {
        self.0.iter().map(|(code, &records)| Change { code: (*code).to_owned(), records }).collect()
    }
}
