/*!
The migration engine: read → shape and embed → write, three overlapped stages over bounded queues.

```text
 Source ──pages──▶ read ──▶ shape + embed ──▶ write × N ──acks──▶ ledger ──▶ Report, Checkpoint
                       (2)                (2)
```

A full queue stops the stage before it, so memory is set by the batch size. A cursor counts as done only when
the sink has flushed every row up to it ([`ledger`]). The first error of any stage ends the run; what was in
flight is finished or given up, never half counted.
*/

mod cancel;
mod ledger;
mod read;
mod retry;
mod shape;
mod verify;
mod write;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use vecferry_contract::{Batch, Change, Collection, Error, Limits, PrepareMode, Result, Target};

pub use cancel::Cancel;
pub use ledger::{Checkpoint, MemoryCheckpoint, SplitKey};

use crate::ids::IdTemplate;
use crate::report::{Ended, Event, Observer, Report};
use crate::{Embedder, Sink, Source};

/// Makes sink instances: one for sinks that write in order, one a writer thread for the others.
pub type SinkFactory = Arc<dyn Fn() -> Result<Box<dyn Sink>> + Send + Sync>;

/// What a run does with its records.
pub enum SinkUse {
    /// Writes them.
    Write(SinkFactory),
    /// Asks the sink what it would answer: nothing is embedded, nothing is written, no power is used.
    Rehearse(SinkFactory),
    /// Counts them.
    Count,
}

/// Everything a run needs, decided beforehand.
pub struct Job {
    /// The stores, in the order in which they are read; of equal documents the first store's is kept.
    pub stores: Vec<StoreJob>,
    /// What is done with the records.
    pub sink: SinkUse,
    /// The model, when any collection is embedded.
    pub embedder: Option<Arc<dyn Embedder>>,
    /// Settings.
    pub options: Options,
}

/// One store of a run.
pub struct StoreJob {
    /// For people, and for `{store}` in ids.
    pub name: String,
    /// The plugin over it.
    pub source: Box<dyn Source>,
    /// What is read from it.
    pub collections: Vec<CollectionJob>,
}

/// One collection of a run.
#[derive(Clone, Debug)]
pub struct CollectionJob {
    /// What the source said of it.
    pub collection: Collection,
    /// Where it goes.
    pub target: Target,
    /// Where its vectors come from.
    pub vectors: Vectors,
    /// Where its ids come from.
    pub id: IdTemplate,
}

/// Where a collection's vectors come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vectors {
    /// The store's own.
    Reuse,
    /// The model's, of the documents. Records without a document are rejected.
    Embed,
}

/// Settings of a run.
#[derive(Clone, Debug)]
pub struct Options {
    /// For `{namespace}` in ids.
    pub namespace: String,
    /// Rows of a batch, at most.
    pub batch_rows: u32,
    /// Bytes of a batch, about.
    pub batch_bytes: u64,
    /// Writers at a time, where the sink allows several.
    pub writers: u32,
    /// Flush, and so commit cursors, after this many rows.
    pub flush_rows: u64,
    /// What may be done to targets.
    pub prepare: PrepareMode,
    /// Read back and compare at the end.
    pub verify: bool,
    /// Tries of one call before the run ends.
    pub attempts: u32,
    /// The first wait between tries; doubles with each.
    pub backoff: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            namespace: "default".to_owned(),
            batch_rows: 256,
            batch_bytes: 4 << 20,
            writers: 4,
            flush_rows: 20_000,
            prepare: PrepareMode::CreateIfMissing,
            verify: true,
            attempts: 8,
            backoff: Duration::from_millis(250),
        }
    }
}

/// What a run came to. With an error the report tells what was done before it.
#[derive(Debug)]
pub struct Outcome {
    /// What was done.
    pub report: Report,
    /// Why it ended early.
    pub error: Option<Error>,
}

/// A page on its way: where it came from, and what happened to its rows so far.
struct Parcel {
    at: SplitKey,
    sequence: u64,
    cursor: Vec<u8>,
    batch: Batch,
    tally: Tally,
}

/// What happened to the rows of one page.
#[derive(Debug, Default)]
struct Tally {
    found: u64,
    duplicates: u64,
    embedded: u64,
    migrated: u64,
    rejected: u64,
    changes: Vec<Change>,
    first_id: Option<String>,
}

/// What the stages share.
struct Shared {
    /// All collections, store after store; `SplitKey::collection` is an index into it.
    collections: Vec<Route>,
    options: Options,
    observer: Arc<dyn Observer>,
    cancel: Cancel,
    /// The first error of any stage.
    failure: Mutex<Option<Error>>,
}

/// One collection and where it goes.
struct Route {
    store_index: u32,
    store: String,
    job: CollectionJob,
}

impl Shared {
    fn route(&self, at: SplitKey) -> Result<&Route> {
        self.collections
            .get(at.collection as usize)
            .ok_or_else(|| Error::internal("engine/route", format!("there is no collection number {}", at.collection)))
    }

    /// Keeps the first error and stops every stage.
    fn fail(&self, error: Error) {
        if let Ok(mut failure) = self.failure.lock() {
            failure.get_or_insert(error);
        }
        self.cancel.abort();
    }

