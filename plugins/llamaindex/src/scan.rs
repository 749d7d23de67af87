/*! Records in pages. */

use vecferry_sdk::{Batch, Dense, Error, ErrorKind, Page, Result, Scan, Unreadable};

use crate::notes::Tally;
use crate::settings::Settings;
use crate::store::Records;
use crate::vectors::Step;

pub(crate) struct RecordScan {
    records: Records,
    settings: Settings,
    /// Steps taken: the cursor.
    at: u64,
}

impl RecordScan {
    pub(crate) fn new(records: Records, settings: Settings, after: Option<&[u8]>) -> Result<Self> {
        let at = match after {
            None => 0,
            Some(cursor) => <[u8; 8]>::try_from(cursor)
                .map(u64::from_le_bytes)
                .map_err(|_| Error::config("llamaindex/cursor", "this cursor is not one of this plugin's version"))?,
        };
        Ok(RecordScan { records, settings, at })
    }

    /// The next step. Where the user wants the whole records only, one that cannot be read is no error.
    fn step(&mut self, wanted: usize, values: &mut Vec<f32>) -> Result<Option<Step>> {
        let before = values.len();
        let step = self.records.step(self.at, wanted, values);
        self.at += 1;
        match step {
            Err(reason) if self.settings.skip_unreadable && is_of_a_record(&reason) => {
                values.truncate(before);
                let id = reason.context("id").unwrap_or_default().to_owned();
                Ok(Some(Step::Unreadable(Unreadable { id, reason })))
            }
            step => step,
        }
    }
}

/// Whether an error concerns one record, so that the others can still be read.
fn is_of_a_record(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Corrupt | ErrorKind::Unsupported) && error.context("id").is_some()
}

impl Scan for RecordScan {
    fn next(&mut self, max_rows: u32, max_bytes: u64) -> Result<Option<Page>> {
        let max_rows = (max_rows as usize).max(1);
        let mut page = Page::default();
        let (mut documents, mut metadata, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let (mut rows, mut bytes) = (0, 0u64);
        let mut tally = Tally::default();
        while rows < max_rows && (rows == 0 || bytes < max_bytes) {
            let before = values.len();
            let Some(step) = self.step(max_rows - rows, &mut values)? else { break };
            match step {
                Step::Record(record) => {
                    let document = record.document.as_ref().map_or(0, String::len);
                    let vector = (values.len() - before) * 4;
                    bytes += (record.id.len() + document + record.metadata.len() + vector) as u64;
                    tally.add(record.notes);
                    page.rows.ids.push(record.id);
                    documents.push(record.document);
                    metadata.push(record.metadata);
                }
                Step::Unreadable(unreadable) => page.unreadable.push(unreadable),
                Step::Replaced => continue,
            }
            rows += 1;
        }
        if rows == 0 {
            return Ok(None);
        }
        page.rows = Batch {
            dense: self.records.dimension().map(|dimension| Dense::new(dimension, values)).into_iter().collect(),
            documents: self.records.has_documents().then_some(documents),
            metadata: Some(metadata),
            ..page.rows
        };
        page.changes = tally.changes();
        page.cursor = self.at.to_le_bytes().to_vec();
        Ok(Some(page))
    }
}
