/*! Powers: nothing is granted by default, and nothing that was not asked for is granted at all. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::json;
use support::{Store, batch, deed, hostile, sink};
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
            sink_folder: Some(root.clone()),
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
