/*! Carrying a plan out: the engine over what was opened, the run's state beside it, and the summary at the end. */

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use vecferry_core::catalog::FoundStore;
use vecferry_core::engine::{
    self, Cancel, Checkpoint, CollectionJob, Job, Options, Outcome, Probe, Resumed, Seen, Settled, SinkUse,
    SourceFactory, SplitName, StoreJob,
};
use vecferry_core::ids::IdTemplate;
use vecferry_core::report::{Ended, Report, Verification};
use vecferry_core::{Embedder, Error, ErrorKind, Grants, Result, Source};
use vecferry_state::{Exported, Run, StateFolder, Status};

use crate::args::TellArguments;
use crate::destination::{Destination, OfRun};
use crate::document::Document;
use crate::embedding::{self, Ready};
use crate::exit::Exit;
use crate::progress::Progress;
use crate::render;

/// Ends the process, as `kill -9` does, at the step of a run that this variable names: `STEP` or `STEP:NUMBER`, the
/// number of times that it is passed before. For tests of vecferry itself.
const KILL_AT: &str = "VECFERRY_TEST_KILL_AT";

/// A store that is open.
pub(crate) struct Opened {
    source: Box<dyn Source>,
    another: SourceFactory,
}

impl Opened {
    /// With the instance that there is already, or a new one.
    pub(crate) fn new(
        found: FoundStore,
        source: Option<Box<dyn Source>>,
        grants: Grants,
        settings: Map<String, Value>,
    ) -> Result<Opened> {
        let another: SourceFactory = Arc::new(move || found.open(grants.clone(), Value::Object(settings.clone())));
        let source = source.map_or_else(|| another(), Ok)?;
        Ok(Opened { source, another })
    }
}

/// The job of a plan.
pub(crate) fn job(document: &Document, opened: Vec<Opened>, sink: SinkUse, embedder: Option<Arc<dyn Embedder>>) -> Job {
    let stores = document.stores.iter().zip(opened).map(|(store, opened)| {
        let collections = store.collections.iter().map(|plan| CollectionJob {
            collection: plan.collection.clone(),
            target: plan.target.clone(),
            vectors: plan.vectors,
            id: IdTemplate::parse(&plan.id).unwrap_or_else(|_| IdTemplate::default_for(plan.collection.id_origin)),
            splits: (!plan.splits.is_empty()).then(|| plan.splits.clone()),
        });
        let collections = collections.collect();
        StoreJob { name: store.name.clone(), source: opened.source, another: Some(opened.another), collections }
    });
    let options = &document.options;
    Job {
        stores: stores.collect(),
        sink,
        embedder,
        options: Options {
            namespace: options.namespace.clone(),
            batch_rows: options.batch_rows,
            writers: options.writers,
            readers: options.readers,
            flush_rows: options.checkpoint_rows,
            verify: options.verify,
            full: options.full,
            probe: kill_at(),
            ..Options::default()
        },
    }
}

fn kill_at() -> Option<Probe> {
    let wanted = std::env::var(KILL_AT).ok()?;
    let (step, number) = wanted.split_once(':').unwrap_or((&wanted, "0"));
    let (step, number): (String, u64) = (step.to_owned(), number.parse().ok()?);
    let passed = std::sync::atomic::AtomicU64::new(0);
    Some(Arc::new(move |at| {
        if at == step && passed.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == number {
            let _ = std::process::Command::new("kill").args(["-9", &std::process::id().to_string()]).status();
        }
    }))
}

/// Runs the engine. The first Ctrl-C finishes what is in flight, the second stops at once.
pub(crate) fn engine(
    job: Job,
    cancel: &Cancel,
    total: Option<u64>,
    checkpoint: &mut dyn Checkpoint,
) -> Result<Outcome> {
    let progress = Arc::new(Progress::new(total));
    let observer = Arc::clone(&progress);
    let outcome = watched(cancel, engine::run(job, cancel.clone(), observer, checkpoint))?;
    progress.finish();
    Ok(outcome)
}

/// Does work of the engine while signals are watched.
pub(crate) fn watched<T>(cancel: &Cancel, work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::internal("runtime/start", format!("cannot start threads: {error}")))?;
    let stopper = cancel.clone();
    let done = runtime.block_on(async move {
        let signals = tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if stopper.is_requested() {
                    std::process::exit(Exit::Interrupted as i32);
                }
                render::note("stopping after what is in flight; Ctrl-C again stops at once");
                stopper.request();
            }
        });
        let done = work.await;
        signals.abort();
        done
    });
    runtime.shutdown_background();
    Ok(done)
}

