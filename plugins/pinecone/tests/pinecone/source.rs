//! The source: what it finds, reads, and where it goes on.

use serde_json::{Value, json};
use vecferry_pinecone_local::{Fault, Operation, Rule, Schedule, When};
use vecferry_plugin_pinecone::{PineconeSink, PineconeSource};
use vecferry_sdk::testing::read_all;
use vecferry_sdk::{Batch, Dense, ErrorKind, Metric, Scan, SinkPlugin, SourcePlugin, Sparse};

use crate::common::{Place, records, target};

/// An index with records in several namespaces.
fn filled(place: &Place, index: &str) {
    for (name, rows) in [("alpha", 250), ("größe", 3), ("__default__", 7)] {
        let mut writer = place.writer(&place.config(index), &target(name, 4, Metric::Dot));
        assert_eq!(writer.write(&records(0, rows, 4)).unwrap().accepted as usize, rows);
    }
}

fn scan(place: &Place, collection: &str, after: Option<&[u8]>) -> Box<dyn Scan> {
    let config = place.config("docs");
    let splits = PineconeSource::plan(&place.host, &config, collection, 4).unwrap();
    assert_eq!(splits.len(), 1);
    PineconeSource::open(&place.host, &config, &splits[0], after).unwrap()
}

/// The pages of a scan, each with the cursor after it.
fn pages(scan: &mut dyn Scan, max_rows: u32, max_bytes: u64) -> Vec<(Batch, Vec<u8>)> {
    let mut out = Vec::new();
    while let Some(page) = scan.next(max_rows, max_bytes).unwrap() {
        let page = page.checked(max_rows).unwrap();
        out.push((page.rows, page.cursor));
    }
    out
}

#[test]
fn namespaces_are_collections() {
    let place = Place::new();
    filled(&place, "docs");
    let found = PineconeSource::discover(&place.host, &place.config("docs")).unwrap();
    let seen: Vec<(&str, Option<u64>)> = found.iter().map(|c| (c.name.as_str(), c.rows)).collect();
    assert_eq!(seen, [("__default__", Some(7)), ("alpha", Some(250)), ("größe", Some(3))]);
    for collection in &found {
        assert_eq!((collection.dimension, collection.metric), (Some(4), Metric::Dot));
        assert!(collection.has_documents && collection.has_vectors);
    }
    let other = PineconeSource::discover(&place.host, &place.config_with("docs", "text_field", "body")).unwrap();
    assert!(other.iter().all(|collection| !collection.has_documents));
    assert!(PineconeSource::detect(&place.host).unwrap().is_empty());

    let error = PineconeSource::plan(&place.host, &place.config("docs"), "beta", 1).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert!(error.hint.unwrap().contains("alpha"));
    let error = PineconeSource::discover(&place.host, &place.config("missing")).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::NotFound, "pinecone/no-index"));
}

#[test]
fn an_index_goes_whole_into_another() {
    let place = Place::new();
    filled(&place, "docs");
    let all = read_all::<PineconeSource>(&place.host, &place.config("docs"), 64).unwrap();
    for (collection, batches) in &all {
        let mut writer = place.writer(&place.config("copy"), &target(collection, 4, Metric::Dot));
        for batch in batches {
            assert_eq!(writer.write(batch).unwrap().rejected, []);
        }
    }
    assert_eq!(place.server.namespaces("copy"), place.server.namespaces("docs"));
    for namespace in place.server.namespaces("docs").unwrap() {
        let records = |index| place.server.records(index, &namespace).unwrap();
        assert_eq!(records("copy"), records("docs"), "{namespace}");
        assert!(!records("docs").is_empty());
    }
}

#[test]
fn records_come_as_they_stand() {
    let place = Place::new();
    filled(&place, "docs");
    let want = records(0, 250, 4);
    let have: Vec<Batch> =
        pages(&mut *scan(&place, "alpha", None), 100, 1 << 24).into_iter().map(|page| page.0).collect();
    assert_eq!(have.iter().map(Batch::len).collect::<Vec<_>>(), [100, 100, 50]);
    let mut row = 0;
    for batch in &have {
        for at in 0..batch.len() {
            assert_eq!((&batch.ids[at], batch.document(at)), (&want.ids[row], want.document(row)));
            assert_eq!(batch.vectors().unwrap().row(at), want.vectors().unwrap().row(row));
            let mut expected: Value = serde_json::from_str(want.metadata(row)).unwrap();
            expected["chunk_id"] = json!(want.ids[row]);
            assert_eq!(serde_json::from_str::<Value>(batch.metadata(at)).unwrap(), expected);
            row += 1;
        }
    }
    assert_eq!(row, 250);
}

