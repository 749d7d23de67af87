/*!
How many writes may be in flight: fewer when the destination says that it is too much, one more after a while in which
it did not.
*/

use std::sync::{Condvar, Mutex, PoisonError};

use vecferry_contract::{ErrorKind, Result};

/// Writes in a row, for each that is allowed, that go well before one more is allowed.
const PATIENCE: u32 = 8;

/// Permits of all writers of a run.
pub(super) struct Permits {
    most: u32,
    state: Mutex<State>,
    freed: Condvar,
}

struct State {
    allowed: u32,
    taken: u32,
    good: u32,
}

impl Permits {
    pub(super) fn new(most: u32) -> Self {
        let most = most.max(1);
        Permits { most, state: Mutex::new(State { allowed: most, taken: 0, good: 0 }), freed: Condvar::new() }
    }

    /// Makes a write when it may be made, and learns from how it went.
    pub(super) fn write<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.taken >= state.allowed {
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.taken += 1;
        drop(state);
        let permit = Permit(self);
        let answer = work();
        permit.0.learn(answer.as_ref().err().map(|error| error.kind));
        answer
    }

    fn learn(&self, failed: Option<ErrorKind>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match failed {
            Some(ErrorKind::Throttled) => {
                state.allowed = (state.allowed / 2).max(1);
                state.good = 0;
                tracing::debug!(allowed = state.allowed, "fewer writes at a time");
            }
            None => {
                state.good += 1;
                if state.allowed < self.most && state.good >= PATIENCE * state.allowed {
                    state.allowed += 1;
                    state.good = 0;
                }
            }
            Some(_) => {}
        }
    }
}

/// Given back when dropped, also by a panic of what it was taken for.
struct Permit<'a>(&'a Permits);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).taken -= 1;
        self.0.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vecferry_contract::Error;

    #[test]
    fn halves_when_throttled_and_recovers_one_by_one() {
        let permits = Permits::new(8);
        let allowed = || permits.state.lock().unwrap_or_else(PoisonError::into_inner).allowed;
        let throttled = || permits.write(|| Err::<(), _>(Error::throttled("t/t", "slow down"))).is_err();
        for expected in [4, 2, 1, 1] {
            assert!(throttled());
            assert_eq!(allowed(), expected);
        }
        let mut writes = 0;
        while allowed() < 8 {
            assert!(permits.write(|| Ok(())).is_ok());
            writes += 1;
        }
        assert_eq!(writes, PATIENCE * (1 + 2 + 3 + 4 + 5 + 6 + 7));
        assert!(permits.write(|| Err::<(), _>(Error::transient("t/t", "broke off"))).is_err());
        assert_eq!(allowed(), 8, "only being throttled makes it slower");
    }
}
