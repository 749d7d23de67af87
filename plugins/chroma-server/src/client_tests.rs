//! What answers mean, and what stands in a path.
#![allow(clippy::unwrap_used)]

use vecferry_sdk::{ErrorKind, Response};

use super::{error_of, segment};

#[test]
fn refusals() {
    for (status, kind, code) in [
        (400, ErrorKind::Config, "chroma-server/refused"),
        (401, ErrorKind::Auth, "chroma-server/auth"),
        (403, ErrorKind::Auth, "chroma-server/auth"),
        (404, ErrorKind::NotFound, "chroma-server/not-found"),
        (410, ErrorKind::Unsupported, "chroma-server/version"),
        (413, ErrorKind::Corrupt, "chroma-server/too-large"),
        (429, ErrorKind::Throttled, "chroma-server/throttled"),
        (500, ErrorKind::Transient, "chroma-server/unavailable"),
        (503, ErrorKind::Transient, "chroma-server/unavailable"),
        (302, ErrorKind::Internal, "chroma-server/answer"),
    ] {
        let headers = vec![("Retry-After".to_owned(), "1.5".to_owned())];
        let body = br#"{"error":"SomeError","message":"because"}"#.to_vec();
        let error = error_of(&Response { status, headers, body }, "do it");
        assert_eq!((error.kind, error.code.as_str()), (kind, code), "{status}");
        assert!(error.message.contains("do it") && error.message.ends_with(": because"), "{error}");
        assert_eq!(error.retry_after_ms, kind.is_retryable().then_some(1500), "{status}");
    }
    for (wait, want) in
        [("-1", None), ("1e9", None), ("NaN", None), ("Wed, 21 Oct 2015 07:28:00 GMT", None), ("0", Some(0))]
    {
        let headers = vec![("retry-after".to_owned(), wait.to_owned())];
        let error = error_of(&Response { status: 429, headers, body: b"slow \xff down".to_vec() }, "do it");
        assert_eq!(error.retry_after_ms, want, "{wait}");
    }
}

#[test]
fn segments() {
    for (text, want) in
        [("default_tenant", "default_tenant"), ("a/b ü", "a%2Fb%20%C3%BC"), ("..", "%2E%2E"), ("a.b", "a.b")]
    {
        assert_eq!(segment(text), want);
    }
}
