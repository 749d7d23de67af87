/*! What a user can set with `--set`, and what the host adds. */

use vecferry_pinecone_format::fit::{CHUNK_ID, EMBEDDING_FIELDS, Embedding, Layout, Overlong};
use vecferry_pinecone_format::ids;
use vecferry_sdk::{Config, Error, Result};

/// For `PluginSpec::config_schema`.
pub(crate) const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "location": {"type": "string", "description": "sink: the folder to write"},
    "layout": {"type": "string", "enum": ["general", "pinecone"], "default": "general", "description": "sink: general: every column, read back by the source parquet; pinecone: what Pinecone imports from object storage, one folder a namespace"},
    "existing": {"type": "string", "enum": ["refuse", "add"], "default": "refuse", "description": "sink: what to do with a collection's folder that an earlier run wrote: refuse to write, or add to it by id"},
    "max_file_bytes": {"type": "integer", "minimum": 1000, "maximum": 10000000000, "default": 1000000000, "description": "sink: begin another file after about this many bytes; Pinecone takes files of 10 GB"},
    "text_field": {"type": "string", "default": "page_content", "description": "layout pinecone: the metadata field that holds the document"},
    "overlong": {"type": "string", "enum": ["shorten", "reject"], "default": "shorten", "description": "sink, layout pinecone: a document that is too long for its record's metadata keeps its beginning, or goes to the dead letter"},
    "max_metadata_bytes": {"type": "integer", "minimum": 1000, "default": 40000, "description": "sink, layout pinecone: the most that one record's metadata may be, as JSON"},
    "id_column": {"type": "string", "description": "source: the column of ids in files that other programs wrote"},
    "vector_column": {"type": "string", "description": "source: their column of vectors"},
    "document_column": {"type": "string", "description": "source: their column of documents"},
    "metadata_column": {"type": "string", "description": "source: their column of metadata as JSON objects"},
    "resume": {"type": "boolean", "description": "sink: given by the host: the run goes on"},
    "embedding": {"type": "object", "description": "sink: given by the host: which model made the vectors (provider, model, dimension); noted in every file"}
  }
}"#;

const DEFAULT_TEXT_FIELD: &str = "page_content";

/// How files are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    General,
    Pinecone,
}

impl Form {
    /// As settings and files call it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Form::General => "general",
            Form::Pinecone => "pinecone",
        }
    }
}

/// The sink's settings.
#[derive(Clone, Debug)]
pub(crate) struct SinkSettings {
    /// The granted folder.
    pub(crate) location: String,
    pub(crate) form: Form,
    /// Adding to what an earlier run wrote is meant.
    pub(crate) add: bool,
    /// An interrupted run goes on.
    pub(crate) resume: bool,
    pub(crate) max_file_bytes: u64,
    pub(crate) embedding: Option<Embedding>,
    text_field: String,
    overlong: Overlong,
    max_metadata_bytes: usize,
}

/// The source's settings: columns of files that other programs wrote.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceSettings {
    pub(crate) id: Option<String>,
    pub(crate) vector: Option<String>,
    pub(crate) document: Option<String>,
    pub(crate) metadata: Option<String>,
    pub(crate) text_field: Option<String>,
}

