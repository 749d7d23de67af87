/*! What a user can set with `--set`, and what stands in for what is not set. */

use vecferry_sdk::{Config, Error, Result, Target};

/// For `PluginSpec::config_schema`.
pub(crate) const SCHEMA: &str = r#"{
  "type": "object",
  "properties": {
    "location": {"type": "string", "description": "postgres://USER@HOST:PORT/DATABASE; sslmode is one of disable, prefer, require, verify-full, sslrootcert a file of certificates. The password is best left to PGPASSWORD or ~/.pgpass"},
    "schema": {"type": "string", "description": "the tables' schema; else the first of the session's search_path"},
    "table": {"type": "string", "default": "{collection}", "description": "the table's name; {collection} stands for the collection's"},
    "id_column": {"type": "string", "default": "id"},
    "document_column": {"type": "string", "default": "document"},
    "metadata_column": {"type": "string", "default": "metadata"},
    "vector_column": {"type": "string", "default": "embedding"},
    "sparse_column": {"type": "string", "default": "sparse"},
    "type": {"type": "string", "enum": ["vector", "halfvec"], "default": "vector", "description": "of a new table's vectors: halfvec keeps 16 bits of a value's 32"},
    "sparse": {"type": "string", "enum": ["keep", "drop"], "default": "keep", "description": "drop: records' sparse vectors are left out"},
    "index": {"type": "string", "enum": ["none", "hnsw", "ivfflat"], "default": "none", "description": "the vector index that is built when all records are there"},
    "create_extension": {"type": "boolean", "default": false, "description": "run CREATE EXTENSION vector where it is missing"},
    "embedding": {"type": "object", "description": "which model made the vectors (provider, model); kept with the table"}
  }
}"#;

/// Bytes of a name: longer ones PostgreSQL cuts off silently (NAMEDATALEN in `pg_config_manual.h`).
const MAX_NAME: usize = 63;

/// The type of a new table's vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VectorType {
    Vector,
    Halfvec,
}

impl VectorType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            VectorType::Vector => "vector",
            VectorType::Halfvec => "halfvec",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [VectorType::Vector, VectorType::Halfvec].into_iter().find(|kind| kind.as_str() == name)
    }

    /// The most values that an index takes (`HNSW_MAX_DIM`, `IVFFLAT_MAX_DIM`; twice that for halfvec).
    pub(crate) fn max_indexed(self) -> u32 {
        match self {
            VectorType::Vector => 2_000,
            VectorType::Halfvec => 4_000,
        }
    }
}

/// The most values that a column takes (`VECTOR_MAX_DIM`, `HALFVEC_MAX_DIM`).
pub(crate) const MAX_DIMENSION: u32 = 16_000;

/// A vector index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndexKind {
    Hnsw,
    Ivfflat,
}

impl IndexKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            IndexKind::Hnsw => "hnsw",
            IndexKind::Ivfflat => "ivfflat",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [IndexKind::Hnsw, IndexKind::Ivfflat].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// The names of a table's columns.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    pub(crate) id: String,
    pub(crate) document: String,
    pub(crate) metadata: String,
    pub(crate) vector: String,
    pub(crate) sparse: String,
}

