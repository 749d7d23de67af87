/*! The sink's side towards the host: preparing a collection, and finishing the file. */

use rusqlite::{TransactionBehavior, params};
use vecferry_sdk::{Config, Error, Host, Limits, Metric, PluginSpec, PrepareMode, Result, SinkPlugin, Target, Writer};

use crate::SqliteSink;
use crate::database::{Database, Location};
use crate::schema::{self, Stored};
use crate::writer::CollectionWriter;

/// What one transaction may hold: much for the log, little for memory.
const MAX_BYTES: u64 = 16 << 20;

impl SinkPlugin for SqliteSink {
    fn spec() -> PluginSpec {
        crate::spec()
    }

    fn check(_host: &Host, config: &Config) -> Result<()> {
        embedding(config)?;
        Location::new(config)?.look().map(drop)
    }

    fn prepare(_host: &Host, config: &Config, target: &Target, mode: PrepareMode) -> Result<Limits> {
        let location = Location::new(config)?;
        let embedding = embedding(config)?;
        if target.dimension == Some(0) {
            return Err(Error::config("target/dimension", "a dimension of 0 is no dimension"));
        }
        if mode == PrepareMode::MustExist {
            let Some(mut database) = location.open()? else {
                let message = format!("there is no database at {}", location.path);
                return Err(Error::not_found("sqlite/not-found", message).at("file", &location.path));
            };
            let stored = existing(&database, target)?;
            settle(&mut database, Some(stored), target, embedding.as_deref())?;
        } else {
            let mut database = location.create()?;
            let stored = schema::collection(&database, &target.collection)?;
            if let Some(stored) = stored.as_ref().filter(|_| mode == PrepareMode::MustBeEmpty) {
                let count = stored.count(&database)?;
                if count > 0 {
                    let message =
                        format!("the collection '{}' holds {count} records and must be empty", target.collection);
                    return Err(Error::config("target/not-empty", message).at("file", &location.path));
                }
            }
            settle(&mut database, stored, target, embedding.as_deref())?;
        }
        Ok(Limits { max_bytes: MAX_BYTES, max_concurrency: 1, ..Limits::default() })
    }

    fn open(host: &Host, config: &Config, target: &Target) -> Result<Box<dyn Writer>> {
        let location = Location::new(config)?;
        let Some(database) = location.open()? else {
            let message = format!("there is no database at {}", location.path);
            return Err(Error::not_found("sqlite/not-found", message).at("file", &location.path));
        };
        let stored = existing(&database, target)?;
        agree(&stored, target)?;
        Ok(Box::new(CollectionWriter::new(host.clone(), database, stored.name)))
    }

    fn finish(host: &Host, config: &Config) -> Result<()> {
        let location = Location::new(config)?;
        let Some(database) = location.open()? else { return Ok(()) };
        if !database.end_log()? {
            host.warn(&format!(
                "{path} is open in another program: {path}-wal stays beside it until that one closes it",
                path = location.path
            ));
        }
        Ok(())
    }
}

/// The collection of a target that must be there.
pub(crate) fn existing(database: &Database, target: &Target) -> Result<Stored> {
    let mut all = schema::collections(database)?;
    match all.iter().position(|stored| stored.name == target.collection) {
        Some(at) => Ok(all.swap_remove(at)),
        None => {
            let names: Vec<&str> = all.iter().map(|stored| stored.name.as_str()).collect();
            let message = format!("there is no collection '{}' in {}", target.collection, database.path);
            Err(Error::not_found("sqlite/no-collection", message)
                .hint(format!("it holds: {}", if names.is_empty() { "none".to_owned() } else { names.join(", ") }))
                .at("file", &database.path))
        }
    }
}

/// Stops where the target asks for another dimension or metric than the collection has.
fn agree(stored: &Stored, target: &Target) -> Result<()> {
    let differs = |what: &str, has: &str, wants: &str| {
        let message = format!("the collection '{}' has {what} {has}, the run asks for {wants}", stored.name);
        Err(Error::config("target/mismatch", message)
            .hint("write into another collection (--namespace) or another file")
            .at("collection", &stored.name))
    };
    match (stored.dimension, target.dimension) {
        (Some(has), Some(wants)) if has != wants => return differs("dimension", &has.to_string(), &wants.to_string()),
        _ => {}
    }
    let (has, wants) = (stored.metric, target.metric);
    if has != wants && has != Metric::Unknown && wants != Metric::Unknown {
        return differs("metric", has.as_str(), wants.as_str());
    }
    Ok(())
}

/// Makes the collection, or fills in what was not known of it; nothing, where there is nothing new.
fn settle(database: &mut Database, stored: Option<Stored>, target: &Target, embedding: Option<&str>) -> Result<()> {
    let metric = match &stored {
        Some(stored) if stored.metric != Metric::Unknown => stored.metric,
        _ => target.metric,
    };
    let dimension = stored.as_ref().and_then(|stored| stored.dimension).or(target.dimension);
    let known = stored.as_ref().and_then(|stored| stored.embedding.clone());
    let known = known.as_deref();
    if let Some(stored) = &stored {
        agree(stored, target)?;
        if let (Some(has), Some(wants)) = (known.and_then(model), embedding.and_then(model))
            && has != wants
            && stored.count(database)? > 0
        {
            let message = format!(
                "the vectors of the collection '{}' were made by the model {has}, this run's by {wants}; they cannot be compared",
                stored.name
            );
            return Err(Error::config("target/other-model", message)
                .hint("write into another collection (--namespace), or embed with the same model (--embed)"));
        }
        let embedding_stays = embedding.is_none() || embedding == known;
        if stored.metric == metric && stored.dimension == dimension && embedding_stays {
            return Ok(());
        }
    }
    let embedding = embedding.or(known);
    let path = database.path.clone();
    let failed = |e: rusqlite::Error| crate::fault::fault("prepare", &path, &e);
    let transaction = database.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    match stored {
        Some(stored) => {
            let sql = "UPDATE collections SET dimension = ?2, metric = ?3, embedding = ?4 WHERE collection = ?1";
            transaction.execute(sql, params![stored.number, dimension, metric.as_str(), embedding]).map_err(failed)?;
        }
        None => {
            let sql = "INSERT INTO collections (name, dimension, metric, embedding) VALUES (?1, ?2, ?3, ?4) RETURNING collection";
            let number = transaction
                .query_row(sql, params![target.collection, dimension, metric.as_str(), embedding], |row| row.get(0))
                .map_err(failed)?;
            transaction.execute_batch(&Stored::tables(number)).map_err(failed)?;
        }
    }
    transaction.commit().map_err(failed)
}

/// The setting `embedding`, as text.
fn embedding(config: &Config) -> Result<Option<String>> {
    match config.get("embedding") {
        None | Some(Config::Null) => Ok(None),
        Some(embedding @ Config::Object(_)) => Ok(Some(embedding.to_string())),
        Some(other) => Err(Error::config(
            "sqlite/embedding",
            format!("the setting 'embedding' is {other}, expected a JSON object"),
        )),
    }
}

/// The model that an `embedding` names.
fn model(embedding: &str) -> Option<String> {
    let json: Config = serde_json::from_str(embedding).ok()?;
    json.get("model").and_then(Config::as_str).map(str::to_owned)
}
