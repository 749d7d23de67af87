/*!
The third stage: batches to the sink, by one writer or several, with retries and bisection.

A page is acknowledged only after a flush that followed its rows. A batch that the sink cannot take as a whole
is halved until only the rows at fault are left; these go to the dead letter, the rest goes on.
*/

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::mpsc::{Receiver, Sender};
use vecferry_contract::{Batch, Change, Dense, Error, ErrorKind, Limits, Metric, PrepareMode, Receipt, Result, Target};

use super::checkpoint::{Altered, Letter, Rejected, Settled};
use super::ledger::{Ack, Size};
use super::permits::Permits;
use super::retry::Retry;
use super::verify::Sample;
use super::{Parcel, Shared, SinkFactory, Targets, Vectors};
use crate::seen::id_digest;
use crate::{Sink, Writer};

/// A sink that was checked, with every target ready.
pub(super) struct Prepared {
    factory: SinkFactory,
    pub(super) sink: Box<dyn Sink>,
    pub(super) targets: Targets,
    /// Records in each target before the run.
    pub(super) before: BTreeMap<String, u64>,
}

/// A sink after the last flush.
pub(super) struct Written {
    pub(super) sink: Box<dyn Sink>,
    pub(super) targets: Targets,
    /// Of each target, some records as they were written.
    pub(super) samples: BTreeMap<String, Sample>,
}

/// Checks the sink and prepares all targets, before the first write anywhere.
pub(super) fn prepare(factory: SinkFactory, mode: PrepareMode, shared: &Shared) -> Result<Prepared> {
    let mut sink = factory()?;
    Retry::call(shared, "check", || sink.check())?;
    let mut wanted: BTreeMap<String, Target> = BTreeMap::new();
    for route in &shared.collections {
        let target = &route.job.target;
        match wanted.get_mut(&target.collection) {
            None => drop(wanted.insert(target.collection.clone(), target.clone())),
            Some(first) => merge(first, target)?,
        }
    }
    let mut targets = Targets::new();
    let mut before = BTreeMap::new();
    for (name, target) in wanted {
        let limits = Retry::call(shared, "prepare", || sink.prepare(&target, mode))?;
        if shared.options.verify {
            let count = Retry::call(shared, "count", || sink.open(&target)?.count())?;
            before.insert(name.clone(), count);
        }
        targets.insert(name, (target, limits));
    }
    Ok(Prepared { factory, sink, targets, before })
}

/// Two source collections that go to one target must agree on what it is.
fn merge(first: &mut Target, second: &Target) -> Result<()> {
    let differ = |what: &str, a: String, b: String| {
        let message = format!("two collections that go to '{}' differ in {what}: {a} and {b}", first.collection);
        Err(Error::config("target/mixed", message)
            .hint("migrate them one by one with --only NAME, each to a destination of its own"))
    };
    match (first.dimension, second.dimension) {
        (Some(a), Some(b)) if a != b => return differ("dimension", a.to_string(), b.to_string()),
        _ => {}
    }
    match (first.metric, second.metric) {
        (a, b) if a != b && a != Metric::Unknown && b != Metric::Unknown => {
            return differ("metric", a.as_str().to_owned(), b.as_str().to_owned());
        }
        (Metric::Unknown, known) => first.metric = known,
        _ => {}
    }
    first.dimension = first.dimension.or(second.dimension);
    Ok(())
}

/// Where the records of a run go.
pub(super) enum Output {
    Prepared(Prepared),
    Rehearsal(SinkFactory),
    Count,
}

pub(super) fn run(
    output: Output,
    parcels: Receiver<Parcel>,
    acks: &Sender<Ack>,
    shared: &Shared,
) -> Result<Option<Written>> {
    let Prepared { factory, sink, targets, before: _ } = match output {
        Output::Prepared(prepared) => prepared,
        Output::Rehearsal(factory) => return rehearse(&factory, parcels, acks, shared).map(|()| None),
        Output::Count => return count_only(parcels, acks).map(|()| None),
    };
    let parcels = Mutex::new(parcels);
    let samples = Mutex::new(BTreeMap::new());
    let writers = writers(&targets, shared);
    let permits = Permits::new(writers);
    let stage = Stage { targets: &targets, parcels: &parcels, acks, samples: &samples, permits: &permits, shared };
    let sink = std::thread::scope(|scope| {
        let others: Vec<_> = (1..writers)
            .map(|_| {
                scope.spawn(|| {
                    let worked = factory().and_then(|sink| stage.work(sink));
                    worked.map(drop).inspect_err(|error| shared.fail(error.clone()))
                })
            })
            .collect();
        let first = stage.work(sink).inspect_err(|error| shared.fail(error.clone()));
        for other in others {
            other.join().map_err(|_| Error::internal("engine/writer", "a writer thread died"))??;
        }
        first
    })?;
    let samples = samples.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Some(Written { sink, targets, samples }))
}

