/*! Runs after they were begun: carrying a plan out, going on, looking, proving, trying again. */

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use vecferry_core::catalog::FoundStore;
use vecferry_core::engine::{self, Cancel, SinkUse};
use vecferry_core::report::{CollectionReport, Report};
use vecferry_core::{Error, Result};
use vecferry_state::{Run, RunSummary, StateFolder, Status};

use crate::args::{
    PluginArguments, ResumeArguments, RunArguments, RunsCommand, StateArguments, StatusArguments, VerifyArguments,
};
use crate::config::{self, Variables};
use crate::destination::{Destination, OfRun};
use crate::document::{Document, StorePlan};
use crate::embedding::Ready;
use crate::execute::{self, Opened};
use crate::exit::Exit;
use crate::migrate::state;
use crate::progress::Progress;
use crate::registry::Registry;
use crate::render;

/// Everything that a plan names, opened again.
pub(crate) struct Reopened {
    pub(crate) document: Document,
    pub(crate) destination: Destination,
    pub(crate) opened: Vec<Opened>,
    pub(crate) ready: Option<Ready>,
    pub(crate) cancel: Cancel,
}

impl Reopened {
    /// Opens what the plan names, and refuses it where it is no longer what it was.
    pub(crate) fn of(document: Document, plugins: &PluginArguments) -> Result<Reopened> {
        let registry = Registry::load(plugins)?;
        let variables = Variables::read(std::path::Path::new("."))?;
        let cancel = Cancel::default();
        let grants = registry.grants(&cancel);
        let destination = Destination::planned(&document.sink, &grants, &registry, &variables)?;
        let mut opened = Vec::new();
        for store in &document.stores {
            opened.push(reopen(store, &grants, &registry, &variables)?);
        }
        let ready = document.embedding.as_ref().map(|plan| Ready::planned(plan, &variables)).transpose()?;
        Ok(Reopened { document, destination, opened, ready, cancel })
    }
}

fn reopen(
    plan: &StorePlan,
    grants: &vecferry_core::Grants,
    registry: &Registry,
    variables: &Variables,
) -> Result<Opened> {
    let plugin = registry.named(&plan.plugin.name)?;
    plan.plugin.check(plugin.as_ref())?;
    let resolved = config::resolve(plugin.as_ref(), plan.settings.clone(), grants.clone(), registry, variables);
    let found = FoundStore {
        name: plan.name.clone(),
        plugin,
        root: plan.root.clone(),
        claim: plan.claim.clone(),
        location: plan.location.clone(),
    };
    let mut settings: Map<String, Value> = resolved.settings;
    settings.remove("location");
    let mut source = found.open(resolved.grants.clone(), Value::Object(settings.clone()))?;
    let now = source.discover().map_err(|error| error.at("store", &plan.name))?;
    for wanted in plan.collections.iter().map(|one| &one.collection) {
        let found = now.iter().find(|collection| collection.name == wanted.name);
        if found.is_none_or(|collection| collection.fingerprint != wanted.fingerprint) {
            let what = if found.is_some() { "has changed" } else { "is gone" };
            let message = format!("the collection '{}' {what} since the plan was made", wanted.name);
            return Err(Error::config("source/changed", message)
                .at("store", &plan.name)
                .at("root", plan.root.display())
                .hint("put the source back as it was, or begin a new migration: it writes over what this run wrote"));
        }
    }
    Opened::new(found, Some(source), resolved.grants, settings)
}

/// `vecferry run`.
pub(crate) fn run(arguments: &RunArguments, plugins: &PluginArguments) -> Result<Exit> {
    let path = &arguments.plan;
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::not_found("plan/not-found", format!("the plan cannot be read: {error}")).at("file", path.display())
    })?;
    let document = Document::parse(&text).map_err(|error| error.at("file", path.display()))?;
    let Reopened { document, destination, opened, ready, cancel } = Reopened::of(document, plugins)?;
    let run = state(&arguments.state).create(&text)?;
    execute::run(run, &document, &destination, opened, ready, &cancel, &arguments.tell)
}

