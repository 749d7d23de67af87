/*! The first stage: pages from the stores, one store, collection and split after the other. */

use std::collections::HashMap;

use tokio::sync::mpsc::Sender;
use vecferry_contract::{Error, Result, Split};

use super::retry::Retry;
use super::{Numbered, Parcel, Route, Shared, SplitKey, Tally};
use crate::Source;
use crate::report::Event;

pub(super) type Scanned = (Parcel, Vec<vecferry_contract::Unreadable>);

/// Splits are read in order from one instance: more would only help where the source is the slowest stage.
const SPLITS: u32 = 1;

pub(super) fn run(
    stores: Numbered,
    resume: &HashMap<(String, String, String), Vec<u8>>,
    out: &Sender<Scanned>,
    shared: &Shared,
) -> Result<()> {
    for (mut source, numbers) in stores {
        for collection in numbers {
            let key = SplitKey { collection, split: 0 };
            let route = shared.route(key)?;
            let name = &route.job.collection.name;
            shared.observer.event(Event::Collection { store: &route.store, collection: name });
            let placed = |error: Error| error.at("store", &route.store).at("collection", name);
            let splits = Retry::call(shared, "read", || source.plan(name, SPLITS)).map_err(placed)?;
            for (split, number) in splits.iter().zip(0..) {
                let after = resume.get(&(route.store.clone(), name.clone(), split.id.clone())).cloned();
                let at = SplitKey { split: number, ..key };
                let going = scan(source.as_mut(), split, after, at, out, shared, route).map_err(placed)?;
                if !going {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Scans one split to its end. Returns false when the run is being stopped.
fn scan(
    source: &mut dyn Source,
    split: &Split,
    mut after: Option<Vec<u8>>,
    at: SplitKey,
    out: &Sender<Scanned>,
    shared: &Shared,
    route: &Route,
) -> Result<bool> {
    let options = &shared.options;
    let mut retry = Retry::new(shared, "read");
    let mut sequence = 0;
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
            tracing::trace!(store = route.store, rows, sequence, "page");
            after = Some(page.cursor.clone());
            let tally = Tally { found: rows as u64, changes: page.changes, ..Tally::default() };
            let parcel = Parcel { at, sequence, cursor: page.cursor, batch: page.rows, tally };
            if out.blocking_send((parcel, page.unreadable)).is_err() {
                return Ok(false);
            }
            sequence += 1;
        }
    }
}
