/*! Requests to the server, and what its refusals mean. A token stays with the host, which puts it into the header. */

use serde::de::DeserializeOwned;
use vecferry_sdk::{Error, ErrorKind, Host, Method, Request, Response, Result};

use crate::settings::{Auth, Settings};

/// The server's own words, cut to what an error can hold.
const MAX_WORDS: usize = 500;
/// No longer wait is believed.
const MAX_WAIT_SECONDS: f64 = 3600.0;
/// An upsert may wait for the index to take in what came before.
const TIMEOUT_MS: u32 = 300_000;

/// Asks one server.
#[derive(Clone)]
pub(crate) struct Client {
    host: Host,
    server: String,
    auth: Auth,
}

impl Client {
    pub(crate) fn new(host: &Host, settings: &Settings) -> Self {
        Client { host: host.clone(), server: settings.server.clone(), auth: settings.auth }
    }

    /// The answer, whatever its status; `path` begins with a slash.
    pub(crate) fn send(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Response> {
        if self.host.cancelled() {
            return Err(Error::transient("chroma-server/cancelled", "the run was stopped"));
        }
        let mut headers = vec![("accept".to_owned(), "application/json".to_owned())];
        if !body.is_empty() {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        match self.auth {
            Auth::None => {}
            Auth::Token => headers.push(("x-chroma-token".to_owned(), "${secret:CHROMA_TOKEN}".to_owned())),
            Auth::Bearer => headers.push(("authorization".to_owned(), "Bearer ${secret:CHROMA_TOKEN}".to_owned())),
        }
        let url = format!("{}{path}", self.server);
        self.host.send(Request { method, url, headers, body, timeout_ms: Some(TIMEOUT_MS) })
    }

    /// The answer, if it is a success. `what` says what is asked: "count the records of 'docs'".
    pub(crate) fn ask(&self, method: Method, path: &str, body: Vec<u8>, what: &str) -> Result<Response> {
        let response = self.send(method, path, body)?;
        if is_success(&response) { Ok(response) } else { Err(error_of(&response, what)) }
    }
}

pub(crate) fn is_success(response: &Response) -> bool {
    (200..300).contains(&response.status)
}

/// Reads an answer.
///
/// # Errors
/// `internal` (`chroma-server/answer`): it is none of Chroma's.
pub(crate) fn parse<T: DeserializeOwned>(response: &Response, what: &str) -> Result<T> {
    serde_json::from_slice(&response.body).map_err(|e| {
        Error::internal("chroma-server/answer", format!("cannot {what}: the answer cannot be read: {e}"))
            .hint("check that the location is a Chroma server of version 1.0 or later")
    })
}

/// A path's segment.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => out.push(char::from(byte)),
            // A dot alone, or two, would be a step between folders.
            b'.' if !text.trim_matches('.').is_empty() => out.push('.'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The error of an answer that is no success.
pub(crate) fn error_of(response: &Response, what: &str) -> Error {
    /// `{"error": "NotFoundError", "message": "…"}`
    #[derive(Default, serde::Deserialize)]
    struct Body {
        message: Option<String>,
    }
    let body: Body = serde_json::from_slice(&response.body).unwrap_or_default();
    let words = body.message.unwrap_or_else(|| String::from_utf8_lossy(&response.body).trim().to_owned());
    let words = words.get(..words.floor_char_boundary(MAX_WORDS)).unwrap_or_default();
    let status = response.status;
    let said = if words.is_empty() { String::new() } else { format!(": {words}") };
    let (kind, code, hint) = match status {
        401 | 403 => (
            ErrorKind::Auth,
            "chroma-server/auth",
            "set CHROMA_TOKEN, and say how it is sent with --set sink.auth=token or sink.auth=bearer",
        ),
        404 => (ErrorKind::NotFound, "chroma-server/not-found", ""),
        // The interface of before 1.0 is gone, and that of 1.0 not there yet.
        405 | 410 => (ErrorKind::Unsupported, "chroma-server/version", "Chroma 1.0 or later is needed"),
        413 => (ErrorKind::Corrupt, "chroma-server/too-large", ""),
        429 => (ErrorKind::Throttled, "chroma-server/throttled", ""),
        408 | 500..=599 => (ErrorKind::Transient, "chroma-server/unavailable", ""),
        400..=499 => (ErrorKind::Config, "chroma-server/refused", ""),
        _ => (ErrorKind::Internal, "chroma-server/answer", "check that the location is a Chroma server"),
    };
    let mut error =
        Error::new(kind, code, format!("Chroma refused to {what} (status {status}){said}")).at("status", status);
    if !hint.is_empty() {
        error = error.hint(hint);
    }
    if kind.is_retryable() {
        error.retry_after_ms = response
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))
            .and_then(|(_, value)| wait_ms(value));
    }
    error
}

/// `retry-after` in seconds. A date is not read: a guest has no clock.
fn wait_ms(value: &str) -> Option<u64> {
    let seconds: f64 = value.trim().parse().ok()?;
    // In range, so that nothing is cut off.
    (0.0..=MAX_WAIT_SECONDS).contains(&seconds).then(|| (seconds * 1000.0).ceil() as u64)
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
