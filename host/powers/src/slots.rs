/*! A cap on what one plugin instance holds open, so that it cannot use up the process's file handles. */

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use vecferry_contract::{Error, Result};

/// Handles (files, databases, outputs, cursors) of one instance.
const MAX_OPEN: usize = 128;

/// Counts the open handles of one instance.
#[derive(Clone, Default)]
pub(crate) struct Slots(Arc<AtomicUsize>);

/// One counted handle; dropping it frees it.
pub(crate) struct Slot(Arc<AtomicUsize>);

impl Slots {
    /// Takes one. `what` is for the error: "open files".
    ///
    /// # Errors
    /// `unsupported` when all are taken.
    pub(crate) fn take(&self, what: &str) -> Result<Slot> {
        let grow = |open: usize| (open < MAX_OPEN).then_some(open + 1);
        if self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grow).is_err() {
            let message = format!("the plugin holds {MAX_OPEN} handles already; {what} count among them");
            return Err(Error::unsupported("host/too-many-open", message)
                .hint("this is a fault of the plugin: it must drop what it no longer reads or writes"));
        }
        Ok(Slot(Arc::clone(&self.0)))
    }
}

impl Slot {
    /// The counter that this one belongs to.
    pub(crate) fn slots(&self) -> Slots {
        Slots(Arc::clone(&self.0))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
