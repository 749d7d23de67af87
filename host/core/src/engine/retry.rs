/*! Trying again: which errors, how often, how long between. */

use std::time::Duration;

use vecferry_contract::{Error, Result};

use super::Shared;
use crate::report::Event;

/// No wait is longer, unless the other side asks for it.
const LONGEST: Duration = Duration::from_secs(30);

/// One call's budget of tries.
pub(super) struct Retry<'a> {
    shared: &'a Shared,
    stage: &'static str,
    attempt: u32,
    attempts: u32,
}

impl<'a> Retry<'a> {
    pub(super) fn new(shared: &'a Shared, stage: &'static str) -> Self {
        Retry { shared, stage, attempt: 0, attempts: shared.options.attempts }
    }

    /// For waiting until something that is certain to come has come.
    pub(super) fn patient(shared: &'a Shared, stage: &'static str) -> Self {
        Retry { attempts: shared.options.attempts.saturating_mul(16), ..Retry::new(shared, stage) }
    }

    /// A success: the next failure starts a new budget.
    pub(super) fn reset(&mut self) {
        self.attempt = 0;
    }

    /// Waits before the next try, or gives the error back when there is none: it cannot be retried, the budget
    /// is spent, or the run is being stopped.
    pub(super) fn after(&mut self, error: Error) -> Result<()> {
        self.attempt += 1;
        if !error.kind.is_retryable() || self.attempt >= self.attempts {
            return Err(if self.attempt > 1 { error.at("tries", self.attempt) } else { error });
        }
        let wait = self.wait_for(&error);
        self.shared.observer.event(Event::Retrying { stage: self.stage, error: &error, wait, attempt: self.attempt });
        if self.shared.cancel.wait(wait) { Ok(()) } else { Err(error) }
    }

    /// Doubles with each try, spread by up to half so that writers do not come back together; what the other
    /// side asked for is honoured in full.
    fn wait_for(&self, error: &Error) -> Duration {
        let doubled = self.shared.options.backoff.saturating_mul(1 << self.attempt.saturating_sub(1).min(16));
        let backoff = doubled.min(LONGEST);
        let spread = backoff.mul_f64(spread(self.attempt) / 2.0);
        let asked = Duration::from_millis(error.retry_after_ms.unwrap_or(0));
        asked.max(backoff - spread)
    }

    /// Calls until it succeeds or the budget is spent.
    pub(super) fn call<T>(shared: &'a Shared, stage: &'static str, mut work: impl FnMut() -> Result<T>) -> Result<T> {
        let mut retry = Retry::new(shared, stage);
        loop {
            match work() {
                Ok(value) => return Ok(value),
                Err(error) => retry.after(error)?,
            }
        }
    }
}

/// A number in [0, 1) that differs between threads and tries.
fn spread(attempt: u32) -> f64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(attempt);
    f64::from(u16::try_from(hasher.finish() >> 48).unwrap_or(0)) / 65_536.0
}
