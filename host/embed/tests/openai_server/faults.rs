//! What a server's faults come to, and that nothing is lost, asked twice or told to anybody.

use std::net::TcpListener;

use serde_json::{Value, json};
use vecferry_core::{Error, ErrorKind};

use crate::server::{Behaviour, Fault, MODEL, Server};
use crate::{Given, open, open_at};

const KEY: &str = "sk-hush-0123456789";

fn error(message: &str, code: &str) -> String {
    json!({"error": {"message": message, "type": code, "param": null, "code": code}}).to_string()
}

#[test]
fn a_fault_gets_its_kind_and_the_same_call_goes_on_after_it() {
    use ErrorKind::{Auth, Corrupt, Denied, NotFound, Throttled, Transient};
    let cases: Vec<(&str, Fault, ErrorKind, &str, Option<u64>)> = vec![
        (
            "429 with a wait",
            Fault::Answer(429, &[("Retry-After", "1.5")], error("slow down", "rate_limit_exceeded")),
            Throttled,
            "embed/throttled",
            Some(1_500),
        ),
        (
            "429 with a date",
            Fault::Answer(
                429,
                &[("Retry-After", "Sun, 06 Nov 1994 08:49:40 GMT"), ("Date", "Sun, 06 Nov 1994 08:49:37 GMT")],
                String::new(),
            ),
            Throttled,
            "embed/throttled",
            Some(3_000),
        ),
        ("429 without a wait", Fault::Answer(429, &[], String::new()), Throttled, "embed/throttled", None),
        (
            "no quota",
            Fault::Answer(429, &[("Retry-After", "1")], error("You exceeded your current quota", "insufficient_quota")),
            Denied,
            "embed/quota",
            None,
        ),
        ("500", Fault::Answer(500, &[], "oops".to_owned()), Transient, "embed/server", None),
        (
            "503 with a wait",
            Fault::Answer(503, &[("Retry-After", "2")], String::new()),
            Transient,
            "embed/server",
            Some(2_000),
        ),
        ("key revoked", Fault::Answer(401, &[], error("no", "invalid_api_key")), Auth, "embed/auth", None),
        ("model gone", Fault::Answer(404, &[], error("no", "model_not_found")), NotFound, "embed/model", None),
        ("closed", Fault::Closed, Transient, "embed/interrupted", None),
        ("half an answer", Fault::Half, Transient, "embed/interrupted", None),
        ("no answer", Fault::Silence, Transient, "embed/timeout", None),
        (
            "a vector too few",
            Fault::Changed(|body| drop(body["data"].as_array_mut().unwrap().pop())),
            Corrupt,
            "embed/count",
            None,
        ),
        ("a vector twice", Fault::Changed(|body| body["data"][1]["index"] = json!(0)), Corrupt, "embed/index", None),
        (
            "another dimension",
            Fault::Changed(|body| body["data"][1]["embedding"] = json!([1, 2, 3])),
            Corrupt,
            "embed/dimension",
            None,
        ),
        (
            "null",
            Fault::Changed(|body| body["data"][1]["embedding"] = json!([1, 2, 3, null, 5, 6, 7, 8])),
            Corrupt,
            "embed/answer",
            None,
        ),
        (
            "not a number",
            Fault::Changed(|body| {
                body["data"][0]["embedding"] = json!("AADAfwAAgD8AAIA/AACAPwAAgD8AAIA/AACAPwAAgD8=");
            }),
            Corrupt,
            "embed/value",
            None,
        ),
        ("a page", Fault::Answer(200, &[], "<html>log in</html>".to_owned()), Corrupt, "embed/answer", None),
        ("an error as success", Fault::Answer(200, &[], error("no", "no")), Corrupt, "embed/answer", None),
    ];
    let texts = ["a", "b", "c", "d", "e", "f"];
    let expected = |server: &Server| texts.iter().flat_map(|text| server.vector(text)).collect::<Vec<f32>>();
    for (name, fault, kind, code, wait) in cases {
        let server = Server::start(Behaviour::default());
        let options = if matches!(fault, Fault::Silence) { "inputs=2&timeout=1" } else { "inputs=2" };
        let chosen = open_at(&server, options).expect(name);
        let first = chosen.embedder.embed(&["before"]).expect(name);
        assert_eq!(first.values, server.vector("before"), "{name}");
        server.take_seen();

        // The second of three requests.
        server.fail([Fault::Changed(|_| {}), fault]);
        let found = chosen.embedder.embed(&texts).expect_err(name);
        assert_eq!((found.kind, found.code.as_str(), found.retry_after_ms), (kind, code, wait), "{name}: {found:?}");
        assert_eq!(found.context("embedder"), Some("openai-compatible:test-embedder"), "{name}");
        assert_eq!(server.take_seen().len(), 2, "{name}: nothing is tried again here");

        assert_eq!(chosen.embedder.embed(&texts).expect(name).values, expected(&server), "{name}");
        let again: Vec<Value> = server.take_seen().into_iter().map(|seen| seen.body["input"].clone()).collect();
        assert_eq!(again, [json!(["c", "d"]), json!(["e", "f"])], "{name}: what was answered is not asked again");
        assert_eq!(chosen.embedder.embed(&texts).expect(name).values, expected(&server), "{name}: once more");
        assert_eq!(server.take_seen().len(), 3, "{name}: but only of the call that failed");
    }
}

