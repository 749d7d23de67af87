/*! `vecferry search`: the nearest records of an embedded database to a text. */

use std::path::Path;

use serde_json::{Map, Value, json};
use vecferry_core::catalog::find_stores;
use vecferry_core::engine::Cancel;
use vecferry_core::{Collection, Dense, Error, Hit, PrepareMode, Result, Target};

use vecferry_embed::EmbedSpec;

use crate::args::{PluginArguments, SearchArguments};
use crate::config::Variables;
use crate::embedding::Ready;
use crate::exit::Exit;
use crate::inspect::discover;
use crate::registry::Registry;
use crate::render;

const SCHEME: &str = "sqlite";

pub(crate) fn run(arguments: &SearchArguments, plugins: &PluginArguments) -> Result<Exit> {
    let registry = Registry::load(plugins)?;
    let grants = registry.grants(&Cancel::default());
    let location = arguments.database.strip_prefix("sqlite:").unwrap_or(&arguments.database);
    let plugin = registry.sink(SCHEME)?;
    let stores = find_stores(Path::new(location), &[std::sync::Arc::clone(&plugin)], &grants)?;
    let mut collections = Vec::new();
    for store in &stores {
        collections.extend(discover(store, &grants, &Map::new())?.1);
    }
    let collections = choose(collections, arguments.collection.as_deref())?;

    let model = match &arguments.model {
        Some(model) => model.clone(),
        None => recorded_model(&collections)?,
    };
    let variables = Variables::read(Path::new("."))?;
    let embedder = Ready::choose(&EmbedSpec::parse(&model)?, &variables)?.embedder;
    let vector = embedder.embed(&[arguments.text.as_str()])?;
    let mut sink = plugin.sink(grants, json!({"location": location}))?;
    let mut found: Vec<(Hit, String, Value)> = Vec::new();
    for collection in &collections {
        if collection.dimension.is_some_and(|dimension| dimension != vector.dimension) {
            continue;
        }
        found.extend(nearest(sink.as_mut(), collection, &vector, arguments.k)?);
    }
    found.sort_by(|(a, ..), (b, ..)| b.score.total_cmp(&a.score));
    found.truncate(arguments.k as usize);
    for (hit, document, metadata) in found {
        if arguments.json {
            let line = json!({"id": hit.id, "score": hit.score, "document": document, "metadata": metadata});
            render::result(&line.to_string());
        } else {
            render::result(&format!("{:.4}  {}\n        {}", hit.score, hit.id, excerpt(&document)));
        }
    }
    Ok(Exit::Success)
}

fn choose(collections: Vec<Collection>, wanted: Option<&str>) -> Result<Vec<Collection>> {
    let names: Vec<String> = collections.iter().map(|collection| collection.name.clone()).collect();
    let mut chosen = collections;
    chosen.retain(|collection| collection.has_vectors && wanted.is_none_or(|name| collection.name == name));
    if chosen.is_empty() {
        return Err(Error::not_found(
            "search/no-collection",
            "there is no such collection with vectors in the database",
        )
        .hint(format!("collections: {}", names.join(", "))));
    }
    Ok(chosen)
}

/// The model that the migration recorded.
fn recorded_model(collections: &[Collection]) -> Result<String> {
    let recorded = |collection: &Collection| {
        collection.details.iter().find(|(key, _)| key == "embedding model").map(|(_, model)| model.clone())
    };
    collections.iter().find_map(recorded).ok_or_else(|| {
        Error::config("search/unknown-model", "the database does not say which model made its vectors")
            .hint("name it with --model MODEL; a text must be embedded by the same model")
    })
}

fn nearest(
    sink: &mut dyn vecferry_core::Sink,
    collection: &Collection,
    vector: &Dense,
    k: u32,
) -> Result<Vec<(Hit, String, Value)>> {
    let target =
        Target { collection: collection.name.clone(), dimension: collection.dimension, metric: collection.metric };
    sink.prepare(&target, PrepareMode::MustExist)?;
    let mut writer = sink.open(&target)?;
    let hits = writer.query(vector.clone(), k)?.into_iter().next().unwrap_or_default();
    let ids: Vec<String> = hits.iter().map(|hit| hit.id.clone()).collect();
    let records = writer.fetch(&ids)?;
    let with_record = hits.into_iter().map(|hit| {
        let row = records.ids.iter().position(|id| *id == hit.id);
        let document = row.and_then(|row| records.document(row)).unwrap_or_default().to_owned();
        let metadata = row.map_or("{}", |row| records.metadata(row));
        (hit, document, serde_json::from_str(metadata).unwrap_or(Value::Null))
    });
    Ok(with_record.collect())
}

/// The first line or so.
fn excerpt(document: &str) -> String {
    const CHARACTERS: usize = 160;
    let mut words = document.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = words.char_indices().nth(CHARACTERS) {
        words.truncate(cut);
        words.push('…');
    }
    words
}
