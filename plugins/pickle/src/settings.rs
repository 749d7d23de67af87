/*! What `--set` changes. */

use vecferry_sdk::{Config, Error, Result};

use crate::words::{self, Role};

/// The JSON Schema of the settings.
pub(crate) const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "columns": {
      "type": "string",
      "description": "What the parts of each tuple are, in order: text, metadata, embedding, id, or any other word for more metadata. Example: id,text,metadata"
    },
    "text": {
      "type": "string",
      "description": "The key of each record's text, or of the column of texts, where its name does not tell"
    },
    "skip_unreadable": {
      "type": "boolean",
      "default": false,
      "description": "Set records aside that hold values only Python code could make, instead of refusing the store"
    }
  }
}"#;

/// The settings of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// The roles of a tuple's parts.
    pub(crate) columns: Option<Vec<Option<Role>>>,
    /// The key of the text.
    pub(crate) text: Option<String>,
    /// Set records aside that cannot be read whole.
    pub(crate) skip_unreadable: bool,
}

impl Settings {
    /// What a column of this name holds.
    pub(crate) fn column(&self, name: &str) -> Option<Role> {
        match &self.text {
            Some(text) if text == name => Some(Role::Texts),
            Some(_) => words::column(name).filter(|role| *role != Role::Texts),
            None => words::column(name),
        }
    }

    /// Reads them.
    ///
    /// # Errors
    /// `pickle/setting` (config) for a value that means nothing.
    pub(crate) fn parse(config: &Config) -> Result<Settings> {
        let text = |key: &str| match config.get(key) {
            None | Some(serde_json::Value::Null) => Ok(None),
            Some(serde_json::Value::String(text)) => Ok(Some(text.as_str())),
            Some(other) => Err(Error::config("pickle/setting", format!("the setting '{key}' is no text: {other}"))),
        };
        let columns =
            text("columns")?.map(|columns| columns.split(',').map(|word| words::column(word.trim())).collect());
        let skip_unreadable = match config.get("skip_unreadable") {
            None | Some(serde_json::Value::Null) => false,
            Some(serde_json::Value::Bool(flag)) => *flag,
            Some(other) => {
                let message = format!("the setting 'skip_unreadable' is true or false, not {other}");
                return Err(Error::config("pickle/setting", message));
            }
        };
        Ok(Settings { columns, text: text("text")?.map(str::to_owned), skip_unreadable })
    }
}
