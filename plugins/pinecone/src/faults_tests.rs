#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Response { status, headers, body: body.as_bytes().to_vec() }
}

#[test]
fn every_status_has_its_kind_and_says_the_services_words() {
    let control = r#"{"error":{"code":"X","message":"the reason"},"status":1}"#;
    let quota = r#"{"error":{"code":"QUOTA_EXCEEDED","message":"the reason"},"status":403}"#;
    let data = r#"{"code":3,"message":"the reason","details":[]}"#;
    let cases = [
        (400, data, ErrorKind::Config, "pinecone/refused"),
        (401, control, ErrorKind::Auth, "pinecone/key"),
        (402, control, ErrorKind::Denied, "pinecone/payment"),
        (403, control, ErrorKind::Auth, "pinecone/forbidden"),
        (403, quota, ErrorKind::Denied, "pinecone/quota"),
        (403, r#"{"code":7,"message":"the reason: over the Quota"}"#, ErrorKind::Denied, "pinecone/quota"),
        (404, data, ErrorKind::NotFound, "pinecone/not-found"),
        (408, data, ErrorKind::Transient, "pinecone/unavailable"),
        (409, control, ErrorKind::Config, "pinecone/conflict"),
        (413, data, ErrorKind::Corrupt, "pinecone/too-large"),
        (429, data, ErrorKind::Throttled, "pinecone/throttled"),
        (500, data, ErrorKind::Transient, "pinecone/unavailable"),
        (503, "the reason", ErrorKind::Transient, "pinecone/unavailable"),
        (302, "the reason", ErrorKind::Internal, "pinecone/answer"),
    ];
    for (status, body, kind, code) in cases {
        let error = error_of(&response(status, &[], body), "do it");
        assert_eq!((error.kind, error.code.as_str()), (kind, code), "{status}");
        assert!(error.message.contains("the reason") && error.message.contains("do it"), "{status}: {error}");
        assert_eq!(error.context("status"), Some(status.to_string().as_str()));
    }
}

#[test]
fn waits_are_read_as_servers_write_them() {
    let cases = [
        ("2", Some(2_000)),
        ("0.25", Some(250)),
        (" 1.0001 ", Some(1_001)),
        ("0", Some(0)),
        ("-1", None),
        ("NaN", None),
        ("1e9", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ];
    for (value, want) in cases {
        let error = error_of(&response(429, &[("retry-after", value)], ""), "do it");
        assert_eq!(error.retry_after_ms, want, "{value}");
        let error = error_of(&response(400, &[("retry-after", value)], ""), "do it");
        assert_eq!(error.retry_after_ms, None, "of what is not retried");
    }
}

#[test]
fn long_words_are_cut_between_characters() {
    let error = error_of(&response(500, &[], &"語".repeat(10_000)), "do it");
    assert!(error.message.len() < 700, "{}", error.message.len());
}
