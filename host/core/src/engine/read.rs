/*!
The first stage: pages from the stores, one store and collection after the other; splits of a collection side by side
where that was asked for.
*/

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::Sender;
use vecferry_contract::{Error, Result, Split};

use super::checkpoint::{Settled, SplitName};
use super::retry::Retry;
use super::{Parcel, Route, Shared, SourceFactory, SplitKey};
use crate::Source;
use crate::report::{Counts, Event};

pub(super) type Scanned = (Parcel, Vec<vecferry_contract::Unreadable>);

/// A store that is read: the plugin over it, and its collections' numbers.
pub(super) struct Input {
    pub(super) source: Box<dyn Source>,
    pub(super) another: Option<SourceFactory>,
    pub(super) collections: Vec<u32>,
}

/// Reads everything. Gives the stores back.
pub(super) fn run(
    mut stores: Vec<Input>,
    resume: &HashMap<SplitName, Vec<u8>>,
    out: &Sender<Scanned>,
    shared: &Shared,
) -> Result<Vec<Input>> {
    for Input { source, another, collections } in &mut stores {
        for &collection in &*collections {
            let route = shared.route(SplitKey { collection, split: 0 })?;
            let name = &route.job.collection.name;
            shared.observer.event(Event::Collection { store: &route.store, collection: name });
            let placed = |error: Error| error.at("store", &route.store).at("collection", name);
            let splits = match &route.job.splits {
                Some(splits) => splits.clone(),
                None => Retry::call(shared, "read", || source.plan(name, shared.options.readers)).map_err(placed)?,
            };
            let reading =
                Reading { route, collection, splits: &splits, resume, out, shared, next: AtomicUsize::new(0) };
            let readers = splits.len().min(shared.options.readers as usize);
            let going = match another.as_ref().filter(|_| readers > 1) {
                Some(another) => reading.side_by_side(source.as_mut(), another, readers).map_err(placed)?,
                None => reading.each(source.as_mut()).map_err(placed)?,
            };
            if !going {
                return Ok(stores);
            }
        }
    }
    Ok(stores)
}

/// One collection while it is read.
struct Reading<'a> {
    route: &'a Route,
    collection: u32,
    splits: &'a [Split],
    resume: &'a HashMap<SplitName, Vec<u8>>,
    out: &'a Sender<Scanned>,
    shared: &'a Shared,
    /// The split that nobody reads yet.
    next: AtomicUsize,
}

impl Reading<'_> {
    /// Several instances of the source, each with a split at a time.
    fn side_by_side(&self, source: &mut dyn Source, another: &SourceFactory, readers: usize) -> Result<bool> {
        let failure = Mutex::new(None);
        let fail = |error: Error| {
            // The others stop at their next page.
            self.shared.cancel.abort();
            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            false
        };
        let going = std::thread::scope(|scope| {
            let others: Vec<_> = (1..readers)
                .map(|_| {
                    scope.spawn(|| another().and_then(|mut source| self.each(source.as_mut())).unwrap_or_else(fail))
                })
                .collect();
            let first = self.each(source).unwrap_or_else(fail);
            others.into_iter().fold(first, |going, other| other.join().unwrap_or(false) && going)
        });
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(going),
        }
    }

    /// Reads splits until none is left. Returns false when the run is being stopped.
    fn each(&self, source: &mut dyn Source) -> Result<bool> {
        while let Some((number, split)) = self.take() {
            let name = SplitName {
                store: self.route.store.clone(),
                collection: self.route.job.collection.name.clone(),
                split: split.id.clone(),
            };
            let after = self.resume.get(&name).cloned();
            let at = SplitKey { collection: self.collection, split: number };
            if !self.scan(source, split, after, at, &Arc::new(name))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn take(&self) -> Option<(u32, &Split)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Some((u32::try_from(number).ok()?, self.splits.get(number)?))
    }

    /// Scans one split to its end. Returns false when the run is being stopped.
    fn scan(
        &self,
        source: &mut dyn Source,
        split: &Split,
        mut after: Option<Vec<u8>>,
        at: SplitKey,
        name: &Arc<SplitName>,
    ) -> Result<bool> {
        let Reading { shared, out, .. } = self;
        let options = &shared.options;
        let mut retry = Retry::new(shared, "read");
        'open: loop {
            let mut scan = match source.open(split, after.as_deref()) {
                Ok(scan) => scan,
                Err(error) => {
                    retry.after(error)?;
                    continue 'open;
                }
            };
            loop {
                if shared.cancel.is_requested() || shared.cancel.is_aborted() {
                    return Ok(false);
                }
                let page = match scan.next(options.batch_rows, options.batch_bytes) {
                    Ok(Some(page)) => page,
                    Ok(None) => return Ok(true),
                    Err(error) => {
                        // Continues after the last page that came whole.
                        retry.after(error)?;
                        continue 'open;
                    }
                };
                retry.reset();
                let rows = page.rows.check()?.rows + page.unreadable.len();
                if rows == 0 && after.as_ref() == Some(&page.cursor) {
                    let message = "the source yields empty pages and its cursor does not move";
                    return Err(Error::internal("source/stuck", message).at("split", &split.id));
                }
                tracing::trace!(store = name.store, rows, "page");
                after = Some(page.cursor.clone());
                let counts = Counts { found: rows as u64, ..Counts::default() };
                let settled = Settled { counts, changes: page.changes, ..Settled::default() };
                let parcel = Parcel {
                    at,
                    name: Arc::clone(name),
                    // Shaping decides the order.
                    sequence: 0,
                    cursor: page.cursor,
                    batch: page.rows,
                    page: settled,
                    first_id: None,
                };
                if out.blocking_send((parcel, page.unreadable)).is_err() {
                    return Ok(false);
                }
            }
        }
    }
}
