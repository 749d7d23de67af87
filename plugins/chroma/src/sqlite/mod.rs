/*!
Stores of Chroma 0.4 to 1.x: `chroma.sqlite3` and a folder per vector segment.

[`catalog`] says what collections there are, [`segment`] reads a collection's index, [`log`] what the index has not
taken up yet, [`locate`] joins them, [`records`] reads records, [`scan`] makes pages of them. SQL goes through
[`table`]; ids are kept in [`ids`].
*/

mod catalog;
mod ids;
mod locate;
mod log;
mod records;
mod salvage;
mod scan;
mod segment;
mod space;
mod table;

use vecferry_sdk::{Collection, Error, Fingerprint, Host, IdOrigin, Result, Value};

use catalog::{Catalog, Entry};
use segment::SegmentFiles;
use table::{Tables, is_damage};

use crate::settings::Settings;

pub(crate) use locate::Mode;
pub(crate) use scan::SqliteScan;
pub(crate) use space::Space;

/// Characters of a collection's metadata that are shown.
const SHOWN: usize = 200;

/// The collections of the database `file`.
///
/// # Errors
/// `corrupt` when its catalog cannot be read; `unsupported` when it is not Chroma's.
pub(crate) fn discover(host: &Host, file: &str, settings: Settings) -> Result<Vec<Collection>> {
    let tables = Tables::open(host, file)?;
    let catalog = Catalog::read(&tables)?;
    let fingerprint = fingerprint_of_database(host, file)?;
    let describe = |entry| describe(host, &tables, &catalog, entry, &fingerprint, settings);
    let mut collections: Vec<Collection> = catalog.collections.iter().map(describe).collect::<Result<_>>()?;
    set_others_aside(&catalog, &mut collections);
    Ok(collections)
}

/// What Chroma's clients see unless they name a tenant and a database is moved by default; where there is nothing of
/// that, everything is.
fn set_others_aside(catalog: &Catalog, collections: &mut [Collection]) {
    if !catalog.collections.iter().any(Entry::is_default) {
        return;
    }
    let others = catalog.collections.iter().zip(collections).filter(|(entry, _)| !entry.is_default());
    for (entry, collection) in others {
        collection.aside = Some(format!("it belongs to tenant '{}', database '{}'", entry.tenant, entry.database));
    }
}

/// The number of a collection's records, where the store tells.
///
/// # Errors
/// `not-found` for an unknown collection; `corrupt`.
pub(crate) fn rows(host: &Host, file: &str, name: &str, settings: Settings) -> Result<Option<u64>> {
    let tables = Tables::open(host, file)?;
    let catalog = Catalog::read(&tables)?;
    tolerate(count(&tables, catalog.find(name)?), settings, None)
}

/// What is damaged is the scan's to report when records are salvaged.
fn tolerate<T>(result: Result<T>, settings: Settings, otherwise: T) -> Result<T> {
    match result {
        Err(error) if settings.skip_unreadable && is_damage(&error) => Ok(otherwise),
        result => result,
    }
}