/// Carries a run out, or goes on with it, to its end.
pub(crate) fn run(
    mut run: Run,
    document: &Document,
    destination: &Destination,
    opened: Vec<Opened>,
    ready: Option<Ready>,
    cancel: &Cancel,
    tell: &TellArguments,
) -> Result<Exit> {
    let of_run = OfRun { name: run.name().to_owned(), resumes: !run.resumed()?.is_empty() };
    let embedder = ready.as_ref().map(|ready| Arc::clone(&ready.embedder));
    let factory = destination.factory(embedder.as_deref(), Some(&of_run));
    run.set_status(Status::Running)?;
    let job = job(document, opened, SinkUse::Write(factory), embedder);
    let outcome = engine(job, cancel, document.rows(), &mut run)?;
    let exit = exit_of(&outcome);
    let receipt = outcome.report.verification.as_ref().map(|_| receipt(&run, document, &outcome.report));
    let receipt = receipt.transpose()?;
    // A run that another process took over is that process's to end.
    let ended = run.finish(status_of(&outcome), outcome.error.as_ref(), receipt.as_deref());
    let files = export(&run, tell)?;
    conclude(&outcome, document, tell, &files, Some(run.name()), exit);
    if let Some(usage) = ready.map(|ready| ready.usage).filter(|usage| usage.shortened() > 0) {
        render::note(&format!(
            "{} were too long for the model; their beginnings count",
            render::plural(usage.shortened(), "document")
        ));
    }
    // The error that ended the run was told already; that its end could not be kept is news otherwise.
    match (ended, &outcome.error) {
        (Err(error), None) => Err(error),
        _ => Ok(exit),
    }
}

/// Which status a run has after this.
fn status_of(outcome: &Outcome) -> Status {
    match (&outcome.error, &outcome.report) {
        (Some(error), _) if matches!(error.kind, ErrorKind::Transient | ErrorKind::Throttled) => Status::Paused,
        (Some(_), _) => Status::Failed,
        (None, report) if report.ended == Ended::Interrupted => Status::Paused,
        (None, report) if report.verification.as_ref().is_some_and(|proof| !proof.holds()) => Status::Unverified,
        (None, report) if report.counts.rejected > 0 => Status::Partial,
        (None, _) => Status::Complete,
    }
}

fn exit_of(outcome: &Outcome) -> Exit {
    match (&outcome.error, status_of(outcome)) {
        // Asked to stop while it waited for another try.
        (Some(_), Status::Paused) if outcome.report.ended == Ended::Interrupted => Exit::Interrupted,
        (Some(error), _) => Exit::from(error.kind),
        (None, Status::Paused) => Exit::Interrupted,
        (None, Status::Unverified) => Exit::Unverified,
        (None, Status::Partial) => Exit::Partial,
        (None, _) => Exit::Success,
    }
}

/// Where records are noted that did not arrive, or that were made to fit.
pub(crate) fn export(run: &Run, tell: &TellArguments) -> Result<Files> {
    let place = |given: &Option<PathBuf>, name: &str| given.clone().unwrap_or_else(|| run.folder().join(name));
    let (rejected, changed) = (place(&tell.dead_letter, "rejected.jsonl"), place(&tell.changes, "changed.jsonl"));
    let Exported { rejected: rejections, altered: changes } = run.export_letters(&rejected, &changed)?;
    Ok(Files { dead_letter: (rejections > 0).then_some(rejected), changes: (changes > 0).then_some(changed) })
}

/// What a run wrote about single records.
#[derive(Debug, Default)]
pub(crate) struct Files {
    dead_letter: Option<PathBuf>,
    changes: Option<PathBuf>,
}