/// `vecferry resume`.
pub(crate) fn resume(arguments: &ResumeArguments, plugins: &PluginArguments) -> Result<Exit> {
    let folder = state(&arguments.state);
    let name = match &arguments.run {
        Some(name) => name.clone(),
        None => {
            let latest = folder.latest_unfinished()?.ok_or_else(|| {
                Error::not_found("run/none", "there is no run to go on with")
                    .at("folder", folder.path().display())
                    .hint("`vecferry runs list` shows all runs")
            })?;
            latest.name
        }
    };
    let run = folder.open_run(&name)?;
    let status = run.summary()?.status;
    if status.is_finished() && status != Status::Unverified {
        render::note(&format!("run {name} is {}: there is nothing to go on with", status.as_str()));
        return Ok(Exit::Success);
    }
    render::note(&format!("going on with run {name}"));
    let document = Document::parse(&run.plan_json()?)?;
    let Reopened { document, destination, opened, ready, cancel } = Reopened::of(document, plugins)?;
    execute::run(run, &document, &destination, opened, ready, &cancel, &arguments.tell)
}

/// The name of a run: the one that was given, or the latest.
pub(crate) fn named(folder: &StateFolder, given: Option<&str>) -> Result<String> {
    match given {
        Some(name) => Ok(name.to_owned()),
        None => folder.list()?.pop().map(|latest| latest.name).ok_or_else(|| {
            Error::not_found("run/none", "there are no runs")
                .at("folder", folder.path().display())
                .hint("`vecferry migrate` begins one")
        }),
    }
}

/// `vecferry status`.
pub(crate) fn status(arguments: &StatusArguments) -> Result<Exit> {
    let folder = state(&arguments.state);
    let name = named(&folder, arguments.run.as_deref())?;
    let view = folder.read(&name)?;
    let summary = view.summary()?;
    let document = Document::parse(&view.plan_json()?)?;
    let collections = view.collections()?;
    if arguments.json {
        let mut line = serde_json::to_value(&summary).unwrap_or_default();
        line["state"] = json!(state_of(&summary));
        line["source"] = json!(document.source);
        line["destination"] = json!(document.destination);
        line["rows"] = json!(document.rows());
        line["collections"] = json!(collections);
        line["changes"] = json!(view.changes()?);
        render::result(&line.to_string());
        return Ok(Exit::Success);
    }
    let of = document.rows().map_or(String::new(), |rows| format!(" of {}", render::count(rows)));
    let counts = &summary.counts;
    let mut lines = vec![
        ("Run", name.clone()),
        ("State", state_of(&summary).to_owned()),
        ("From", document.source.clone()),
        ("To", document.destination.clone()),
        ("Read", format!("{}{of} records", render::count(counts.found))),
        ("Migrated", render::count(counts.migrated)),
        ("Rejected", render::count(counts.rejected)),
        ("Begun", summary.created.to_string()),
        ("Kept last", summary.updated.to_string()),
    ];
    if let Some(holder) = &summary.holder {
        lines.push(("Process", format!("{}, since {}", holder.process, holder.since)));
    }
    if let Some(error) = &summary.error {
        lines.push(("Error", error.to_string()));
    }
    render::result(&lines.iter().map(|(key, value)| format!("{key:<11} {value}\n")).collect::<String>());
    if !summary.alive && !summary.status.is_finished() {
        render::note(&format!("go on with: vecferry resume {name}"));
    }
    Ok(Exit::Success)
}

/// A run whose process died still says that it runs.
fn state_of(summary: &RunSummary) -> &'static str {
    match summary.status {
        Status::Running if !summary.alive => "interrupted",
        status => status.as_str(),
    }
}

