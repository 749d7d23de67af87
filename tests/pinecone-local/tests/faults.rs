//! Faults on demand: each strikes whom it should, does what it says, and leaves the rest alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::Client;
use serde_json::{Value, json};
use vecferry_pinecone_local::{Fault, Operation, Options, Rule, Schedule, Server, Visibility, When};

fn started() -> (Server, Client, String) {
    let server = Server::start_strict(Options::default()).unwrap();
    let client = Client::new(&server);
    let host = client.create("docs", 2, "cosine");
    (server, client, host)
}

fn on_upserts(when: When, fault: Fault) -> Schedule {
    Schedule { seed: 7, rules: vec![Rule { on: vec![Operation::Upsert], when, fault }], ..Schedule::default() }
}

/// Upserts one record; the status, 0 where the connection broke off.
fn upsert(client: &Client, host: &str, id: usize) -> u16 {
    let body = json!({"vectors": [{"id": id.to_string(), "values": [1, 2]}]});
    let sent = client.send(client.http().post(format!("{host}/vectors/upsert")).json(&body));
    sent.map_or(0, |(status, ..)| status)
}

#[test]
fn rules_strike_whom_they_should() {
    let (server, client, host) = started();
    let throttle = || Fault::Throttle { retry_after: None };
    let cases = [
        ("always", When::Always, vec![429, 429, 429, 429, 429, 429]),
        ("the first two", When::First(2), vec![429, 429, 200, 200, 200, 200]),
        ("the second and the fifth", When::Nth(vec![2, 5]), vec![200, 429, 200, 200, 429, 200]),
        ("every third", When::Every(3), vec![200, 200, 429, 200, 200, 429]),
        ("never", When::Probability(0.0), vec![200; 6]),
        ("surely", When::Probability(1.0), vec![429; 6]),
    ];
    for (case, when, expected) in cases {
        server.faults().set(on_upserts(when, throttle()));
        let got: Vec<u16> = (0..6).map(|id| upsert(&client, &host, id)).collect();
        assert_eq!(got, expected, "{case}");
        assert_eq!(server.faults().struck(), got.iter().filter(|status| **status == 429).count() as u64, "{case}");
        assert_eq!(client.get(&format!("{host}/vectors/list")).0, 200, "{case}: other calls are left alone");
    }
    let drawn = |seed| {
        server.faults().set(Schedule { seed, ..on_upserts(When::Probability(0.3), throttle()) });
        (0..100).map(|id| upsert(&client, &host, id)).collect::<Vec<u16>>()
    };
    let first = drawn(1);
    assert_eq!(first, drawn(1), "a seed repeats");
    assert_ne!(first, drawn(2));
    assert!((15..=45).contains(&first.iter().filter(|status| **status == 429).count()));
    server.faults().clear();
    assert_eq!(upsert(&client, &host, 0), 200);
}

#[test]
fn faults_do_what_they_say() {
    let (server, client, host) = started();
    let status = |code, applied| Fault::Status { code, applied };
    let cases = [
        ("500", status(500, false), 500, false),
        ("500, carried out", status(500, true), 500, true),
        ("503", status(503, false), 503, false),
        ("502", status(502, false), 502, false),
        ("quota", status(403, false), 403, false),
        ("reset", Fault::Reset { applied: false }, 0, false),
        ("reset in the answer", Fault::Reset { applied: true }, 0, true),
        ("slow", Fault::Slow { ms: 30 }, 200, true),
    ];
    for (id, (case, fault, expected, applied)) in cases.into_iter().enumerate() {
        server.faults().set(on_upserts(When::Always, fault));
        let begun = Instant::now();
        assert_eq!(upsert(&client, &host, id), expected, "{case}");
        assert!(case != "slow" || begun.elapsed() >= Duration::from_millis(30));
        let there = server.records("docs", "").unwrap().iter().any(|record| record.id == id.to_string());
        assert_eq!(there, applied, "{case}");
    }
    for retry_after in [None, Some("2"), Some("0.25")] {
        server.faults().set(on_upserts(When::Always, Fault::Throttle { retry_after: retry_after.map(str::to_owned) }));
        let body = json!({"vectors": [{"id": "a", "values": [1, 2]}]});
        let (status, headers, answer) = client.post_full(&format!("{host}/vectors/upsert"), &body);
        assert_eq!((status, &answer["code"]), (429, &json!(8)));
        assert_eq!(headers.get("retry-after").map(|value| value.to_str().unwrap()), retry_after);
    }
}

#[test]
fn a_smaller_limit_and_a_quota() {
    let (server, client, host) = started();
    let url = format!("{host}/vectors/upsert");
    let body = |count: usize| json!({"vectors": (0..count).map(|i| json!({"id": i.to_string(), "values": [1, 2]})).collect::<Vec<_>>()});
    server.faults().set(Schedule { max_body_bytes: Some(200), ..Schedule::default() });
    assert_eq!((client.post(&url, &body(2)).0, client.post(&url, &body(20)).0), (200, 413));
    server.faults().set(Schedule { max_body_bytes: Some(200), too_large_is_400: true, ..Schedule::default() });
    let (status, answer) = client.post(&url, &body(20));
    assert_eq!((status, &answer["code"]), (400, &json!(11)));
    server.faults().set(Schedule { quota_records: Some(30), ..Schedule::default() });
    let statuses: Vec<u16> = (0..4).map(|_| client.post(&url, &body(10)).0).collect();
    assert_eq!(statuses, [200, 200, 200, 403]);
    let (_, answer) = client.post(&url, &body(1));
    assert_eq!(answer["error"]["code"], "QUOTA_EXCEEDED");
    assert_eq!(client.get(&format!("{host}/vectors/list")).0, 200, "reads go on");
}

