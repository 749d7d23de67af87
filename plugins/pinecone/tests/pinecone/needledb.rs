//! Both roles against needledb (PyPI), a server of Pinecone's shape that nobody here wrote.

use serde_json::{Value, json};
use vecferry_pinecone_local::needle::Needle;
use vecferry_plugin_pinecone::{PineconeSink, PineconeSource};
use vecferry_sdk::testing::read_all;
use vecferry_sdk::{Batch, Config, Dense, Error, Host, Method, Metric, PrepareMode, Request, SinkPlugin};

use crate::common::{host, records, target};

/// needledb has no serverless creation: an index is made by its own request.
fn make(host: &Host, needle: &Needle, name: &str, dimension: u32) {
    let body = json!({"name": name, "dimension": dimension, "metric": "cosine"}).to_string().into_bytes();
    let request = Request {
        method: Method::Post,
        url: format!("{}/indexes", needle.url()),
        headers: vec![("api-key".into(), needle.api_key().into()), ("content-type".into(), "application/json".into())],
        body,
        timeout_ms: None,
    };
    assert_eq!(host.send(request).unwrap().status, 201);
}

#[test]
fn a_server_of_others_takes_and_gives_back_everything() {
    let needle = Needle::start().unwrap();
    let host = host(needle.api_key());
    make(&host, &needle, "docs", 8);
    let config: Config = json!({"location": "docs", "controller_host": needle.url()});
    let wanted = target("alpha", 8, Metric::Cosine);
    PineconeSink::check(&host, &config).unwrap();
    PineconeSink::prepare(&host, &config, &wanted, PrepareMode::MustBeEmpty).unwrap();
    let error: Error =
        PineconeSink::prepare(&host, &config, &target("alpha", 9, Metric::Cosine), PrepareMode::CreateIfMissing)
            .unwrap_err();
    assert_eq!(error.code, "target/mismatch");

    let mut writer = PineconeSink::open(&host, &config, &wanted).unwrap();
    let mut batch = records(0, 400, 8);
    batch.ids[3] = "größe 語".into();
    batch.ids[4] = "語".repeat(300);
    let metadata = batch.metadata.as_mut().unwrap();
    metadata[5] = r#"{"$nested":{"a":[1]},"null":null,"mixed":[1,"a"],"big":123456789012345678901}"#.into();
    // As much as needledb takes, to the byte.
    batch.documents.as_mut().unwrap()[6] = Some("größer 🚢\n".repeat(10_000));
    batch.documents.as_mut().unwrap()[7] = Some(String::new());
    let receipt = writer.write(&batch).unwrap();
    assert_eq!((receipt.accepted, receipt.rejected.len()), (400, 0), "{:?}", receipt.rejected);
    writer.flush().unwrap();
    writer.settle().unwrap();
    assert_eq!(writer.count().unwrap(), 400);

    let back = writer.fetch(&batch.ids).unwrap();
    assert_eq!(back.len(), 400);
    for (row, id) in batch.ids.iter().enumerate() {
        let at = back.ids.iter().position(|other| other == id).unwrap();
        // needledb keeps unit vectors and lengths apart, so that values come back rounded once more.
        let vector = |batch: &Batch, row| batch.vectors().unwrap().row(row).unwrap().to_vec();
        let pairs = vector(&back, at).into_iter().zip(vector(&batch, row));
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() <= 1e-6), "{id}");
        let altered = |field: &str| receipt.altered.iter().any(|a| a.row as usize == row && a.field == field);
        if !altered("document") {
            assert_eq!(back.document(at), batch.document(row), "{id}");
        }
        let fields = |batch: &Batch, row| serde_json::from_str::<Value>(batch.metadata(row)).unwrap();
        for (key, value) in fields(&batch, row).as_object().unwrap() {
            assert!(&fields(&back, at)[key] == value || altered(&format!("metadata/{key}")), "{id}: {key}");
        }
    }
    let (mut listed, mut cursor) = (Vec::new(), None);
    while let Some(page) = writer.list(cursor.as_deref(), 150).unwrap() {
        listed.extend(page.ids);
        cursor = Some(page.cursor);
    }
    listed.sort();
    let mut ids = batch.ids.clone();
    ids.sort();
    assert_eq!(listed, ids);
    let query = Dense::new(8, batch.vectors().unwrap().row(4).unwrap().to_vec());
    assert_eq!(writer.query(&query, 1).unwrap()[0][0].id, batch.ids[4]);

    // A zero vector is refused by us as it would be by the server.
    let zero = Batch { ids: vec!["zero".into()], dense: vec![Dense::new(8, vec![0.0; 8])], ..Batch::default() };
    assert_eq!(writer.write(&zero).unwrap().rejected.len(), 1);

    let all = read_all::<PineconeSource>(&host, &config, 64).unwrap();
    let mut read: Vec<String> = all[0].1.iter().flat_map(|batch| batch.ids.clone()).collect();
    read.sort();
    assert_eq!((all.len(), all[0].0.as_str(), read), (1, "alpha", ids));
}
