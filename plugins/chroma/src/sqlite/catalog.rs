/*!
What is in a `chroma.sqlite3`: tenants, databases, collections, their segments and settings.

Chroma's tables grew by migrations (`chromadb/migrations/`, since 1.0 `rust/sqlite/migrations/`); which tables and
columns there are is asked of the file itself, so that every version from 0.4.0 on is read by the same code.
*/

use std::collections::{BTreeMap, HashSet};

use serde_json::Value as Json;
use vecferry_sdk::{Error, Result, Value};

use super::space::{self, Settings, Sources};
use super::table::{Row, Tables};

/// A vector segment that lives in files beside the database.
const LOCAL_HNSW: &str = "urn:chroma:segment/vector/hnsw-local-persisted";
/// A vector segment that lived in a process's memory: all there is of it is in the log.
const MEMORY_HNSW: &str = "urn:chroma:segment/vector/hnsw-local-memory";

/// Chroma's names for "the only one".
const DEFAULT_TENANT: &str = "default_tenant";
const DEFAULT_DATABASE: &str = "default_database";

/// What a version of Chroma has, and another has not.
pub(crate) struct Features {
    /// "0.4", "0.5 or 0.6", "1.x": by the tables, which an upgrade brings up to date.
    pub(crate) generation: &'static str,
    /// `embedding_metadata.bool_value`, which the first releases of 0.4 lack.
    pub(crate) booleans: bool,
    /// `embedding_metadata_array` holds something (1.5 and later).
    pub(crate) arrays: bool,
    /// Whether rows of the log may have been deleted once the segments had them.
    pub(crate) log_is_purged: bool,
}

/// The whole catalog.
pub(crate) struct Catalog {
    pub(crate) features: Features,
    /// By name.
    pub(crate) collections: Vec<Entry>,
}

/// One collection.
pub(crate) struct Entry {
    /// The collection's UUID.
    pub(crate) id: String,
    /// Unique in the store: the name, or `tenant/database/name` outside the default ones.
    pub(crate) name: String,
    pub(crate) tenant: String,
    pub(crate) database: String,
    /// Values per vector; `None` before the first record.
    pub(crate) dimension: Option<u32>,
    /// `embeddings_queue.topic` of its log.
    pub(crate) topic: String,
    /// UUID of the segment that holds records, documents and metadata.
    pub(crate) metadata_segment: Option<Segment>,
    /// UUID of the segment that holds vectors, which is the name of its folder.
    pub(crate) vector_segment: Option<Segment>,
    pub(crate) settings: Settings,
    /// `collection_metadata`, in the order of the keys.
    pub(crate) metadata: Vec<(String, Json)>,
}

/// A segment of a collection.
pub(crate) struct Segment {
    pub(crate) id: String,
    /// `max_seq_id`: everything in the log up to here is in the segment.
    pub(crate) applied: Option<i64>,
    kind: String,
}

impl Entry {
    /// Whether it is where a client looks that names neither tenant nor database.
    pub(crate) fn is_default(&self) -> bool {
        self.tenant == DEFAULT_TENANT && self.database == DEFAULT_DATABASE
    }
}

impl Segment {
    /// Whether its vectors are in a folder of files.
    ///
    /// # Errors
    /// `unsupported` for a kind of segment that no local Chroma writes.
    pub(crate) fn has_files(&self) -> Result<bool> {
        match self.kind.as_str() {
            LOCAL_HNSW => Ok(true),
            MEMORY_HNSW => Ok(false),
            other => Err(Error::unsupported(
                "chroma/segment-kind",
                format!("the vectors are in a segment of the kind {other:?}, which is not kept in local files"),
            )
            .hint("export the collection from the server that wrote it")),
        }
    }
}

type Properties = BTreeMap<String, Vec<(String, Json)>>;

