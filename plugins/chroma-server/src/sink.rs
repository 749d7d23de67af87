/*! The sink's side towards the host: making a collection ready, and telling what it takes. */

use vecferry_sdk::{
    Batch, Capability, Config, Error, Host, Limits, Metric, PluginSpec, PrepareMode, Receipt, Result, SinkPlugin,
    Target, Writer,
};

use crate::ChromaServerSink;
use crate::api::{Collection, Database};
use crate::records::{Takes, records};
use crate::settings::{SCHEMA, Settings, check_name};
use crate::writer::CollectionWriter;

/// Bytes of one write. The server takes bodies of 40 MB; text may be twice as long there.
const MAX_BATCH_BYTES: u64 = 8 << 20;
/// The server has one writer of its own: more than that only wait. While it writes, one can make its next request.
const MAX_WRITERS: u32 = 2;

impl SinkPlugin for ChromaServerSink {
    fn spec() -> PluginSpec {
        PluginSpec {
            name: "chroma-server".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Collections of a Chroma server".into(),
            config_schema: SCHEMA.into(),
            schemes: vec!["chroma".into()],
            capabilities: vec![Capability::Http],
            features: vec!["read-back".into(), "reopens".into(), "alters".into()],
        }
    }

    fn check(host: &Host, config: &Config) -> Result<()> {
        Database::new(host, &Settings::read(config)?).check()
    }

    fn prepare(host: &Host, config: &Config, target: &Target, mode: PrepareMode) -> Result<Limits> {
        let settings = Settings::read(config)?;
        check_name(&target.collection)?;
        let database = Database::new(host, &settings);
        let checklist = database.checklist()?;
        let collection = match (database.find(&target.collection)?, mode) {
            (Some(collection), _) => collection,
            (None, PrepareMode::MustExist) => return Err(missing(target)),
            (None, _) => {
                check_dimension(target)?;
                database.create(&target.collection, target.metric)?
            }
        };
        agree(&collection, target)?;
        if mode == PrepareMode::MustBeEmpty {
            let count = collection.count()?;
            if count > 0 {
                let message = format!("the collection '{}' holds {count} records and must be empty", collection.name);
                return Err(Error::config("target/not-empty", message).hint("write into another one (--namespace)"));
            }
        }
        Ok(Limits {
            max_rows: checklist.max_batch_size,
            max_bytes: MAX_BATCH_BYTES,
            max_concurrency: MAX_WRITERS,
            ..Limits::default()
        })
    }

    fn rehearse(config: &Config, target: &Target, batch: &Batch) -> Result<Receipt> {
        let settings = Settings::read(config)?;
        check_name(&target.collection)?;
        check_dimension(target)?;
        let takes = Takes { dimension: target.dimension, keeps_lists: settings.keeps_lists };
        records(takes, batch).map(|(_, receipt)| receipt)
    }

    fn open(host: &Host, config: &Config, target: &Target) -> Result<Box<dyn Writer>> {
        let settings = Settings::read(config)?;
        check_name(&target.collection)?;
        let database = Database::new(host, &settings);
        let Some(collection) = database.find(&target.collection)? else { return Err(missing(target)) };
        agree(&collection, target)?;
        let takes = Takes { dimension: collection.dimension.or(target.dimension), keeps_lists: settings.keeps_lists };
        Ok(Box::new(CollectionWriter::new(collection, database.checklist()?, takes)))
    }
}

fn missing(target: &Target) -> Error {
    let message = format!("there is no collection '{}' on the server", target.collection);
    Error::not_found("chroma-server/no-collection", message).at("collection", &target.collection)
}

fn check_dimension(target: &Target) -> Result<()> {
    match target.dimension {
        Some(0) => Err(Error::config("target/dimension", "a dimension of 0 is no dimension")),
        Some(_) => Ok(()),
        None => {
            let message =
                format!("the records of '{}' have no vectors; in Chroma every record has one", target.collection);
            Err(Error::config("chroma-server/no-vectors", message).hint("--embed makes vectors of documents"))
        }
    }
}

/// Stops where the target asks for another dimension or metric than the collection has.
fn agree(collection: &Collection, target: &Target) -> Result<()> {
    let differs = |what: &str, has: &str, wants: &str| {
        let message = format!("the collection '{}' has {what} {has}, the run asks for {wants}", collection.name);
        Err(Error::config("target/mismatch", message)
            .hint("write into another collection (--namespace)")
            .at("collection", &collection.name))
    };
    if let (Some(has), Some(wants)) = (collection.dimension, target.dimension)
        && has != wants
    {
        return differs("dimension", &has.to_string(), &wants.to_string());
    }
    let (has, wants) = (collection.metric, target.metric);
    if has != wants && has != Metric::Unknown && wants != Metric::Unknown {
        return differs("metric", has.as_str(), wants.as_str());
    }
    Ok(())
}
