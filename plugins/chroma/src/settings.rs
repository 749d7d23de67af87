/*! What a user can set with `--set`. */

use vecferry_sdk::{Config, Error, Result};

/// What to do about records that cannot be read.
pub(crate) const SKIP_HINT: &str = "--set skip_unreadable=true migrates the records that are whole and reports the \
     others; --set vectors=false reads documents and metadata alone, to embed them anew";

/// The plugin's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Records that cannot be read whole are reported, and the others read.
    pub(crate) skip_unreadable: bool,
    /// Whether vectors are read.
    pub(crate) vectors: bool,
}

impl Settings {
    /// For `PluginSpec::config_schema`.
    pub(crate) const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "skip_unreadable": {"type": "boolean", "default": false, "description": "read the records of a damaged store that are whole, and report the others"},
    "vectors": {"type": "boolean", "default": true, "description": "false: read ids, documents and metadata alone, also when the index is damaged"}
  }
}"#;

    /// Reads the settings that are this plugin's; others may be a sink's.
    ///
    /// # Errors
    /// `config` for a value of the wrong type.
    pub(crate) fn read(config: &Config) -> Result<Settings> {
        Ok(Settings {
            skip_unreadable: flag(config, "skip_unreadable", false)?,
            vectors: flag(config, "vectors", true)?,
        })
    }
}

fn flag(config: &Config, key: &str, default: bool) -> Result<bool> {
    match config.get(key) {
        None | Some(Config::Null) => Ok(default),
        Some(Config::Bool(value)) => Ok(*value),
        Some(Config::String(text)) if text == "true" || text == "false" => Ok(text == "true"),
        Some(other) => {
            Err(Error::config("chroma/setting", format!("the setting {key} must be true or false, not {other}")))
        }
    }
}
