/*! `vecferry migrate`: detect, decide, ask, run, verify, sum up. */

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use vecferry_core::catalog::find_stores;
use vecferry_core::engine::{
    self, Cancel, Job, MemoryCheckpoint, Options, Outcome, SinkFactory, SinkUse, StoreJob, Vectors,
};
use vecferry_core::report::{Ended, Report};
use vecferry_core::{Capability, Embedder, Error, Grants, Plugin, Result, SinkGrant};

use crate::args::{MigrateArguments, PluginArguments};
use crate::exit::Exit;
use crate::inspect::discover;
use crate::letters::Letters;
use crate::model;
use crate::plan::{self, Embed, Plan, Store};
use crate::progress::Progress;
use crate::registry::Registry;
use crate::render;
use crate::settings::Settings;

pub(crate) fn run(arguments: &MigrateArguments, plugins: &PluginArguments) -> Result<Exit> {
    let registry = Registry::load(plugins)?;
    let cancel = Cancel::default();
    let grants = registry.grants(&cancel);
    let mut settings = Settings::parse(&arguments.settings)?;
    if arguments.skip_unreadable {
        settings.source.insert("skip_unreadable".to_owned(), json!(true));
    }
    let destination = Destination::parse(&arguments.to, &registry)?;

    let found = find_stores(&arguments.source, &registry.all(), &grants)?;
    // What an instance read stays in its memory, so of several stores each is opened again when it is its turn.
    let single = found.len() == 1;
    let mut stores = Vec::new();
    for found in found {
        let (source, collections) = discover(&found, &grants, &settings)?;
        stores.push(Store { found, collections, source: single.then_some(source) });
    }
    destination.keep_out_of(&arguments.source, &stores)?;
    let embed = Embed::parse(&arguments.embed, vecferry_embed::DEFAULT_MODEL);
    let plan = plan::decide(&stores, arguments, &embed, model::dimension)?;
    announce(&plan, &stores, arguments);
    destination.announce_replacement();
    if !confirmed(arguments)? {
        return Ok(Exit::Interrupted);
    }

    let embedder: Option<Arc<dyn Embedder>> = match &plan.model {
        Some(name) if !arguments.dry_run => Some(model::load(name)?),
        _ => None,
    };
    let factory = destination.factory(&grants, &settings, embedder.as_deref());
    let sink = match arguments.dry_run {
        false => SinkUse::Write(factory),
        // Asking costs as much as writing would, so only a sink that alters records is asked.
        true if destination.plugin.spec().features.iter().any(|feature| feature == "alters") => {
            SinkUse::Rehearse(factory)
        }
        true => SinkUse::Count,
    };
    let dead_letter = Letters::new(arguments.dead_letter.as_deref(), "rejected", "--dead-letter");
    let changes = Letters::new(arguments.changes.as_deref(), "changed", "--changes");
    let progress = Arc::new(Progress::new(total(&plan), dead_letter, (!arguments.dry_run).then_some(changes)));
    let job = Job {
        stores: store_jobs(&plan, &mut stores, &grants, &settings)?,
        sink,
        embedder,
        options: Options {
            namespace: arguments.namespace.clone().unwrap_or_else(|| "default".to_owned()),
            batch_rows: arguments.batch_size,
            verify: !arguments.no_verify,
            ..Options::default()
        },
    };
    let outcome = execute(job, &cancel, &progress)?;
    progress.finish();
    let files = Files {
        dead_letter: progress.dead_letter.written(),
        changes: progress.changes.as_ref().and_then(Letters::written),
    };
    Ok(conclude(&outcome, &plan, arguments, files))
}

/// Where to, resolved.
struct Destination {
    plugin: Arc<dyn Plugin>,
    location: String,
    /// The location as a path, unless it is a URL.
    path: Option<PathBuf>,
}

impl Destination {
    fn parse(text: &str, registry: &Registry) -> Result<Destination> {
        let (scheme, location) =
            text.split_once(':').filter(|(_, location)| !location.is_empty()).ok_or_else(|| {
                Error::config("sink/location", format!("'--to {text}' is not of the form SCHEME:LOCATION"))
                    .hint("for example --to sqlite:docs.db or --to jsonl:out.jsonl")
            })?;
        let plugin = registry.sink(scheme)?;
        let path = (!location.contains("://")).then(|| PathBuf::from(location));
        Ok(Destination { plugin, location: location.to_owned(), path })
    }

    /// A sink that makes files puts them in place of what is there.
    fn announce_replacement(&self) {
        let makes_files = self.plugin.spec().capabilities.contains(&Capability::SinkFiles);
        if let Some(path) = self.path.as_ref().filter(|path| makes_files && path.exists()) {
            render::note(&format!("{} is there already and will be replaced", path.display()));
        }
    }