/// The plugin's settings. `location` may hold a password: it is never shown.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) location: String,
    pub(crate) schema: Option<String>,
    table: String,
    pub(crate) columns: Columns,
    pub(crate) vector_type: VectorType,
    pub(crate) drop_sparse: bool,
    pub(crate) index: Option<IndexKind>,
    pub(crate) create_extension: bool,
    pub(crate) embedding: Option<Config>,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// `config` (`pgvector/setting`, `pgvector/location`): a value that cannot be one.
    pub(crate) fn read(config: &Config) -> Result<Settings> {
        let location = text(config, "location")?.unwrap_or_default();
        if !location.starts_with("postgres://") && !location.starts_with("postgresql://") {
            let message = "the location is no URL of a PostgreSQL database";
            return Err(Error::config("pgvector/location", message)
                .hint("--to pgvector:postgres://USER@HOST/DATABASE, with the password in PGPASSWORD"));
        }
        let name = |key: &str, default: &str| -> Result<String> {
            let name = text(config, key)?.unwrap_or_else(|| default.to_owned());
            check_name(&name, key)?;
            Ok(name)
        };
        let columns = Columns {
            id: name("id_column", "id")?,
            document: name("document_column", "document")?,
            metadata: name("metadata_column", "metadata")?,
            vector: name("vector_column", "embedding")?,
            sparse: name("sparse_column", "sparse")?,
        };
        let schema = text(config, "schema")?;
        if let Some(schema) = &schema {
            check_name(schema, "schema")?;
        }
        let embedding = match config.get("embedding") {
            None | Some(Config::Null) => None,
            Some(embedding @ Config::Object(_)) => Some(embedding.clone()),
            Some(other) => return Err(wrong("embedding", other, "an object")),
        };
        let create_extension = match config.get("create_extension") {
            None | Some(Config::Null) => false,
            Some(Config::Bool(value)) => *value,
            Some(other) => return Err(wrong("create_extension", other, "true or false")),
        };
        Ok(Settings {
            location,
            schema,
            table: text(config, "table")?.unwrap_or_else(|| "{collection}".to_owned()),
            columns,
            vector_type: one_of(config, "type", &["vector", "halfvec"])?
                .and_then(VectorType::named)
                .unwrap_or(VectorType::Vector),
            drop_sparse: one_of(config, "sparse", &["keep", "drop"])? == Some("drop"),
            index: one_of(config, "index", &["none", "hnsw", "ivfflat"])?.and_then(IndexKind::named),
            create_extension,
            embedding,
        })
    }

    /// The name of a target's table.
    ///
    /// # Errors
    /// `config` (`pgvector/name`): PostgreSQL has no such names.
    pub(crate) fn table(&self, target: &Target) -> Result<String> {
        let name = self.table.replace("{collection}", &target.collection);
        check_name(&name, "table").map_err(|error| {
            error.hint("name it with --namespace, or with --set sink.table=NAME").at("collection", &target.collection)
        })?;
        Ok(name)
    }
}

fn check_name(name: &str, what: &str) -> Result<()> {
    let fault = if name.is_empty() {
        "is empty".to_owned()
    } else if name.contains('\0') {
        "has a NUL character in it".to_owned()
    } else if name.len() > MAX_NAME {
        format!("has {} bytes, PostgreSQL keeps {MAX_NAME} of a name", name.len())
    } else {
        return Ok(());
    };
    Err(Error::config("pgvector/name", format!("'{name}' cannot be a name here ({what}): it {fault}")))
}

fn wrong(key: &str, value: &Config, expected: &str) -> Error {
    Error::config("pgvector/setting", format!("the setting '{key}' is {value}, expected {expected}"))
}

fn text(config: &Config, key: &str) -> Result<Option<String>> {
    match config.get(key) {
        None | Some(Config::Null) => Ok(None),
        Some(Config::String(text)) => Ok(Some(text.clone())),
        // `--set sink.table=2024` reads as a number.
        Some(Config::Number(number)) if key != "location" => Ok(Some(number.to_string())),
        Some(_) if key == "location" => Err(Error::config("pgvector/location", "the location is no text")),
        Some(other) => Err(wrong(key, other, "a text")),
    }
}

fn one_of<'v>(config: &Config, key: &str, values: &[&'v str]) -> Result<Option<&'v str>> {
    let Some(text) = text(config, key)? else { return Ok(None) };
    match values.iter().find(|value| **value == text) {
        Some(value) => Ok(Some(value)),
        None => Err(wrong(key, &Config::String(text), &format!("one of {}", values.join(", ")))),
    }
}

/// A name as SQL takes it, whatever is in it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