/// The proof, as JSON. The same run gives the same text, and its last field is the digest of all before it.
pub(crate) fn receipt(run: &Run, document: &Document, report: &Report) -> Result<String> {
    let mut receipt = json!({
        "vecferry_receipt": 1,
        "run": run.name(),
        "plan_sha256": run.summary()?.plan_sha256,
        "source": document.source,
        "destination": document.destination,
        "embedding": document.embedding.as_ref().map(|embedding| {
            let identity = &embedding.identity;
            json!({"provider": identity.provider, "model": identity.model, "dimension": identity.dimension})
        }),
        "counts": report.counts,
        "collections": report.collections,
        "changes": report.changes,
        "verification": report.verification,
        "holds": report.verification.as_ref().is_some_and(Verification::holds),
    });
    let digest = Sha256::digest(receipt.to_string().as_bytes());
    receipt["sha256"] = json!(digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    serde_json::to_string_pretty(&receipt)
        .map_err(|error| Error::internal("receipt/json", format!("the receipt cannot be written down: {error}")))
}

/// What a rehearsal found, for a plan.
pub(crate) fn estimate(report: &Report, document: &Document) -> Value {
    let rows = report.counts.migrated;
    json!({
        "found": report.counts.found,
        "duplicates": report.counts.duplicates,
        "to_write": rows,
        "rejected": report.counts.rejected,
        "changes": report.changes,
        "requests": rows.div_ceil(u64::from(document.options.batch_rows.max(1))),
        "documents_to_embed": report.collections.iter().zip(document.collections())
            .filter(|(_, plan)| plan.vectors == engine::Vectors::Embed)
            .map(|(done, _)| done.counts.migrated).sum::<u64>(),
        "bytes": report.bytes,
        // About four bytes of text a token: a rule of thumb for text in Latin script.
        "tokens_to_embed": report.document_bytes / 4,
        "read_seconds": (report.seconds * 10.0).round() / 10.0,
    })
}

/// An estimate, for people.
pub(crate) fn estimate_text(report: &Report, estimate: &Value) -> String {
    let number = |name: &str| render::count(estimate[name].as_u64().unwrap_or(0));
    let mut lines = vec![
        ("Found", format!("{} records, {} of them duplicates", number("found"), number("duplicates"))),
        (
            "Would write",
            format!(
                "{} records, about {} requests, {}",
                number("to_write"),
                number("requests"),
                render::bytes(estimate["bytes"].as_u64().unwrap_or(0))
            ),
        ),
        ("Rejected", number("rejected")),
    ];
    if estimate["documents_to_embed"].as_u64() > Some(0) {
        let (documents, tokens) = (number("documents_to_embed"), number("tokens_to_embed"));
        lines.push(("Would embed", format!("{documents} documents, about {tokens} tokens")));
    }
    for (code, records) in &report.changes {
        lines.push(("Would change", format!("{code} in {}", render::plural(*records, "record"))));
    }
    lines.iter().map(|(key, value)| format!("{key:<12} {value}\n")).collect()
}

/// A dry run, from its job to its summary. It leaves nothing behind but the files that were asked for by name.
pub(crate) fn rehearse(job: Job, document: &Document, cancel: &Cancel, tell: &TellArguments) -> Result<Exit> {
    let (outcome, files) = if tell.dead_letter.is_some() || tell.changes.is_some() {
        let failed = |error| Error::config("state/unwritable", format!("cannot make a temporary folder: {error}"));
        let folder = tempfile::tempdir().map_err(failed)?;
        let mut run = StateFolder::open(folder.path()).create(&document.to_json()?)?;
        let outcome = engine(job, cancel, document.rows(), &mut run)?;
        let Files { dead_letter, changes } = export(&run, tell)?;
        let named = |path: &PathBuf| !path.starts_with(folder.path());
        (outcome, Files { dead_letter: dead_letter.filter(named), changes: changes.filter(named) })
    } else {
        (engine(job, cancel, document.rows(), &mut Forgotten)?, Files::default())
    };
    let exit = exit_of(&outcome);
    conclude(&outcome, document, tell, &files, None, exit);
    Ok(exit)
}

/// Keeps nothing: what a dry run did need not be gone on with.
pub(crate) struct Forgotten;

impl Checkpoint for Forgotten {
    fn resumed(&self) -> Result<Resumed> {
        Ok(Resumed::default())
    }
    fn digests(&self, _each: &mut dyn FnMut(Seen<'_>) -> Result<()>) -> Result<()> {
        Ok(())
    }
    fn before(&mut self, _target: &str, _records: u64) -> Result<()> {
        Ok(())
    }
    fn commit(&mut self, _split: &SplitName, _cursor: &[u8], _pages: Vec<Settled>) -> Result<()> {
        Ok(())
    }
}

/// The summary, and how to go on.
fn conclude(
    outcome: &Outcome,
    document: &Document,
    tell: &TellArguments,
    files: &Files,
    run: Option<&str>,
    exit: Exit,
) {
    let Outcome { report, error } = outcome;
    if let Some(error) = error {
        render::error(error);
    }
    if tell.json {
        render::result(&summary_json(report, error.as_ref(), document, files, run, exit).to_string());
    } else if error.is_none() || report.counts.found > 0 {
        render::result(&summary(report, document, files, run));
    }
    let unfinished = matches!(status_of(outcome), Status::Paused | Status::Failed);
    if let Some(run) = run.filter(|_| unfinished) {
        render::note(&format!("nothing is lost; go on with: vecferry resume {run}"));
    } else if let Some(run) = run.filter(|_| files.dead_letter.is_some()) {
        render::note(&format!("try the rejected records again with: vecferry retry {run}"));
    }
}

/// Of the records that were to arrive, in percent.
#[allow(clippy::cast_precision_loss)] // for people
fn success_rate(report: &Report) -> f64 {
    let wanted = report.counts.found.saturating_sub(report.counts.duplicates);
    if wanted == 0 { 100.0 } else { report.counts.migrated as f64 * 100.0 / wanted as f64 }
}

fn model_of(document: &Document) -> Option<String> {
    let identity = &document.embedding.as_ref()?.identity;
    Some(embedding::label(&identity.provider, &identity.model))
}

fn summary(report: &Report, document: &Document, files: &Files, run: Option<&str>) -> String {
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
    if let (Some(model), true) = (model_of(document), counts.embedded > 0) {
        lines.push(("Embedded", format!("{} with {model}", render::count(counts.embedded))));
    }
    let verb = if run.is_none() { "Would move" } else { "Migrated" };
    lines.push((
        verb,
        format!("{} of {} ({:.2} %)", render::count(counts.migrated), render::count(wanted), success_rate(report)),
    ));
    let place = files.dead_letter.as_ref().map_or(String::new(), |path| format!(", kept in {}", path.display()));
    lines.push(("Rejected", format!("{}{place}", render::count(counts.rejected))));
    for (code, records) in &report.changes {
        lines.push(("Changed", format!("{code} in {}", render::plural(*records, "record"))));
    }
    if let Some(path) = &files.changes {
        lines.push(("Changes", format!("noted record by record in {}", path.display())));
    }
    lines.extend(document.set_aside.iter().map(|line| ("Set aside", line.clone())));
    lines.extend(report.verification.iter().flat_map(verified));
    if !report.sample_ids.is_empty() {
        lines.push(("Ids", format!("{}, …", report.sample_ids.join(", "))));
    }
    lines.push(("Took", format!("{:.1} s", report.seconds)));
    let nothing = if run.is_none() { " (dry run: nothing was written)" } else { "" };
    lines.push(("Where", format!("{}{nothing}", document.destination)));
    lines.extend(run.map(|run| ("Run", run.to_owned())));
    lines.iter().map(|(key, value)| format!("{key:<11} {value}\n")).collect()
}

/// What a verification found, in lines.
pub(crate) fn verified(verification: &Verification) -> Vec<(&'static str, String)> {
    let mut lines: Vec<(&str, String)> =
        verification.differences.iter().map(|difference| ("DIFFERENT", difference.clone())).collect();
    if verification.holds() {
        let present: u64 = verification.targets.iter().map(|target| target.expected).sum();
        let (present, compared) = (render::count(present), render::plural(verification.compared, "record"));
        lines.push(("Verified", format!("all {present} ids are there, and {compared} read back: all equal")));
    }
    for target in &verification.targets {
        if let Some(recall) = target.recall {
            let name = &target.target;
            lines.push(("Recall@10", format!("{:.1} % in '{name}', beside an exact search", recall * 100.0)));
        }
    }
    lines
}

fn summary_json(
    report: &Report,
    error: Option<&Error>,
    document: &Document,
    files: &Files,
    run: Option<&str>,
    exit: Exit,
) -> Value {
    let mut value = serde_json::to_value(report).unwrap_or_else(|_| json!({}));
    if let Some(fields) = value.as_object_mut() {
        fields.insert("success_rate".to_owned(), json!(success_rate(report)));
        fields.insert("model".to_owned(), json!(model_of(document)));
        fields.insert("set_aside".to_owned(), json!(document.set_aside));
        fields.insert("destination".to_owned(), json!(document.destination));
        fields.insert("dry_run".to_owned(), json!(run.is_none()));
        fields.insert("run".to_owned(), json!(run));
        fields.insert("dead_letter".to_owned(), json!(files.dead_letter));
        fields.insert("changes_file".to_owned(), json!(files.changes));
        fields.insert("error".to_owned(), json!(error));
        fields.insert("exit".to_owned(), json!(exit as u8));
    }
    value
}
