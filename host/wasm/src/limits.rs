/*! What one instance may use up: memory, tables, time. */

use std::fmt;
use std::time::{Duration, Instant};

use wasmtime::ResourceLimiter;

/// Table elements of one instance, over all its tables; a Python interpreter needs some 20,000.
const MAX_TABLE_ELEMENTS: usize = 1 << 20;
/// Core instances, memories and tables within one component.
const MAX_PARTS: usize = 1000;

/// Bytes that a guest may move to the host in one call or answer, strings and lists counted as they will lie in the
/// host's memory. It keeps a guest from pointing a million strings at the same megabyte.
pub(crate) const MAX_TRANSFER_BYTES: usize = 256 << 20;

/// Counts an instance's memory and table elements against their caps.
pub(crate) struct Budget {
    memory_bytes: usize,
    memory_used: usize,
    table_used: usize,
    refused: Option<usize>,
}

impl Budget {
    pub(crate) fn new(memory_bytes: usize) -> Self {
        Budget { memory_bytes, memory_used: 0, table_used: 0, refused: None }
    }

    /// Forgets refusals of earlier calls: the guest lived on with them.
    pub(crate) fn start_call(&mut self) {
        self.refused = None;
    }

    /// The cap, if this call asked for more memory than that. A guest may take the refusal as its allocator's
    /// failure and go on; most end themselves.
    pub(crate) fn refused(&self) -> Option<usize> {
        self.refused
    }
}

impl ResourceLimiter for Budget {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.memory_used.saturating_add(desired.saturating_sub(current));
        if used > self.memory_bytes {
            self.refused = Some(self.memory_bytes);
            return Ok(false);
        }
        self.memory_used = used;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        // The machine has no more, or the guest's own limit (4 GiB at most) is reached before ours.
        self.refused = Some(self.memory_used);
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.table_used.saturating_add(desired.saturating_sub(current));
        if used > MAX_TABLE_ELEMENTS {
            return Ok(false);
        }
        self.table_used = used;
        Ok(true)
    }

    fn instances(&self) -> usize {
        MAX_PARTS
    }

    fn tables(&self) -> usize {
        MAX_PARTS
    }

    fn memories(&self) -> usize {
        MAX_PARTS
    }
}

/// How long one call may take: the guest's own computing, and the host's work on its behalf, each by itself.
pub(crate) struct Clock {
    guest_limit: Duration,
    host_limit: Duration,
    started: Instant,
    host: Duration,
}

/// The call took too long.
#[derive(Debug)]
pub(crate) enum Deadline {
    /// The guest computed for longer than this.
    Guest(Duration),
    /// The host's functions worked for the guest for longer than this.
    Host(Duration),
}

impl Clock {
    pub(crate) fn new(guest_limit: Duration, host_limit: Duration) -> Self {
        Clock { guest_limit, host_limit, started: Instant::now(), host: Duration::ZERO }
    }

    pub(crate) fn start_call(&mut self) {
        self.started = Instant::now();
        self.host = Duration::ZERO;
    }

    /// Adds time that a host function took.
    pub(crate) fn add_host(&mut self, took: Duration) {
        self.host += took;
    }

    /// # Errors
    /// When one of the limits has passed.
    pub(crate) fn check(&self) -> Result<(), Deadline> {
        if self.host > self.host_limit {
            return Err(Deadline::Host(self.host_limit));
        }
        if self.started.elapsed().saturating_sub(self.host) > self.guest_limit {
            return Err(Deadline::Guest(self.guest_limit));
        }
        Ok(())
    }
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Deadline::Guest(limit) => write!(f, "computed for more than {limit:?}"),
            Deadline::Host(limit) => write!(f, "kept the host busy for more than {limit:?}"),
        }
    }
}

impl std::error::Error for Deadline {}
