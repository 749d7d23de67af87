/*!
The judge: every request that arrives and every answer that leaves, held against Pinecone's own OpenAPI files.

Faults are not judged: they are made up. From the API of 2026-07 on, the control plane has no published file and is
not judged; the data plane's bodies are those of 2026-04.
*/

mod openapi;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;

use std::sync::Mutex;

use serde::Serialize;

use crate::lock;
use crate::operation::{Operation, Plane};
use openapi::Api;

/// Something that Pinecone's OpenAPI files do not allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The call.
    pub operation: Operation,
    /// Where: a parameter, or a place in a body such as `/vectors/0/values`.
    pub place: String,
    /// What is wrong there.
    pub problem: String,
}

/// A request and the answer to it.
pub(crate) struct Exchange<'a> {
    pub(crate) operation: Operation,
    pub(crate) version: &'a str,
    pub(crate) parameters: &'a [(String, String)],
    pub(crate) request: &'a [u8],
    pub(crate) status: u16,
    pub(crate) response: &'a [u8],
}

pub(crate) struct Judge {
    strict: bool,
    by_clients: Mutex<Vec<Violation>>,
    by_server: Mutex<Vec<Violation>>,
}

impl Judge {
    /// One that judges nothing.
    pub(crate) fn idle() -> Judge {
        Judge { strict: false, by_clients: Mutex::default(), by_server: Mutex::default() }
    }

    pub(crate) fn strict() -> Judge {
        Judge { strict: true, ..Judge::idle() }
    }

    pub(crate) fn judge(&self, exchange: &Exchange) {
        if !self.strict {
            return;
        }
        let version = match (exchange.version, exchange.operation.plane()) {
            ("2026-07", Plane::Control) => return,
            ("2026-04" | "2026-07", _) => openapi::Version::V2026_04,
            _ => openapi::Version::V2025_10,
        };
        let violation =
            |(place, problem): (String, String)| Violation { operation: exchange.operation, place, problem };
        let api = match Api::of(version) {
            Ok(api) => api,
            Err(error) => {
                lock(&self.by_server).push(violation(("the OpenAPI files".to_owned(), error.to_owned())));
                return;
            }
        };
        let (method, path) = exchange.operation.template();
        let Some(call) = api.call(method, path) else {
            lock(&self.by_server).push(violation((path.to_owned(), "is no path of the API".to_owned())));
            return;
        };
        let mut problems = call.parameters(exchange.parameters);
        problems.extend(call.request(exchange.request));
        lock(&self.by_clients).extend(problems.into_iter().map(violation));
        let problems = call.response(exchange.status, exchange.response);
        lock(&self.by_server).extend(problems.into_iter().map(violation));
    }

    pub(crate) fn by_clients(&self) -> Vec<Violation> {
        lock(&self.by_clients).clone()
    }

    pub(crate) fn by_server(&self) -> Vec<Violation> {
        lock(&self.by_server).clone()
    }
}