    /// A migration never changes its source: a destination inside the source's folder is refused.
    fn keep_out_of(&self, source: &Path, stores: &[Store]) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let absolute = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_default();
        let folder = absolute(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")));
        let place = folder.join(path.file_name().unwrap_or_default());
        let root = absolute(source);
        let inside = root.is_dir() && place.starts_with(&root);
        let is_source =
            stores.iter().any(|store| store.found.claim.files.iter().any(|file| store.found.root.join(file) == place));
        if inside || is_source {
            return Err(Error::config(
                "sink/inside-source",
                "the destination lies in the source's folder; a migration never changes its source",
            )
            .at("path", path.display())
            .hint("choose a destination outside of it"));
        }
        Ok(())
    }

    /// Makes instances of the sink. A sink that asks for files is granted the folder of its location.
    fn factory(&self, grants: &Grants, settings: &Settings, embedder: Option<&dyn Embedder>) -> SinkFactory {
        let plugin = Arc::clone(&self.plugin);
        let mut grants = grants.clone();
        let mut location = self.location.clone();
        if let (Some(path), true) = (&self.path, plugin.spec().capabilities.contains(&Capability::SinkFiles)) {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            location = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            grants.sink = Some(SinkGrant {
                folder: parent.unwrap_or(Path::new(".")).to_owned(),
                name: Some(location.clone()),
                run: None,
            });
        }
        let mut config = settings.sink.clone();
        config.insert("location".to_owned(), json!(location));
        if let Some(embedder) = embedder {
            let embedding =
                json!({"provider": embedder.provider(), "model": embedder.model(), "dimension": embedder.dimension()});
            config.insert("embedding".to_owned(), embedding);
        }
        Arc::new(move || plugin.sink(grants.clone(), Value::Object(config.clone())))
    }
}

fn store_jobs(plan: &Plan, stores: &mut [Store], grants: &Grants, settings: &Settings) -> Result<Vec<StoreJob>> {
    let mut jobs = Vec::new();
    for (index, store) in stores.iter_mut().enumerate() {
        let moves = plan.moves.iter().filter(|step| step.store == index);
        let collections: Vec<_> = moves.map(|step| step.job.clone()).collect();
        if !collections.is_empty() {
            let source = match store.source.take() {
                Some(source) => source,
                None => store.found.open(grants.clone(), Value::Object(settings.source.clone()))?,
            };
            jobs.push(StoreJob { name: store.found.name.clone(), source, collections });
        }
    }
    Ok(jobs)
}

fn total(plan: &Plan) -> Option<u64> {
    plan.moves.iter().map(|step| step.job.collection.rows).sum()
}

/// Says what will happen, on stderr.
fn announce(plan: &Plan, stores: &[Store], arguments: &MigrateArguments) {
    for step in &plan.moves {
        let Some(store) = stores.get(step.store) else { continue };
        let job = &step.job;
        let vectors = match (job.vectors, &plan.model) {
            (Vectors::Embed, Some(model)) => format!("embedding with {model}, since {}", step.why),
            (Vectors::Reuse, _) if !job.collection.has_vectors => "without vectors: it has none".to_owned(),
            _ => format!("reusing its vectors, {}", step.why),
        };
        let rows = job
            .collection
            .rows
            .map_or("an unknown number of records".to_owned(), |rows| render::plural(rows, "record"));
        render::note(&format!(
            "{}/{} ({}): {rows} → {}, collection '{}'; {vectors}",
            store.found.name,
            job.collection.name,
            store.found.plugin.spec().name,
            arguments.to,
            job.target.collection
        ));
    }
    for line in &plan.set_aside {
        render::note(&format!("set aside: {line}"));
    }
}

/// Asks on a terminal; elsewhere giving the command is answer enough.
fn confirmed(arguments: &MigrateArguments) -> Result<bool> {
    if arguments.yes || arguments.dry_run || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(true);
    }
    let failed = |error| Error::internal("terminal", format!("cannot ask: {error}"));
    let mut stderr = std::io::stderr();
    write!(stderr, "Go on? [y/N] ").and_then(|()| stderr.flush()).map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Runs the engine. The first Ctrl-C finishes what is in flight, the second stops at once.
fn execute(job: Job, cancel: &Cancel, progress: &Arc<Progress>) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::internal("runtime/start", format!("cannot start threads: {error}")))?;
    let observer = Arc::clone(progress);
    let cancel = cancel.clone();
    let outcome = runtime.block_on(async move {
        let stopper = cancel.clone();
        let signals = tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if stopper.is_requested() {
                    std::process::exit(Exit::Interrupted as i32);
                }
                render::note("stopping after what is in flight; Ctrl-C again stops at once");
                stopper.request();
            }
        });
        let mut checkpoint = MemoryCheckpoint::default();
        let outcome = engine::run(job, cancel, observer, &mut checkpoint).await;
        signals.abort();
        outcome
    });
    runtime.shutdown_background();
    Ok(outcome)
}

