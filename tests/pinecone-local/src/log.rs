/*!
What was asked of the server: totals, and the latest requests one by one. Tests read it; nothing depends on it.
*/

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde::Serialize;

use crate::lock;
use crate::operation::Operation;

/// Requests that are kept one by one; the totals count all.
const KEPT: usize = 100_000;

/// One answered request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// What was asked.
    pub operation: Operation,
    /// The index that was addressed; empty where the call addresses none.
    pub index: String,
    /// The status that was answered; 0 where the connection was ended instead.
    pub status: u16,
    /// Records that were written or returned.
    pub rows: u64,
    /// Bytes of the request's body.
    pub bytes: u64,
    /// Whether a rule of the schedule struck it.
    pub faulted: bool,
}

/// Totals over all requests, or those of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Requests, refused ones included.
    pub requests: u64,
    /// Records that were written or returned.
    pub rows: u64,
    /// Bytes of the requests' bodies.
    pub bytes: u64,
    /// The largest body, in bytes.
    pub largest: u64,
    /// Requests that were in work at one time, at most.
    pub max_concurrent: u64,
}

/// The log of a running server.
#[derive(Clone, Debug, Default)]
pub struct Log {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    totals: BTreeMap<Operation, Totals>,
    entries: VecDeque<Entry>,
    working: BTreeMap<Operation, u64>,
    all_working: u64,
    max_concurrent: u64,
}

impl Log {
    /// Totals of one call.
    pub fn of(&self, operation: Operation) -> Totals {
        lock(&self.state).totals.get(&operation).copied().unwrap_or_default()
    }

    /// Totals of all calls.
    pub fn total(&self) -> Totals {
        let state = lock(&self.state);
        let mut all = Totals { max_concurrent: state.max_concurrent, ..Totals::default() };
        for totals in state.totals.values() {
            all.requests += totals.requests;
            all.rows += totals.rows;
            all.bytes += totals.bytes;
            all.largest = all.largest.max(totals.largest);
        }
        all
    }

    /// The latest requests (100,000 at most), in the order in which they were answered.
    pub fn entries(&self) -> Vec<Entry> {
        lock(&self.state).entries.iter().cloned().collect()
    }

    /// Forgets everything so far.
    pub fn clear(&self) {
        let mut state = lock(&self.state);
        state.totals.clear();
        state.entries.clear();
        state.max_concurrent = state.all_working;
    }

    /// Notes that a request is in work, until what is returned is dropped.
    pub(crate) fn begin(&self, operation: Operation) -> Working {
        let mut state = lock(&self.state);
        state.all_working += 1;
        state.max_concurrent = state.max_concurrent.max(state.all_working);
        let working = state.working.entry(operation).or_default();
        *working += 1;
        let working = *working;
        let totals = state.totals.entry(operation).or_default();
        totals.max_concurrent = totals.max_concurrent.max(working);
        Working { log: self.clone(), operation }
    }

    pub(crate) fn note(&self, entry: Entry) {
        let mut state = lock(&self.state);
        let totals = state.totals.entry(entry.operation).or_default();
        totals.requests += 1;
        totals.rows += entry.rows;
        totals.bytes += entry.bytes;
        totals.largest = totals.largest.max(entry.bytes);
        if state.entries.len() == KEPT {
            state.entries.pop_front();
        }
        state.entries.push_back(entry);
    }

    /// Totals of every call that was made, as JSON answers give them.
    pub(crate) fn by_operation(&self) -> BTreeMap<Operation, Totals> {
        lock(&self.state).totals.clone()
    }
}

/// A request in work.
pub(crate) struct Working {
    log: Log,
    operation: Operation,
}

impl Drop for Working {
    fn drop(&mut self) {
        let mut state = lock(&self.log.state);
        state.all_working = state.all_working.saturating_sub(1);
        if let Some(working) = state.working.get_mut(&self.operation) {
            *working = working.saturating_sub(1);
        }
    }
}
