/*!
What a run has to say of single records, as files for people: one JSON object a line. Rejected records with the reason
and everything that is known of them; altered ones with what was done.
*/

use std::io::Write;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};
use vecferry_core::Result;

use crate::fault::Doing;
use crate::files::{self, Replacement};
use crate::view::{AlteredRecord, RejectedRecord, RunView};

/// Records of a page.
const PAGE: usize = 256;

/// How many lines the files hold; a file of none was not written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Records that did not arrive.
    pub rejected: u64,
    /// Parts of records that the destination holds otherwise.
    pub altered: u64,
}

impl RunView {
    /// Writes the letters to two files, each of which replaces what stands there, whole or not at all. Where there is
    /// nothing to say no file is written; one that an earlier export left in the run's own folder is removed then.
    ///
    /// # Errors
    /// `state/disk-full` (transient), `state/unwritable` (config); what reading the run answers.
    pub fn export_letters(&self, rejected: &Path, changed: &Path) -> Result<Exported> {
        let rejections = |after| {
            let page = self.rejected(after, PAGE)?;
            Ok(page.into_iter().map(|record| (record.number, rejection(&record))).collect())
        };
        let alterations = |after| {
            let page = self.altered(after, PAGE)?;
            Ok(page.into_iter().map(|record| (record.number, alteration(&record))).collect())
        };
        Ok(Exported { rejected: self.export(rejected, rejections)?, altered: self.export(changed, alterations)? })
    }

    /// Writes page after page, until one is empty; the number of lines.
    fn export(&self, path: &Path, page: impl Fn(u64) -> Result<Vec<(u64, Value)>>) -> Result<u64> {
        const DOING: &str = "write what is to be said of single records";
        let mut lines = page(0)?;
        if lines.is_empty() {
            if path.starts_with(&self.folder) {
                files::remove(path).doing("remove an earlier export", path)?;
            }
            return Ok(0);
        }
        let mut file = Replacement::begin(path).doing(DOING, path)?;
        let mut written = 0;
        while let Some(&(last, _)) = lines.last() {
            for (_, line) in &lines {
                writeln!(file, "{line}").doing(DOING, path)?;
            }
            written += lines.len() as u64;
            lines = page(last)?;
        }
        file.finish().doing(DOING, path)?;
        Ok(written)
    }
}

fn rejection(record: &RejectedRecord) -> Value {
    let RejectedRecord { store, collection, rejected, number: _ } = record;
    let reason = &rejected.reason;
    let mut entry = json!({
        "store": store,
        "collection": collection,
        "target": rejected.target,
        "id": rejected.id,
        "reason": {"kind": reason.kind.as_str(), "code": reason.code, "message": reason.to_string(), "hint": reason.hint},
    });
    if let (Some(row), Some(fields)) = (&rejected.row, entry.as_object_mut()) {
        fields.insert("document".to_owned(), json!(row.document(0)));
        let metadata = row.metadata(0);
        fields.insert("metadata".to_owned(), serde_json::from_str(metadata).unwrap_or_else(|_| json!(metadata)));
        fields.insert("vector".to_owned(), json!(row.vectors().and_then(|dense| dense.row(0))));
    }
    entry
}

fn alteration(record: &AlteredRecord) -> Value {
    let AlteredRecord { store, collection, altered, number: _ } = record;
    json!({
        "store": store,
        "collection": collection,
        "target": altered.target,
        "id": altered.id,
        "field": altered.field,
        "code": altered.code,
    })
}
