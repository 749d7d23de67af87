/*! Stopping a run: on request (finish what is in flight) or because a stage failed (give up). */

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A handle to stop a run; clones stop the same run.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<State>);

#[derive(Debug, Default)]
struct State {
    requested: Arc<AtomicBool>,
    aborted: AtomicBool,
    gate: Mutex<()>,
    changed: Condvar,
}

impl Cancel {
    /// Asks the run to stop: nothing more is read, what is in flight is finished.
    pub fn request(&self) {
        self.0.requested.store(true, Ordering::SeqCst);
        self.wake();
    }

    /// Whether the user asked to stop.
    pub fn is_requested(&self) -> bool {
        self.0.requested.load(Ordering::SeqCst)
    }

    /// The flag that plugins see through `telemetry.cancelled`.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0.requested)
    }

    /// A stage failed: every stage gives up.
    pub(super) fn abort(&self) {
        self.0.aborted.store(true, Ordering::SeqCst);
        self.wake();
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.0.aborted.load(Ordering::SeqCst)
    }

    /// Waits, unless the run is stopped before. Returns whether the time passed.
    pub(super) fn wait(&self, duration: Duration) -> bool {
        let end = Instant::now() + duration;
        let mut gate = self.0.gate.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if self.is_requested() || self.is_aborted() {
                return false;
            }
            let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return true;
            };
            gate = self.0.changed.wait_timeout(gate, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn wake(&self) {
        let _gate = self.0.gate.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.changed.notify_all();
    }
}
