/*!
What goes back to a client: JSON and headers, or a refusal in the shape that its plane uses.

The control plane refuses with `{"error":{"code","message"},"status"}`, the data plane with gRPC's status as JSON,
`{"code","message","details":[]}`. What stands before the data plane (keys, quotas) answers in the first shape there
too, as it does in the service.
*/

use serde::Serialize;
use serde_json::json;

use crate::operation::Plane;

/// A finished answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    /// JSON, or empty.
    pub(crate) body: Vec<u8>,
    /// Records that were written or returned, for the log.
    pub(crate) rows: u64,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &impl Serialize) -> Answer {
        match serde_json::to_vec(body) {
            Ok(body) => Answer { status, headers: Vec::new(), body, rows: 0 },
            Err(error) => {
                Refusal::new(Code::Internal, format!("the answer cannot be written: {error}")).at(Plane::Data)
            }
        }
    }

    pub(crate) fn empty(status: u16) -> Answer {
        Answer { status, headers: Vec::new(), body: Vec::new(), rows: 0 }
    }

    #[must_use]
    pub(crate) fn rows(mut self, rows: usize) -> Answer {
        self.rows = rows as u64;
        self
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl ToString) -> Answer {
        self.headers.push((name, value.to_string()));
        self
    }
}

/// Why a request is refused. gRPC's numbers, the control plane's names, and the HTTP status of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    InvalidArgument,
    NotFound,
    AlreadyExists,
    /// An action that the index's settings forbid.
    Forbidden,
    /// The key is not this project's.
    WrongKey,
    Unauthenticated,
    QuotaExceeded,
    TooManyRequests,
    /// A body or an answer over the size limit, where the service says 400.
    OutOfRange,
    /// The same, where it says 413.
    TooLarge,
    Unprocessable,
    UriTooLong,
    MethodNotAllowed,
    Unimplemented,
    Internal,
    Unavailable,
}

impl Code {
    pub(crate) fn parts(self) -> (u16, u8, &'static str) {
        match self {
            Code::InvalidArgument => (400, 3, "INVALID_ARGUMENT"),
            Code::NotFound => (404, 5, "NOT_FOUND"),
            Code::AlreadyExists => (409, 6, "ALREADY_EXISTS"),
            Code::Forbidden => (403, 7, "FORBIDDEN"),
            Code::WrongKey => (403, 7, "FORBIDDEN"),
            Code::Unauthenticated => (401, 16, "UNAUTHENTICATED"),
            Code::QuotaExceeded => (403, 8, "QUOTA_EXCEEDED"),
            Code::TooManyRequests => (429, 8, "RESOURCE_EXHAUSTED"),
            Code::OutOfRange => (400, 11, "OUT_OF_RANGE"),
            Code::TooLarge => (413, 11, "OUT_OF_RANGE"),
            Code::Unprocessable => (422, 3, "UNPROCESSABLE_ENTITY"),
            Code::UriTooLong => (414, 3, "INVALID_ARGUMENT"),
            Code::MethodNotAllowed => (405, 12, "UNIMPLEMENTED"),
            Code::Unimplemented => (501, 12, "UNIMPLEMENTED"),
            Code::Internal => (500, 13, "INTERNAL"),
            Code::Unavailable => (503, 14, "UNAVAILABLE"),
        }
    }

    /// Whether this is said before the data plane proper is reached.
    fn at_the_gate(self) -> bool {
        matches!(self, Code::Unauthenticated | Code::WrongKey | Code::QuotaExceeded)
    }
}

/// A refusal, before its plane is known.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into() }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::new(Code::InvalidArgument, message)
    }

    pub(crate) fn at(&self, plane: Plane) -> Answer {
        let (status, number, name) = self.code.parts();
        match plane {
            Plane::Data if !self.code.at_the_gate() => {
                Answer::json(status, &json!({"code": number, "message": self.message, "details": []}))
            }
            _ => Answer::json(status, &json!({"error": {"code": name, "message": self.message}, "status": status})),
        }
    }
}

pub(crate) type Outcome<T = Answer> = Result<T, Refusal>;
