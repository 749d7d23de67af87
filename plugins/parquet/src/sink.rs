/*!
The sink's side towards the host. The plugin's instance holds the collections that it writes, by location: every
writer, and `finish`, mean the same ones.
*/

use std::cell::RefCell;
use std::collections::HashMap;

use vecferry_sdk::{
    Batch, Config, Dense, Error, Hit, Host, IdPage, Limits, PluginSpec, PrepareMode, Receipt, Result, SinkPlugin,
    Target, Writer,
};

use crate::ParquetSink;
use crate::columns::Columns;
use crate::fit;
use crate::settings::{Form, SinkSettings};
use crate::table::Table;

/// What one write may hold.
const MAX_BYTES: u64 = 16 << 20;

/// Collections, by their names.
type Tables = HashMap<String, Table>;

thread_local! {
    /// By location.
    static FOLDERS: RefCell<HashMap<String, Tables>> = RefCell::new(HashMap::new());
}

/// Works on a collection that was prepared.
fn with_table<T>(location: &str, collection: &str, work: impl FnOnce(&mut Table) -> Result<T>) -> Result<T> {
    FOLDERS.with_borrow_mut(|folders| match folders.get_mut(location).and_then(|tables| tables.get_mut(collection)) {
        Some(table) => work(table),
        None => Err(Error::internal(
            "parquet/not-prepared",
            format!("the collection '{collection}' was not prepared in this instance"),
        )
        .hint("run the migration again")),
    })
}

/// What the layout cannot take at all.
fn check_target(settings: &SinkSettings, target: &Target, mode: PrepareMode) -> Result<()> {
    if target.dimension == Some(0) {
        return Err(Error::config("target/dimension", "a dimension of 0 is no dimension"));
    }
    if settings.form == Form::Pinecone {
        // What exists already says itself what it has.
        if target.dimension.is_none() && mode != PrepareMode::MustExist {
            let message =
                format!("the collection '{}' has no vectors, which Pinecone's import needs", target.collection);
            return Err(Error::config("pinecone/no-vectors", message).hint("--embed makes vectors from documents"));
        }
        // The folder's name is the namespace, letter for letter.
        if crate::names::folder(&target.collection) != target.collection {
            let message = format!(
                "'{}' cannot be a namespace in Pinecone's import layout: its folder has letters, digits, '_', '-' and \
                 '.' only",
                target.collection
            );
            return Err(Error::config("pinecone/namespace", message).hint("--namespace names another one"));
        }
    }
    Ok(())
}

impl SinkPlugin for ParquetSink {
    fn spec() -> PluginSpec {
        crate::spec()
    }

    fn check(_host: &Host, config: &Config) -> Result<()> {
        SinkSettings::read(config).map(drop)
    }

    fn prepare(host: &Host, config: &Config, target: &Target, mode: PrepareMode) -> Result<Limits> {
        let settings = SinkSettings::read(config)?;
        check_target(&settings, target, mode)?;
        FOLDERS.with_borrow_mut(|folders| {
            let tables = folders.entry(settings.location.clone()).or_default();
            match tables.get_mut(&target.collection) {
                Some(table) => table.check(target, mode),
                None => {
                    let table = Table::prepare(host, &settings, target, mode)?;
                    tables.insert(target.collection.clone(), table);
                    Ok(())
                }
            }
        })?;
        Ok(Limits { max_bytes: MAX_BYTES, max_concurrency: 1, ..Limits::default() })
    }

    fn rehearse(config: &Config, target: &Target, batch: &Batch) -> Result<Receipt> {
        let settings = SinkSettings::read(config)?;
        batch.check()?;
        let layout = settings.pinecone(&target.collection);
        Ok(fit::fit(batch, settings.form, &layout, target.dimension, &mut Columns::default()).receipt)
    }

    fn open(_host: &Host, config: &Config, target: &Target) -> Result<Box<dyn Writer>> {
        let location = SinkSettings::read(config)?.location;
        with_table(&location, &target.collection, |_| Ok(()))?;
        Ok(Box::new(TableOf { location, collection: target.collection.clone() }))
    }

    fn finish(_host: &Host, config: &Config) -> Result<()> {
        let location = SinkSettings::read(config)?.location;
        FOLDERS.with_borrow_mut(|folders| {
            folders.get_mut(&location).into_iter().flat_map(HashMap::values_mut).try_for_each(Table::finish)
        })
    }
}

/// A writer to one collection.
struct TableOf {
    location: String,
    collection: String,
}

impl TableOf {
    fn with<T>(&self, work: impl FnOnce(&mut Table) -> Result<T>) -> Result<T> {
        with_table(&self.location, &self.collection, work)
    }
}

impl Writer for TableOf {
    fn write(&mut self, batch: &Batch) -> Result<Receipt> {
        self.with(|table| table.write(batch))
    }
    fn flush(&mut self) -> Result<()> {
        self.with(Table::flush)
    }
    fn count(&mut self) -> Result<u64> {
        self.with(|table| Ok(table.count()))
    }
    fn list(&mut self, after: Option<&[u8]>, max: u32) -> Result<Option<IdPage>> {
        self.with(|table| table.list(after, max))
    }
    fn fetch(&mut self, ids: &[String]) -> Result<Batch> {
        self.with(|table| table.fetch(ids))
    }
    fn query(&mut self, vectors: &Dense, k: u32) -> Result<Vec<Vec<Hit>>> {
        self.with(|table| table.query(vectors, k))
    }
}