    fn alter(&self, route: &Route, id: &str, field: &str, code: &str) -> Result<()> {
        let collection = &route.job.collection.name;
        self.observer.altered(crate::report::Altered { store: &route.store, collection, id, field, code })
    }

    fn reject(&self, route: &Route, id: &str, reason: &Error, row: Option<&Batch>) -> Result<()> {
        let rejected =
            crate::report::Rejected { store: &route.store, collection: &route.job.collection.name, id, reason, row };
        self.observer.rejected(rejected)
    }
}

/// Runs a job to its end.
pub async fn run(job: Job, cancel: Cancel, observer: Arc<dyn Observer>, checkpoint: &mut dyn Checkpoint) -> Outcome {
    let started = Instant::now();
    let Job { stores, sink, embedder, options } = job;
    let (stores, collections) = number(stores);
    let shared = Arc::new(Shared { collections, options, observer, cancel, failure: Mutex::new(None) });
    let mut ledger = ledger::Ledger::new(&shared.collections);

    let verification = pipeline(stores, sink, embedder, &shared, &mut ledger, checkpoint).await;

    let mut report = ledger.into_report();
    report.seconds = started.elapsed().as_secs_f64();
    if shared.cancel.is_requested() {
        report.ended = Ended::Interrupted;
    }
    let (verification, late) = match verification {
        Ok(verification) => (verification, None),
        Err(error) => (None, Some(error)),
    };
    report.verification = verification;
    let first = shared.failure.lock().ok().and_then(|mut failure| failure.take());
    Outcome { report, error: first.or(late) }
}

type Numbered = Vec<(Box<dyn Source>, Vec<u32>)>;

/// Gives every collection its number.
fn number(stores: Vec<StoreJob>) -> (Numbered, Vec<Route>) {
    let mut sources = Vec::new();
    let mut routes: Vec<Route> = Vec::new();
    for (store_index, store) in (0u32..).zip(stores) {
        let mut numbers = Vec::new();
        for job in store.collections {
            numbers.extend(u32::try_from(routes.len()));
            routes.push(Route { store_index, store: store.name.clone(), job });
        }
        sources.push((store.source, numbers));
    }
    (sources, routes)
}

async fn pipeline(
    stores: Numbered,
    sink: SinkUse,
    embedder: Option<Arc<dyn Embedder>>,
    shared: &Arc<Shared>,
    ledger: &mut ledger::Ledger,
    checkpoint: &mut dyn Checkpoint,
) -> Result<Option<crate::report::Verification>> {
    let dry = !matches!(sink, SinkUse::Write(_));
    let output = match sink {
        SinkUse::Write(factory) => {
            let shared = Arc::clone(shared);
            write::Output::Prepared(blocking(move || write::prepare(factory, &shared)).await?)
        }
        SinkUse::Rehearse(factory) => write::Output::Rehearsal(factory),
        SinkUse::Count => write::Output::Count,
    };

    let (to_shape, from_read) = mpsc::channel(2);
    let (to_write, from_shape) = mpsc::channel(2);
    let (to_ledger, mut acks) = mpsc::channel(64);

    let resume = checkpoint.resume_points();
    let reading = stage(shared, move |shared| read::run(stores, &resume, &to_shape, shared));
    let shaping = stage(shared, move |shared| {
        shape::run(from_read, &to_write, if dry { None } else { embedder.as_deref() }, dry, shared)
    });
    let writing = stage(shared, move |shared| write::run(output, from_shape, &to_ledger, shared));

    let mut committing: Result<()> = Ok(());
    while let Some(ack) = acks.recv().await {
        if committing.is_ok() {
            committing = ledger.acknowledge(ack, checkpoint);
            if let Err(error) = &committing {
                shared.fail(error.clone());
            }
            shared.observer.event(Event::Progress(ledger.counts()));
        }
    }
    let _ = join(reading).await?;
    let _ = join(shaping).await?;
    let written = join(writing).await?.flatten();
    committing?;

    let ended_early = shared.cancel.is_requested() || shared.cancel.is_aborted();
    match written {
        Some(written) if !ended_early => {
            let shared = Arc::clone(shared);
            blocking(move || verify::close(written, &shared)).await
        }
        _ => Ok(None),
    }
}

/// Runs one stage on a thread that may block. Its error ends the run.
fn stage<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Shared) -> Result<T> + Send + 'static,
) -> JoinHandle<Option<T>> {
    let shared = Arc::clone(shared);
    tokio::task::spawn_blocking(move || match work(&shared) {
        Ok(value) => Some(value),
        Err(error) => {
            shared.fail(error);
            None
        }
    })
}

async fn join<T>(stage: JoinHandle<Option<T>>) -> Result<Option<T>> {
    stage.await.map_err(|error| Error::internal("engine/stage", format!("a stage of the engine died: {error}")))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("engine/stage", format!("a stage of the engine died: {error}")))?
}

/// The distinct targets of a run, each with its limits once prepared.
type Targets = BTreeMap<String, (Target, Limits)>;
