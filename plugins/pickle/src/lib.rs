/*!
Source `pickle`: texts, metadata, embeddings and ids in Python pickles, one file each or all in one, joined by
position with each other and with a flat FAISS index.

Nothing of a pickle is executed; see `plugins/formats/pickle`. What is not one of the common shapes is refused
with the place of the value that does not fit.
*/

mod cell;
mod detect;
mod layout;
mod record;
mod scan;
mod sequence;
mod settings;
mod shape;
mod words;

use std::rc::Rc;

use vecferry_sdk::{Capability, Claim, Collection, Config, Error, Host, PluginSpec, Result, Scan, SourcePlugin, Split};

use crate::detect::Files;
use crate::layout::{Layout, Look};
use crate::settings::Settings;

/// The plugin.
pub struct PickleSource;

vecferry_sdk::export!(source: PickleSource);

impl SourcePlugin for PickleSource {
    fn spec() -> PluginSpec {
        PluginSpec {
            name: "pickle".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "texts, metadata and embeddings in Python pickles (text.pkl + metadata.pkl, lists, dicts, numpy)"
                .to_owned(),
            config_schema: settings::SCHEMA.to_owned(),
            schemes: Vec::new(),
            capabilities: vec![Capability::SourceFiles],
            features: Vec::new(),
        }
    }

    fn detect(host: &Host) -> Result<Vec<Claim>> {
        detect::claims(host)
    }

    fn discover(host: &Host, config: &Config) -> Result<Vec<Collection>> {
        let settings = Settings::parse(config)?;
        let mut collections = Vec::new();
        for (name, files) in named(host)? {
            let look = if settings.skip_unreadable { Look::AtItsShape } else { Look::AtEveryValue };
            let layout = layout(host, &files, &settings, look)?;
            collections.push(layout.collection(&name));
        }
        Ok(collections)
    }

    fn plan(host: &Host, _config: &Config, collection: &str, _desired: u32) -> Result<Vec<Split>> {
        // One part: each would have to read the whole pickle again.
        find(host, collection)?;
        Ok(vec![Split { id: "all".to_owned(), payload: collection.as_bytes().to_vec(), rows: None }])
    }

    fn open(host: &Host, config: &Config, split: &Split, after: Option<&[u8]>) -> Result<Box<dyn Scan>> {
        let settings = Settings::parse(config)?;
        let name = std::str::from_utf8(&split.payload)
            .map_err(|_| Error::config("pickle/split", "this split is none of this plugin's"))?;
        let row = match after {
            None => 0,
            Some(cursor) => u64::from_le_bytes(
                cursor
                    .try_into()
                    .map_err(|_| Error::config("pickle/cursor", "this cursor is none of this plugin's"))?,
            ),
        };
        let layout = layout(host, &find(host, name)?, &settings, Look::AtItsShape)?;
        Ok(Box::new(scan::Scan::new(layout, settings, row)?))
    }
}

/// The layout, read once for all calls of an instance.
fn layout(host: &Host, files: &Files, settings: &Settings, look: Look) -> Result<Rc<Layout>> {
    let sizes: Vec<u64> = host.list_files()?.iter().map(|entry| entry.size).collect();
    let key = format!("{files:?} {settings:?} {sizes:?}");
    let open = || Layout::open(host, files, settings, look).map(|layout| (Rc::new(layout), look));
    let kept = host.keep(&key, open)?;
    // What was looked at more closely will do for a passing glance, not the other way round.
    let kept =
        if look == Look::AtEveryValue && kept.1 != look { host.keep(&format!("{key} closely"), open)? } else { kept };
    Ok(Rc::clone(&kept.0))
}

/// The stores among the granted files, by collection name. Detection grants the files of one.
fn named(host: &Host) -> Result<Vec<(String, Files)>> {
    let mut found = detect::granted(host)?;
    if found.is_empty() {
        return Err(Error::not_found("pickle/no-store", "there is no pickle among the granted files"));
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let mut named: Vec<(String, Files)> = Vec::with_capacity(found.len());
    for files in found {
        let taken = named.iter().filter(|(_, other)| other.name == files.name).count();
        let name = if taken == 0 { files.name.clone() } else { format!("{}-{}", files.name, taken + 1) };
        named.push((name, files));
    }
    Ok(named)
}

fn find(host: &Host, collection: &str) -> Result<Files> {
    let found = named(host)?.into_iter().find(|(name, _)| name == collection);
    found
        .map(|(_, files)| files)
        .ok_or_else(|| Error::not_found("pickle/no-collection", format!("there is no collection '{collection}' here")))
}
