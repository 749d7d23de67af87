/*!
Faults on demand: which requests go wrong, and how. The same schedule is given by the library or, as JSON, to
`POST /__faults`.

A rule counts the requests that it matches, from 1, since the schedule was set. What is left to chance is drawn from
the schedule's seed, so that a run with one client repeats.

```json
{"seed": 7, "rules": [
  {"on": ["upsert"], "when": {"nth": [2, 5]}, "fault": {"throttle": {"retry_after": "0.5"}}},
  {"on": ["upsert"], "when": {"probability": 0.1}, "fault": {"reset": {"applied": true}}},
  {"on": ["query", "fetch"], "when": {"every": 3}, "fault": {"status": {"code": 503}}},
  {"when": {"first": 10}, "fault": {"slow": {"ms": 200}}},
  {"on": ["create-index"], "when": "always", "fault": {"status": {"code": 500, "applied": true}}}
 ], "max_body_bytes": 100000, "quota_records": 5000, "visibility": {"polls": 3}, "not_ready_describes": 2}
```
*/

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use crate::lock;
use crate::operation::Operation;

/// What is to go wrong. The default: nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Schedule {
    /// Of what [`When::Probability`] draws.
    pub seed: u64,
    /// The first rule that strikes is taken; each counts all the requests that it matches.
    pub rules: Vec<Rule>,
    /// Bytes of an upsert's body above which it is too large, below the service's own 2 MB.
    pub max_body_bytes: Option<u64>,
    /// Refuses a body that is too large with 400 instead of 413: both are met.
    pub too_large_is_400: bool,
    /// Records that upserts may still bring; those above it are refused with 403 `QUOTA_EXCEEDED`.
    pub quota_records: Option<u64>,
    /// When a write becomes visible to reads.
    pub visibility: Visibility,
    /// How many descriptions of an index that is created from now on say that it is not ready.
    pub not_ready_describes: u32,
}

/// A write becomes visible to queries, fetches, lists and statistics once both hold. The default: at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Visibility {
    /// So many reads of its namespace have been answered without it.
    pub polls: u32,
    /// So many milliseconds have passed.
    pub ms: u64,
}

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The calls that it matches; none named: all.
    #[serde(default)]
    pub on: Vec<Operation>,
    /// Which of those it strikes.
    pub when: When,
    /// What happens to them.
    pub fault: Fault,
}

/// Which of the requests that a rule matches it strikes. The first has the number 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// All.
    Always,
    /// The first so many.
    First(u64),
    /// Those with these numbers.
    Nth(Vec<u64>),
    /// Every so-manieth.
    Every(u64),
    /// Each with this probability, from 0 to 1.
    Probability(f64),
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// 429.
    Throttle {
        /// The `retry-after` header, as it stands: seconds, whole or fractional, or a date. None: no such header.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// An error of this status, such as 500, 503 or 403, with the body that goes with it.
    Status {
        /// The status.
        code: u16,
        /// Whether the request is carried out all the same.
        #[serde(default)]
        applied: bool,
    },
    /// The connection ends: before any answer, or in the middle of its body.
    Reset {
        /// Whether the request is carried out, and half of its answer sent, before.
        #[serde(default)]
        applied: bool,
    },
    /// The answer takes so much longer.
    Slow {
        /// Milliseconds.
        ms: u64,
    },
}

/// The schedule of a running server.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    schedule: Schedule,
    /// Requests that each rule matched.
    matched: Vec<u64>,
    struck: u64,
    rows: u64,
}

impl Faults {
    /// Replaces the schedule. Counting starts anew.
    pub fn set(&self, schedule: Schedule) {
        let matched = vec![0; schedule.rules.len()];
        *lock(&self.state) = State { schedule, matched, struck: 0, rows: 0 };
    }

    /// Ends all faults.
    pub fn clear(&self) {
        self.set(Schedule::default());
    }

    /// Adds a rule to the schedule.
    pub fn add(&self, rule: Rule) {
        let mut state = lock(&self.state);
        state.schedule.rules.push(rule);
        state.matched.push(0);
    }

    /// How many requests a rule has struck since the schedule was set.
    pub fn struck(&self) -> u64 {
        lock(&self.state).struck
    }

    /// The schedule as it was set.
    pub fn schedule(&self) -> Schedule {
        lock(&self.state).schedule.clone()
    }

    /// What happens to a request that now arrives.
    pub(crate) fn strike(&self, operation: Operation) -> Option<Fault> {
        let mut state = lock(&self.state);
        let State { schedule, matched, struck, .. } = &mut *state;
        let mut found = None;
        for ((position, rule), matched) in schedule.rules.iter().enumerate().zip(matched) {
            if !rule.on.is_empty() && !rule.on.contains(&operation) {
                continue;
            }
            *matched += 1;
            let strikes = match &rule.when {
                When::Always => true,
                When::First(count) => *matched <= *count,
                When::Nth(numbers) => numbers.contains(matched),
                When::Every(count) => *count > 0 && matched.is_multiple_of(*count),
                When::Probability(probability) => draw(schedule.seed, position as u64, *matched) < *probability,
            };
            if strikes && found.is_none() {
                found = Some(rule.fault.clone());
            }
        }
        *struck += u64::from(found.is_some());
        found
    }

    /// Whether so many more records fit the quota; counts them if they do.
    pub(crate) fn admit(&self, rows: usize) -> bool {
        let mut state = lock(&self.state);
        let after = state.rows.saturating_add(rows as u64);
        if state.schedule.quota_records.is_some_and(|quota| after > quota) {
            return false;
        }
        state.rows = after;
        true
    }

    /// What of the schedule the handling of a request needs.
    pub(crate) fn settings(&self) -> Settings {
        let state = lock(&self.state);
        Settings {
            max_body_bytes: state.schedule.max_body_bytes,
            too_large_is_400: state.schedule.too_large_is_400,
            visibility: state.schedule.visibility,
            not_ready_describes: state.schedule.not_ready_describes,
        }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) max_body_bytes: Option<u64>,
    pub(crate) too_large_is_400: bool,
    pub(crate) visibility: Visibility,
    pub(crate) not_ready_describes: u32,
}

/// A number in `0.0..1.0` that depends on nothing but the arguments (SplitMix64).
fn draw(seed: u64, rule: u64, number: u64) -> f64 {
    let mut z = seed ^ rule.wrapping_mul(0xD1B5_4A32_D192_ED03);
    z = z.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 11) as f64 / (1u64 << 53) as f64
}
