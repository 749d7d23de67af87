/*! What crosses between a plugin and the host's powers: listed files, SQLite values, requests, log levels. */

use serde::{Deserialize, Serialize};

/// A file of the granted store, listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Relative, `/` between folders.
    pub name: String,
    /// Bytes.
    pub size: u64,
}

/// A SQLite value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// NULL
    Null,
    /// INTEGER
    Integer(i64),
    /// REAL
    Real(f64),
    /// TEXT, when it is valid UTF-8
    Text(String),
    /// BLOB, and TEXT that is not valid UTF-8
    Blob(#[serde(with = "crate::bulk")] Vec<u8>),
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
}

/// A request that the host sends. A header value may hold `${secret:NAME}`; the host puts it in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Absolute URL; its host must be on the granted list.
    pub url: String,
    /// Headers, in order.
    pub headers: Vec<(String, String)>,
    /// Body bytes.
    #[serde(with = "crate::bulk")]
    pub body: Vec<u8>,
    /// Milliseconds for the whole exchange; `None` = the host's default.
    pub timeout_ms: Option<u32>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body bytes.
    #[serde(with = "crate::bulk")]
    pub body: Vec<u8>,
}

/// How loud a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// Finest.
    Trace,
    /// For whoever mends the plugin.
    Debug,
    /// For whoever runs it with `-v`.
    Info,
    /// For everybody.
    Warn,
    /// For everybody.
    Error,
}
