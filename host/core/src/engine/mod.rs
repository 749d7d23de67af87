/*!
The migration engine: read → shape and embed → write, three overlapped stages over bounded queues.

```text
 Source ──pages──▶ read ──▶ shape + embed ──▶ write × N ──acks──▶ ledger ──▶ Report, Checkpoint
                       (2)                (2)
                                                       afterwards: verify, then finish
```

A full queue stops the stage before it, so memory is set by the batch size. A cursor counts as done only when
the sink has flushed every row up to it ([`ledger`]). The first error of any stage ends the run; what was in
flight is finished or given up, never half counted.
*/

mod cancel;
mod checkpoint;
mod ledger;
mod permits;
mod read;
mod retry;
mod shape;
mod verify;
mod write;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use vecferry_contract::{Batch, Collection, Error, Limits, PrepareMode, Result, Split, Target};

pub use cancel::Cancel;
pub use checkpoint::{
    Altered, Checkpoint, Digest, Letter, MemoryCheckpoint, Rejected, Resumed, Seen, Settled, SplitName,
};

use crate::ids::IdTemplate;
use crate::report::{Ended, Event, Observer, Report, Verification};
use crate::{Embedder, Sink, Source};

/// Makes sink instances: one for sinks that write in order, one a writer thread for the others.
pub type SinkFactory = Arc<dyn Fn() -> Result<Box<dyn Sink>> + Send + Sync>;

/// Makes further instances of one store's source.
pub type SourceFactory = Arc<dyn Fn() -> Result<Box<dyn Source>> + Send + Sync>;

/// Told each named step of a run, for tests that end the process there: `read`, `shaped`, `before-write`,
/// `after-write`, `after-flush`, `before-commit`, `after-commit`, `before-finish`, `after-finish`.
pub type Probe = Arc<dyn Fn(&'static str) + Send + Sync>;

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
    /// Makes more of it, where splits are to be read side by side.
    pub another: Option<SourceFactory>,
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
    /// Its splits, where they were planned before.
    pub splits: Option<Vec<Split>>,
}

/// Where a collection's vectors come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vectors {
    /// The store's own.
    Reuse,
    /// The model's, of the documents. Records without a document are rejected.
    Embed,
}

/// Settings of a run.
#[derive(Clone)]
pub struct Options {
    /// For `{namespace}` in ids.
    pub namespace: String,
    /// Rows of a batch, at most.
    pub batch_rows: u32,
    /// Bytes of a batch, about.
    pub batch_bytes: u64,
    /// Writers at a time, where the sink allows several.
    pub writers: u32,
    /// Splits of a collection that are read at a time.
    pub readers: u32,
    /// Flush, and so commit cursors, after this many rows of one writer …
    pub flush_rows: u64,
    /// … or after this time.
    pub flush_after: Duration,
    /// What may be done to targets.
    pub prepare: PrepareMode,
    /// Read back and compare at the end.
    pub verify: bool,
    /// Compare every record, not a sample.
    pub full: bool,
    /// Tries of one call before the run ends.
    pub attempts: u32,
    /// The first wait between tries; doubles with each.
    pub backoff: Duration,
    /// For tests.
    pub probe: Option<Probe>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            namespace: "default".to_owned(),
            batch_rows: 256,
            batch_bytes: 4 << 20,
            writers: 8,
            readers: 1,
            flush_rows: 20_000,
            flush_after: Duration::from_secs(3),
            prepare: PrepareMode::CreateIfMissing,
            verify: true,
            full: false,
            attempts: 8,
            backoff: Duration::from_millis(250),
            probe: None,
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

/// One split of one collection of a run, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct SplitKey {
    /// The collection's number in the run, store after store.
    collection: u32,
    /// The split's number in the collection's plan.
    split: u32,
}

/// A page on its way: where it came from, and what happened to its rows so far.
struct Parcel {
    at: SplitKey,
    name: Arc<SplitName>,
    sequence: u64,
    cursor: Vec<u8>,
    batch: Batch,
    page: Settled,
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

    fn at(&self, step: &'static str) {
        if let Some(probe) = &self.options.probe {
            probe(step);
        }
    }
}