/// A dry run: everything that came this far would be written.
fn count_only(mut parcels: Receiver<Parcel>, acks: &Sender<Ack>) -> Result<()> {
    while let Some(Parcel { at, name, sequence, cursor, batch, mut page, first_id }) = parcels.blocking_recv() {
        page.counts.migrated = batch.len() as u64;
        let size = size(&batch);
        if acks.blocking_send(Ack { at, name, sequence, cursor, page, first_id, size }).is_err() {
            break;
        }
    }
    Ok(())
}

/// A dry run that asks the sink what it would take. Records that would be embedded get a stand-in for their vector.
fn rehearse(factory: &SinkFactory, mut parcels: Receiver<Parcel>, acks: &Sender<Ack>, shared: &Shared) -> Result<()> {
    let mut sink = factory()?;
    while let Some(Parcel { at, name, sequence, cursor, mut batch, mut page, first_id }) = parcels.blocking_recv() {
        let route = shared.route(at)?;
        if route.job.vectors == Vectors::Embed
            && let Some(dimension) = route.job.target.dimension
        {
            batch.dense = vec![unit_vectors(dimension, batch.len())];
        }
        if !batch.is_empty() {
            let receipt = sink.rehearse(&route.job.target, batch.clone())?;
            settle(&route.job.target.collection, &batch, &receipt, &mut page)?;
        }
        let size = size(&batch);
        if acks.blocking_send(Ack { at, name, sequence, cursor, page, first_id, size }).is_err() {
            break;
        }
    }
    Ok(())
}

fn size(batch: &Batch) -> Size {
    let rows = 0..batch.len();
    Size {
        bytes: rows.clone().map(|row| batch.row_bytes(row)).sum(),
        documents: rows.filter_map(|row| batch.document(row)).map(|document| document.len() as u64).sum(),
    }
}

/// Vectors of length 1, so that a sink can judge everything else of a record.
pub(super) fn unit_vectors(dimension: u32, rows: usize) -> Dense {
    let width = dimension as usize;
    let mut values = vec![0.0; rows.saturating_mul(width)];
    values.iter_mut().step_by(width.max(1)).for_each(|first| *first = 1.0);
    Dense::new(dimension, values)
}

fn writers(targets: &Targets, shared: &Shared) -> u32 {
    let allowed = targets.values().map(|(_, limits)| limits.max_concurrency).filter(|&max| max > 0).min();
    shared.options.writers.min(allowed.unwrap_or(u32::MAX)).max(1)
}

/// What the writers of a run share.
#[derive(Clone, Copy)]
struct Stage<'a> {
    targets: &'a Targets,
    parcels: &'a Mutex<Receiver<Parcel>>,
    acks: &'a Sender<Ack>,
    samples: &'a Mutex<BTreeMap<String, Sample>>,
    permits: &'a Permits,
    shared: &'a Shared,
}

impl Stage<'_> {
    fn take(&self) -> Option<Parcel> {
        self.parcels.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv()
    }

    fn target(&self, parcel: &Parcel) -> Result<&(Target, Limits)> {
        let name = &self.shared.route(parcel.at)?.job.target.collection;
        self.targets
            .get(name)
            .ok_or_else(|| Error::internal("engine/target", format!("the target '{name}' was never prepared")))
    }

    /// Writes until no parcel is left, one target after the other. Gives the sink back.
    fn work(&self, mut sink: Box<dyn Sink>) -> Result<Box<dyn Sink>> {
        let mut next = self.take();
        while let Some(parcel) = next.take() {
            let (target, limits) = self.target(&parcel)?;
            let mut retry = Retry::new(self.shared, "open");
            // The borrow of a writer that was opened cannot leave a retry loop, so the retries come first.
            while let Err(error) = sink.open(target).map(drop) {
                retry.after(error)?;
            }
            let mut run = TargetRun {
                stage: self,
                target,
                limits,
                writer: sink.open(target)?,
                unflushed: Vec::new(),
                rows: 0,
                flushed: Instant::now(),
            };
            run.accept(parcel)?;
            while let Some(parcel) = self.take() {
                if self.target(&parcel)?.0.collection != target.collection {
                    next = Some(parcel);
                    break;
                }
                run.accept(parcel)?;
            }
            run.flush()?;
            if self.shared.options.verify {
                run.settle()?;
            }
        }
        Ok(sink)
    }
}

/// One writer while it stays at one target.
struct TargetRun<'a> {
    stage: &'a Stage<'a>,
    target: &'a Target,
    limits: &'a Limits,
    writer: Box<dyn Writer + 'a>,
    unflushed: Vec<Ack>,
    rows: u64,
    flushed: Instant,
}