#[test]
fn a_scan_goes_on_after_any_page() {
    let place = Place::new();
    filled(&place, "docs");
    for (max_rows, max_bytes) in [(30, 1 << 24), (100, 1), (1_000, 1 << 24), (1, 1 << 24)] {
        let whole = pages(&mut *scan(&place, "alpha", None), max_rows, max_bytes);
        let ids: Vec<String> = whole.iter().flat_map(|page| page.0.ids.clone()).collect();
        assert_eq!(ids, records(0, 250, 4).ids, "pages of {max_rows}");
        let mut before = 0;
        for (batch, cursor) in whole.iter().step_by(whole.len().div_ceil(10)) {
            before = ids.iter().position(|id| *id == batch.ids[batch.len() - 1]).unwrap().max(before);
            let rest = pages(&mut *scan(&place, "alpha", Some(cursor)), 77, 1 << 24);
            let rest: Vec<String> = rest.into_iter().flat_map(|page| page.0.ids).collect();
            assert_eq!(rest, ids[before + 1..], "after {}", ids[before]);
        }
    }
    let error = PineconeSource::plan(&place.host, &place.config("docs"), "alpha", 1)
        .and_then(|splits| {
            PineconeSource::open(&place.host, &place.config("docs"), &splits[0], Some(b"other")).map(drop)
        })
        .unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
}

#[test]
fn a_scan_that_was_interrupted_goes_on_from_its_last_page() {
    let place = Place::new();
    filled(&place, "docs");
    place.server.faults().set(Schedule {
        seed: 7,
        rules: [Fault::Status { code: 500, applied: false }, Fault::Reset { applied: true }]
            .map(|fault| Rule { on: vec![Operation::List, Operation::Fetch], when: When::Probability(0.2), fault })
            .into(),
        ..Schedule::default()
    });
    let (mut ids, mut cursor, mut faults) = (Vec::new(), None::<Vec<u8>>, 0);
    let config = place.config("docs");
    let splits = loop {
        match PineconeSource::plan(&place.host, &config, "alpha", 1) {
            Ok(splits) => break splits,
            Err(error) => assert!(error.kind.is_retryable(), "{error}"),
        }
    };
    'scan: loop {
        let mut scan = PineconeSource::open(&place.host, &config, &splits[0], cursor.as_deref()).unwrap();
        loop {
            match scan.next(20, 1 << 20) {
                Ok(Some(page)) => {
                    ids.extend(page.rows.ids);
                    cursor = Some(page.cursor);
                }
                Ok(None) => break 'scan,
                Err(error) => {
                    assert!(error.kind.is_retryable(), "{error}");
                    faults += 1;
                    break;
                }
            }
        }
    }
    assert_eq!(ids, records(0, 250, 4).ids);
    assert!(faults > 3, "{faults} faults");
}

#[test]
fn documents_are_found_where_common_tools_keep_them() {
    let place = Place::new();
    for (index, field) in [("langchain", "text"), ("ours", "page_content")] {
        let config = place.config_with(index, "text_field", field);
        place.writer(&config, &target("ns", 4, Metric::Cosine)).write(&records(1, 4, 4)).unwrap();
        let all = read_all::<PineconeSource>(&place.host, &place.config(index), 64).unwrap();
        assert_eq!(all[0].1[0].document(0), Some("text 1"), "{field}");
        assert!(!all[0].1[0].metadata(0).contains("text 1"), "{field}");
    }
    // Without documents, and with sparse vectors alone.
    let config = place.config_with("sparse", "vector_type", "sparse");
    let batch = Batch {
        ids: vec!["a".into()],
        sparse: vec![Sparse { offsets: vec![0, 1], indices: vec![9], values: vec![0.5], ..Sparse::default() }],
        ..Batch::default()
    };
    place.writer(&config, &target("ns", None, Metric::Unknown)).write(&batch).unwrap();
    let found = PineconeSource::discover(&place.host, &place.config("sparse")).unwrap();
    assert_eq!((found[0].has_documents, found[0].dimension, found[0].metric), (false, None, Metric::Dot));
    let all = read_all::<PineconeSource>(&place.host, &place.config("sparse"), 64).unwrap();
    assert_eq!((&all[0].1[0].sparse, all[0].1[0].dense.is_empty()), (&batch.sparse, true));
}

#[test]
fn records_of_two_hundred_kilobytes_stream() {
    let place = Place::unjudged();
    let mut writer = place.writer(&place.config("docs"), &target("ns", 20_000, Metric::Cosine));
    writer.write(&records(0, 120, 20_000)).unwrap();
    let pages = pages(&mut *scan(&place, "ns", None), 1_000, 1 << 20);
    assert!(pages.len() > 1, "a page of 100 records is 20 MB already");
    let ids: Vec<String> = pages.iter().flat_map(|page| page.0.ids.clone()).collect();
    assert_eq!(ids, records(0, 120, 20_000).ids);
    let query = Dense::new(20_000, records(50, 51, 20_000).dense[0].values.clone());
    let sink = PineconeSink::open(&place.host, &place.config("docs"), &target("ns", 20_000, Metric::Cosine));
    assert_eq!(sink.unwrap().query(&query, 1).unwrap()[0][0].id, "doc-00050");
}
