/*!
Stores of Chroma 0.3 and earlier: what DuckDB exported to `chroma-collections.parquet` and
`chroma-embeddings.parquet` (`chromadb/db/duckdb.py`, `PersistentDuckDB`). The folder `index` holds hnswlib indexes of the
same vectors; nothing in it is needed.

The parquet reader here is a small one of its own, for two reasons. It streams: DuckDB writes pages of up to 100 MB,
which are decompressed through a window of 64 KiB instead of being held. And it cannot panic on a damaged file, which
in a guest would be a trap (the `parquet` crate, version 60, does on one of 500 files with a few bytes changed). It
reads what DuckDB writes: data pages of version 1, plain and dictionary encoding, Snappy or no compression; everything
else is refused by name.
*/

mod column;
mod footer;
mod levels;
mod page;
mod scan;
mod snappy;
mod thrift;

use std::collections::BTreeMap;

use serde_json::Value as Json;
use vecferry_sdk::{Collection, Error, File, Fingerprint, Host, IdOrigin, Result};

use crate::detect::{self, folder_of};
use crate::settings::{SKIP_HINT, Settings};
use crate::sqlite::Space;
use column::Column;
use footer::Footer;

pub(crate) use scan::ParquetScan;

/// No compression that is used here makes more than this of a byte, and every record has an id of its own.
const MAX_ROWS_PER_BYTE: u64 = 64;

/// The collections of the store whose embeddings are in `file`.
///
/// # Errors
/// `corrupt` with file and offset.
pub(crate) fn discover(host: &Host, file: &str, settings: Settings) -> Result<Vec<Collection>> {
    let embeddings = Table::open(host, file)?;
    let named = Named::read(host, file)?;
    let mut fingerprint = Fingerprint::default();
    fingerprint.add_file(&*embeddings.file)?;
    let mut found = BTreeMap::new();
    let damage = survey(&embeddings, &mut found).err();
    if let Some(error) = &damage {
        if !settings.skip_unreadable {
            return Err(error.clone().hint(SKIP_HINT));
        }
        host.warn(&format!("the records cannot be counted: {error}"));
    }
    for id in named.by_id.keys() {
        found.entry(id.clone()).or_default();
    }
    let collections = found.into_iter().map(|(id, seen)| {
        let metadata = named.by_id.get(&id).map(|(_, metadata)| metadata);
        let space_name =
            metadata.and_then(|metadata| metadata.get("hnsw:space")).and_then(Json::as_str).unwrap_or("l2");
        let mut details = vec![
            ("format".to_owned(), "Chroma 0.3, DuckDB and parquet".to_owned()),
            ("space".to_owned(), space_name.to_owned()),
        ];
        if let Some(Json::Object(metadata)) = metadata {
            details.push(("metadata".to_owned(), Json::Object(metadata.clone()).to_string()));
        }
        details.push(("id".to_owned(), id.clone()));
        Collection {
            name: named.name(&id),
            rows: damage.is_none().then_some(seen.rows),
            dimension: seen.dimension,
            metric: Space::named(space_name).metric(),
            has_documents: seen.has_documents,
            has_vectors: seen.dimension.is_some(),
            id_origin: IdOrigin::Store,
            lossy_vectors: false,
            aside: None,
            fingerprint: fingerprint.finish(),
            details,
        }
    });
    let mut collections: Vec<Collection> = collections.collect();
    collections.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(collections)
}

/// The number of a collection's records, where they can be counted.
///
/// # Errors
/// `not-found` for an unknown collection.
pub(crate) fn rows(host: &Host, file: &str, collection: &str) -> Result<Option<u64>> {
    let id = Named::read(host, file)?.id(collection)?;
    let embeddings = Table::open(host, file)?;
    let mut rows = 0;
    let counted = embeddings.each_owner(|owner, _, _| {
        rows += u64::from(owner == id.as_bytes());
        Ok(())
    });
    // What is damaged is the scan's to report.
    Ok(counted.is_ok().then_some(rows))
}

/// A parquet file, open.
struct Table {
    file: File,
    footer: Footer,
}

/// What one collection has.
#[derive(Default)]
struct Seen {
    rows: u64,
    dimension: Option<u32>,
    has_documents: bool,
}

impl Table {
    fn open(host: &Host, name: &str) -> Result<Table> {
        let file = host.open_file(name)?;
        let footer = Footer::read(&file)?;
        let most = file.size().saturating_mul(MAX_ROWS_PER_BYTE);
        let rows = footer.groups.iter().fold(0u64, |rows, group| rows.saturating_add(group.rows));
        if rows > most {
            return Err(Error::corrupt(
                "parquet/footer",
                format!("the footer claims {rows} rows, which {} bytes cannot hold", file.size()),
            )
            .at("file", name)
            .at("offset", file.size() - 8));
        }
        Ok(Table { file, footer })
    }