impl TargetRun<'_> {
    fn accept(&mut self, parcel: Parcel) -> Result<()> {
        let Parcel { at, name, sequence, cursor, batch, mut page, first_id } = parcel;
        self.rows += batch.len() as u64;
        if !batch.is_empty() {
            for piece in batch.cut(self.limits.max_rows as usize, self.limits.max_bytes) {
                self.write(piece, &mut page)?;
            }
        }
        self.unflushed.push(Ack { at, name, sequence, cursor, page, first_id, size: Size::default() });
        let options = &self.stage.shared.options;
        if self.rows >= options.flush_rows || self.flushed.elapsed() >= options.flush_after {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Retry::call(self.stage.shared, "flush", || self.writer.flush())?;
        self.stage.shared.at("after-flush");
        self.rows = 0;
        self.flushed = Instant::now();
        for ack in self.unflushed.drain(..) {
            // The ledger is gone only when the run is over.
            let _ = self.stage.acks.blocking_send(ack);
        }
        Ok(())
    }

    /// Waits until what was flushed can be read back by every writer.
    fn settle(&mut self) -> Result<()> {
        let mut retry = Retry::patient(self.stage.shared, "settle");
        while let Err(error) = self.writer.settle() {
            retry.after(error)?;
        }
        Ok(())
    }

    /// Writes one batch; what cannot be written as a whole is halved.
    fn write(&mut self, batch: Batch, page: &mut Settled) -> Result<()> {
        let shared = self.stage.shared;
        let target = &self.target.collection;
        let mut open = vec![batch];
        while let Some(batch) = open.pop() {
            shared.at("before-write");
            let writer = &mut self.writer;
            let receipt = Retry::call(shared, "write", || self.stage.permits.write(|| writer.write(batch.clone())));
            shared.at("after-write");
            match receipt {
                Ok(receipt) => {
                    let arrived = settle(target, &batch, &receipt, page)?;
                    self.remember(&batch, &arrived);
                }
                Err(error) if matches!(error.kind, ErrorKind::Corrupt | ErrorKind::Unsupported) => {
                    if batch.len() <= 1 {
                        reject(target, &batch, 0, &error, page);
                    } else {
                        let (left, right): (Vec<_>, Vec<_>) = (0..batch.len()).partition(|row| *row < batch.len() / 2);
                        open.push(batch.select(&right));
                        open.push(batch.select(&left));
                    }
                }
                Err(error) => return Err(error.at("target", &self.target.collection)),
            }
        }
        Ok(())
    }

    /// For verification: some of the records as they were written.
    fn remember(&self, batch: &Batch, arrived: &[bool]) {
        if !self.stage.shared.options.verify {
            return;
        }
        let name = &self.target.collection;
        let mut samples = self.stage.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let sample = samples.entry(name.clone()).or_default();
        for (row, id) in batch.ids.iter().enumerate().filter(|(row, _)| arrived.get(*row) == Some(&true)) {
            sample.offer(id_digest(name, id), batch, row);
        }
    }
}

/// What becomes of a receipt: rejected rows go to the dead letter, alterations are noted, everything is counted.
/// Returns which rows arrived.
fn settle(target: &str, batch: &Batch, receipt: &Receipt, page: &mut Settled) -> Result<Vec<bool>> {
    let wrong = |message: String| Error::internal("sink/receipt", message).at("target", target);
    let rows = batch.len() as u64;
    if u64::from(receipt.accepted) + receipt.rejected.len() as u64 != rows {
        let (accepted, rejected) = (receipt.accepted, receipt.rejected.len());
        return Err(wrong(format!("the sink accounts for {accepted} accepted and {rejected} rejected rows of {rows}")));
    }
    let mut arrived = vec![true; batch.len()];
    for rejection in &receipt.rejected {
        let row = rejection.row as usize;
        match arrived.get_mut(row) {
            Some(arrived) if *arrived => *arrived = false,
            _ => return Err(wrong(format!("the sink rejects row {row} of {rows}, which it cannot (or twice)"))),
        }
        reject(target, batch, row, &rejection.reason, page);
    }
    page.counts.migrated += u64::from(receipt.accepted);
    let mut altered_rows: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    for altered in &receipt.altered {
        let row = altered.row as usize;
        if arrived.get(row) != Some(&true) {
            return Err(wrong(format!("the sink says that it altered row {row}, which it did not accept")));
        }
        altered_rows.entry(&altered.code).or_default().insert(altered.row);
        page.letters.push(Letter::Altered(Altered {
            target: target.to_owned(),
            id: batch.ids.get(row).cloned().unwrap_or_default(),
            field: altered.field.clone(),
            code: altered.code.clone(),
        }));
    }
    page.changes.extend(
        altered_rows.into_iter().map(|(code, rows)| Change {
            code: code.to_owned(),
            records: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        }),
    );
    Ok(arrived)
}

fn reject(target: &str, batch: &Batch, row: usize, reason: &Error, page: &mut Settled) {
    let id = batch.ids.get(row).cloned().unwrap_or_default();
    tracing::info!("rejected {id}: {reason}");
    page.letters.push(Letter::Rejected(Rejected {
        target: target.to_owned(),
        id,
        reason: reason.clone(),
        at_destination: true,
        row: Some(batch.select(&[row])),
    }));
    page.counts.rejected += 1;
}
