//! The sink in its general layout.

use serde_json::json;
use tempfile::TempDir;
use vecferry_plugin_parquet::ParquetSink;
use vecferry_sdk::testing::folder_host;
use vecferry_sdk::testing::sink_conformance::{InProcess, Promises, run};
use vecferry_sdk::{Batch, Dense, ErrorKind, PrepareMode, SinkPlugin, Sparse};

use crate::common::{Place, elsewhere, records, target};

#[test]
fn does_what_every_sink_must() {
    let folder = TempDir::new().unwrap();
    let promises = Promises { reopens: true, every_column: true, without_vectors: true, max_dimension: 20_000 };
    let (ran, failures) = run(promises, &|name| {
        Box::new(InProcess::<ParquetSink>::new(folder_host(folder.path()), json!({"location": name})))
    });
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(ran >= 24, "{ran} cases");
}

#[test]
fn what_was_written_is_read_back_bit_for_bit_by_the_source() {
    let mut all = records(0, 100, 3);
    all.documents.as_mut().unwrap()[1] = None;
    all.documents.as_mut().unwrap()[2] = Some(String::new());
    all.ids[3] = "ids of every script: Ω語🦀\u{0}\"".into();
    all.metadata.as_mut().unwrap()[4] =
        r#"{"deep":{"a":[1,null,{"b":1e400}]},"big":123456789012345678901234567890}"#.into();
    let special = [f32::NAN, f32::from_bits(0x7fc0_1234), f32::INFINITY, -0.0, f32::MIN_POSITIVE / 2.0, f32::MAX];
    all.dense[0].values[..6].copy_from_slice(&special);
    all.dense[0].absent = vec![50, 99];
    for row in [50, 99] {
        all.dense[0].values[row * 3..row * 3 + 3].fill(0.0);
    }
    all.dense.push(Dense { name: "title".into(), ..Dense::new(1, (0..100u8).map(f32::from).collect()) });
    let offsets = (0..=100).map(|row| row / 2).collect();
    all.sparse = vec![Sparse {
        name: String::new(),
        offsets,
        indices: (0..50).map(|row| u32::MAX - row).collect(),
        values: vec![0.25; 50],
    }];
    let place = Place::new(&json!({}));
    place.store(&target("docs", 3), &all);
    place.finish();
    let [(name, back)] = &place.read()[..] else { panic!("one collection") };
    assert_eq!(name, "docs");
    let bits = |dense: &Dense| dense.values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&back.dense[0]), bits(&all.dense[0]));
    let without = |batch: &Batch| {
        let mut batch = batch.clone();
        batch.dense[0].values.clear();
        batch
    };
    assert_eq!(without(back), without(&all));
}

#[test]
fn large_vectors_and_many_row_groups() {
    for (dimension, rows) in [(20_000u32, 300usize), (2, 10_000)] {
        elsewhere(move || {
            let place = Place::new(&json!({}));
            let target = target("wide", dimension);
            let mut writer = place.writer(&target);
            for from in (0..rows).step_by(300) {
                writer.write(&records(from, (from + 300).min(rows), dimension)).unwrap();
            }
            writer.flush().unwrap();
            drop(writer);
            place.finish();
            assert_eq!(place.files(), ["out/wide/part-00000.parquet"]);
            assert!(place.read() == [("wide".to_owned(), records(0, rows, dimension))], "{dimension} dimensions");
        });
    }
}

#[test]
fn a_file_that_is_large_enough_is_followed_by_another() {
    let place = Place::new(&json!({"max_file_bytes": 20_000}));
    let target = target("docs", 8);
    let mut writer = place.writer(&target);
    for from in (0..2000).step_by(100) {
        writer.write(&records(from, from + 100, 8)).unwrap();
    }
    place.finish();
    let files = place.files();
    assert!((3..20).contains(&files.len()), "{files:?}");
    assert_eq!(place.read(), [("docs".to_owned(), records(0, 2000, 8))]);
}

