/*!
Records that did not arrive: one JSON object a line with the reason and everything that is known of the record.
The file is made when the first record is rejected.
*/

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use vecferry_core::report::Rejected;
use vecferry_core::{Error, Result};

pub(crate) struct DeadLetter {
    path: PathBuf,
    file: Mutex<Option<File>>,
}

impl DeadLetter {
    /// At `path`, or under a name of its own in the working folder.
    pub(crate) fn new(path: Option<&Path>) -> Self {
        let path = path.map_or_else(
            || {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                let seconds = now.map_or(0, |duration| duration.as_secs());
                PathBuf::from(format!("vecferry-rejected-{seconds}-{}.jsonl", std::process::id()))
            },
            Path::to_owned,
        );
        DeadLetter { path, file: Mutex::new(None) }
    }

    /// Adds a record. It is in the file when this returns.
    pub(crate) fn add(&self, rejected: &Rejected<'_>) -> Result<()> {
        let failed = |error: std::io::Error| {
            Error::config("dead-letter/write", format!("cannot keep a rejected record: {error}"))
                .at("file", self.path.display())
                .hint("choose another place with --dead-letter FILE")
        };
        let mut line = entry(rejected).to_string();
        line.push('\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            *file = Some(File::options().create(true).append(true).open(&self.path).map_err(failed)?);
        }
        match file.as_mut() {
            Some(file) => file.write_all(line.as_bytes()).map_err(failed),
            None => Ok(()),
        }
    }

    /// Where the records are, if there are any.
    pub(crate) fn written(&self) -> Option<&Path> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.is_some().then_some(self.path.as_path())
    }
}

fn entry(rejected: &Rejected<'_>) -> Value {
    let reason = rejected.reason;
    let mut entry = json!({
        "store": rejected.store,
        "collection": rejected.collection,
        "id": rejected.id,
        "reason": {"kind": reason.kind.as_str(), "code": reason.code, "message": reason.to_string(), "hint": reason.hint},
    });
    if let (Some(row), Some(fields)) = (rejected.row, entry.as_object_mut()) {
        fields.insert("document".to_owned(), json!(row.document(0)));
        let metadata = row.metadata(0);
        fields.insert("metadata".to_owned(), serde_json::from_str(metadata).unwrap_or_else(|_| json!(metadata)));
        fields.insert("vector".to_owned(), json!(row.vectors().and_then(|dense| dense.row(0))));
    }
    entry
}
