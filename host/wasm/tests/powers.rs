/*! Powers: nothing is granted by default, and nothing that was not asked for is granted at all. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Store, batch, deed, hostile, powers, powers_under, roomy, sink};
use vecferry_core::{ErrorKind, Grants, Metric, Plugin, SourceGrant, Target};

#[test]
fn what_was_not_granted_is_denied() {
    // The plugin's spec requests source-files, http and sink-files; not sqlite.
    let cases = [
        ("use-files", "capability/not-granted"),
        ("use-http", "capability/not-granted"),
        ("use-sink-files", "capability/not-granted"),
        ("use-sqlite", "capability/not-requested"),
    ];
    for (what, code) in cases {
        let mut source = hostile().source(Grants::default(), deed("discover", what)).unwrap();
        let error = source.discover().expect_err(what);
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Denied, code), "{what}: {error:?}");
    }
}

#[test]
fn a_grant_is_of_no_use_to_a_plugin_that_did_not_request_it() {
    let store = Store::new();
    std::fs::write(store.folder.path().join("a.sqlite"), "").unwrap();
    let mut source = hostile().source(store.grants(), deed("discover", "use-sqlite")).unwrap();
    let error = source.discover().expect_err("denied");
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Denied, "capability/not-requested"));
}

#[test]
fn names_do_not_lead_out_of_what_was_granted() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    let root = outside.path().join("store");
    std::fs::create_dir(&root).unwrap();
    for what in ["read-outside", "read-absolute", "write-outside"] {
        let grants = Grants {
            source: Some(SourceGrant { root: root.clone(), files: None }),
            sink: Some(vecferry_core::SinkGrant::folder(root.clone())),
            ..Grants::default()
        };
        let error = hostile().source(grants, deed("discover", what)).unwrap().discover().expect_err(what);
        assert_eq!(error.kind, ErrorKind::Denied, "{what}: {error:?}");
    }
    let names: Vec<_> = std::fs::read_dir(outside.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn only_the_claimed_files_are_seen() {
    let store = Store::new();
    std::fs::write(store.folder.path().join("other.bin"), "").unwrap();
    let mut grants = store.grants();
    grants.source.as_mut().unwrap().files = Some(vec!["store.bin".into()]);
    let claims = hostile().source(grants, json!({})).unwrap().detect().unwrap();
    assert_eq!(claims[0].files, ["store.bin"]);
}

#[test]
fn a_request_goes_to_granted_hosts_only() {
    let grants = Grants { http_hosts: vec!["example.org".into()], ..Grants::default() };
    let mut source = hostile().source(grants, deed("discover", "use-http")).unwrap();
    assert_eq!(source.discover().expect_err("another host").kind, ErrorKind::Denied);
}

#[test]
fn a_destination_file_appears_whole_at_its_commit() {
    let target = Target { collection: "docs".into(), dimension: Some(2), metric: Metric::Cosine };
    let folder = tempfile::tempdir().unwrap();
    let mut sink = sink(folder.path(), json!({}));
    sink.open(&target).unwrap().write(batch(3)).unwrap();
    let listed = || std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(listed(), 0);
    sink.finish().unwrap();
    assert_eq!(std::fs::read_to_string(folder.path().join("ids.txt")).unwrap(), "id-0\nid-1\nid-2");
    assert_eq!(listed(), 1);
}

/// What the guest that uses every power tells of `key`.
fn told(grants: Grants, config: Value, key: &str) -> Vec<String> {
    let collection = powers().source(grants, config).unwrap().discover().unwrap().remove(0);
    collection.details.into_iter().filter(|(name, _)| name == key).map(|(_, value)| value).collect()
}

#[test]
fn files_cross_the_border() {
    let store = Store::new();
    std::fs::create_dir(store.folder.path().join("deeper")).unwrap();
    std::fs::write(store.folder.path().join("deeper").join("ü.bin"), [1, 2, 3, 4, 5]).unwrap();
    let files = powers().source(store.grants(), json!({})).unwrap().detect().unwrap().remove(0).files;
    assert_eq!(files, ["deeper/ü.bin 5", "store.bin 4096"]);
    for (key, expected) in [("size", "5"), ("middle", "[2, 3, 4]"), ("end", "[5]"), ("beyond", "[]")] {
        assert_eq!(told(store.grants(), json!({ "read": "deeper/ü.bin" }), key), [expected], "{key}");
    }
}

#[test]
fn sqlite_values_cross_the_border_both_ways() {
    let store = Store::new();
    let database = rusqlite::Connection::open(store.folder.path().join("a.sqlite")).unwrap();
    database.execute_batch("create table t (n integer); insert into t values (1), (2), (3), (4), (5)").unwrap();
    drop(database);
    let sql = "select n, ?2 as text, ?3 as bytes, ?4 as half, ?5 as missing from t where n > ?1 order by n";
    let config = json!({ "query": "a.sqlite", "sql": sql });
    assert_eq!(told(store.grants(), config.clone(), "columns"), ["n text bytes half missing"]);
    let row = |n: u32| format!(r#"[Integer({n}), Text("ü"), Blob([0, 255]), Real(0.5), Null]"#);
    assert_eq!(told(store.grants(), config, "row"), [row(3), row(4), row(5)]);

    let writing = json!({ "query": "a.sqlite", "sql": "delete from t" });
    let error = powers().source(store.grants(), writing).unwrap().discover().expect_err("read-only");
    assert_eq!(error.kind, ErrorKind::Denied);
}

/// Answers one request after `delay`, with the request's own `x-key` and body; returns the key.
fn serve(delay: Duration) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let mut stream = BufReader::new(listener.accept().unwrap().0);
        let (mut key, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            match line.trim_end().split_once(": ") {
                Some(("x-key", value)) => key = value.to_owned(),
                Some(("content-length", value)) => length = value.parse().unwrap(),
                _ if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        std::thread::sleep(delay);
        let head =
            format!("HTTP/1.1 201 Created\r\nx-key: {key}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        stream.get_mut().write_all(&[head.as_bytes(), &body].concat()).unwrap();
        key
    });
    (address, thread)
}

fn web(address: SocketAddr) -> Grants {
    let (http_hosts, secrets) = (vec![address.to_string()], vec![("KEY".into(), "open sesame".into())]);
    Grants { http_hosts, secrets, ..Grants::default() }
}

#[test]
fn requests_cross_the_border_and_the_host_puts_secrets_in() {
    let (address, server) = serve(Duration::ZERO);
    let plugin = powers();
    let config = json!({ "send": format!("http://{address}/") });
    let collection = plugin.source(web(address), config).unwrap().discover().unwrap().remove(0);
    assert_eq!(server.join().unwrap(), "Bearer open sesame");
    let told: Vec<(&str, &str)> =
        collection.details.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    // The plugin does not get to see it, not even when the server says it back.
    let expected = [("status", "201"), ("body", "question"), ("x-key", "Bearer [secret]")];
    assert_eq!(told[1..], expected);
}

#[test]
fn the_hosts_time_is_not_the_guests() {
    let (limit, delay) = (Duration::from_millis(700), Duration::from_millis(1500));
    let options = |host_deadline| vecferry_wasm::Options { call_deadline: limit, host_deadline, ..roomy() };
    let cases = [("a slow answer", Duration::from_secs(60), None), ("too slow", limit, Some("plugin/deadline"))];
    for (case, host_deadline, code) in cases {
        let (address, server) = serve(delay);
        // The guest asks for more after the slow answer.
        let folder = tempfile::tempdir().unwrap();
        let grants = Grants { sink: Some(vecferry_core::SinkGrant::folder(folder.path())), ..web(address) };
        let config = json!({ "send": format!("http://{address}/"), "write": "out" });
        let answer = powers_under(options(host_deadline)).source(grants, config).unwrap().discover();
        server.join().unwrap();
        assert_eq!(answer.as_ref().err().map(|error| error.code.as_str()), code, "{case}: {answer:?}");
    }
}

#[test]
fn outputs_cross_the_border() {
    let folder = tempfile::tempdir().unwrap();
    let grants = || Grants { sink: Some(vecferry_core::SinkGrant::folder(folder.path())), ..Grants::default() };
    assert_eq!(told(grants(), json!({ "write": "out.txt" }), "synced"), ["12"]);
    assert_eq!(told(grants(), json!({ "write": "out.txt" }), "read back"), ["world"]);
    assert_eq!(std::fs::read_to_string(folder.path().join("out.txt")).unwrap(), "hello, world");
}

#[test]
fn a_guest_learns_that_the_user_wants_to_stop() {
    let grants = Grants::default();
    assert_eq!(told(grants.clone(), json!({}), "cancelled"), ["false"]);
    grants.cancelled.store(true, Ordering::Relaxed);
    assert_eq!(told(grants, json!({}), "cancelled"), ["true"]);
}

#[test]
fn a_plugin_of_one_role_refuses_the_other() {
    let plugin = powers();
    assert!(plugin.is_source() && !plugin.is_sink());
    let error = plugin.sink(Grants::default(), json!({})).map(drop).expect_err("no sink");
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Unsupported, "plugin/role"));
}
