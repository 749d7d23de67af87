/*!
The third stage: batches to the sink, by one writer or several, with retries and bisection.

A page is acknowledged only after a flush that followed its rows. A batch that the sink cannot take as a whole
is halved until only the rows at fault are left; these go to the dead letter, the rest goes on.
*/

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc::{Receiver, Sender};
use vecferry_contract::{Batch, Change, Dense, Error, ErrorKind, Limits, Metric, Receipt, Result, Target};

use super::ledger::Ack;
use super::retry::Retry;
use super::verify::Sample;
use super::{Parcel, Shared, SinkFactory, SplitKey, Tally, Targets, Vectors};
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
    let Prepared { factory, sink, targets, before } = match output {
        Output::Prepared(prepared) => prepared,
        Output::Rehearsal(factory) => return rehearse(&factory, parcels, acks, shared).map(|()| None),
        Output::Count => return count_only(parcels, acks).map(|()| None),
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

/// A dry run that asks the sink what it would take. Records that would be embedded get a stand-in for their vector.
fn rehearse(factory: &SinkFactory, mut parcels: Receiver<Parcel>, acks: &Sender<Ack>, shared: &Shared) -> Result<()> {
    let mut sink = factory()?;
    while let Some(Parcel { at, sequence, cursor, mut batch, mut tally }) = parcels.blocking_recv() {
        let route = shared.route(at)?;
        if route.job.vectors == Vectors::Embed
            && let Some(dimension) = route.job.target.dimension
        {
            batch.dense = vec![unit_vectors(dimension, batch.len())];
        }
        let settle = Settle { shared, at, target: &route.job.target.collection };
        if !batch.is_empty() {
            let receipt = sink.rehearse(&route.job.target, batch.clone())?;
            settle.receipt(&batch, &receipt, &mut tally)?;
        }
        if acks.blocking_send(Ack { at, sequence, cursor, tally }).is_err() {
            break;
        }
    }
    Ok(())
}

/// Vectors of length 1, so that a sink can judge everything else of a record.
fn unit_vectors(dimension: u32, rows: usize) -> Dense {
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

    /// Waits until what was flushed can be read back by every writer.
    fn settle(&mut self) -> Result<()> {
        let mut retry = Retry::new(self.stage.shared, "settle");
        while let Err(error) = self.writer.settle() {
            retry.after(error)?;
        }
        Ok(())
    }

    /// Writes one batch; what cannot be written as a whole is halved.
    fn write(&mut self, at: SplitKey, batch: Batch, tally: &mut Tally) -> Result<()> {
        let shared = self.stage.shared;
        let settle = Settle { shared, at, target: &self.target.collection };
        let mut open = vec![batch];
        while let Some(batch) = open.pop() {
            let receipt = Retry::call(shared, "write", || self.writer.write(batch.clone()));
            match receipt {
                Ok(receipt) => {
                    let arrived = settle.receipt(&batch, &receipt, tally)?;
                    self.remember(&batch, &receipt, &arrived);
                }
                Err(error) if matches!(error.kind, ErrorKind::Corrupt | ErrorKind::Unsupported) => {
                    if batch.len() <= 1 {
                        settle.reject(&batch, 0, &error, tally)?;
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

    /// For verification: what was accepted, and a sample of it.
    fn remember(&self, batch: &Batch, receipt: &Receipt, arrived: &[bool]) {
        let mut done = self.stage.done.lock().unwrap_or_else(PoisonError::into_inner);
        *done.accepted.entry(self.target.collection.clone()).or_default() += u64::from(receipt.accepted);
        if self.stage.shared.options.verify {
            let sample = done.samples.entry(self.target.collection.clone()).or_default();
            let arrived = arrived.iter().enumerate().filter(|(_, arrived)| **arrived);
            for (row, _) in arrived {
                let altered = receipt.altered.iter().filter(|altered| altered.row as usize == row);
                sample.offer(batch, row, altered.map(|altered| altered.field.clone()));
            }
        }
    }
}

/// What becomes of a receipt: rejected rows go to the dead letter, alterations are told, everything is counted.
struct Settle<'a> {
    shared: &'a Shared,
    at: SplitKey,
    target: &'a str,
}

impl Settle<'_> {
    /// Which rows arrived.
    fn receipt(&self, batch: &Batch, receipt: &Receipt, tally: &mut Tally) -> Result<Vec<bool>> {
        let rows = batch.len() as u64;
        if u64::from(receipt.accepted) + receipt.rejected.len() as u64 != rows {
            let (accepted, rejected) = (receipt.accepted, receipt.rejected.len());
            let message = format!("the sink accounts for {accepted} accepted and {rejected} rejected rows of {rows}");
            return Err(self.wrong(message));
        }
        let mut arrived = vec![true; batch.len()];
        for rejection in &receipt.rejected {
            let row = rejection.row as usize;
            match arrived.get_mut(row) {
                Some(arrived) if *arrived => *arrived = false,
                _ => {
                    let message = format!("the sink rejects row {row} of {rows}, which it cannot (or twice)");
                    return Err(self.wrong(message));
                }
            }
            self.reject(batch, row, &rejection.reason, tally)?;
        }
        tally.migrated += u64::from(receipt.accepted);
        self.alterations(batch, &arrived, receipt, tally)?;
        Ok(arrived)
    }

    fn alterations(&self, batch: &Batch, arrived: &[bool], receipt: &Receipt, tally: &mut Tally) -> Result<()> {
        let mut rows: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
        let route = self.shared.route(self.at)?;
        for altered in &receipt.altered {
            let row = altered.row as usize;
            if !arrived.get(row).copied().unwrap_or(false) {
                return Err(self.wrong(format!("the sink says that it altered row {row}, which it did not accept")));
            }
            rows.entry(&altered.code).or_default().insert(altered.row);
            let id = batch.ids.get(row).map_or("", String::as_str);
            self.shared.alter(route, id, &altered.field, &altered.code)?;
        }
        tally.changes.extend(rows.into_iter().map(|(code, rows)| Change {
            code: code.to_owned(),
            records: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        }));
        Ok(())
    }

    fn reject(&self, batch: &Batch, row: usize, reason: &Error, tally: &mut Tally) -> Result<()> {
        let id = batch.ids.get(row).map_or("", String::as_str);
        self.shared.reject(self.shared.route(self.at)?, id, reason, Some(&batch.select(&[row])))?;
        tally.rejected += 1;
        Ok(())
    }

    fn wrong(&self, message: String) -> Error {
        Error::internal("sink/receipt", message).at("target", self.target)
    }
}
