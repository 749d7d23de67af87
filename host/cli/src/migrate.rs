/*! `vecferry migrate` and `vecferry plan`: detect, decide, ask; then run, or write down. */

use std::io::{IsTerminal, Write};
use std::path::Path;

use serde_json::{Map, Value, json};
use vecferry_core::catalog::{FoundStore, find_stores};
use vecferry_core::engine::{Cancel, SinkUse, Vectors};
use vecferry_core::{Error, Result};
use vecferry_state::StateFolder;

use crate::args::{MigrateArguments, PlanArguments, PluginArguments, StateArguments, TellArguments, WhatArguments};
use crate::config::{self, Variables};
use crate::destination::Destination;
use crate::document::{CollectionPlan, Document, PlanOptions, PluginPlan, StorePlan};
use crate::embedding::{self, Ready};
use crate::execute::{self, Opened};
use crate::exit::Exit;
use crate::inspect::discover;
use crate::paths;
use crate::plan::{self, Embed, Plan, Store};
use crate::registry::Registry;
use crate::render;
use crate::settings::Settings;

pub(crate) fn run(arguments: &MigrateArguments, plugins: &PluginArguments) -> Result<Exit> {
    let decided = Decided::make(&arguments.what, plugins, !arguments.dry_run)?;
    decided.announce();
    if arguments.dry_run {
        return decided.rehearse(&arguments.tell);
    }
    decided.destination.announce_replacement();
    if !(arguments.yes || confirmed()?) {
        return Ok(Exit::Interrupted);
    }
    let Decided { destination, document, opened, ready, cancel, .. } = decided;
    let run = state(&arguments.state).create(&document.to_json()?)?;
    execute::run(run, &document, &destination, opened, ready, &cancel, &arguments.tell)
}

/// `vecferry plan`: a dry run whose decisions are written down.
pub(crate) fn plan(arguments: &PlanArguments, plugins: &PluginArguments) -> Result<Exit> {
    let Decided { destination, mut document, opened, cancel, plan, .. } =
        Decided::make(&arguments.what, plugins, true)?;
    let job = execute::job(&document, opened, rehearsal(&destination), None);
    let outcome = execute::engine(job, &cancel, document.rows(), &mut execute::Forgotten)?;
    if let Some(error) = outcome.error {
        return Err(error);
    }
    let estimate = execute::estimate(&outcome.report, &document);
    document.estimate = Some(estimate.clone());
    let text = document.to_json()?;
    let path = &arguments.output;
    std::fs::write(path, text.as_bytes()).map_err(|error| {
        Error::config("plan/write", format!("the plan cannot be written: {error}")).at("file", path.display())
    })?;
    for line in announced(&plan, &document) {
        render::note(&line);
    }
    if arguments.json {
        render::result(&json!({"plan": path, "estimate": estimate}).to_string());
    } else {
        render::result(&execute::estimate_text(&outcome.report, &estimate));
        render::result(&format!("{:<11} {}", "Plan", path.display()));
        render::note(&format!("carry it out with: vecferry run {}", path.display()));
    }
    Ok(if outcome.report.counts.rejected > 0 { Exit::Partial } else { Exit::Success })
}

/// The state folder.
pub(crate) fn state(arguments: &StateArguments) -> StateFolder {
    StateFolder::open(arguments.folder.clone().unwrap_or_else(paths::state))
}

/// Everything that a migration needs, decided.
struct Decided {
    destination: Destination,
    document: Document,
    opened: Vec<Opened>,
    /// The model, loaded where it will be used.
    ready: Option<Ready>,
    plan: Plan,
    cancel: Cancel,
}

impl Decided {
    /// `for_real`: the model is chosen by asking the providers; else the first of the chain is assumed.
    fn make(arguments: &WhatArguments, plugins: &PluginArguments, for_real: bool) -> Result<Decided> {
        let registry = Registry::load(plugins)?;
        let variables = Variables::read(Path::new("."))?;
        let cancel = Cancel::default();
        let grants = registry.grants(&cancel);
        let mut settings = Settings::parse(&arguments.settings)?;
        if arguments.skip_unreadable {
            settings.source.insert("skip_unreadable".to_owned(), json!(true));
        }
        let embed = Embed::parse(&arguments.embed)?;
        let destination = Destination::parse(&arguments.to, &settings.sink, &grants, &registry, &variables)?;

        let found = find(&arguments.source, &registry, &grants)?;
        // What an instance read stays in its memory, so of several stores each is opened again when it is its turn.
        let single = found.len() == 1;
        let mut stores = Vec::new();
        for found in found {
            let resolved =
                config::resolve(found.plugin.as_ref(), settings.source.clone(), grants.clone(), &registry, &variables);
            let (mut source, collections) = discover(&found, &resolved.grants, &resolved.settings)?;
            // A collection whose parts cannot be told may not be wanted at all; if it is, reading it will say why.
            let splits =
                collections.iter().map(|one| source.plan(&one.name, arguments.readers).unwrap_or_default()).collect();
            let source = single.then_some(source);
            stores.push(Store { found, collections, splits, source, resolved });
        }
        if !is_remote(&arguments.source) {
            destination.keep_out_of(Path::new(&arguments.source), &stores)?;
        }
        let mut ready = None;
        let plan = plan::decide(&stores, arguments, &embed, || match embed.models() {
            Some(spec) if for_real => {
                let chosen = Ready::choose(spec, &variables)?;
                Ok(ready.insert(chosen).model())
            }
            Some(spec) => Ok(embedding::expected(spec)),
            None => Err(Error::internal("plan/model", "a model was asked for where none is used")),
        })?;
        let document = document(arguments, &stores, &plan, &destination, ready.as_ref())?;
        let opened = open(&plan, stores)?;
        Ok(Decided { destination, document, opened, ready, plan, cancel })
    }