/// Runs a job to its end, going on where the checkpoint says that an earlier process of the same run ended.
pub async fn run(job: Job, cancel: Cancel, observer: Arc<dyn Observer>, checkpoint: &mut dyn Checkpoint) -> Outcome {
    let started = Instant::now();
    let Job { stores, sink, embedder, options } = job;
    let (stores, collections) = number(stores);
    let shared = Arc::new(Shared { collections, options, observer, cancel, failure: Mutex::new(None) });
    let mut report = Report::default();
    let verification = match checkpoint.resumed() {
        Ok(resumed) => {
            let mut ledger = ledger::Ledger::new(&shared.collections, &resumed);
            let run = Run { shared: &shared, ledger: &mut ledger, checkpoint, resumed };
            let verification = run.carry_out(stores, sink, embedder).await;
            report = ledger.into_report();
            verification
        }
        Err(error) => Err(error),
    };
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

/// Verifies what a run did, without writing anything: reads its source once more and compares it with the destination.
///
/// # Errors
/// Those of the source and of the destination. What is missing or differs is no error: see [`Verification::holds`].
pub async fn verify(
    job: Job,
    cancel: Cancel,
    observer: Arc<dyn Observer>,
    checkpoint: &dyn Checkpoint,
) -> Result<Verification> {
    let Job { stores, sink, embedder, options } = job;
    let SinkUse::Write(factory) = sink else {
        return Err(Error::internal("engine/verify", "there is no destination to verify"));
    };
    let Resumed { before, refused, .. } = checkpoint.resumed()?;
    let (stores, collections) = number(stores);
    let options = Options { verify: false, ..options };
    let shared = Arc::new(Shared { collections, options, observer, cancel, failure: Mutex::new(None) });
    blocking(move || {
        let mut prepared = write::prepare(factory, PrepareMode::MustExist, &shared)?;
        let claim = verify::Claim {
            targets: prepared.targets.values().map(|(target, _)| target.clone()).collect(),
            before: &before,
            refused: &refused,
            written: BTreeMap::new(),
            embedder: embedder.as_deref(),
            full: shared.options.full,
        };
        verify::prove(stores, prepared.sink.as_mut(), claim, &shared)
    })
    .await
}

/// Gives every collection its number.
fn number(stores: Vec<StoreJob>) -> (Vec<read::Input>, Vec<Route>) {
    let mut inputs = Vec::new();
    let mut routes: Vec<Route> = Vec::new();
    for (store_index, store) in (0u32..).zip(stores) {
        let mut collections = Vec::new();
        for job in store.collections {
            collections.extend(u32::try_from(routes.len()));
            routes.push(Route { store_index, store: store.name.clone(), job });
        }
        inputs.push(read::Input { source: store.source, another: store.another, collections });
    }
    (inputs, routes)
}

/// A run while it goes on.
struct Run<'a> {
    shared: &'a Arc<Shared>,
    ledger: &'a mut ledger::Ledger,
    checkpoint: &'a mut dyn Checkpoint,
    resumed: Resumed,
}

impl Run<'_> {
    async fn carry_out(
        mut self,
        stores: Vec<read::Input>,
        sink: SinkUse,
        embedder: Option<Arc<dyn Embedder>>,
    ) -> Result<Option<Verification>> {
        let shared = self.shared;
        let dry = !matches!(sink, SinkUse::Write(_));
        let output = match sink {
            SinkUse::Write(factory) => write::Output::Prepared(self.prepare(factory).await?),
            SinkUse::Rehearse(factory) => write::Output::Rehearsal(factory),
            SinkUse::Count => write::Output::Count,
        };
        let mut seen = shape::Seen::new(&shared.collections);
        self.checkpoint.digests(&mut |block| seen.restore(block))?;

        let (to_shape, from_read) = mpsc::channel(2);
        let (to_write, from_shape) = mpsc::channel(2);
        let (to_ledger, mut acks) = mpsc::channel(64);
        let cursors = std::mem::take(&mut self.resumed.cursors);
        let reading = stage(shared, move |shared| read::run(stores, &cursors, &to_shape, shared));
        let model = embedder.clone();
        let shaping = stage(shared, move |shared| {
            shape::run(from_read, &to_write, seen, if dry { None } else { model.as_deref() }, dry, shared)
        });
        let writing = stage(shared, move |shared| write::run(output, from_shape, &to_ledger, shared));

        let mut committing: Result<()> = Ok(());
        while let Some(ack) = acks.recv().await {
            if committing.is_ok() {
                shared.at("before-commit");
                committing = self.ledger.acknowledge(ack, self.checkpoint);
                shared.at("after-commit");
                if let Err(error) = &committing {
                    shared.fail(error.clone());
                }
                shared.observer.event(Event::Progress(self.ledger.counts()));
            }
        }
        let stores = join(reading).await?;
        let _ = join(shaping).await?;
        let written = join(writing).await?.flatten();
        committing?;

        let ended_early = shared.cancel.is_requested() || shared.cancel.is_aborted();
        match (written, stores) {
            (Some(written), Some(stores)) if !ended_early => self.close(stores, written, embedder).await,
            _ => Ok(None),
        }
    }

    /// Checks the sink and makes every target ready.
    async fn prepare(&mut self, factory: SinkFactory) -> Result<write::Prepared> {
        let mode = match self.shared.options.prepare {
            PrepareMode::MustBeEmpty if !self.resumed.is_empty() => PrepareMode::CreateIfMissing,
            mode => mode,
        };
        let shared = Arc::clone(self.shared);
        let prepared = blocking(move || write::prepare(factory, mode, &shared)).await?;
        for (target, records) in &prepared.before {
            self.resumed.before.entry(target.clone()).or_insert(*records);
            self.checkpoint.before(target, *records)?;
        }
        Ok(prepared)
    }

    /// Verifies, if asked to, and finishes the sink if everything arrived.
    async fn close(
        self,
        stores: Vec<read::Input>,
        written: write::Written,
        embedder: Option<Arc<dyn Embedder>>,
    ) -> Result<Option<Verification>> {
        let before = self.resumed.before;
        let refused = self.ledger.refused().to_vec();
        let shared = Arc::clone(self.shared);
        blocking(move || {
            let write::Written { mut sink, targets, samples } = written;
            let mut verification = None;
            if shared.options.verify {
                let claim = verify::Claim {
                    targets: targets.into_values().map(|(target, _)| target).collect(),
                    before: &before,
                    refused: &refused,
                    written: samples,
                    embedder: embedder.as_deref(),
                    full: shared.options.full,
                };
                let proof = verify::prove(stores, sink.as_mut(), claim, &shared)?;
                let holds = proof.holds();
                verification = Some(proof);
                if !holds {
                    return Ok(verification);
                }
            }
            shared.at("before-finish");
            retry::Retry::call(&shared, "finish", || sink.finish())?;
            shared.at("after-finish");
            Ok(verification)
        })
        .await
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