#[test]
fn what_was_replaced_is_gone_when_the_run_ends() {
    let place = Place::new(&json!({}));
    let target = target("docs", 4);
    place.store(&target, &records(0, 10, 4));
    let mut again = records(3, 6, 4);
    again.documents = Some(vec![Some("new".into()), None, Some(String::new())]);
    place.store(&target, &again);
    place.store(&target, &again);
    let mut writer = place.writer(&target);
    assert_eq!(writer.count().unwrap(), 10);
    let fetched = writer.fetch(&["doc-3".into(), "doc-9".into(), "none".into()]).unwrap();
    let mut found: Vec<_> = fetched.ids.iter().zip(fetched.documents.unwrap()).collect();
    found.sort();
    assert_eq!(found[0], (&"doc-3".to_owned(), Some("new".to_owned())));
    assert_eq!(found.len(), 2);
    place.finish();
    let [(_, back)] = &place.read()[..] else { panic!("one collection") };
    let mut ids = back.ids.clone();
    ids.sort();
    assert_eq!(ids, records(0, 10, 4).ids, "each id once");
    let row = back.ids.iter().position(|id| id == "doc-4").unwrap();
    assert_eq!(back.document(row), None);
    // And the destination still answers.
    let mut writer = place.writer(&target);
    assert_eq!(writer.count().unwrap(), 10);
    assert_eq!(writer.fetch(&["doc-5".into()]).unwrap().documents, Some(vec![Some(String::new())]));
    let mut listed = Vec::new();
    let mut after = None;
    while let Some(page) = writer.list(after.as_deref(), 3).unwrap() {
        listed.extend(page.ids);
        after = Some(page.cursor);
    }
    listed.sort();
    assert_eq!(listed, records(0, 10, 4).ids);
}

#[test]
fn columns_that_come_later_are_in_every_file_at_the_end() {
    let place = Place::new(&json!({}));
    let target = target("docs", 2);
    place.store(&target, &records(0, 3, 2));
    let mut named = records(3, 5, 2);
    named.dense.push(Dense {
        name: "title".into(),
        absent: vec![0],
        ..Dense::new(3, vec![0.0, 0.0, 0.0, 1.0, 2.0, 3.0])
    });
    place.store(&target, &named);
    assert_eq!(place.files().len(), 2);
    place.finish();
    let [(_, back)] = &place.read()[..] else { panic!("one collection") };
    assert_eq!(back.dense.len(), 2);
    assert_eq!(back.dense[1].absent, [0, 1, 2, 3]);
    assert_eq!(back.dense[1].row(4), Some(&[1.0, 2.0, 3.0][..]));
    // A further vector of another dimension is refused row by row.
    let mut other = records(5, 6, 2);
    other.dense.push(Dense { name: "title".into(), ..Dense::new(1, vec![1.0]) });
    let receipt = place.writer(&target).write(&other).unwrap();
    assert_eq!((receipt.accepted, receipt.rejected.len()), (0, 1));
    assert_eq!(receipt.rejected[0].reason.code, "vector/dimension");
}

#[test]
fn a_run_goes_on_where_another_process_was_stopped() {
    let place = Place::new(&json!({}));
    let folder = place.folder.path().to_owned();
    let config = place.config.clone();
    let (target_there, config_there, folder_there) = (target("docs", 4), config.clone(), folder.clone());
    elsewhere(move || {
        let host = folder_host(&folder_there);
        ParquetSink::prepare(&host, &config_there, &target_there, PrepareMode::CreateIfMissing).unwrap();
        let mut writer = ParquetSink::open(&host, &config_there, &target_there).unwrap();
        writer.write(&records(0, 10, 4)).unwrap();
        writer.flush().unwrap();
        // Not acknowledged: gone with the process.
        writer.write(&records(10, 14, 4)).unwrap();
    });
    assert_eq!(place.files(), ["out/docs/part-00000.parquet"]);
    let mut resumed = Place { config: config.clone(), host: folder_host(&folder), folder: place.folder };
    // Without the host's word it is another run, and is refused before anything is written.
    let refused = resumed.prepare(&target("docs", 4)).unwrap_err();
    assert_eq!((refused.kind, refused.code.as_str()), (ErrorKind::Config, "parquet/exists"));
    assert_eq!(refused.context("file"), Some("out/docs/part-00000.parquet"));
    resumed.config["resume"] = json!(true);
    // What was acknowledged but not noted comes once more.
    resumed.store(&target("docs", 4), &records(8, 20, 4));
    resumed.finish();
    let [(_, back)] = &resumed.read()[..] else { panic!("one collection") };
    let mut ids = back.ids.clone();
    ids.sort_by_key(|id| id[4..].parse::<u32>().unwrap());
    assert_eq!(ids, records(0, 20, 4).ids);
}

