//! Pinecone's own Python SDK against the server, each request and each answer held against Pinecone's OpenAPI files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use vecferry_pinecone_local::needle::python;
use vecferry_pinecone_local::{Fault, Operation, Options, Rule, Schedule, Server, When};

/// What the SDK saw.
fn run(server: &Server) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk.py");
    let output = Command::new(python().unwrap()).arg(script).args([server.url(), server.api_key()]).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{complaint}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {complaint}"))
}

fn check(saw: &Value, server: &Server) {
    let dense = &saw["dense"];
    let host = format!("{}/svc/docs", server.url());
    let cases = [
        ("created", json!(["docs", true, 8, "cosine"])),
        ("described", json!([host, "Ready", "us-east-1", {"team": "moving"}])),
        ("indexes", json!(["docs"])),
        ("upserted", json!([250, false, 3])),
        ("single", json!(2)),
        ("listed", json!([250, "doc-000", "doc-249", true])),
        ("prefixed", json!(10)),
        (
            "fetched",
            json!({"doc-007": [
                [0.6, 0.9, 0.1, 0.4, 0.7, 1.0, 0.2, 0.5],
                {"page_content": "text 7 ü", "n": 7.0, "tags": ["a", "b"]},
            ]}),
        ),
        ("asked", json!([["doc-005", 5.0], ["doc-016", 16.0], ["doc-027", 27.0]])),
        ("seen", json!(true)),
        ("by_id", json!([["doc-005", 1.0, 8]])),
        ("by_metadata", json!(["doc-005"])),
        ("stats", json!([252, {"__default__": 2, "alpha": 250}])),
        ("namespaces", json!(["__default__", "alpha"])),
        ("left", json!(248)),
        ("after", json!(2)),
    ];
    for (case, expected) in cases {
        assert_eq!(dense[case], expected, "{case}");
    }
    let refused = [
        ("dimension", "ApiError", 400),
        ("zeros", "ApiError", 400),
        ("large", "PayloadTooLargeError", 413),
        ("missing", "NotFoundError", 404),
        ("twice", "ConflictError", 409),
        ("key", "UnauthorizedError", 401),
    ];
    for (case, class, status) in refused {
        assert_eq!((&dense["refused"][case][0], &dense["refused"][case][1]), (&json!(class), &json!(status)), "{case}");
    }
    assert_eq!(dense["refused"]["nested"][0], "PineconeTypeError", "the SDK itself refuses what the service refuses");
    assert_eq!(saw["hybrid"], json!({"found": [["b", 5.5], ["a", 2.0]], "fetched": [[3, 9], [1.0, 2.0]]}));
    assert_eq!(saw["sparse"], json!([["w", 0.5]]));
    assert_eq!(saw["end"], json!([]));
}

#[test]
fn the_sdk_finds_a_pinecone() {
    let server = Server::start_strict(Options::default()).unwrap();
    check(&run(&server), &server);
    assert_eq!(server.violations(), []);
    let log = server.log();
    assert_eq!((log.of(Operation::Upsert).rows, log.of(Operation::CreateIndex).requests), (255, 4));
}

#[test]
fn the_sdk_gets_through_faults() {
    let server = Server::start_strict(Options::default()).unwrap();
    let rule = |on, when, fault| Rule { on: vec![on], when, fault };
    server.faults().set(Schedule {
        rules: vec![
            rule(Operation::Upsert, When::Nth(vec![2]), Fault::Throttle { retry_after: Some("0.05".into()) }),
            rule(Operation::Upsert, When::Nth(vec![4]), Fault::Throttle { retry_after: None }),
            rule(Operation::Fetch, When::Nth(vec![1]), Fault::Status { code: 503, applied: false }),
            rule(Operation::Query, When::Nth(vec![1]), Fault::Reset { applied: false }),
            rule(Operation::Stats, When::Nth(vec![1]), Fault::Slow { ms: 20 }),
            rule(Operation::Delete, When::Nth(vec![1]), Fault::Status { code: 500, applied: false }),
        ],
        ..Schedule::default()
    });
    check(&run(&server), &server);
    assert_eq!(server.faults().struck(), 6);
    assert_eq!(server.violations(), []);
}