    fn announce(&self) {
        for line in announced(&self.plan, &self.document) {
            render::note(&line);
        }
    }

    /// Reads and shapes everything, asks the sink what it would say, and writes nothing.
    fn rehearse(self, tell: &TellArguments) -> Result<Exit> {
        let job = execute::job(&self.document, self.opened, rehearsal(&self.destination), None);
        execute::rehearse(job, &self.document, &self.cancel, tell)
    }
}

/// Asking costs as much as writing would, so only a sink that alters records is asked.
fn rehearsal(destination: &Destination) -> SinkUse {
    if destination.alters() { SinkUse::Rehearse(destination.factory(None, None)) } else { SinkUse::Count }
}

/// Whether a source is typed as SCHEME:LOCATION. A file of that name comes first.
fn is_remote(source: &str) -> bool {
    !Path::new(source).exists() && source.contains(':')
}

/// The stores at a path or a location.
pub(crate) fn find(source: &str, registry: &Registry, grants: &vecferry_core::Grants) -> Result<Vec<FoundStore>> {
    if is_remote(source)
        && let Some((scheme, location)) = source.split_once(':')
    {
        if let Some(plugin) = registry.remote_source(scheme) {
            return Ok(vec![FoundStore::at_location(plugin, location)]);
        }
        if Path::new(location).exists() {
            return find_stores(Path::new(location), &registry.all(), grants);
        }
    }
    find_stores(Path::new(source), &registry.all(), grants)
}

/// The stores that something is moved from, open.
fn open(plan: &Plan, stores: Vec<Store>) -> Result<Vec<Opened>> {
    let mut opened = Vec::new();
    for (index, store) in stores.into_iter().enumerate() {
        if plan.moves.iter().any(|step| step.store == index) {
            let Store { found, source, resolved, .. } = store;
            opened.push(Opened::new(found, source, resolved.grants, resolved.settings)?);
        }
    }
    Ok(opened)
}

fn document(
    arguments: &WhatArguments,
    stores: &[Store],
    plan: &Plan,
    destination: &Destination,
    ready: Option<&Ready>,
) -> Result<Document> {
    let mut planned = Vec::new();
    for (index, store) in stores.iter().enumerate() {
        let moves = plan.moves.iter().filter(|step| step.store == index);
        let collections: Vec<CollectionPlan> = moves
            .map(|step| {
                let job = &step.job;
                let number = store.collections.iter().position(|one| one.name == job.collection.name);
                CollectionPlan {
                    collection: job.collection.clone(),
                    target: job.target.clone(),
                    vectors: job.vectors,
                    id: job.id.as_str().to_owned(),
                    splits: number.and_then(|number| store.splits.get(number)).cloned().unwrap_or_default(),
                }
            })
            .collect();
        if !collections.is_empty() {
            planned.push(store_plan(store, collections)?);
        }
    }
    let options = PlanOptions {
        namespace: arguments.namespace.clone().unwrap_or_else(|| "default".to_owned()),
        batch_rows: arguments.batch_size,
        writers: arguments.writers,
        readers: arguments.readers,
        checkpoint_rows: arguments.checkpoint_rows,
        verify: !arguments.no_verify,
        full: arguments.full,
    };
    Ok(Document::new(
        (arguments.source.clone(), destination.shown()),
        planned,
        destination.plan()?,
        ready.map(|ready| ready.plan.clone()),
        options,
        plan.set_aside.clone(),
    ))
}

fn store_plan(store: &Store, collections: Vec<CollectionPlan>) -> Result<StorePlan> {
    let FoundStore { name, plugin, root, claim, location } = &store.found;
    let mut settings: Map<String, Value> = store.resolved.settings.clone();
    settings.remove("location");
    Ok(StorePlan {
        name: name.clone(),
        plugin: PluginPlan::of(plugin.as_ref())?,
        root: root.clone(),
        claim: claim.clone(),
        location: location.clone(),
        settings,
        collections,
    })
}

/// What will happen, in lines.
fn announced(plan: &Plan, document: &Document) -> Vec<String> {
    let model = plan.model.as_ref().map(|model| model.label.as_str());
    let mut whys = plan.moves.iter().map(|step| step.why);
    let mut lines = Vec::new();
    for store in &document.stores {
        for CollectionPlan { collection, target, vectors, .. } in &store.collections {
            let why = whys.next().unwrap_or_default();
            let vectors = match (vectors, model) {
                (Vectors::Embed, Some(model)) => format!("embedding with {model}, since {why}"),
                (Vectors::Reuse, _) if !collection.has_vectors => "without vectors: it has none".to_owned(),
                _ => format!("reusing its vectors, {why}"),
            };
            let rows = collection
                .rows
                .map_or("an unknown number of records".to_owned(), |rows| render::plural(rows, "record"));
            lines.push(format!(
                "{}/{} ({}): {rows} → {}, collection '{}'; {vectors}",
                store.name, collection.name, store.plugin.name, document.destination, target.collection
            ));
        }
    }
    lines.extend(plan.set_aside.iter().map(|line| format!("set aside: {line}")));
    lines
}

/// Asks on a terminal; elsewhere giving the command is answer enough.
fn confirmed() -> Result<bool> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(true);
    }
    let failed = |error| Error::internal("terminal", format!("cannot ask: {error}"));
    let mut stderr = std::io::stderr();
    write!(stderr, "Go on? [y/N] ").and_then(|()| stderr.flush()).map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