#[test]
fn an_earlier_destination_is_added_to_only_where_that_is_meant() {
    let place = Place::new(&json!({}));
    let folder = place.folder.path().to_owned();
    place.store(&target("docs", 4), &records(0, 10, 4));
    place.finish();
    let cases = [
        ("nothing said", json!({}), target("docs", 4), PrepareMode::CreateIfMissing, Some("parquet/exists")),
        ("it must be empty", json!({}), target("docs", 4), PrepareMode::MustBeEmpty, Some("parquet/exists")),
        ("add", json!({"existing": "add"}), target("docs", 4), PrepareMode::CreateIfMissing, None),
        (
            "add, but it must be empty",
            json!({"existing": "add"}),
            target("docs", 4),
            PrepareMode::MustBeEmpty,
            Some("target/not-empty"),
        ),
        ("it must exist", json!({}), target("docs", 4), PrepareMode::MustExist, None),
        (
            "another dimension",
            json!({"existing": "add"}),
            target("docs", 5),
            PrepareMode::CreateIfMissing,
            Some("target/mismatch"),
        ),
        (
            "another layout",
            json!({"existing": "add", "layout": "pinecone"}),
            target("docs", 4),
            PrepareMode::CreateIfMissing,
            Some("parquet/layout"),
        ),
        ("another collection", json!({}), target("other", 4), PrepareMode::CreateIfMissing, None),
        (
            "another collection that must exist",
            json!({}),
            target("third", 4),
            PrepareMode::MustExist,
            Some("parquet/not-found"),
        ),
    ];
    for (name, settings, target, mode, want) in cases {
        let (folder, mut config) = (folder.clone(), settings.clone());
        config["location"] = json!("out");
        let got = elsewhere(move || ParquetSink::prepare(&folder_host(&folder), &config, &target, mode));
        assert_eq!(got.err().map(|error| error.code).as_deref(), want, "{name}");
    }
    std::fs::write(place.path("out/docs/theirs.parquet"), "PAR1").unwrap();
    let folder = place.folder.path().to_owned();
    let got = elsewhere(move || {
        let config = json!({"location": "out", "existing": "add"});
        ParquetSink::prepare(&folder_host(&folder), &config, &target("docs", 4), PrepareMode::CreateIfMissing)
    });
    assert_eq!(got.unwrap_err().context("file"), Some("out/docs/theirs.parquet"));
}

#[test]
fn an_empty_collection_leaves_a_file_that_says_so() {
    let place = Place::new(&json!({"embedding": {"provider": "fastembed", "model": "all-MiniLM-L6-v2"}}));
    place.prepare(&target("nothing / at all", 4)).unwrap();
    place.finish();
    assert_eq!(place.files(), ["out/nothing%20%2F%20at%20all/part-00000.parquet"]);
    let collections =
        <vecferry_plugin_parquet::ParquetSource as vecferry_sdk::SourcePlugin>::discover(&place.host, &json!({}))
            .unwrap();
    assert_eq!(collections.len(), 1);
    assert_eq!(collections[0].name, "nothing / at all");
    assert_eq!((collections[0].rows, collections[0].dimension), (Some(0), Some(4)));
    let model = ("embedding model".to_owned(), "all-MiniLM-L6-v2".to_owned());
    assert!(collections[0].details.contains(&model), "{:?}", collections[0].details);
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let cases = [
        ("no location", json!({"location": ""})),
        ("a folder above", json!({"location": ".."})),
        ("an unknown layout", json!({"layout": "csv"})),
        ("a size that is none", json!({"max_file_bytes": "large"})),
        ("more than Pinecone takes", json!({"max_file_bytes": 10_000_000_001u64})),
        ("a text field that is taken", json!({"text_field": "chunk_id"})),
        ("an embedding without provider", json!({"embedding": {}})),
    ];
    for (name, settings) in cases {
        let place = Place::new(&settings);
        let error = ParquetSink::check(&place.host, &place.config).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Config, "{name}");
    }
}
