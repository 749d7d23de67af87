/*! What a migration will do, decided before anything is written: which collections, from where to where. */

use vecferry_core::catalog::FoundStore;
use vecferry_core::engine::{CollectionJob, Vectors};
use vecferry_core::ids::IdTemplate;
use vecferry_core::{Collection, Error, Metric, Result, Source, Split, Target};
use vecferry_embed::EmbedSpec;

use crate::args::WhatArguments;
use crate::config::Resolved;
use crate::render;

/// A store with what it holds.
pub(crate) struct Store {
    pub(crate) found: FoundStore,
    pub(crate) collections: Vec<Collection>,
    /// The splits of each; none where they could not be told.
    pub(crate) splits: Vec<Vec<Split>>,
    /// The settings and grants that it was opened with.
    pub(crate) resolved: Resolved,
    /// The instance that discovered them, which may have read much of the store already.
    pub(crate) source: Option<Box<dyn Source>>,
}

/// Where vectors come from, as the user asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Embed {
    /// Embed documents, keep the vectors of collections that have none.
    Auto(EmbedSpec),
    /// Keep the store's vectors.
    Reuse,
    /// Embed with the first of these models that answers.
    Models(EmbedSpec),
}

impl Embed {
    /// `auto`, `reuse`, or a chain of models.
    ///
    /// # Errors
    /// `config` for what is no chain of models.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        match text {
            "auto" => EmbedSpec::parse(vecferry_embed::DEFAULT_MODEL).map(Embed::Auto),
            "reuse" => Ok(Embed::Reuse),
            models => EmbedSpec::parse(models).map(Embed::Models),
        }
    }

    /// The models, unless none is asked for.
    pub(crate) fn models(&self) -> Option<&EmbedSpec> {
        match self {
            Embed::Auto(spec) | Embed::Models(spec) => Some(spec),
            Embed::Reuse => None,
        }
    }
}

/// The model of a run, as far as a plan needs it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Model {
    /// For people: `all-MiniLM-L6-v2`, `openai:text-embedding-3-small`.
    pub(crate) label: String,
    /// Values per vector; `None` where only the server knows.
    pub(crate) dimension: Option<u32>,
}

/// One collection that will be moved.
pub(crate) struct Move {
    /// Index into the stores.
    pub(crate) store: usize,
    pub(crate) job: CollectionJob,
    /// Why its vectors come from where they come.
    pub(crate) why: &'static str,
}

/// The decisions of a run.
pub(crate) struct Plan {
    pub(crate) moves: Vec<Move>,
    /// The model, when any collection is embedded.
    pub(crate) model: Option<Model>,
    /// What is not moved, and why, in words.
    pub(crate) set_aside: Vec<String>,
}

/// Decides.
///
/// # Errors
/// `config`: nothing fits `--only`, lossy vectors without `--accept-lossy`, a model for vectors without
/// documents, a wrong `--id`.
pub(crate) fn decide(
    stores: &[Store],
    arguments: &WhatArguments,
    embed: &Embed,
    choose_model: impl FnOnce() -> Result<Model>,
) -> Result<Plan> {
    let chosen = choose(stores, &arguments.only)?;
    let template = arguments.id.as_deref().map(IdTemplate::parse).transpose()?;
    let (chosen, aside) = chosen.into_iter().partition::<Vec<_>, _>(|(_, collection)| {
        collection.aside.is_none() || arguments.only.contains(&collection.name)
    });
    let any_documents = chosen.iter().any(|(_, collection)| collection.has_documents);
    let model = (any_documents && *embed != Embed::Reuse).then(choose_model).transpose()?;
    let mut plan = Plan { moves: Vec::new(), model: None, set_aside: Vec::new() };
    for (_, collection) in aside {
        let rows = collection.rows.map_or("its records".to_owned(), |rows| render::plural(rows, "record"));
        let why = collection.aside.as_deref().unwrap_or_default();
        plan.set_aside.push(format!("{}: {rows}; {why}; move them with --only {0}", collection.name));
    }
    for (store, collection) in chosen {
        let (vectors, why) = match embed {
            Embed::Reuse => (Vectors::Reuse, "as asked"),
            Embed::Models(_) | Embed::Auto(_) if collection.has_documents => (Vectors::Embed, "it has documents"),
            _ if any_documents => {
                plan.set_aside.push(format!(
                    "{}: {} vectors without documents cannot be embedded; move them with --only {} --embed reuse",
                    collection.name,
                    collection.rows.map_or("its".to_owned(), |rows| rows.to_string()),
                    collection.name
                ));
                continue;
            }
            Embed::Auto(_) => (Vectors::Reuse, "it has vectors only"),
            Embed::Models(model) => {
                return Err(Error::config(
                    "embed/no-documents",
                    format!("'{}' has no documents that {model} could embed", collection.name),
                )
                .hint("--embed reuse keeps the vectors that the store holds"));
            }
        };
        if vectors == Vectors::Reuse && collection.lossy_vectors && !arguments.accept_lossy {
            return Err(lossy(collection));
        }
        let (dimension, metric) = match (&model, vectors) {
            (Some(model), Vectors::Embed) => {
                plan.model = Some(model.clone());
                (model.dimension, Metric::Cosine)
            }
            _ => (collection.dimension, collection.metric),
        };
        let target = arguments.namespace.clone().unwrap_or_else(|| collection.name.clone());
        let id = template.clone().unwrap_or_else(|| IdTemplate::default_for(collection.id_origin));
        let job = CollectionJob {
            collection: collection.clone(),
            target: Target { collection: target, dimension, metric },
            vectors,
            id,
            splits: None,
        };
        plan.moves.push(Move { store, job, why });
    }
    Ok(plan)
}

fn lossy(collection: &Collection) -> Error {
    let details: Vec<&str> = collection.details.iter().map(|(_, value)| value.as_str()).collect();
    let message = format!(
        "the vectors of '{}' are only approximations of what was stored ({})",
        collection.name,
        details.join(", ")
    );
    Error::config("vectors/lossy", message)
        .hint("--accept-lossy moves the approximations; embedding the documents anew is exact")
}

/// The collections to move: those named by `--only`, by store or by collection; else all.
fn choose<'a>(stores: &'a [Store], only: &[String]) -> Result<Vec<(usize, &'a Collection)>> {
    let all = || {
        let numbered = stores.iter().enumerate();
        numbered.flat_map(|(i, store)| store.collections.iter().map(move |collection| (i, store, collection)))
    };
    for name in only {
        if !all().any(|(_, store, collection)| names(store, collection, name)) {
            let known: Vec<String> =
                all().map(|(_, store, collection)| format!("{}/{}", store.found.name, collection.name)).collect();
            return Err(Error::config("source/only", format!("--only {name} names no store and no collection here"))
                .hint(format!("there are: {}", known.join(", "))));
        }
    }
    let wanted = all()
        .filter(|(_, store, collection)| only.is_empty() || only.iter().any(|name| names(store, collection, name)));
    Ok(wanted.map(|(i, _, collection)| (i, collection)).collect())
}

fn names(store: &Store, collection: &Collection, name: &str) -> bool {
    collection.name == name
        || store.found.name == name
        || store.found.plugin.spec().name == name
        || name.split_once('/').is_some_and(|(s, c)| s == store.found.name && c == collection.name)
}
