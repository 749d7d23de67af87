/*! What was made to fit while reading, counted per page. */

use vecferry_sdk::Change;

/// What was made to fit in one record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notes {
    /// `NaN` or an infinity, which JSON does not have, became null.
    pub(crate) non_finite: bool,
    /// A surrogate without its other half became U+FFFD.
    pub(crate) surrogate: bool,
    /// The vector's node is not in the docstore: the record has no document.
    pub(crate) no_document: bool,
}

/// Records by what was made to fit in them.
#[derive(Default)]
pub(crate) struct Tally {
    non_finite: u32,
    surrogate: u32,
    no_document: u32,
}

impl Tally {
    pub(crate) fn add(&mut self, notes: Notes) {
        self.non_finite += u32::from(notes.non_finite);
        self.surrogate += u32::from(notes.surrogate);
        self.no_document += u32::from(notes.no_document);
    }

    pub(crate) fn changes(&self) -> Vec<Change> {
        [
            ("metadata/non-finite-to-null", self.non_finite),
            ("text/surrogate-replaced", self.surrogate),
            ("document/missing", self.no_document),
        ]
        .into_iter()
        .filter(|(_, records)| *records > 0)
        .map(|(code, records)| Change { code: code.to_owned(), records })
        .collect()
    }
}