/// `vecferry runs`.
pub(crate) fn runs(command: &RunsCommand) -> Result<Exit> {
    let RunsCommand::List { json, state: folder } = command;
    let mut rows = Vec::new();
    let mut failed = None;
    for listed in state(folder).list()? {
        match listed.summary {
            Ok(summary) if *json => {
                let mut line = serde_json::to_value(&summary).unwrap_or_default();
                line["state"] = json!(state_of(&summary));
                render::result(&line.to_string());
            }
            Ok(summary) => {
                let counts = [summary.counts.found, summary.counts.migrated, summary.counts.rejected];
                let mut row = vec![summary.name.clone(), state_of(&summary).to_owned()];
                row.extend(counts.map(render::count));
                row.push(summary.updated.to_string());
                rows.push(row);
            }
            Err(error) => {
                let error = error.at("run", &listed.name);
                render::error(&error);
                failed.get_or_insert(Exit::from(error.kind));
            }
        }
    }
    if !json {
        render::result(&render::table(&["run", "state", "read", "migrated", "rejected", "kept last"], &rows));
    }
    Ok(failed.unwrap_or(Exit::Success))
}

/// `vecferry verify`.
pub(crate) fn verify(arguments: &VerifyArguments, plugins: &PluginArguments) -> Result<Exit> {
    let folder = state(&arguments.state);
    let name = named(&folder, arguments.run.as_deref())?;
    let mut run = folder.open_run(&name)?;
    let status = run.summary()?.status;
    if !status.is_finished() {
        return Err(Error::config("run/unfinished", format!("run {name} is {}, not finished", status.as_str()))
            .hint(format!("go on with it first: vecferry resume {name}")));
    }
    let mut document = Document::parse(&run.plan_json()?)?;
    document.options.full |= arguments.full;
    let Reopened { document, destination, opened, ready, cancel } = Reopened::of(document, plugins)?;
    let embedder = ready.map(|ready| ready.embedder);
    let of_run = OfRun { name: name.clone(), resumes: true };
    let factory = destination.factory(embedder.as_deref(), Some(&of_run));
    let job = execute::job(&document, opened, SinkUse::Write(factory), embedder);
    let progress = std::sync::Arc::new(Progress::new(None));
    let work = engine::verify(job, cancel.clone(), progress.clone(), &run);
    let verification = execute::watched(&cancel, work)??;
    progress.finish();
    let holds = verification.holds();
    let lines = execute::verified(&verification);
    let report = Report { verification: Some(verification), ..report_of(&run, &document)? };
    let receipt = execute::receipt(&run, &document, &report)?;
    let status = match (holds, report.counts.rejected) {
        (false, _) => Status::Unverified,
        (true, 0) => Status::Complete,
        (true, _) => Status::Partial,
    };
    run.finish(status, None, Some(&receipt))?;
    if arguments.json {
        render::result(&receipt);
    } else {
        let mut text: String = lines.iter().map(|(key, value)| format!("{key:<11} {value}\n")).collect();
        text.push_str(&format!("{:<11} {}\n", "Receipt", run.folder().join("receipt.json").display()));
        render::result(&text);
    }
    Ok(if holds { Exit::Success } else { Exit::Unverified })
}

/// What a run did, from its state.
fn report_of(run: &Run, document: &Document) -> Result<Report> {
    let summary = run.summary()?;
    let targets: BTreeMap<(&str, &str), &str> = document
        .stores
        .iter()
        .flat_map(|store| store.collections.iter().map(move |plan| (store, plan)))
        .map(|(store, plan)| ((store.name.as_str(), plan.collection.name.as_str()), plan.target.collection.as_str()))
        .collect();
    let collections = run.collections()?.into_iter().map(|done| CollectionReport {
        target: targets
            .get(&(done.store.as_str(), done.collection.as_str()))
            .map(ToString::to_string)
            .unwrap_or_default(),
        store: done.store,
        collection: done.collection,
        counts: done.counts,
    });
    Ok(Report {
        counts: summary.counts,
        collections: collections.collect(),
        changes: run.changes()?,
        ..Report::default()
    })
}

/// The state folder of these arguments, for `retry`.
pub(crate) fn folder(arguments: &StateArguments) -> StateFolder {
    state(arguments)
}