impl Catalog {
    /// Reads it.
    ///
    /// # Errors
    /// `corrupt` for a damaged file; `unsupported` when it has no tables of Chroma's.
    pub(crate) fn read(tables: &Tables) -> Result<Catalog> {
        let columns = tables.columns("collections")?;
        let missing: Vec<&str> = ["collections", "segments", "embeddings", "embedding_metadata", "embeddings_queue"]
            .into_iter()
            .filter(|table| matches!(tables.columns(table), Ok(columns) if columns.is_empty()))
            .collect();
        if !missing.is_empty() {
            return Err(Error::unsupported(
                "chroma/not-chroma",
                format!("this SQLite file is no store of Chroma's: it has no table {}", missing.join(", ")),
            )
            .at("file", tables.file()));
        }
        let features = Features::read(tables)?;
        let of_collections = properties(tables, "collection_metadata", "collection_id")?;
        let of_segments = properties(tables, "segment_metadata", "segment_id")?;
        let mut segments = read_segments(tables)?;
        let tenants = read_databases(tables)?;

        let column = |name: &'static str| if columns.iter().any(|column| column == name) { name } else { "NULL" };
        let sql = format!(
            "SELECT id, name, dimension, {}, {}, {}, {} FROM collections ORDER BY name, id",
            column("topic"),
            column("database_id"),
            column("config_json_str"),
            column("schema_str"),
        );
        let mut collections = Vec::new();
        let mut names = HashSet::new();
        tables.each(&sql, &[], |mut row| {
            let id = row.text(0, "collections.id")?;
            let bare = row.text(1, "collections.name")?;
            let dimension = row.optional_integer(2).map(|value| dimension(tables, &bare, value)).transpose()?;
            let topic = row.optional_text(3).unwrap_or_else(|| format!("persistent://default/default/{id}"));
            let (tenant, database) = match row.optional_text(4) {
                Some(key) => tenants.get(&key).cloned().unwrap_or_else(|| ("unknown".into(), key)),
                None => (DEFAULT_TENANT.into(), DEFAULT_DATABASE.into()),
            };
            let is_default = tenant == DEFAULT_TENANT && database == DEFAULT_DATABASE;
            let mut name = if is_default { bare } else { format!("{tenant}/{database}/{bare}") };
            if !names.insert(name.clone()) {
                name = format!("{name}#{id}");
                names.insert(name.clone());
            }
            let (config, schema) = (row.optional_text(5), row.optional_text(6));
            let metadata_segment = segments.remove(&(id.clone(), Scope::Metadata));
            let vector_segment = segments.remove(&(id.clone(), Scope::Vector));
            let metadata = of_collections.get(&id).cloned().unwrap_or_default();
            let of_segment = vector_segment.as_ref().and_then(|segment| of_segments.get(&segment.id));
            let settings = space::resolve(&Sources {
                segment: of_segment.map(Vec::as_slice).unwrap_or_default(),
                collection: &metadata,
                config: config.as_deref(),
                schema: schema.as_deref(),
            });
            collections.push(Entry {
                id,
                name,
                tenant,
                database,
                dimension,
                topic,
                metadata_segment,
                vector_segment,
                settings,
                metadata,
            });
            Ok(())
        })?;
        Ok(Catalog { features, collections })
    }

    /// One collection by name.
    ///
    /// # Errors
    /// `not-found`, naming those that there are.
    pub(crate) fn find(&self, name: &str) -> Result<&Entry> {
        self.collections.iter().find(|entry| entry.name == name).ok_or_else(|| {
            let all: Vec<&str> = self.collections.iter().map(|entry| entry.name.as_str()).collect();
            Error::not_found("chroma/collection", format!("there is no collection {name:?}"))
                .hint(format!("the store has: {}", all.join(", ")))
        })
    }
}

fn dimension(tables: &Tables, collection: &str, value: i64) -> Result<u32> {
    u32::try_from(value).ok().filter(|dimension| *dimension > 0).ok_or_else(|| {
        Error::corrupt("chroma/dimension", format!("collection {collection:?} has the dimension {value}"))
            .at("file", tables.file())
    })
}