impl SinkSettings {
    /// Reads them.
    ///
    /// # Errors
    /// `config` naming the setting.
    pub(crate) fn read(config: &Config) -> Result<SinkSettings> {
        let location = text(config, "location")?.unwrap_or_default();
        let location = location.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        if matches!(location.as_str(), "" | "." | "..") {
            return Err(Error::config("parquet/location", "no folder is named to write into")
                .hint("name it, as in --to parquet:export"));
        }
        let text_field = text(config, "text_field")?.unwrap_or_else(|| DEFAULT_TEXT_FIELD.to_owned());
        if text_field.starts_with(['$', '_'])
            || text_field == CHUNK_ID
            || text_field == ids::FIELD
            || EMBEDDING_FIELDS.contains(&text_field.as_str())
        {
            return Err(wrong("text_field", &format!("'{text_field}': that name is taken")));
        }
        Ok(SinkSettings {
            location,
            form: match one_of(config, "layout", &["general", "pinecone"])? {
                Some("pinecone") => Form::Pinecone,
                _ => Form::General,
            },
            add: one_of(config, "existing", &["refuse", "add"])? == Some("add"),
            resume: config.get("resume").and_then(Config::as_bool).unwrap_or(false),
            max_file_bytes: number(config, "max_file_bytes", 1000, 10_000_000_000)?.unwrap_or(1_000_000_000),
            embedding: embedding(config)?,
            text_field,
            overlong: match one_of(config, "overlong", &["shorten", "reject"])? {
                Some("reject") => Overlong::Reject,
                _ => Overlong::Shorten,
            },
            max_metadata_bytes: number(config, "max_metadata_bytes", 1000, 1 << 30)?
                .and_then(|bytes| usize::try_from(bytes).ok())
                .unwrap_or(40_000),
        })
    }

    /// How a namespace's records are laid out for Pinecone.
    pub(crate) fn pinecone(&self, namespace: &str) -> Layout {
        Layout {
            text_field: self.text_field.clone(),
            namespace: namespace.to_owned(),
            embedding: self.embedding.clone(),
            max_metadata_bytes: self.max_metadata_bytes,
            overlong: self.overlong,
        }
    }
}

impl SourceSettings {
    /// Reads them.
    ///
    /// # Errors
    /// `config` naming the setting.
    pub(crate) fn read(config: &Config) -> Result<SourceSettings> {
        Ok(SourceSettings {
            id: text(config, "id_column")?,
            vector: text(config, "vector_column")?,
            document: text(config, "document_column")?,
            metadata: text(config, "metadata_column")?,
            text_field: text(config, "text_field")?,
        })
    }

    /// How Pinecone's records are read.
    pub(crate) fn pinecone(&self) -> Layout {
        Layout {
            text_field: self.text_field.clone().unwrap_or_else(|| DEFAULT_TEXT_FIELD.to_owned()),
            namespace: String::new(),
            embedding: None,
            max_metadata_bytes: usize::MAX,
            overlong: Overlong::Reject,
        }
    }
}

fn wrong(key: &str, what: &str) -> Error {
    Error::config("parquet/setting", format!("the setting {key} cannot be {what}"))
}

/// A setting that is text; an empty one counts as not given.
fn text(config: &Config, key: &str) -> Result<Option<String>> {
    match config.get(key) {
        None | Some(Config::Null) => Ok(None),
        Some(Config::String(text)) if text.is_empty() => Ok(None),
        Some(Config::String(text)) => Ok(Some(text.clone())),
        // `--set source.id_column=2024` looks like a number.
        Some(Config::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => Err(wrong(key, &other.to_string())),
    }
}

fn one_of(config: &Config, key: &str, words: &[&'static str]) -> Result<Option<&'static str>> {
    let Some(given) = text(config, key)? else { return Ok(None) };
    match words.iter().find(|word| **word == given) {
        Some(word) => Ok(Some(word)),
        None => Err(wrong(key, &format!("'{given}'")).hint(format!("one of {}", words.join(", ")))),
    }
}

fn number(config: &Config, key: &str, least: u64, most: u64) -> Result<Option<u64>> {
    let Some(given) = text(config, key)? else { return Ok(None) };
    match given.parse::<u64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
        _ => Err(wrong(key, &given).hint(format!("a whole number from {least} to {most}"))),
    }
}

fn embedding(config: &Config) -> Result<Option<Embedding>> {
    match config.get("embedding") {
        None | Some(Config::Null) => Ok(None),
        Some(Config::Object(fields)) => {
            let word = |key: &str| fields.get(key).and_then(Config::as_str).map(str::to_owned);
            let Some(provider) = word("provider") else { return Err(wrong("embedding", "without a provider")) };
            Ok(Some(Embedding {
                provider,
                model: word("model"),
                dimension: fields.get("dimension").and_then(Config::as_u64),
            }))
        }
        Some(other) => Err(wrong("embedding", &other.to_string())),
    }
}
