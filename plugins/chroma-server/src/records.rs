/*! A batch as Chroma's records, and what becomes of each row: for the write and for the dry run. */

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use vecferry_sdk::{Alteration, Batch, Error, Receipt, Rejection, Result, Sparse};

use crate::fit::{fit, quoted};

/// What a collection takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Takes {
    pub(crate) dimension: Option<u32>,
    pub(crate) keeps_lists: bool,
}

/// One record that the collection takes.
#[derive(Debug)]
pub(crate) struct Record<'b> {
    pub(crate) id: &'b str,
    pub(crate) vector: &'b [f32],
    pub(crate) document: Option<&'b str>,
    /// Names and JSON values; `null` removes what is there.
    pub(crate) metadata: BTreeMap<String, String>,
}

/// The records of a batch, and a receipt. Of two rows with one id the last is taken.
///
/// # Errors
/// `batch/shape`.
pub(crate) fn records(takes: Takes, batch: &Batch) -> Result<(Vec<Record<'_>>, Receipt)> {
    batch.check()?;
    let mut records: Vec<Record<'_>> = Vec::with_capacity(batch.len());
    let mut receipt = Receipt::default();
    let mut places: HashMap<&str, usize> = HashMap::with_capacity(batch.len());
    for (index, id) in batch.ids.iter().enumerate() {
        let row = u32::try_from(index).unwrap_or(u32::MAX);
        let mut altered = Vec::new();
        match takes.record(batch, index, id, &mut altered) {
            Ok(record) => {
                receipt.accepted += 1;
                let told = altered.into_iter().map(|(field, code)| Alteration { row, field, code: code.to_owned() });
                receipt.altered.extend(told);
                match places.get(id.as_str()).and_then(|&place| records.get_mut(place)) {
                    Some(earlier) => *earlier = record,
                    None => {
                        places.insert(id, records.len());
                        records.push(record);
                    }
                }
            }
            Err(reason) => receipt.rejected.push(Rejection { row, reason: reason.at("id", id) }),
        }
    }
    Ok((records, receipt))
}

impl Takes {
    fn record<'b>(
        &self,
        batch: &'b Batch,
        row: usize,
        id: &'b str,
        altered: &mut Vec<(String, &'static str)>,
    ) -> Result<Record<'b>> {
        if id.is_empty() {
            return Err(Error::unsupported("id/empty", "the id is empty; Chroma's have at least one character")
                .hint("--id makes other ids"));
        }
        let vector = self.vector(batch, row)?;
        let fitted = fit(batch.metadata(row), self.keeps_lists)?;
        altered.extend(fitted.altered.into_iter().map(|(key, code)| (format!("metadata/{key}"), code)));
        if batch.dense.iter().skip(1).any(|dense| dense.row(row).is_some()) {
            altered.push(("vector".to_owned(), "vector/further-column-left-out"));
        }
        if batch.sparse.iter().any(|sparse| has_values(sparse, row)) {
            altered.push(("sparse".to_owned(), "sparse/left-out"));
        }
        Ok(Record { id, vector, document: batch.document(row), metadata: fitted.fields })
    }

    fn vector<'b>(&self, batch: &'b Batch, row: usize) -> Result<&'b [f32]> {
        let Some(values) = batch.vectors().and_then(|dense| dense.row(row)).filter(|values| !values.is_empty()) else {
            return Err(Error::unsupported(
                "vector/missing",
                "the record has no vector; in Chroma every record has one",
            )
            .hint("--embed makes vectors of documents"));
        };
        if let Some(dimension) = self.dimension.filter(|&dimension| dimension as usize != values.len()) {
            let message = format!("the vector has {} values, the collection's {dimension}", values.len());
            return Err(Error::corrupt("vector/dimension", message));
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => {
                let message = format!("the vector's value {at} is {}, no finite number", values[at]);
                Err(Error::unsupported("vector/not-finite", message).hint("--embed makes vectors anew"))
            }
            None => Ok(values),
        }
    }
}

fn has_values(sparse: &Sparse, row: usize) -> bool {
    sparse.offsets.get(row).zip(sparse.offsets.get(row + 1)).is_some_and(|(start, end)| start < end)
}

/// The body of an upsert. `as_bytes`: vectors as the base64 of their little-endian bytes, which is shorter, and exact
/// without anybody's reading of decimals.
pub(crate) fn body(records: &[Record<'_>], as_bytes: bool) -> Vec<u8> {
    let size: usize =
        records.iter().map(|record| record.vector.len() * 6 + 64 + record.document.map_or(0, str::len)).sum();
    let mut out = String::with_capacity(size);
    out.push_str("{\"ids\":");
    list(&mut out, records, |out, record| out.push_str(&quoted(record.id)));
    out.push_str(",\"embeddings\":");
    let mut bytes = Vec::new();
    list(&mut out, records, |out, record| {
        if as_bytes {
            bytes.clear();
            bytes.extend(record.vector.iter().flat_map(|value| value.to_le_bytes()));
            out.push('"');
            STANDARD.encode_string(&bytes, out);
            out.push('"');
        } else {
            list(out, record.vector, |out, value| out.push_str(&serde_json::Value::from(*value).to_string()));
        }
    });
    out.push_str(",\"documents\":");
    list(&mut out, records, |out, record| match record.document {
        Some(document) => out.push_str(&quoted(document)),
        None => out.push_str("null"),
    });
    out.push_str(",\"metadatas\":");
    list(&mut out, records, |out, record| {
        // Its client refuses to read an empty object; none at all is the same to the server.
        if record.metadata.is_empty() {
            out.push_str("null");
            return;
        }
        let mut before = '{';
        for (key, value) in &record.metadata {
            out.push(before);
            out.push_str(&quoted(key));
            out.push(':');
            out.push_str(value);
            before = ',';
        }
        out.push('}');
    });
    out.push('}');
    out.into_bytes()
}

fn list<T>(out: &mut String, items: &[T], mut write: impl FnMut(&mut String, &T)) {
    out.push('[');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