fn describe(
    host: &Host,
    tables: &Tables,
    catalog: &Catalog,
    entry: &Entry,
    fingerprint: &Fingerprint,
    settings: Settings,
) -> Result<Collection> {
    let rows = tolerate(count(tables, entry), settings, None)?;
    let mut details = vec![
        ("format".to_owned(), format!("Chroma {}, SQLite and hnswlib", catalog.features.generation)),
        ("space".to_owned(), entry.settings.space_name.clone()),
    ];
    let mut detail = |name: &str, value: String| details.push((name.to_owned(), value));
    if let Some(function) = &entry.settings.embedding_function {
        detail("embedding function", function.clone());
    }
    if !entry.settings.parameters.is_empty() {
        let pairs = entry.settings.parameters.iter().map(|(name, value)| format!("{name} {value}"));
        detail("index", format!("HNSW, {}", pairs.collect::<Vec<_>>().join(", ")));
    }
    if !entry.metadata.is_empty() {
        let text = serde_json::Value::Object(entry.metadata.iter().cloned().collect()).to_string();
        let end = text.floor_char_boundary(SHOWN);
        let more = if end < text.len() { "…" } else { "" };
        detail("metadata", format!("{}{more}", text.get(..end).unwrap_or_default()));
    }
    detail("tenant", entry.tenant.clone());
    detail("database", entry.database.clone());
    detail("id", entry.id.clone());
    let mut fingerprint = fingerprint.clone();
    let mut dimension = entry.dimension;
    if let Some(segment) = &entry.vector_segment {
        let files = SegmentFiles::find(host, tables.file(), &segment.id)?;
        for name in ["header.bin", "index_metadata.pickle"] {
            if files.has(name) {
                fingerprint.add_file(&*host.open_file(&files.name(name))?)?;
            }
        }
        if let Some(damage) = files.damage(segment) {
            detail("damage", damage);
        }
    }
    if dimension.is_none() {
        dimension = tolerate(dimension_of(tables, entry), settings, None)?;
    }
    Ok(Collection {
        name: entry.name.clone(),
        rows,
        dimension,
        metric: entry.settings.space.metric(),
        has_documents: tolerate(has_documents(tables, entry), settings, true)?,
        has_vectors: dimension.is_some(),
        id_origin: IdOrigin::Store,
        lossy_vectors: false,
        aside: None,
        fingerprint: fingerprint.finish(),
        details,
    })
}

/// Records; `None` when the log holds changes that only a replay can count.
fn count(tables: &Tables, entry: &Entry) -> Result<Option<u64>> {
    let Some(segment) = &entry.metadata_segment else { return Ok(None) };
    let after = [Value::Integer(segment.applied.unwrap_or(i64::MIN)), Value::Text(entry.topic.clone())];
    if tables.exists("SELECT 1 FROM embeddings_queue WHERE seq_id > ?1 AND topic = ?2 LIMIT 1", &after)? {
        return Ok(None);
    }
    let id = [Value::Text(segment.id.clone())];
    let row = tables.first("SELECT count(*) FROM embeddings WHERE segment_id = ?1", &id)?;
    let count = row.map(|mut row| row.integer(0, "the number of records")).transpose()?;
    Ok(count.and_then(|count| u64::try_from(count).ok()))
}

fn has_documents(tables: &Tables, entry: &Entry) -> Result<bool> {
    let Some(segment) = &entry.metadata_segment else { return Ok(false) };
    // CROSS JOIN keeps SQLite to this order: the collection's own records, and each one's document by its key.
    let sql = "SELECT 1 FROM embeddings e CROSS JOIN embedding_metadata m \
               ON m.id = e.id AND m.key = 'chroma:document' WHERE e.segment_id = ?1 LIMIT 1";
    tables.exists(sql, &[Value::Text(segment.id.clone())])
}

/// The dimension of a collection that does not record one, from the first vector of its log.
fn dimension_of(tables: &Tables, entry: &Entry) -> Result<Option<u32>> {
    let sql = "SELECT length(vector) FROM embeddings_queue WHERE topic = ?1 AND vector IS NOT NULL LIMIT 1";
    let bytes = tables.first(sql, &[Value::Text(entry.topic.clone())])?.and_then(|mut row| row.optional_integer(0));
    Ok(bytes.and_then(|bytes| u32::try_from(bytes / 4).ok()).filter(|dimension| *dimension > 0))
}

fn fingerprint_of_database(host: &Host, file: &str) -> Result<Fingerprint> {
    let mut fingerprint = Fingerprint::default();
    let log = format!("{file}-wal");
    for entry in host.list_files()? {
        if entry.name == file || entry.name == log {
            // SQLite counts changes in the header of the file and of its log.
            fingerprint.add_file(&*host.open_file(&entry.name)?)?;
        }
    }
    Ok(fingerprint)
}

/// The error for a store without the file that makes it one.
pub(crate) fn no_store() -> Error {
    Error::not_found("chroma/no-store", "there is no chroma.sqlite3 and no chroma-embeddings.parquet here")
        .hint("point at the folder that was given to chromadb as `path` or `persist_directory`")
}
