/*! `vecferry inspect`: what stores lie in a folder, and what they hold. */

use std::path::Path;

use serde_json::{Map, Value, json};
use vecferry_core::catalog::FoundStore;
use vecferry_core::engine::Cancel;
use vecferry_core::{Collection, Error, Grants, Result, Source};

use crate::args::{InspectArguments, PluginArguments};
use crate::config::{self, Variables};
use crate::exit::Exit;
use crate::migrate::find;
use crate::registry::Registry;
use crate::render;
use crate::settings::Settings;

pub(crate) fn run(arguments: &InspectArguments, plugins: &PluginArguments) -> Result<Exit> {
    let registry = Registry::load(plugins)?;
    let settings = Settings::parse(&arguments.settings)?;
    let grants = registry.grants(&Cancel::default());
    let variables = Variables::read(Path::new("."))?;
    let stores = find(&arguments.source, &registry, &grants)?;
    let mut first_error = None;
    for store in &stores {
        let bytes = size(store);
        let plugin = store.plugin.as_ref();
        let resolved = config::resolve(plugin, settings.source.clone(), grants.clone(), &registry, &variables);
        match discover(store, &resolved.grants, &resolved.settings) {
            Ok((_, collections)) if arguments.json => {
                collections.iter().for_each(|collection| render::result(&line(store, collection, bytes).to_string()));
            }
            Ok((_, collections)) => render::result(&paragraph(store, &collections, bytes)),
            Err(error) => {
                render::error(&error);
                first_error.get_or_insert(error);
            }
        }
    }
    // Every store was shown that could be; the exit code tells of the first that could not.
    Ok(first_error.map_or(Exit::Success, |error| Exit::from(error.kind)))
}

/// The instance that reads one store, and the store's collections; errors name it.
pub(crate) fn discover(
    store: &FoundStore,
    grants: &Grants,
    settings: &Map<String, Value>,
) -> Result<(Box<dyn Source>, Vec<Collection>)> {
    let config = Value::Object(settings.clone());
    let placed = |error: Error| error.at("store", &store.name).at("plugin", &store.plugin.spec().name);
    let discover = |mut source: Box<dyn Source>| source.discover().map(|collections| (source, collections));
    store.open(grants.clone(), config).and_then(discover).map_err(placed)
}

fn size(store: &FoundStore) -> u64 {
    let sizes = store.claim.files.iter().filter_map(|file| std::fs::metadata(store.root.join(file)).ok());
    sizes.map(|file| file.len()).sum()
}

fn line(store: &FoundStore, collection: &Collection, bytes: u64) -> Value {
    let details: serde_json::Map<String, Value> =
        collection.details.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    json!({
        "store": store.name,
        "plugin": store.plugin.spec().name,
        "files": store.claim.files,
        "bytes": bytes,
        "collection": collection.name,
        "rows": collection.rows,
        "dimension": collection.dimension,
        "metric": collection.metric.as_str(),
        "documents": collection.has_documents,
        "vectors": collection.has_vectors,
        "lossy": collection.lossy_vectors,
        "aside": collection.aside,
        "ids": collection.id_origin,
        "fingerprint": collection.fingerprint,
        "details": details,
    })
}

fn paragraph(store: &FoundStore, collections: &[Collection], bytes: u64) -> String {
    let spec = store.plugin.spec();
    let files = store.claim.files.len() as u64;
    let mut out =
        format!("{} ({}): {}, {}\n", store.name, spec.name, render::plural(files, "file"), render::bytes(bytes));
    let yes = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
    let rows: Vec<Vec<String>> = collections
        .iter()
        .map(|collection| {
            let vectors = if collection.lossy_vectors { "lossy".to_owned() } else { yes(collection.has_vectors) };
            vec![
                format!("  {}", collection.name),
                collection.rows.map_or("?".to_owned(), render::count),
                collection.dimension.map_or("-".to_owned(), |dimension| dimension.to_string()),
                collection.metric.as_str().to_owned(),
                yes(collection.has_documents),
                vectors,
            ]
        })
        .collect();
    out.push_str(&render::table(&["  collection", "rows", "dim", "metric", "documents", "vectors"], &rows));
    for collection in collections {
        let aside = collection.aside.iter().map(|why| format!("moved only with --only, since {why}"));
        let details = collection.details.iter().map(|(key, value)| format!("{key}: {value}"));
        for line in aside.chain(details) {
            out.push_str(&format!("    {}: {line}\n", collection.name));
        }
    }
    out
}