#[test]
fn another_order_is_no_fault() {
    let server = Server::start(Behaviour::default());
    let chosen = open_at(&server, "inputs=64").unwrap();
    server.fail([Fault::Changed(|body| body["data"].as_array_mut().unwrap().reverse())]);
    let texts = ["a", "b", "c", "d"];
    let expected: Vec<f32> = texts.iter().flat_map(|text| server.vector(text)).collect();
    assert_eq!(chosen.embedder.embed(&texts).unwrap().values, expected);
}

#[test]
fn what_an_earlier_call_got_is_not_mistaken_for_another_calls() {
    let server = Server::start(Behaviour::default());
    let chosen = open_at(&server, "inputs=1").unwrap();
    server.fail([Fault::Changed(|_| {}), Fault::Closed]);
    chosen.embedder.embed(&["ab", "c"]).unwrap_err();
    let expected = [server.vector("a"), server.vector("bc")].concat();
    assert_eq!(chosen.embedder.embed(&["a", "bc"]).unwrap().values, expected);
}

#[test]
fn a_redirect_is_not_followed() {
    let server = Server::start(Behaviour::default());
    server.fail([Fault::Answer(307, &[("Location", "/v1/embeddings")], String::new())]);
    let found = open_at(&server, "inputs=1").err().unwrap();
    assert_eq!((found.kind, found.code.as_str()), (ErrorKind::Config, "embed/redirected"));
    assert_eq!(server.take_seen().len(), 1);
}

#[test]
fn a_server_that_does_not_run_is_said_to_be_out_of_reach() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let found = open(&format!("ollama:m?url=http://{closed}/v1"), &Given::default()).err().unwrap();
    assert_eq!((found.kind, found.code.as_str()), (ErrorKind::Transient, "embed/connect"));
    assert!(found.context("url").unwrap().contains(&closed.to_string()) && found.hint.is_some(), "{found:?}");
}

#[test]
fn no_error_tells_the_key() {
    let repeated = || error(&format!("Incorrect API key provided: {KEY}, see {KEY}"), "no");
    type Case = (&'static str, fn(String) -> Fault);
    let cases: [Case; 5] = [
        ("401", |body| Fault::Answer(401, &[], body)),
        ("403", |body| Fault::Answer(403, &[], body)),
        ("400", |body| Fault::Answer(400, &[], body)),
        ("500", |body| Fault::Answer(500, &[], body)),
        ("an answer", |_| Fault::Changed(|body| body["data"][0]["embedding"] = json!({ KEY: KEY }))),
    ];
    for (name, fault) in cases {
        let server = Server::start(Behaviour { key: Some(KEY), ..Behaviour::default() });
        let settings = Given::default().with("MY_KEY", KEY);
        let spec = format!("openai:{MODEL}?url={}&key=MY_KEY", server.base());
        let chosen = open(&spec, &settings).expect(name);
        server.fail([fault(repeated())]);
        let found: Error = chosen.embedder.embed(&["a"]).expect_err(name);
        assert!(!format!("{found:?}").contains(KEY), "{name}: {found:?}");
        assert!(found.message.len() < 500, "{name}: {found}");
    }
    for wrong in ["sk-hush\n0123456789", "sk-hush-\u{7f}"] {
        let found = open(&format!("openai:{MODEL}"), &Given::default().with("OPENAI_API_KEY", wrong)).err().unwrap();
        assert_eq!((found.kind, found.code.as_str()), (ErrorKind::Config, "embed/key"));
        assert!(!format!("{found:?}").contains("hush"), "{found:?}");
    }
}