    /// A column of a row group.
    fn column(&self, group: usize, name: &str) -> Result<Column> {
        let leaf = self.footer.leaf(name);
        let found = leaf.and_then(|at| {
            Some(Column::open(&self.file, self.footer.leaves.get(at)?, self.footer.groups.get(group)?.chunks.get(at)?))
        });
        found.ok_or_else(|| {
            Error::corrupt("chroma/parquet", format!("there is no column {name:?}")).at("file", self.file.name())
        })
    }

    /// Calls `each` with the owner of every row, its row group and its place in it.
    fn each_owner(&self, mut each: impl FnMut(&[u8], usize, u64) -> Result<()>) -> Result<()> {
        for (number, group) in self.footer.groups.iter().enumerate() {
            let mut owners = self.column(number, "collection_uuid")?;
            for row in 0..group.rows {
                each(&owners.text()?.unwrap_or_default(), number, row)?;
            }
        }
        Ok(())
    }
}

/// A column that is moved forward to the rows that are looked at.
struct Lagging {
    column: Column,
    at: u64,
}

fn survey(table: &Table, found: &mut BTreeMap<String, Seen>) -> Result<()> {
    let mut open: Option<(usize, Lagging, Lagging)> = None;
    let mut numbers = Vec::new();
    table.each_owner(|owner, group, row| {
        let owner = String::from_utf8_lossy(owner).into_owned();
        let seen = found.entry(owner).or_default();
        seen.rows += 1;
        if seen.dimension.is_some() && seen.has_documents {
            return Ok(());
        }
        if open.as_ref().is_none_or(|(number, ..)| *number != group) {
            let vectors = Lagging { column: table.column(group, "embedding")?, at: 0 };
            open = Some((group, vectors, Lagging { column: table.column(group, "document")?, at: 0 }));
        }
        let Some((_, vectors, documents)) = &mut open else { return Ok(()) };
        if seen.dimension.is_none() {
            while vectors.at < row {
                vectors.column.skip_numbers()?;
                vectors.at += 1;
            }
            vectors.column.numbers(&mut numbers)?;
            vectors.at += 1;
            seen.dimension = u32::try_from(numbers.len()).ok().filter(|dimension| *dimension > 0);
        }
        if !seen.has_documents {
            while documents.at < row {
                documents.column.skip_text()?;
                documents.at += 1;
            }
            seen.has_documents = documents.column.skip_text()?;
            documents.at += 1;
        }
        Ok(())
    })
}

/// The table of collections.
struct Named {
    /// UUID → name and metadata.
    by_id: BTreeMap<String, (String, Json)>,
}

impl Named {
    /// Reads it from beside the embeddings. Without it, collections go by their UUIDs.
    fn read(host: &Host, embeddings: &str) -> Result<Named> {
        let name = format!("{}{}", folder_of(embeddings), detect::COLLECTIONS);
        let mut by_id = BTreeMap::new();
        if !host.list_files()?.iter().any(|file| file.name == name) {
            host.warn(&format!("there is no {}: collections are called by their ids", detect::COLLECTIONS));
            return Ok(Named { by_id });
        }
        let table = Table::open(host, &name)?;
        for (number, group) in table.footer.groups.iter().enumerate() {
            let mut ids = table.column(number, "uuid")?;
            let mut names = table.column(number, "name")?;
            let mut metadata = table.column(number, "metadata")?;
            for _ in 0..group.rows {
                let text = |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                let (id, name, metadata) = (text(ids.text()?), text(names.text()?), text(metadata.text()?));
                let metadata = metadata.map(|text| crate::python_json::mend(&text).text.into_owned());
                let metadata = metadata.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Json::Null);
                if let Some(id) = id {
                    by_id.insert(id.clone(), (name.unwrap_or(id), metadata));
                }
            }
        }
        Ok(Named { by_id })
    }

    /// What a collection is called: its name, with its UUID where another has the same.
    fn name(&self, id: &str) -> String {
        let Some((name, _)) = self.by_id.get(id) else { return id.to_owned() };
        let is_first = self.by_id.iter().find(|(_, (other, _))| other == name).is_none_or(|(first, _)| first == id);
        if is_first { name.clone() } else { format!("{name}#{id}") }
    }

    fn id(&self, name: &str) -> Result<String> {
        match self.by_id.keys().find(|id| self.name(id) == name) {
            Some(id) => Ok(id.clone()),
            None if self.by_id.is_empty() => Ok(name.to_owned()),
            None => Err(Error::not_found("chroma/collection", format!("there is no collection {name:?}"))),
        }
    }
}
