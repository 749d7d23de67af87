/*!
The sink's side towards the host. The plugin's instance holds the files that it writes, by location: every
writer, and `finish`, mean the same one. What dies with the instance was not finished and leaves no file under the
name; a run that goes on (the setting `resume`, which the host gives) finds what was flushed.
*/

use std::cell::RefCell;
use std::collections::HashMap;

use vecferry_sdk::{
    Batch, Capability, Config, Dense, Error, Hit, Host, IdPage, Limits, PluginSpec, PrepareMode, Receipt, Result,
    SinkPlugin, Target, Writer,
};

use crate::Jsonl;
use crate::lines::{self, Lines};

/// What one write may hold; as text it becomes about three times that.
const MAX_BYTES: u64 = 4 << 20;

/// A file of this instance.
enum State {
    Writing(Box<Lines>),
    /// It stands under its name. Kept, so that `finish` again does not put an empty file there.
    Finished,
}

thread_local! {
    static FILES: RefCell<HashMap<String, State>> = RefCell::new(HashMap::new());
}

/// Works on the file of a location that was prepared.
fn with_lines<T>(name: &str, work: impl FnOnce(&mut Lines) -> Result<T>) -> Result<T> {
    FILES
        .with_borrow_mut(|files| match files.get_mut(name) {
            Some(State::Writing(lines)) => work(lines),
            Some(State::Finished) => Err(Error::unsupported("jsonl/finished", format!("{name} is finished"))
                .hint("a finished file is neither read nor written by this sink")),
            None => Err(Error::internal("jsonl/not-prepared", format!("{name} was not begun in this instance"))
                .hint("run the migration again: it starts a new file")),
        })
        .map_err(|e| e.at("file", name))
}

/// The file's name in the granted folder: the last part of the location.
fn file_name(config: &Config) -> Result<String> {
    let location = config.get("location").and_then(Config::as_str).unwrap_or_default();
    match location.rsplit('/').next().unwrap_or_default() {
        "" | "." | ".." => Err(Error::config("jsonl/location", format!("'{location}' names no file"))
            .hint("name the file to write, as in --to jsonl:out.jsonl")),
        name => Ok(name.to_owned()),
    }
}

impl SinkPlugin for Jsonl {
    fn spec() -> PluginSpec {
        PluginSpec {
            name: "jsonl".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Writes records as JSON Lines, one object a line, into one file".into(),
            config_schema: r#"{"type":"object","properties":{"location":{"type":"string","description":"the file to write"}},"required":["location"]}"#.into(),
            schemes: vec!["jsonl".into()],
            capabilities: vec![Capability::SinkFiles],
            features: vec!["read-back".into(), "visible-at-finish".into()],
        }
    }

    fn check(_host: &Host, config: &Config) -> Result<()> {
        file_name(config).map(drop)
    }

    fn prepare(host: &Host, config: &Config, target: &Target, mode: PrepareMode) -> Result<Limits> {
        let name = file_name(config)?;
        if target.dimension == Some(0) {
            return Err(Error::config("target/dimension", "a dimension of 0 is no dimension"));
        }
        FILES.with_borrow_mut(|files| -> Result<()> {
            if !matches!(files.get(&name), Some(State::Writing(_))) {
                let goes_on = config.get("resume").and_then(Config::as_bool).unwrap_or(false);
                let lines = match mode {
                    PrepareMode::MustExist => Lines::finished(host, &name)?,
                    _ if goes_on => Lines::reopen(host, &name)?,
                    _ => Lines::create(host, &name)?,
                };
                files.insert(name.clone(), State::Writing(Box::new(lines)));
            }
            Ok(())
        })?;
        with_lines(&name, |lines| lines.prepare(target))?;
        Ok(Limits { max_bytes: MAX_BYTES, max_concurrency: 1, ..Limits::default() })
    }

    fn rehearse(_config: &Config, target: &Target, batch: &Batch) -> Result<Receipt> {
        lines::rehearse(&target.collection, target.dimension, batch)
    }

    fn open(_host: &Host, config: &Config, target: &Target) -> Result<Box<dyn Writer>> {
        let name = file_name(config)?;
        with_lines(&name, |lines| lines.is_prepared(&target.collection))?;
        Ok(Box::new(LinesOf { name, collection: target.collection.clone() }))
    }

    fn finish(host: &Host, config: &Config) -> Result<()> {
        let name = file_name(config)?;
        FILES.with_borrow_mut(|files| {
            match files.get_mut(&name) {
                Some(State::Finished) => return Ok(()),
                Some(State::Writing(lines)) => lines.finish()?,
                // There was nothing to prepare: that is an empty file.
                None => Lines::create(host, &name)?.finish()?,
            }
            files.insert(name.clone(), State::Finished);
            Ok(())
        })
    }
}

/// A writer for one collection of a file.
struct LinesOf {
    name: String,
    collection: String,
}

impl Writer for LinesOf {
    fn write(&mut self, batch: &Batch) -> Result<Receipt> {
        with_lines(&self.name, |lines| lines.write(&self.collection, batch))
    }
    fn flush(&mut self) -> Result<()> {
        with_lines(&self.name, Lines::flush)
    }
    fn count(&mut self) -> Result<u64> {
        with_lines(&self.name, |lines| lines.count(&self.collection))
    }
    fn list(&mut self, after: Option<&[u8]>, max: u32) -> Result<Option<IdPage>> {
        with_lines(&self.name, |lines| lines.list(&self.collection, after, max))
    }
    fn fetch(&mut self, ids: &[String]) -> Result<Batch> {
        with_lines(&self.name, |lines| lines.fetch(&self.collection, ids))
    }
    fn query(&mut self, vectors: &Dense, k: u32) -> Result<Vec<Vec<Hit>>> {
        with_lines(&self.name, |lines| lines.query(&self.collection, vectors, k))
    }
}
