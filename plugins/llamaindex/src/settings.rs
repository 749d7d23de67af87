/*! What the user may set. */

use vecferry_sdk::{Config, Error, Result};

/// JSON Schema of [`Settings`].
pub(crate) const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "documents_only": {
      "type": "boolean",
      "description": "read every node of docstore.json without vectors, to embed them anew (for indexes that cannot be decoded)"
    },
    "skip_unreadable": {
      "type": "boolean",
      "description": "go on where nodes are missing or a file is damaged; what cannot be read goes to the dead letter"
    }
  }
}"#;

/// For indexes that cannot be read.
pub(crate) const DOCUMENTS_HINT: &str = "--set documents_only=true reads the documents alone, to embed them anew";

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) documents_only: bool,
    pub(crate) skip_unreadable: bool,
}

impl Settings {
    pub(crate) fn parse(config: &Config) -> Result<Self> {
        let flag = |name: &str| match config.get(name) {
            None | Some(serde_json::Value::Null) => Ok(false),
            Some(serde_json::Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(Error::config(
                "llamaindex/setting",
                format!("the setting {name} is {other}; it takes true or false"),
            )),
        };
        Ok(Settings { documents_only: flag("documents_only")?, skip_unreadable: flag("skip_unreadable")? })
    }
}
