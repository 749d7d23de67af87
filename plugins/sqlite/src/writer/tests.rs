#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::json;
use vecferry_sdk::testing::folder_host;
use vecferry_sdk::{Metric, PrepareMode, SinkPlugin, Target};

use super::*;
use crate::SqliteSink;
use crate::database::Location;

fn batch(from: usize) -> Batch {
    Batch {
        ids: (from..from + 10).map(|row| format!("doc-{row}")).collect(),
        dense: vec![Dense::new(2, vec![1.0; 20])],
        documents: Some((0..10).map(|_| Some("x".repeat(20_000))).collect()),
        ..Batch::default()
    }
}

/// SQLite's limit on pages makes a full disk: it fails with the same code.
#[test]
fn a_full_disk_says_so_and_goes_on_when_there_is_room() {
    let folder = tempfile::TempDir::new().unwrap();
    let host = folder_host(folder.path());
    let config = json!({"location": folder.path().join("demo.db").to_str().unwrap()});
    let target = Target { collection: "docs".into(), dimension: Some(2), metric: Metric::Cosine };
    SqliteSink::prepare(&host, &config, &target, PrepareMode::CreateIfMissing).unwrap();
    let database = Location::new(&config).unwrap().open().unwrap().unwrap();
    let mut writer = CollectionWriter::new(host.clone(), database, "docs".into());
    writer.write(&batch(0)).unwrap();
    writer.database.connection.pragma_update(None, "max_page_count", 1).unwrap();
    let error = writer.write(&batch(10)).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Transient, "sqlite/disk-full"), "{error}");
    assert!(error.hint.as_deref().unwrap().contains("make room"));
    assert_eq!(writer.count().unwrap(), 10, "a failed batch leaves nothing");
    writer.database.connection.pragma_update(None, "max_page_count", i64::from(u32::MAX) - 1).unwrap();
    writer.write(&batch(10)).unwrap();
    assert_eq!(writer.count().unwrap(), 20);
}

#[test]
fn a_damaged_destination_is_not_blamed_on_the_rows() {
    let folder = tempfile::TempDir::new().unwrap();
    let host = folder_host(folder.path());
    let path = folder.path().join("demo.db");
    let config = json!({"location": path.to_str().unwrap()});
    let target = Target { collection: "docs".into(), dimension: Some(2), metric: Metric::Cosine };
    SqliteSink::prepare(&host, &config, &target, PrepareMode::CreateIfMissing).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    // All pages but the first.
    bytes[16_384..].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let database = Location::new(&config).unwrap().open().unwrap().unwrap();
    let mut writer = CollectionWriter::new(host, database, "docs".into());
    let error = writer.write(&batch(0)).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Internal, "sqlite/damaged"), "{error}");
    assert_eq!(writer.count().unwrap_err().kind, ErrorKind::Corrupt);
}
