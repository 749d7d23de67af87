/*!
The end of a run: read back from the destination, compare, and only then publish what becomes visible at the
end.

The sample is chosen by the ids' digests, not by chance: the same run checks the same records. 4,603 records
find a loss of one in a thousand with a certainty of 99 % (1 − 0.999^4603).
*/

use std::collections::{BTreeMap, HashMap};

use vecferry_contract::{Batch, Result};

use super::Shared;
use super::retry::Retry;
use super::write::Written;
use crate::report::{Event, Verification};

const SAMPLE_ROWS: usize = 4_603;
const SAMPLE_BYTES: u64 = 64 << 20;
/// Findings that are told one by one.
const TOLD: usize = 20;
/// Ids of one read-back.
const FETCH: usize = 1_000;

/// The records of one target that will be compared: those with the smallest digests.
#[derive(Default)]
pub(super) struct Sample {
    rows: BTreeMap<[u8; 16], Sampled>,
    bytes: u64,
}

/// One record that was written.
struct Sampled {
    /// One row.
    record: Batch,
    /// What the sink said will read back otherwise.
    altered: Vec<String>,
}

impl Sample {
    /// `altered`: the fields of this row that the sink said will read back otherwise.
    pub(super) fn offer(&mut self, batch: &Batch, row: usize, altered: impl Iterator<Item = String>) {
        let Some(id) = batch.ids.get(row) else { return };
        let mut key = [0; 16];
        key.copy_from_slice(&blake3::hash(id.as_bytes()).as_bytes()[..16]);
        let full = self.rows.len() >= SAMPLE_ROWS || self.bytes >= SAMPLE_BYTES;
        if full && self.rows.last_key_value().is_none_or(|(last, _)| *last < key) {
            return;
        }
        let record = batch.select(&[row]);
        self.bytes += record.row_bytes(0);
        if let Some(old) = self.rows.insert(key, Sampled { record, altered: altered.collect() }) {
            self.bytes -= old.record.row_bytes(0);
        }
        while self.rows.len() > SAMPLE_ROWS || (self.bytes > SAMPLE_BYTES && self.rows.len() > 1) {
            if let Some((_, dropped)) = self.rows.pop_last() {
                self.bytes -= dropped.record.row_bytes(0);
            }
        }
    }
}

/// Verifies, if asked to, and finishes the sink if everything arrived.
pub(super) fn close(written: Written, shared: &Shared) -> Result<Option<Verification>> {
    let Written { mut sink, targets, before, done } = written;
    let mut verification = None;
    if shared.options.verify {
        shared.observer.event(Event::Verifying);
        let mut found = Verification::default();
        for (name, (target, _)) in &targets {
            let accepted = done.accepted.get(name).copied().unwrap_or(0);
            let before = before.get(name).copied().unwrap_or(0);
            let count = Retry::call(shared, "count", || sink.open(target)?.count())?;
            if let Some(difference) = compare_counts(name, before, accepted, count) {
                found.differences.push(difference);
            }
            let Some(sample) = done.samples.get(name) else { continue };
            let mut written: Vec<&Sampled> = sample.rows.values().collect();
            written.sort_by(|a, b| a.record.ids.cmp(&b.record.ids));
            for chunk in written.chunks(FETCH) {
                let ids: Vec<String> = chunk.iter().flat_map(|row| row.record.ids.first().cloned()).collect();
                let back = Retry::call(shared, "fetch", || sink.open(target)?.fetch(&ids))?;
                back.check()?;
                compare(name, chunk, &back, &mut found);
            }
        }
        let more = found.differences.len().saturating_sub(TOLD);
        if more > 0 {
            found.differences.truncate(TOLD);
            found.differences.push(format!("… and {more} more"));
        }
        let holds = found.holds();
        verification = Some(found);
        if !holds {
            return Ok(verification);
        }
    }
    Retry::call(shared, "finish", || sink.finish())?;
    Ok(verification)
}

/// Records may have been there before under the same ids, so the count grows by at most what was accepted.
fn compare_counts(name: &str, before: u64, accepted: u64, after: u64) -> Option<String> {
    let grown = after.checked_sub(before);
    let fits = match grown {
        Some(grown) if before == 0 => grown == accepted,
        Some(grown) => grown <= accepted && after >= accepted,
        None => false,
    };
    (!fits)
        .then(|| format!("'{name}' holds {after} records; it held {before} before, and {accepted} were acknowledged"))
}

fn compare(name: &str, written: &[&Sampled], back: &Batch, found: &mut Verification) {
    let rows: HashMap<&str, usize> = back.ids.iter().map(String::as_str).zip(0..).collect();
    for record in written {
        let Some(id) = record.record.ids.first() else { continue };
        found.compared += 1;
        let difference = match rows.get(id.as_str()) {
            None => Some("is missing".to_owned()),
            Some(&row) => difference(record, back, row),
        };
        found.differences.extend(difference.map(|what| format!("'{name}': record '{id}' {what}")));
    }
}

/// How row `row` of what came back differs from the one record that was written.
fn difference(written: &Sampled, back: &Batch, row: usize) -> Option<String> {
    let Sampled { record: written, altered } = written;
    let same = |field: &str| !altered.iter().any(|known| known == field);
    if same("document") && written.document(0) != back.document(row) {
        return Some("has another document".to_owned());
    }
    let (sent, stored) = (written.metadata(0), back.metadata(row));
    if sent != stored && !same_metadata(sent, stored, altered) {
        return Some(format!("has other metadata: {stored} instead of {sent}"));
    }
    if !same("vector") {
        return None;
    }
    let sent = written.vectors().and_then(|dense| dense.row(0));
    let stored = back.vectors().and_then(|dense| dense.row(row));
    match (sent, stored) {
        (None, None) => None,
        (Some(_), None) => Some("has no vector".to_owned()),
        (None, Some(_)) => Some("has a vector, and should have none".to_owned()),
        (Some(a), Some(b)) if a.len() != b.len() => {
            Some(format!("has a vector of {} values, expected {}", b.len(), a.len()))
        }
        (Some(a), Some(b)) => a
            .iter()
            .zip(b)
            .position(|(x, y)| x.to_bits() != y.to_bits() && (x - y).abs() > 1e-5 * x.abs().max(1.0))
            .map(|at| format!("differs in its vector at {at}: {} instead of {}", b[at], a[at])),
    }
}

/// Whether metadata read back is what was sent, but for the fields that the sink said it altered. A number is the same
/// whether it comes back as an integer or as a float.
fn same_metadata(sent: &str, stored: &str, altered: &[String]) -> bool {
    let object = |text: &str| match serde_json::from_str(text) {
        Ok(serde_json::Value::Object(fields)) => Some(fields),
        _ => None,
    };
    let (Some(sent), Some(stored)) = (object(sent), object(stored)) else { return false };
    let is_altered = |key: &str| altered.iter().any(|field| field.strip_prefix("metadata/") == Some(key));
    let arrived =
        sent.iter().all(|(key, value)| is_altered(key) || stored.get(key).is_some_and(|back| same_value(value, back)));
    // What a sink made of an altered field may stand under other keys; with nothing altered nothing may be added.
    arrived && (!altered.is_empty() || stored.keys().all(|key| sent.contains_key(key)))
}

fn same_value(sent: &serde_json::Value, stored: &serde_json::Value) -> bool {
    use serde_json::Value;
    match (sent, stored) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b)),
        (a, b) => a == b,
    }
}