/// The summary, and the exit code it stands for.
/// What a run wrote about single records.
#[derive(Clone, Copy)]
struct Files<'a> {
    dead_letter: Option<&'a Path>,
    changes: Option<&'a Path>,
}

fn conclude(outcome: &Outcome, plan: &Plan, arguments: &MigrateArguments, files: Files<'_>) -> Exit {
    let Outcome { report, error } = outcome;
    let exit = exit(report, error.as_ref());
    if arguments.json {
        render::result(&summary_json(report, error.as_ref(), plan, arguments, files, exit).to_string());
    } else if error.is_none() || report.counts.found > 0 {
        render::result(&summary(report, plan, arguments, files));
    }
    if let Some(error) = error {
        render::error(error);
    }
    exit
}

fn exit(report: &Report, error: Option<&Error>) -> Exit {
    if let Some(error) = error {
        return if report.ended == Ended::Interrupted && error.kind.is_retryable() {
            Exit::Interrupted
        } else {
            Exit::from(error.kind)
        };
    }
    if report.ended == Ended::Interrupted {
        return Exit::Interrupted;
    }
    match &report.verification {
        Some(verification) if !verification.holds() => Exit::Unverified,
        _ if report.counts.rejected > 0 => Exit::Partial,
        _ => Exit::Success,
    }
}

/// Of the records that were to arrive, in percent.
#[allow(clippy::cast_precision_loss)] // for people
fn success_rate(report: &Report) -> f64 {
    let wanted = report.counts.found.saturating_sub(report.counts.duplicates);
    if wanted == 0 { 100.0 } else { report.counts.migrated as f64 * 100.0 / wanted as f64 }
}

fn summary(report: &Report, plan: &Plan, arguments: &MigrateArguments, files: Files<'_>) -> String {
    let counts = &report.counts;
    let wanted = counts.found.saturating_sub(counts.duplicates);
    let mut lines: Vec<(&str, String)> = Vec::new();
    lines.push(("Found", render::plural(counts.found, "record")));
    if counts.duplicates > 0 {
        lines.push((
            "Duplicates",
            format!("{} left out: documents that an earlier store already gave", render::count(counts.duplicates)),
        ));
    }
    if let (Some(model), true) = (&plan.model, counts.embedded > 0) {
        lines.push(("Embedded", format!("{} with {model}", render::count(counts.embedded))));
    }
    let verb = if arguments.dry_run { "Would move" } else { "Migrated" };
    lines.push((
        verb,
        format!("{} of {} ({:.2} %)", render::count(counts.migrated), render::count(wanted), success_rate(report)),
    ));
    let place = files.dead_letter.map_or(String::new(), |path| format!(", kept in {}", path.display()));
    lines.push(("Rejected", format!("{}{place}", render::count(counts.rejected))));
    for (code, records) in &report.changes {
        lines.push(("Changed", format!("{code} in {}", render::plural(*records, "record"))));
    }
    if let Some(path) = files.changes {
        lines.push(("Changes", format!("noted record by record in {}", path.display())));
    }
    for line in &plan.set_aside {
        lines.push(("Set aside", line.clone()));
    }
    match &report.verification {
        Some(verification) if verification.holds() => {
            lines.push((
                "Verified",
                format!("counts, and {} read back: all equal", render::plural(verification.compared, "record")),
            ));
        }
        Some(verification) => {
            lines.extend(verification.differences.iter().map(|difference| ("DIFFERENT", difference.clone())));
        }
        None => {}
    }
    if !report.sample_ids.is_empty() {
        lines.push(("Ids", format!("{}, …", report.sample_ids.join(", "))));
    }
    lines.push(("Took", format!("{:.1} s", report.seconds)));
    let nothing = if arguments.dry_run { " (dry run: nothing was written)" } else { "" };
    lines.push(("Where", format!("{}{nothing}", arguments.to)));
    lines.iter().map(|(key, value)| format!("{key:<11} {value}\n")).collect()
}

fn summary_json(
    report: &Report,
    error: Option<&Error>,
    plan: &Plan,
    arguments: &MigrateArguments,
    files: Files<'_>,
    exit: Exit,
) -> Value {
    let mut value = serde_json::to_value(report).unwrap_or_else(|_| json!({}));
    if let Some(fields) = value.as_object_mut() {
        fields.insert("success_rate".to_owned(), json!(success_rate(report)));
        fields.insert("model".to_owned(), json!(plan.model));
        fields.insert("set_aside".to_owned(), json!(plan.set_aside));
        fields.insert("destination".to_owned(), json!(arguments.to));
        fields.insert("dry_run".to_owned(), json!(arguments.dry_run));
        fields.insert("dead_letter".to_owned(), json!(files.dead_letter));
        fields.insert("changes_file".to_owned(), json!(files.changes));
        fields.insert("error".to_owned(), json!(error));
        fields.insert("exit".to_owned(), json!(exit as u8));
    }
    value
}
