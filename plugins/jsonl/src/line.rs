/*! One record as a line, and back. */

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use vecferry_sdk::{Batch, Error, Result, metadata_object};

/// A record as its line holds it.
#[derive(Deserialize)]
pub(crate) struct Line<'a> {
    #[serde(borrow)]
    pub(crate) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) collection: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) document: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) metadata: &'a RawValue,
    #[serde(borrow)]
    vector: &'a RawValue,
}

impl<'a> Line<'a> {
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self> {
        serde_json::from_slice(line).map_err(|e| damaged(&e))
    }

    /// Puts the vector's values into `out`; whether there is one. `null` among the values stands for one that was
    /// not finite.
    pub(crate) fn vector(&self, out: &mut Vec<f32>) -> Result<bool> {
        out.clear();
        let text = self.vector.get();
        let Some(inside) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) else {
            return if text == "null" { Ok(false) } else { Err(damaged(&"the vector is no list")) };
        };
        for value in inside.split_terminator(',') {
            // Not through JSON's f64: this is the reading that gives the same 32-bit float.
            out.push(if value == "null" { f32::NAN } else { value.parse().map_err(|e| damaged(&e))? });
        }
        Ok(true)
    }
}

/// These lines were written here a moment ago.
fn damaged(reason: &dyn std::fmt::Display) -> Error {
    Error::corrupt("jsonl/read-back", format!("a line that was written does not read back: {reason}"))
}

/// What did not fit into the line of one record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Values of the vector that were not finite became `null`.
    pub(crate) non_finite: bool,
    /// Dense vectors beside the first.
    pub(crate) dense: bool,
    /// Sparse vectors.
    pub(crate) sparse: bool,
}

/// Appends row `row`'s line to `out`.
///
/// # Errors
/// `corrupt` where the metadata is no JSON object; then `out` is as it was.
pub(crate) fn render(batch: &Batch, row: usize, id: &str, collection: &str, out: &mut Vec<u8>) -> Result<Lost> {
    let metadata = metadata_object(batch.metadata(row))?;
    let mut lost = Lost {
        dense: batch.dense.iter().skip(1).any(|dense| dense.row(row).is_some()),
        sparse: batch.sparse.iter().any(|sparse| sparse.offsets.get(row) != sparse.offsets.get(row + 1)),
        ..Lost::default()
    };
    out.extend_from_slice(b"{\"id\":");
    string(id, out)?;
    out.extend_from_slice(b",\"collection\":");
    string(collection, out)?;
    out.extend_from_slice(b",\"document\":");
    match batch.document(row) {
        Some(document) => string(document, out)?,
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"metadata\":");
    // A line end is only space in JSON; inside a string it cannot stand.
    out.extend(metadata.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
    out.extend_from_slice(b",\"vector\":");
    match batch.vectors().and_then(|dense| dense.row(row)) {
        Some(values) => {
            lost.non_finite = values.iter().any(|value| !value.is_finite());
            serde_json::to_writer(&mut *out, values).map_err(|e| unwritable(&e))?;
        }
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b"}\n");
    Ok(lost)
}

fn string(text: &str, out: &mut Vec<u8>) -> Result<()> {
    serde_json::to_writer(out, text).map_err(|e| unwritable(&e))
}

fn unwritable(error: &serde_json::Error) -> Error {
    Error::internal("jsonl/write", format!("a value cannot be written as JSON: {error}"))
}
