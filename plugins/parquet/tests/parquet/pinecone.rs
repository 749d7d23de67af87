//! The sink in Pinecone's import layout.

use serde_json::{Value, json};
use tempfile::TempDir;
use vecferry_plugin_parquet::ParquetSink;
use vecferry_sdk::testing::folder_host;
use vecferry_sdk::testing::sink_conformance::{InProcess, Promises, run};
use vecferry_sdk::{Batch, Dense, ErrorKind, SinkPlugin, Sparse, Target};

use crate::common::{Place, records, target};

/// What the layout cannot hold, so that these cases must fail, each for its reason.
const CANNOT: [(&str, &str); 1] = [("collections are apart", "cannot be a namespace")];

#[test]
fn does_what_a_sink_of_vectors_must() {
    let folder = TempDir::new().unwrap();
    let promises = Promises { reopens: true, every_column: false, without_vectors: false, max_dimension: 20_000 };
    let (ran, failures) = run(promises, &|name| {
        let config = json!({"location": name, "layout": "pinecone"});
        Box::new(InProcess::<ParquetSink>::new(folder_host(folder.path()), config))
    });
    let unexpected: Vec<_> = failures
        .iter()
        .filter(|(case, seen)| !CANNOT.iter().any(|(name, why)| case == name && seen.contains(why)))
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    assert_eq!(failures.len(), CANNOT.len());
    assert!(ran >= 20, "{ran} cases");
}

#[test]
fn what_is_made_to_fit_is_told_and_told_beforehand() {
    let mut batch = records(0, 6, 2);
    let metadata = batch.metadata.as_mut().unwrap();
    metadata[0] = r#"{"a":null,"b":{"c":1},"d":[1,"x"],"e":12345678901234567890}"#.into();
    metadata[5] = format!(r#"{{"long":"{}"}}"#, "x".repeat(50_000));
    batch.documents.as_mut().unwrap()[1] = Some("語".repeat(20_000));
    batch.dense[0].values[4] = f32::NAN;
    batch.dense.push(Dense { name: "title".into(), absent: vec![0, 1, 2, 3, 5], ..Dense::new(1, vec![0.0; 6]) });
    batch.sparse =
        vec![Sparse { name: String::new(), offsets: vec![0, 0, 0, 0, 1, 1, 1], indices: vec![7], values: vec![1.0] }];
    batch.dense[0].absent = vec![];
    let place = Place::new(&json!({"layout": "pinecone"}));
    let target = target("ns", 2);
    let rehearsed = ParquetSink::rehearse(&place.config, &target, &batch).unwrap();
    assert!(place.files().is_empty(), "a rehearsal writes nothing");
    let receipt = place.store(&target, &batch);
    assert_eq!(rehearsed, receipt);
    let altered: Vec<(u32, &str, &str)> =
        receipt.altered.iter().map(|it| (it.row, it.field.as_str(), it.code.as_str())).collect();
    let want = [
        (0, "metadata/a", "metadata/null-dropped"),
        (0, "metadata/b", "metadata/nested-to-json"),
        (0, "metadata/d", "metadata/list-to-strings"),
        (0, "metadata/e", "metadata/number-to-text"),
        (1, "document", "document/shortened"),
        (3, "sparse", "vector/sparse-left-out"),
        (4, "vector", "vector/further-column-left-out"),
    ];
    assert_eq!(altered, want);
    let rejected: Vec<(u32, &str)> = receipt.rejected.iter().map(|it| (it.row, it.reason.code.as_str())).collect();
    assert_eq!(rejected, [(2, "pinecone/non-finite"), (5, "pinecone/metadata-too-large")]);
    assert_eq!(receipt.accepted, 4);
    assert_eq!(place.writer(&target).count().unwrap(), 4);
}

#[test]
fn ids_that_pinecone_does_not_take_come_back_as_they_were() {
    let mut batch = records(0, 3, 2);
    batch.ids = vec!["plain".into(), "Größe 語".into(), "long ".repeat(200)];
    let place = Place::new(&json!({"layout": "pinecone"}));
    place.store(&target("ns", 2), &batch);
    place.finish();
    let mut writer = place.writer(&target("ns", 2));
    let fetched = writer.fetch(&batch.ids).unwrap();
    assert_eq!((&fetched.ids, &fetched.documents), (&batch.ids, &batch.documents));
    let metadata = |batch: &Batch, row| serde_json::from_str::<Value>(batch.metadata(row)).unwrap();
    for row in 0..3 {
        assert_eq!(metadata(&fetched, row), metadata(&batch, row));
    }
    assert_eq!(writer.list(None, 10).unwrap().unwrap().ids, batch.ids);
    // The source gives the ids back, too.
    let [(name, back)] = &place.read()[..] else { panic!("one namespace") };
    assert_eq!((name.as_str(), &back.ids), ("ns", &batch.ids));
}

#[test]
fn what_no_import_takes_is_refused_before_anything_is_written() {
    let cases = [
        ("a namespace that is no folder", Target { collection: "a/b".into(), ..target("", 2) }, "pinecone/namespace"),
        ("a collection without vectors", Target { dimension: None, ..target("ns", 2) }, "pinecone/no-vectors"),
        ("no dimension at all", target("ns", 0), "target/dimension"),
    ];
    for (name, target, code) in cases {
        let place = Place::new(&json!({"layout": "pinecone"}));
        let error = place.prepare(&target).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, code), "{name}");
        assert!(place.files().is_empty(), "{name}");
    }
    // A record without a vector concerns itself alone.
    let place = Place::new(&json!({"layout": "pinecone"}));
    let mut batch = records(0, 2, 2);
    batch.dense[0].absent = vec![1];
    let receipt = place.store(&target("ns", 2), &batch);
    assert_eq!((receipt.accepted, receipt.rejected[0].reason.code.as_str()), (1, "pinecone/no-vector"));
}
