/*! What was made to fit while reading, counted per page. */

use vecferry_sdk::Change;

/// What was made to fit in one record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notes {
    /// A number that JSON does not have became null.
    pub(crate) non_finite: bool,
    /// What is no text was replaced by U+FFFD.
    pub(crate) invalid_text: bool,
    /// A value of the vector needs more than 32 bits and was rounded.
    pub(crate) narrowed: bool,
}

/// Records by what was made to fit in them.
#[derive(Default)]
pub(crate) struct Tally {
    non_finite: u32,
    invalid_text: u32,
    narrowed: u32,
}

impl Tally {
    pub(crate) fn add(&mut self, notes: Notes) {
        self.non_finite += u32::from(notes.non_finite);
        self.invalid_text += u32::from(notes.invalid_text);
        self.narrowed += u32::from(notes.narrowed);
    }

    pub(crate) fn changes(&self) -> Vec<Change> {
        [
            ("metadata/non-finite-to-null", self.non_finite),
            ("text/invalid-replaced", self.invalid_text),
            ("vector/rounded-to-f32", self.narrowed),
        ]
        .into_iter()
        .filter(|(_, records)| *records > 0)
        .map(|(code, records)| Change { code: code.to_owned(), records })
        .collect()
    }
}
