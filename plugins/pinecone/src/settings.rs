/*! What a user can set with `--set`, and what stands in for what is not set. */

use vecferry_sdk::{Config, Error, Metric, Result};

use vecferry_pinecone_format::fit::{CHUNK_ID, EMBEDDING_FIELDS, Embedding, Layout, Overlong};
use vecferry_pinecone_format::ids;

/// For `PluginSpec::config_schema`. `x-env`: variables from which the command takes a setting that is not given.
/// `x-host`: the setting's host may be asked, beside `x-hosts`. `x-secrets`: what the host keeps and puts into headers.
pub(crate) const SCHEMA: &str = r#"{
  "type": "object",
  "x-secrets": ["PINECONE_API_KEY"],
  "x-hosts": ["api.pinecone.io", "*.pinecone.io"],
  "properties": {
    "location": {"type": "string", "x-env": ["PINECONE_INDEX_NAME"], "description": "the index's name"},
    "controller_host": {"type": "string", "format": "uri", "x-host": true, "x-env": ["PINECONE_CONTROLLER_HOST"], "default": "https://api.pinecone.io", "description": "where indexes are described and created"},
    "index_host": {"type": "string", "format": "uri", "x-host": true, "x-env": ["PINECONE_INDEX_HOST"], "description": "the index's own host; given it, nothing is asked of the controller, and the index must exist"},
    "api_version": {"type": "string", "default": "2025-10", "description": "the version of Pinecone's interface to speak, up to 2026-04"},
    "cloud": {"type": "string", "enum": ["aws", "gcp", "azure"], "default": "aws", "description": "sink: where a new index is made"},
    "region": {"type": "string", "default": "us-east-1", "description": "sink: where a new index is made"},
    "metric": {"type": "string", "enum": ["cosine", "dotproduct", "euclidean"], "description": "sink: the metric a new index gets and an existing one must have; else the source's, else cosine"},
    "vector_type": {"type": "string", "enum": ["dense", "sparse"], "default": "dense", "description": "sink: sparse: an index of sparse vectors alone"},
    "deletion_protection": {"type": "string", "enum": ["enabled", "disabled"], "default": "disabled", "description": "sink: of a new index"},
    "text_field": {"type": "string", "description": "the metadata field that holds the document. sink: page_content if not given; source: page_content or text, whichever the records have"},
    "overlong": {"type": "string", "enum": ["shorten", "reject"], "default": "shorten", "description": "sink: a document that is too long for its record's metadata keeps its beginning, or goes to the dead letter"},
    "max_metadata_bytes": {"type": "integer", "minimum": 1000, "default": 40000, "description": "sink: the most that one record's metadata may be, as JSON"},
    "sparse": {"type": "string", "enum": ["keep", "drop"], "default": "keep", "description": "sink: drop: records' sparse vectors are left out, so that the metric need not be dotproduct"},
    "embedding": {"type": "object", "description": "sink: which model made the vectors (provider, model, dimension); recorded with every record"}
  }
}"#;

const DEFAULT_TEXT_FIELD: &str = "page_content";
/// The fields in which common tools keep the document, in the order in which a source looks for them.
pub(crate) const TEXT_FIELDS: [&str; 2] = [DEFAULT_TEXT_FIELD, "text"];

/// A metric of Pinecone's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndexMetric {
    Cosine,
    Dotproduct,
    Euclidean,
}

impl IndexMetric {
    /// As Pinecone writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            IndexMetric::Cosine => "cosine",
            IndexMetric::Dotproduct => "dotproduct",
            IndexMetric::Euclidean => "euclidean",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [IndexMetric::Cosine, IndexMetric::Dotproduct, IndexMetric::Euclidean]
            .into_iter()
            .find(|metric| metric.as_str() == name)
    }

    /// `None` for an unknown metric.
    pub(crate) fn of(metric: Metric) -> Option<Self> {
        match metric {
            Metric::Cosine => Some(IndexMetric::Cosine),
            Metric::Dot => Some(IndexMetric::Dotproduct),
            Metric::L2 => Some(IndexMetric::Euclidean),
            Metric::Unknown => None,
        }
    }

    pub(crate) fn metric(self) -> Metric {
        match self {
            IndexMetric::Cosine => Metric::Cosine,
            IndexMetric::Dotproduct => Metric::Dot,
            IndexMetric::Euclidean => Metric::L2,
        }
    }
}

/// What an index holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum VectorType {
    #[default]
    Dense,
    Sparse,
}

