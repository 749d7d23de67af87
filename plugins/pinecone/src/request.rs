/*!
What goes out: URLs with their queries, and upserts cut to the size of a request.

Limits: <https://docs.pinecone.io/reference/api/database-limits> (a request of 2 MB, 1,000 records; here 2,000,000
bytes, the smaller reading of it).
*/

use std::ops::Range;

use vecferry_sdk::{Error, Result};

use vecferry_pinecone_format::json::quoted;
use vecferry_pinecone_format::percent;

/// Bytes of one upsert.
pub(crate) const MAX_BYTES: usize = 2_000_000;
/// Records of one upsert.
pub(crate) const MAX_RECORDS: usize = 1_000;
/// Bytes of a URL. Servers commonly take 8 KiB for the whole request line.
const MAX_URL: usize = 6_000;

/// `name=value` for a URL's query.
pub(crate) fn parameter(name: &str, value: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    percent::encode(&format!("{name}="), value, unreserved)
}

/// URLs that ask for all of the ids, each of at most `most` ids and about 6 kB.
pub(crate) fn fetch_urls<'i>(
    base: &str,
    namespace: &str,
    ids: impl IntoIterator<Item = &'i str>,
    most: usize,
) -> Vec<String> {
    let start = if namespace.is_empty() {
        format!("{base}/vectors/fetch")
    } else {
        format!("{base}/vectors/fetch?{}", parameter("namespace", namespace))
    };
    let mut urls: Vec<String> = Vec::new();
    let mut held = 0;
    for id in ids {
        let id = parameter("ids", id);
        match urls.last_mut() {
            Some(url) if held < most && url.len() + id.len() < MAX_URL => {
                url.push('&');
                url.push_str(&id);
                held += 1;
            }
            _ => {
                let joint = if namespace.is_empty() { '?' } else { '&' };
                urls.push(format!("{start}{joint}{id}"));
                held = 1;
            }
        }
    }
    urls
}

/// Records as JSON objects, one after the other, ready to be put into requests.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Records {
    /// All records' JSON.
    bytes: Vec<u8>,
    /// Of each record: its row in the batch, and where its JSON stands.
    places: Vec<(u32, Range<usize>)>,
}

impl Records {
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The row of a record.
    pub(crate) fn row(&self, record: usize) -> Option<u32> {
        self.places.get(record).map(|(row, _)| *row)
    }

    /// Adds the record of a row.
    pub(crate) fn push(&mut self, row: u32, id: &str, record: &Record<'_>) -> Result<()> {
        let start = self.bytes.len();
        let out = &mut self.bytes;
        out.extend_from_slice(b"{\"id\":");
        out.extend_from_slice(quoted(id).as_bytes());
        if let Some(values) = record.values {
            out.extend_from_slice(b",\"values\":");
            floats(values, out)?;
        }
        if let Some((indices, values)) = record.sparse {
            out.extend_from_slice(b",\"sparseValues\":{\"indices\":");
            serde_json::to_writer(&mut *out, indices).map_err(|e| unwritable(&e))?;
            out.extend_from_slice(b",\"values\":");
            floats(values, out)?;
            out.push(b'}');
        }
        out.extend_from_slice(b",\"metadata\":");
        out.extend_from_slice(record.metadata.as_bytes());
        out.push(b'}');
        self.places.push((row, start..self.bytes.len()));
        Ok(())
    }

    /// Leaves only the records that `keep` says yes to.
    pub(crate) fn retain(&mut self, keep: impl Fn(u32) -> bool) {
        self.places.retain(|(row, _)| keep(*row));
    }

    /// Runs of records that each make one request, in order. A record that is too large alone is a run of its own.
    pub(crate) fn cut(&self, namespace: &str) -> Vec<Range<usize>> {
        let envelope = body_start(namespace).len() + BODY_END.len();
        let mut runs: Vec<Range<usize>> = Vec::new();
        let mut bytes = 0;
        for (record, (_, place)) in self.places.iter().enumerate() {
            let more = place.len() + 1;
            match runs.last_mut() {
                Some(run) if run.len() < MAX_RECORDS && bytes + more <= MAX_BYTES => {
                    run.end = record + 1;
                    bytes += more;
                }
                _ => {
                    runs.push(record..record + 1);
                    bytes = envelope + more;
                }
            }
        }
        runs
    }

    /// The body of an upsert of a run.
    pub(crate) fn body(&self, namespace: &str, run: Range<usize>) -> Vec<u8> {
        let places = self.places.get(run).unwrap_or_default();
        let size: usize = places.iter().map(|(_, place)| place.len() + 1).sum();
        let start = body_start(namespace);
        let mut body = Vec::with_capacity(start.len() + size + BODY_END.len());
        body.extend_from_slice(start.as_bytes());
        for (number, (_, place)) in places.iter().enumerate() {
            if number > 0 {
                body.push(b',');
            }
            body.extend_from_slice(self.bytes.get(place.clone()).unwrap_or_default());
        }
        body.extend_from_slice(BODY_END);
        body
    }
}

/// The parts of one record beside its id.
pub(crate) struct Record<'a> {
    pub(crate) values: Option<&'a [f32]>,
    pub(crate) sparse: Option<(&'a [u32], &'a [f32])>,
    /// A JSON object.
    pub(crate) metadata: &'a str,
}

const BODY_END: &[u8] = b"]}";

fn body_start(namespace: &str) -> String {
    format!("{{\"namespace\":{},\"vectors\":[", quoted(namespace))
}

/// Finite floats, each in the shortest text that reads back as the same 32-bit float.
pub(crate) fn floats(values: &[f32], out: &mut Vec<u8>) -> Result<()> {
    serde_json::to_writer(out, values).map_err(|e| unwritable(&e))
}

fn unwritable(error: &serde_json::Error) -> Error {
    Error::internal("pinecone/write", format!("a value cannot be written as JSON: {error}"))
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
