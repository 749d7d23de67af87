/*!
A Pinecone on this machine: control plane and data plane over plain HTTP on the loopback interface, in memory.

It is for tests and for trying out. It takes what the service takes, refuses what the service refuses with the
service's own errors, and can be made to fail on demand ([`Faults`]). Answers are exact and repeat. It is no product:
nothing is kept, nothing is approximate, and there are no pods, collections, backups, documents or embeddings.

```no_run
use vecferry_pinecone_local::{Fault, Operation, Options, Rule, Schedule, Server, When};

let server = Server::start(Options::default())?;
// PINECONE_CONTROLLER_HOST = server.url(), PINECONE_API_KEY = server.api_key()
server.faults().set(Schedule {
    rules: vec![Rule {
        on: vec![Operation::Upsert],
        when: When::Nth(vec![2]),
        fault: Fault::Throttle { retry_after: Some("0.5".into()) },
    }],
    ..Schedule::default()
});
# Ok::<(), std::io::Error>(())
```

# Where it is exact, and where it had to choose

- Both planes share one port. `describe` gives `http://127.0.0.1:PORT/svc/INDEX` as the index's host; clients that
  append paths to a host, as Pinecone's own do, need nothing else.
- Writes answer `x-pinecone-request-lsn`; of the reads, queries answer `x-pinecone-max-indexed-lsn`, and only they: it
  is what Pinecone documents. Log sequence numbers count within one namespace.
- A body over 2 MB is refused with 413 (400 on request), one over 8 MB by a bare 413, as a proxy would.
- The header `X-Pinecone-Api-Version` is required, as the OpenAPI files say.
- Rates hold only where they are asked for ([`Options::rates`]): they depend on the clock.
- Sparse values are taken by an index of another metric than `dotproduct`, and then every query of that namespace fails.
- The indices of a sparse vector may come in any order, as in Pinecone's own example, but none twice.
- Of records with one id in one request, the last counts.
- `POST /__faults` takes a [`Schedule`] as JSON; `GET /__faults`, `DELETE /__faults`, `GET /__log` and `DELETE /__log`
  serve tests of whole processes. They need the API key too.
*/

mod answer;
mod control;
mod data;
mod faults;
mod filter;
mod limits;
mod log;
mod metadata;
#[cfg(feature = "testing")]
pub mod needle;
mod operation;
mod payload;
mod rates;
mod server;
mod service;
mod store;
#[cfg(feature = "testing")]
mod validation;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use faults::{Fault, Faults, Rule, Schedule, Visibility, When};
pub use log::{Entry, Log, Totals};
pub use operation::Operation;
pub use server::{Options, Server};
pub use store::{Record, Sparse};
#[cfg(feature = "testing")]
pub use validation::Violation;

/// What a thread that panicked left behind is as good as any other state here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