/// The plugin's settings.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The index's name; may be empty where `index_host` is given.
    pub(crate) index: String,
    /// With scheme, without a slash at the end.
    pub(crate) controller: String,
    /// As `controller`.
    pub(crate) index_host: Option<String>,
    pub(crate) api_version: String,
    pub(crate) cloud: String,
    pub(crate) region: String,
    pub(crate) metric: Option<IndexMetric>,
    pub(crate) vector_type: VectorType,
    pub(crate) deletion_protection: String,
    pub(crate) text_field: Option<String>,
    overlong: Overlong,
    max_metadata_bytes: usize,
    pub(crate) drop_sparse: bool,
    embedding: Option<Embedding>,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// `config` (`pinecone/setting`, `pinecone/index-name`): a value that cannot be one, or no index.
    pub(crate) fn read(config: &Config) -> Result<Settings> {
        let index = text(config, "location")?.unwrap_or_default();
        let index_host = text(config, "index_host")?.map(|host| base_url(&host, "https"));
        if index_host.is_none() || !index.is_empty() {
            check_name(&index)?;
        }
        let controller = text(config, "controller_host")?;
        let text_field = text(config, "text_field")?;
        if let Some(field) = text_field.as_deref()
            && (field.starts_with('$') || [CHUNK_ID, ids::FIELD].contains(&field) || EMBEDDING_FIELDS.contains(&field))
        {
            return Err(wrong("text_field", &format!("'{field}', a name that has another meaning")));
        }
        Ok(Settings {
            index,
            controller: base_url(controller.as_deref().unwrap_or("https://api.pinecone.io"), "https"),
            index_host,
            api_version: text(config, "api_version")?.unwrap_or_else(|| "2025-10".to_owned()),
            cloud: text(config, "cloud")?.unwrap_or_else(|| "aws".to_owned()),
            region: text(config, "region")?.unwrap_or_else(|| "us-east-1".to_owned()),
            metric: one_of(config, "metric", &["cosine", "dotproduct", "euclidean"])?.and_then(IndexMetric::named),
            vector_type: match one_of(config, "vector_type", &["dense", "sparse"])? {
                Some("sparse") => VectorType::Sparse,
                _ => VectorType::Dense,
            },
            deletion_protection: one_of(config, "deletion_protection", &["disabled", "enabled"])?
                .unwrap_or("disabled")
                .to_owned(),
            text_field,
            overlong: match one_of(config, "overlong", &["shorten", "reject"])? {
                Some("reject") => Overlong::Reject,
                _ => Overlong::Shorten,
            },
            max_metadata_bytes: number(config, "max_metadata_bytes", 1000)?.unwrap_or(40_000),
            drop_sparse: one_of(config, "sparse", &["keep", "drop"])? == Some("drop"),
            embedding: embedding(config)?,
        })
    }

    /// How a target's records are laid out.
    pub(crate) fn layout(&self, namespace: &str) -> Layout {
        Layout {
            text_field: self.text_field.clone().unwrap_or_else(|| DEFAULT_TEXT_FIELD.to_owned()),
            namespace: namespace.to_owned(),
            embedding: self.embedding.clone(),
            max_metadata_bytes: self.max_metadata_bytes,
            overlong: self.overlong,
        }
    }

    /// The index, for messages.
    pub(crate) fn shown(&self) -> &str {
        if self.index.is_empty() { self.index_host.as_deref().unwrap_or_default() } else { &self.index }
    }
}

/// A host as a user or the service writes it, as the start of URLs.
pub(crate) fn base_url(host: &str, scheme: &str) -> String {
    let host = host.trim().trim_end_matches('/');
    if host.contains("://") { host.to_owned() } else { format!("{scheme}://{host}") }
}

/// <https://docs.pinecone.io/reference/api/2025-10/control-plane/create_index>: 1 to 45 characters, lower case, digits and
/// `-`, which stands neither first nor last. Also keeps a name from changing the URL it is put into.
fn check_name(name: &str) -> Result<()> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let hint = "as in pinecone:docs; or set PINECONE_INDEX_NAME";
    if name.is_empty() {
        return Err(Error::config("pinecone/index-name", "no index is named").hint(hint));
    }
    if name.len() > 45 || !name.bytes().all(legal) || name.starts_with('-') || name.ends_with('-') {
        let message = format!(
            "'{name}' cannot be an index's name: up to 45 lower-case letters, digits and '-', which stands neither \
             first nor last"
        );
        return Err(Error::config("pinecone/index-name", message).hint(hint));
    }
    Ok(())
}

fn wrong(key: &str, what: &str) -> Error {
    Error::config("pinecone/setting", format!("the setting {key} cannot be {what}"))
}

/// A setting that is text; an empty one counts as not given.
fn text(config: &Config, key: &str) -> Result<Option<String>> {
    match config.get(key) {
        None | Some(Config::Null) => Ok(None),
        Some(Config::String(text)) if text.is_empty() => Ok(None),
        Some(Config::String(text)) => Ok(Some(text.clone())),
        // `--set sink.location=2024` looks like a number.
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

fn number(config: &Config, key: &str, least: usize) -> Result<Option<usize>> {
    let Some(given) = text(config, key)? else { return Ok(None) };
    match given.parse::<usize>() {
        Ok(number) if number >= least => Ok(Some(number)),
        _ => Err(wrong(key, &given).hint(format!("a whole number, at least {least}"))),
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
