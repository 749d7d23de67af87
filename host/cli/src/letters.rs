/*!
What a run has to say of single records, one JSON object a line: those that did not arrive, with the reason and
everything that is known of them; and those that the destination could not hold as they were, with what was done.
Each file is made when there is something to say.
*/

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use vecferry_core::report::{Altered, Rejected};
use vecferry_core::{Error, Result};

/// A file of such lines.
pub(crate) struct Letters {
    path: PathBuf,
    option: &'static str,
    file: Mutex<Option<File>>,
}

impl Letters {
    /// At `path`, or under a name of its own in the working folder. `option`: what names another place.
    pub(crate) fn new(path: Option<&Path>, what: &str, option: &'static str) -> Self {
        let path = path.map_or_else(
            || {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                let seconds = now.map_or(0, |duration| duration.as_secs());
                PathBuf::from(format!("vecferry-{what}-{seconds}-{}.jsonl", std::process::id()))
            },
            Path::to_owned,
        );
        Letters { path, option, file: Mutex::new(None) }
    }

    /// Adds a record that did not arrive. It is in the file when this returns.
    pub(crate) fn reject(&self, rejected: &Rejected<'_>) -> Result<()> {
        self.add(&rejection(rejected))
    }

    /// Adds a part of a record that reads back otherwise.
    pub(crate) fn alter(&self, altered: &Altered<'_>) -> Result<()> {
        let Altered { store, collection, id, field, code } = altered;
        self.add(&json!({"store": store, "collection": collection, "id": id, "field": field, "code": code}))
    }

    fn add(&self, entry: &Value) -> Result<()> {
        let failed = |error: std::io::Error| {
            Error::config("letters/write", format!("cannot keep what is to be said of a record: {error}"))
                .at("file", self.path.display())
                .hint(format!("choose another place with {} FILE", self.option))
        };
        let mut line = entry.to_string();
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

fn rejection(rejected: &Rejected<'_>) -> Value {
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