impl Features {
    fn read(tables: &Tables) -> Result<Features> {
        let has = |table: &str| Ok::<bool, Error>(!tables.columns(table)?.is_empty());
        let sequence_type = tables.first("SELECT sql FROM sqlite_master WHERE name = 'max_seq_id'", &[])?;
        let integers = sequence_type.and_then(|mut row| row.optional_text(0)).unwrap_or_default();
        let integers = integers.to_ascii_uppercase().contains("SEQ_ID INTEGER");
        let purging = has("embeddings_queue_config")?;
        let generation = match (integers, purging) {
            (true, _) => "1.x",
            (false, true) => "0.5 or 0.6",
            (false, false) => "0.4",
        };
        let config = match purging {
            true => tables.first("SELECT config_json_str FROM embeddings_queue_config ORDER BY id LIMIT 1", &[])?,
            false => None,
        };
        let config: Option<Json> =
            config.and_then(|mut row| row.optional_text(0)).and_then(|text| serde_json::from_str(&text).ok());
        let keeps = config.and_then(|config| config.get("automatically_purge").and_then(Json::as_bool)) == Some(false);
        Ok(Features {
            generation,
            booleans: tables.columns("embedding_metadata")?.iter().any(|column| column == "bool_value"),
            arrays: has("embedding_metadata_array")?
                && tables.exists("SELECT 1 FROM embedding_metadata_array LIMIT 1", &[])?,
            log_is_purged: purging && !keeps,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    Metadata,
    Vector,
}

fn read_segments(tables: &Tables) -> Result<BTreeMap<(String, Scope), Segment>> {
    let mut applied = BTreeMap::new();
    if !tables.columns("max_seq_id")?.is_empty() {
        tables.each("SELECT segment_id, seq_id FROM max_seq_id", &[], |mut row| {
            let segment = row.text(0, "max_seq_id.segment_id")?;
            if let Some(sequence) = row.sequence(1, "max_seq_id.seq_id")? {
                applied.insert(segment, sequence);
            }
            Ok(())
        })?;
    }
    let mut segments = BTreeMap::new();
    tables.each("SELECT id, type, scope, collection FROM segments ORDER BY rowid", &[], |mut row| {
        let id = row.text(0, "segments.id")?;
        let kind = row.text(1, "segments.type")?;
        let scope = match row.text(2, "segments.scope")?.as_str() {
            "METADATA" => Scope::Metadata,
            "VECTOR" => Scope::Vector,
            _ => return Ok(()),
        };
        if let Some(collection) = row.optional_text(3) {
            let applied = applied.get(&id).copied();
            segments.entry((collection, scope)).or_insert(Segment { id, applied, kind });
        }
        Ok(())
    })?;
    Ok(segments)
}

/// Database id → tenant and name. Before 0.4.15 there were no databases.
fn read_databases(tables: &Tables) -> Result<BTreeMap<String, (String, String)>> {
    let mut out = BTreeMap::new();
    if !tables.columns("databases")?.is_empty() {
        tables.each("SELECT id, tenant_id, name FROM databases", &[], |mut row| {
            let id = row.text(0, "databases.id")?;
            out.insert(id, (row.text(1, "databases.tenant_id")?, row.text(2, "databases.name")?));
            Ok(())
        })?;
    }
    Ok(out)
}

/// The properties of collections or segments, by owner.
fn properties(tables: &Tables, table: &str, owner: &str) -> Result<Properties> {
    let mut out = Properties::new();
    let columns = tables.columns(table)?;
    if columns.is_empty() {
        return Ok(out);
    }
    let boolean = if columns.iter().any(|column| column == "bool_value") { "bool_value" } else { "NULL" };
    let sql = format!(
        "SELECT {owner}, key, coalesce(str_value, int_value, float_value), {boolean} FROM {table} ORDER BY {owner}, key"
    );
    tables.each(&sql, &[], |mut row| {
        let owner = row.text(0, "the owner of a property")?;
        let key = row.text(1, "the key of a property")?;
        let value = property(&mut row);
        out.entry(owner).or_default().push((key, value));
        Ok(())
    })?;
    Ok(out)
}

fn property(row: &mut Row<'_>) -> Json {
    match (row.take(2), row.take(3)) {
        (Value::Text(text), _) => Json::from(text),
        (Value::Integer(number), _) => Json::from(number),
        (Value::Real(number), _) => Json::from(number),
        (Value::Null, Value::Integer(flag)) => Json::from(flag != 0),
        _ => Json::Null,
    }
}
