/*!
Source: Chroma's persist folders, from 0.3 to 1.x.

Reads what Chroma's `get` returns: ids, documents, metadata, and vectors bit for bit, of every collection of every
tenant, whether a record is in a segment or still in the write-ahead log. Nothing is loaded whole: records come in
pages, vectors by ranged reads.

[`sqlite`] reads 0.4 and later, [`parquet`] the two parquet files of 0.3 and earlier; [`detect`] tells them apart.

What it is not: a client of a running server (point a Chroma client at it), and no rescue for a damaged SQLite file
beyond skipping records that cannot be read whole.
*/

mod detect;
mod notes;
mod parquet;
mod python_json;
mod settings;
mod sqlite;

use vecferry_sdk::{Capability, Claim, Collection, Config, Error, Host, PluginSpec, Result, Scan, SourcePlugin, Split};

use settings::Settings;

/// The source `chroma`.
pub struct ChromaSource;

/// The granted store's file from which everything else follows.
enum Store {
    Sqlite(String),
    Parquet(String),
}

impl Store {
    fn find(host: &Host) -> Result<Store> {
        let files = host.list_files()?;
        let find = |wanted: &str| {
            let named = files.iter().map(|file| &file.name).filter(|name| name.rsplit('/').next() == Some(wanted));
            // The store's own folder, should there be copies of others below it.
            named.min_by_key(|name| name.matches('/').count()).cloned()
        };
        match (find(detect::DATABASE), find(detect::EMBEDDINGS)) {
            (Some(database), _) => Ok(Store::Sqlite(database)),
            (None, Some(embeddings)) => Ok(Store::Parquet(embeddings)),
            (None, None) => Err(sqlite::no_store()),
        }
    }
}

impl SourcePlugin for ChromaSource {
    fn spec() -> PluginSpec {
        PluginSpec {
            name: "chroma".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Chroma persist folders, 0.3 to 1.x".to_owned(),
            config_schema: Settings::SCHEMA.to_owned(),
            schemes: Vec::new(),
            capabilities: vec![Capability::SourceFiles, Capability::Sqlite],
            features: Vec::new(),
        }
    }

    fn detect(host: &Host) -> Result<Vec<Claim>> {
        detect::detect(host)
    }

    fn discover(host: &Host, config: &Config) -> Result<Vec<Collection>> {
        let settings = Settings::read(config)?;
        let mut collections = match Store::find(host)? {
            Store::Sqlite(file) => sqlite::discover(host, &file, settings)?,
            Store::Parquet(file) => parquet::discover(host, &file, settings)?,
        };
        if !settings.vectors {
            for collection in &mut collections {
                collection.has_vectors = false;
                collection.dimension = None;
            }
        }
        Ok(collections)
    }

    fn plan(host: &Host, config: &Config, collection: &str, _desired: u32) -> Result<Vec<Split>> {
        let settings = Settings::read(config)?;
        let rows = match Store::find(host)? {
            Store::Sqlite(file) => sqlite::rows(host, &file, collection, settings)?,
            Store::Parquet(file) => parquet::rows(host, &file, collection)?,
        };
        // One: what a scan must know before its first page (labels, log) would be read anew for every part.
        Ok(vec![Split { id: "all".to_owned(), payload: collection.as_bytes().to_vec(), rows }])
    }

    fn open(host: &Host, config: &Config, split: &Split, after: Option<&[u8]>) -> Result<Box<dyn Scan>> {
        let settings = Settings::read(config)?;
        let name = std::str::from_utf8(&split.payload)
            .map_err(|_| Error::config("chroma/split", "this part was planned by another version of the plugin"))?;
        Ok(match Store::find(host)? {
            Store::Sqlite(file) => {
                let mode = sqlite::Mode { vectors: settings.vectors, salvage: settings.skip_unreadable };
                Box::new(sqlite::SqliteScan::open(host, &file, name, mode, after)?)
            }
            Store::Parquet(file) => Box::new(parquet::ParquetScan::open(host, &file, name, settings, after)?),
        })
    }
}

vecferry_sdk::export!(source: ChromaSource);