#[test]
fn writes_become_visible_after_so_many_reads() {
    let (server, client, host) = started();
    server.faults().set(Schedule { visibility: Visibility { polls: 3, ms: 0 }, ..Schedule::default() });
    upsert(&client, &host, 1);
    upsert(&client, &host, 2);
    assert_eq!(server.records("docs", "").unwrap().len(), 2, "they are written");
    let query = || {
        let (_, headers, answer) = client.post_full(&format!("{host}/query"), &json!({"vector": [1, 1], "topK": 9}));
        let lsn: u64 = headers.get("x-pinecone-max-indexed-lsn").unwrap().to_str().unwrap().parse().unwrap();
        (answer["matches"].as_array().unwrap().len(), lsn)
    };
    assert_eq!((query(), query()), ((0, 0), (0, 0)));
    let (_, stats) = client.post(&format!("{host}/describe_index_stats"), &json!({}));
    assert_eq!(stats["totalVectorCount"], 0);
    assert_eq!(query(), (2, 2), "the fourth read sees them");
    server.faults().set(Schedule { visibility: Visibility { polls: 0, ms: 3_600_000 }, ..Schedule::default() });
    upsert(&client, &host, 3);
    server.faults().clear();
    upsert(&client, &host, 4);
    assert_eq!(query(), (2, 2), "a later write does not overtake");
}

#[test]
fn an_index_takes_its_time_to_be_ready() {
    let server = Server::start_strict(Options::default()).unwrap();
    let client = Client::new(&server);
    server.faults().set(Schedule { not_ready_describes: 2, ..Schedule::default() });
    let host = client.create("docs", 2, "cosine");
    assert_eq!(upsert(&client, &host, 0), 503);
    let ready = || client.get(&format!("{}/indexes/docs", client.url)).1["status"]["ready"].as_bool().unwrap();
    assert_eq!([ready(), ready(), ready()], [false, false, true]);
    assert_eq!(upsert(&client, &host, 0), 200);
}

#[test]
fn the_log_counts() {
    let (server, client, host) = started();
    server.log().clear();
    server.faults().set(on_upserts(When::Always, Fault::Slow { ms: 200 }));
    std::thread::scope(|scope| {
        for id in 0..4 {
            let (client, host) = (&client, &host);
            scope.spawn(move || upsert(client, host, id));
        }
    });
    server.faults().set(on_upserts(When::Always, Fault::Throttle { retry_after: None }));
    upsert(&client, &host, 9);
    let totals = server.log().of(Operation::Upsert);
    assert_eq!((totals.requests, totals.rows, totals.max_concurrent), (5, 4, 4));
    assert_eq!((totals.bytes, totals.largest), (totals.largest * 5, totals.largest));
    let entries = server.log().entries();
    let last = entries.last().unwrap();
    assert_eq!((last.status, last.rows, last.faulted, last.index.as_str()), (429, 0, true, "docs"));
    assert_eq!(server.log().total().requests, 5);
}

/// The schedule that the documentation shows.
#[test]
fn the_documented_schedule_is_one() {
    let documentation = include_str!("../src/faults.rs");
    let (_, example) = documentation.split_once("```json").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let schedule: Schedule = serde_json::from_str(example).unwrap();
    assert_eq!((schedule.rules.len(), schedule.quota_records), (5, Some(5000)));
    assert_eq!(serde_json::from_str::<Schedule>(&serde_json::to_string(&schedule).unwrap()).unwrap(), schedule);
}

#[test]
fn rates_hold_where_they_are_asked_for() {
    let server = Server::start_strict(Options { rates: true, ..Options::default() }).unwrap();
    let client = Client::new(&server);
    let host = client.create("docs", 2, "cosine");
    // However slow this machine is, 2,000 requests in four threads do not take twenty seconds.
    let refused: usize = std::thread::scope(|scope| {
        let run = || (0..500).filter(|id| upsert(&client, &host, *id) == 429).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!((1..=1900).contains(&refused), "{refused}");
}

#[test]
fn a_process_is_told_what_goes_wrong() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pinecone-local"))
        .args(["--api-key", "k"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let client = Client::at(ready["url"].as_str().unwrap(), ready["api_key"].as_str().unwrap());
    let host = client.create("docs", 2, "cosine");
    let faults = format!("{}/__faults", client.url);
    let schedule = json!({"rules": [
        {"on": ["upsert"], "when": {"nth": [1]}, "fault": {"throttle": {"retry_after": "0.5"}}},
        {"on": ["upsert"], "when": {"nth": [2]}, "fault": {"status": {"code": 503, "applied": true}}},
        {"on": ["upsert"], "when": {"every": 3}, "fault": {"reset": {}}},
        {"when": {"probability": 0.0}, "fault": {"slow": {"ms": 1}}},
    ], "visibility": {"polls": 1}});
    assert_eq!(client.post(&faults, &schedule).0, 200);
    assert_eq!([1, 2, 3, 4].map(|id| upsert(&client, &host, id)), [429, 503, 0, 200]);
    assert_eq!(client.get(&faults).1["struck"], 3);
    assert_eq!(client.post(&faults, &json!({"rule": []})).0, 400, "a misspelt schedule is refused");
    let (_, log) = client.get(&format!("{}/__log", client.url));
    assert_eq!(
        (&log["operations"]["upsert"]["requests"], &log["operations"]["upsert"]["rows"]),
        (&json!(4), &json!(2))
    );
    assert_eq!(client.request("DELETE", &faults, None).0, 200);
    assert_eq!(Client::at(&client.url, "wrong").get(&faults).0, 401);
    let ended = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(ended.success());
    assert!(child.wait().unwrap().success(), "SIGTERM ends it in order");
}
