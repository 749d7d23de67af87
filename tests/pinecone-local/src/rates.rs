/*!
The service's rates, for who asks for them: requests, and bytes of upserts, in one second.

Source: <https://docs.pinecone.io/reference/api/database-limits/rate-limits>. They depend on the clock, so they are off
unless a server is started with them.
*/

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::answer::{Code, Outcome, Refusal};
use crate::operation::Operation;

const SECOND: Duration = Duration::from_secs(1);
/// Bytes of upserts in a second, in one namespace: 50 MB.
const UPSERT_BYTES: u64 = 50 * 1024 * 1024;

/// Counts of the running second, by call, index and namespace.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    windows: BTreeMap<(Operation, String, String), Window>,
}

/// A request, as far as rates go.
pub(crate) struct Asked<'a> {
    pub(crate) operation: Operation,
    pub(crate) index: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) bytes: u64,
    pub(crate) now: Instant,
}

#[derive(Debug)]
struct Window {
    begun: Instant,
    requests: u64,
    bytes: u64,
}

/// How many requests of a call a second takes, and whether each namespace counts by itself.
fn limit(operation: Operation) -> Option<(u64, bool)> {
    match operation {
        Operation::Upsert | Operation::Query | Operation::Update | Operation::Delete => Some((100, true)),
        Operation::Fetch | Operation::Stats => Some((100, false)),
        Operation::List => Some((200, false)),
        _ => None,
    }
}

impl Rates {
    /// Counts a request, or refuses it.
    pub(crate) fn admit(&mut self, asked: &Asked) -> Outcome<()> {
        let Asked { operation, now, bytes, .. } = *asked;
        let Some((most, per_namespace)) = limit(operation) else { return Ok(()) };
        let namespace = if per_namespace { asked.namespace } else { "" };
        let scope = (operation, asked.index.to_owned(), namespace.to_owned());
        let window = self.windows.entry(scope).or_insert(Window { begun: now, requests: 0, bytes: 0 });
        if now.saturating_duration_since(window.begun) >= SECOND {
            *window = Window { begun: now, requests: 0, bytes: 0 };
        }
        let too_many = window.requests >= most;
        let too_large = operation == Operation::Upsert && window.bytes.saturating_add(bytes) > UPSERT_BYTES;
        if too_many || too_large {
            return Err(Refusal::new(
                Code::TooManyRequests,
                format!("You've reached the rate limit of this call ({most} requests per second). Pace your requests."),
            ));
        }
        window.requests += 1;
        window.bytes += bytes;
        Ok(())
    }
}

#[cfg(test)]
#[path = "rates_tests.rs"]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
