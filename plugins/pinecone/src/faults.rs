/*!
What an answer that is no success means: which kind of error, and what the user can do.

The control plane answers `{"error": {"code": "NOT_FOUND", "message": "…"}, "status": 404}`, the data plane
`{"code": 5, "message": "…", "details": []}`.
*/

use serde::Deserialize;
use vecferry_sdk::{Error, ErrorKind, Response};

/// The service's own words, cut to what an error can hold.
const MAX_WORDS: usize = 500;
/// No longer wait is believed.
const MAX_WAIT_SECONDS: f64 = 3600.0;

#[derive(Default, Deserialize)]
struct Body {
    error: Option<Inner>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct Inner {
    code: Option<String>,
    message: Option<String>,
}

/// Whether an upsert that was answered so is refused for what it holds: fewer records may pass.
pub(crate) fn is_about_records(status: u16) -> bool {
    matches!(status, 400 | 413 | 422)
}

/// Whether an answer says that the namespace is not there: it comes into being with its first record.
pub(crate) fn is_missing_namespace(response: &Response) -> bool {
    response.status == 404 && String::from_utf8_lossy(&response.body).to_ascii_lowercase().contains("namespace")
}

/// The error of an answer that is no success. `what` says what was asked: "list the records of 'docs'".
pub(crate) fn error_of(response: &Response, what: &str) -> Error {
    let body: Body = serde_json::from_slice(&response.body).unwrap_or_default();
    let (code, words) = match body.error {
        Some(Inner { code, message }) => (code.unwrap_or_default(), message),
        None => (String::new(), body.message),
    };
    let words = words.unwrap_or_else(|| String::from_utf8_lossy(&response.body).trim().to_owned());
    let words = words.get(..words.floor_char_boundary(MAX_WORDS)).unwrap_or_default();
    let status = response.status;
    let said = if words.is_empty() { String::new() } else { format!(": {words}") };
    let message = format!("Pinecone refused to {what} (status {status}){said}");
    let is_quota = code == "QUOTA_EXCEEDED" || (status == 403 && words.to_ascii_lowercase().contains("quota"));
    let (kind, area, hint) = match status {
        401 => (ErrorKind::Auth, "pinecone/key", "check PINECONE_API_KEY"),
        402 => (ErrorKind::Denied, "pinecone/payment", "settle the account at app.pinecone.io, then: vecferry resume"),
        // Asking again does not help until somebody raises the quota.
        403 if is_quota => {
            (ErrorKind::Denied, "pinecone/quota", "raise the quota at app.pinecone.io, then: vecferry resume")
        }
        403 => (ErrorKind::Auth, "pinecone/forbidden", "check what the key of PINECONE_API_KEY may do"),
        404 => (ErrorKind::NotFound, "pinecone/not-found", "check the index's name and that it was not deleted"),
        409 => (ErrorKind::Config, "pinecone/conflict", ""),
        413 => (ErrorKind::Corrupt, "pinecone/too-large", ""),
        429 => (ErrorKind::Throttled, "pinecone/throttled", ""),
        408 | 500..=599 => (ErrorKind::Transient, "pinecone/unavailable", ""),
        400..=499 => (ErrorKind::Config, "pinecone/refused", ""),
        _ => (ErrorKind::Internal, "pinecone/answer", "check that the host is Pinecone's"),
    };
    let mut error = Error::new(kind, area, message).at("status", status);
    if !hint.is_empty() {
        error = error.hint(hint);
    }
    if kind.is_retryable() {
        error.retry_after_ms = header(response, "retry-after").and_then(wait_ms);
    }
    error
}

/// The value of a header; its name in lower case.
pub(crate) fn header<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// `retry-after` in seconds, also with a fraction. A date is not read: a guest has no clock.
fn wait_ms(value: &str) -> Option<u64> {
    let seconds: f64 = value.trim().parse().ok()?;
    if !(0.0..=MAX_WAIT_SECONDS).contains(&seconds) {
        return None;
    }
    // In range, so that nothing is cut off.
    Some((seconds * 1000.0).ceil() as u64)
}

#[cfg(test)]
#[path = "faults_tests.rs"]
mod tests;
