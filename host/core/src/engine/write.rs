/*!
The third stage: batches to the sink, by one writer or several, with retries and bisection.

A page is acknowledged only after a flush that followed its rows. A batch that the sink cannot take as a whole
is halved until only the rows at fault are left; these go to the dead letter, the rest goes on.
*/

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc::{Receiver, Sender};
use vecferry_contract::{Batch, Error, ErrorKind, Limits, Metric, Receipt, Result, Target};

use super::ledger::Ack;
use super::retry::Retry;
use super::verify::Sample;
use super::{Parcel, Shared, SinkFactory, Targets};
use crate::{Sink, Writer};

/// A sink that was checked, with every target ready.
pub(super) struct Prepared {
    factory: SinkFactory,
    sink: Box<dyn Sink>,
    targets: Targets,
    /// Records in each target before the run.
    before: BTreeMap<String, u64>,
}

/// A sink after the last flush.
pub(super) struct Written {
    pub(super) sink: Box<dyn Sink>,
    pub(super) targets: Targets,
    pub(super) before: BTreeMap<String, u64>,
    pub(super) done: Done,
}

/// What was written to each target.
#[derive(Default)]
pub(super) struct Done {
    pub(super) accepted: BTreeMap<String, u64>,
    pub(super) samples: BTreeMap<String, Sample>,
}

/// Checks the sink and prepares all targets, before the first write anywhere.
pub(super) fn prepare(factory: SinkFactory, shared: &Shared) -> Result<Prepared> {
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
        let limits = Retry::call(shared, "prepare", || sink.prepare(&target, shared.options.prepare))?;
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

pub(super) fn run(
    prepared: Option<Prepared>,
    parcels: Receiver<Parcel>,
    acks: &Sender<Ack>,
    shared: &Shared,
) -> Result<Option<Written>> {
    let Some(Prepared { factory, sink, targets, before }) = prepared else {
        return count_only(parcels, acks).map(|()| None);
    };
    let parcels = Mutex::new(parcels);
    let done = Mutex::new(Done::default());
    let stage = Stage { targets: &targets, parcels: &parcels, acks, done: &done, shared };
    let sink = std::thread::scope(|scope| {
        let others: Vec<_> = (1..writers(&targets, shared))
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
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Some(Written { sink, targets, before, done }))
}

/// A dry run: everything that came this far would be written.
fn count_only(mut parcels: Receiver<Parcel>, acks: &Sender<Ack>) -> Result<()> {
    while let Some(Parcel { at, sequence, cursor, batch, mut tally }) = parcels.blocking_recv() {
        tally.migrated = batch.len() as u64;
        if acks.blocking_send(Ack { at, sequence, cursor, tally }).is_err() {
            break;
        }
    }
    Ok(())
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
    done: &'a Mutex<Done>,
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
            let mut run =
                TargetRun { stage: self, target, limits, writer: sink.open(target)?, unflushed: Vec::new(), rows: 0 };
            run.accept(parcel)?;
            while let Some(parcel) = self.take() {
                if self.target(&parcel)?.0.collection != target.collection {
                    next = Some(parcel);
                    break;
                }
                run.accept(parcel)?;
            }
            run.flush()?;
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
}

impl TargetRun<'_> {
    fn accept(&mut self, parcel: Parcel) -> Result<()> {
        let Parcel { at, sequence, cursor, batch, mut tally } = parcel;
        self.rows += batch.len() as u64;
        if !batch.is_empty() {
            for piece in batch.cut(self.limits.max_rows as usize, self.limits.max_bytes) {
                self.write(at, piece, &mut tally)?;
            }
        }
        self.unflushed.push(Ack { at, sequence, cursor, tally });
        if self.rows >= self.stage.shared.options.flush_rows {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Retry::call(self.stage.shared, "flush", || self.writer.flush())?;
        self.rows = 0;
        for ack in self.unflushed.drain(..) {
            // The ledger is gone only when the run is over.
            let _ = self.stage.acks.blocking_send(ack);
        }
        Ok(())
    }

    /// Writes one batch; what cannot be written as a whole is halved.
    fn write(&mut self, at: super::SplitKey, batch: Batch, tally: &mut super::Tally) -> Result<()> {
        let shared = self.stage.shared;
        let mut open = vec![batch];
        while let Some(batch) = open.pop() {
            let receipt = Retry::call(shared, "write", || self.writer.write(batch.clone()));
            match receipt {
                Ok(receipt) => self.settle(at, &batch, receipt, tally)?,
                Err(error) if matches!(error.kind, ErrorKind::Corrupt | ErrorKind::Unsupported) => {
                    if batch.len() <= 1 {
                        self.reject(at, &batch, 0, &error, tally)?;
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

    fn settle(&self, at: super::SplitKey, batch: &Batch, receipt: Receipt, tally: &mut super::Tally) -> Result<()> {
        let rows = batch.len() as u64;
        if u64::from(receipt.accepted) + receipt.rejected.len() as u64 != rows {
            let message = format!(
                "the sink accounts for {} accepted and {} rejected rows of {rows}",
                receipt.accepted,
                receipt.rejected.len()
            );
            return Err(Error::internal("sink/receipt", message).at("target", &self.target.collection));
        }
        let mut arrived = vec![true; batch.len()];
        for rejection in &receipt.rejected {
            let row = rejection.row as usize;
            match arrived.get_mut(row) {
                Some(arrived) if *arrived => *arrived = false,
                _ => {
                    let message = format!("the sink rejects row {row} of {rows}, which it cannot (or twice)");
                    return Err(Error::internal("sink/receipt", message).at("target", &self.target.collection));
                }
            }
            self.reject(at, batch, row, &rejection.reason, tally)?;
        }
        tally.migrated += u64::from(receipt.accepted);
        tally.changes.extend(receipt.changes);
        let mut done = self.stage.done.lock().unwrap_or_else(PoisonError::into_inner);
        *done.accepted.entry(self.target.collection.clone()).or_default() += u64::from(receipt.accepted);
        if self.stage.shared.options.verify {
            let sample = done.samples.entry(self.target.collection.clone()).or_default();
            (0..batch.len()).filter(|&row| arrived[row]).for_each(|row| sample.offer(batch, row));
        }
        Ok(())
    }

    fn reject(
        &self,
        at: super::SplitKey,
        batch: &Batch,
        row: usize,
        reason: &Error,
        tally: &mut super::Tally,
    ) -> Result<()> {
        let id = batch.ids.get(row).map_or("", String::as_str);
        self.stage.shared.reject(self.stage.shared.route(at)?, id, reason, Some(&batch.select(&[row])))?;
        tally.rejected += 1;
        Ok(())
    }
}
