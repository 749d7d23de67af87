//! What stands in the index afterwards, and what comes back.

use serde_json::{Value, json};
use vecferry_pinecone_local::Operation;
use vecferry_plugin_pinecone::PineconeSink;
use vecferry_sdk::{Batch, Dense, Error, Metric, SinkPlugin, Sparse, Writer};

use crate::common::{Place, records, target};

fn embedding() -> Value {
    json!({"provider": "fastembed", "model": "all-MiniLM-L6-v2", "dimension": 2})
}

fn rows(rows: &[(&str, Option<&str>, &str)]) -> Batch {
    let values = (0..rows.len()).flat_map(|row| [row as f32 + 1.0, 0.5]).collect();
    Batch {
        ids: rows.iter().map(|row| row.0.to_owned()).collect(),
        dense: vec![Dense::new(2, values)],
        sparse: Vec::new(),
        documents: Some(rows.iter().map(|row| row.1.map(str::to_owned)).collect()),
        metadata: Some(rows.iter().map(|row| row.2.to_owned()).collect()),
    }
}

fn all_ids(writer: &mut dyn Writer, max: u32) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), None);
    while let Some(page) = writer.list(cursor.as_deref(), max).unwrap() {
        assert!(!page.ids.is_empty() && page.ids.len() <= max as usize);
        ids.extend(page.ids);
        cursor = Some(page.cursor);
    }
    ids
}

#[test]
fn records_stand_as_applications_read_them_and_come_back_as_they_were() {
    let place = Place::new();
    let config = place.config_with("docs", "embedding", embedding());
    let mut writer = place.writer(&config, &target("default", 2, Metric::Cosine));
    let batch = rows(&[
        ("default_docs/a b.pdf_7", Some("Ein Text, größer"), r#"{"source":"docs/a b.pdf","page":3,"score":0.0}"#),
        ("Größe", None, r#"{"tags":["a","ü"],"reviewed":false,"chunk_id":4}"#),
    ]);
    let receipt = writer.write(&batch).unwrap();
    assert_eq!((receipt.accepted, receipt.altered.len()), (2, 0));

    let stored = place.server.records("docs", "default").unwrap();
    let [first, second] = &stored[..] else { panic!("{stored:?}") };
    assert_eq!(first.id, "default_docs/a b.pdf_7");
    assert_eq!(
        Value::Object(first.metadata.clone()),
        json!({
            "page_content": "Ein Text, größer", "source": "docs/a b.pdf", "chunk_id": "7", "page": 3.0, "score": 0.0,
            "embedding_provider": "fastembed", "embedding_model": "all-MiniLM-L6-v2", "embedding_dimension": 2.0
        })
    );
    assert_eq!(second.id, "~u~Gr%C3%B6%C3%9Fe");
    assert_eq!(
        Value::Object(second.metadata.clone()),
        json!({
            "tags": ["a", "ü"], "reviewed": false, "chunk_id": 4.0, "vecferry_id": "Größe",
            "embedding_provider": "fastembed", "embedding_model": "all-MiniLM-L6-v2", "embedding_dimension": 2.0
        })
    );

    let mut back = writer.fetch(&batch.ids).unwrap();
    back = back.select(&[usize::from(back.ids[0] != batch.ids[0]), usize::from(back.ids[0] == batch.ids[0])]);
    assert_eq!((&back.ids, &back.documents, &back.dense), (&batch.ids, &batch.documents, &batch.dense));
    for row in 0..2 {
        let parsed = |batch: &Batch| serde_json::from_str::<Value>(batch.metadata(row)).unwrap();
        let (mut have, mut want) = (parsed(&back), parsed(&batch));
        if row == 0 {
            // 0 and 0.0 are one number to the service.
            assert_eq!(have["score"].as_f64(), want["score"].as_f64());
            (have["score"], want["score"]) = (Value::Null, Value::Null);
        }
        assert_eq!(have, want);
    }
}

#[test]
fn ids_come_back_from_lists_fetches_and_queries() {
    let place = Place::new();
    let mut writer = place.writer(&place.config("docs"), &target("ns", 2, Metric::Cosine));
    let long = "語".repeat(300);
    let longer = "x".repeat(513);
    let ids = ["a", " b c ", "größe", "", "~u~x", "~h~x", &long, &longer, "line\nbreak", "100%", "a&b=c?#+/"];
    let batch = rows(&ids.map(|id| (id, Some(id), "{}")));
    assert_eq!(writer.write(&batch).unwrap().rejected, []);
    // The same again changes nothing.
    writer.write(&batch).unwrap();
    assert_eq!(writer.count().unwrap(), ids.len() as u64);

    let mut want: Vec<String> = batch.ids.clone();
    want.sort();
    for max in [1, 3, 1_000] {
        let mut have = all_ids(&mut *writer, max);
        have.sort();
        assert_eq!(have, want, "pages of {max}");
    }
    let back = writer.fetch(&batch.ids).unwrap();
    for (id, document) in back.ids.iter().zip(back.documents.as_ref().unwrap()) {
        assert_eq!(Some(id), document.as_ref());
    }
    assert_eq!(back.len(), ids.len());
    let mut found: Vec<String> =
        writer.query(&Dense::new(2, vec![1.0, 0.5]), 100).unwrap().remove(0).into_iter().map(|hit| hit.id).collect();
    found.sort();
    assert_eq!(found, want);
}

#[test]
fn large_batches_become_requests_that_the_service_takes() {
    let place = Place::unjudged();
    let mut writer = place.writer(&place.config("docs"), &target("ns", 384, Metric::Cosine));
    let mut batch = records(0, 1_500, 384);
    batch.documents = Some((0..1_500).map(|row| Some("text ".repeat(row % 40))).collect());
    let receipt = writer.write(&batch).unwrap();
    assert_eq!((receipt.accepted, receipt.rejected.len()), (1_500, 0));
    let upserts = place.server.log().of(Operation::Upsert);
    assert!(upserts.largest <= 2_000_000, "{} bytes", upserts.largest);
    // Full requests, and no more of them than are needed.
    assert!(upserts.requests <= upserts.bytes.div_ceil(1_950_000), "{upserts:?}");
    assert_eq!(writer.count().unwrap(), 1_500);
    let back = writer.fetch(&batch.ids).unwrap();
    assert_eq!(back.len(), 1_500);
    let row = back.ids.iter().position(|id| *id == batch.ids[777]).unwrap();
    assert_eq!(back.vectors().unwrap().row(row), batch.vectors().unwrap().row(777));
}

#[test]
fn a_dry_run_tells_what_the_write_tells() {
    let place = Place::new();
    let config = place.config_with("docs", "max_metadata_bytes", 1_000);
    let wanted = target("ns", 2, Metric::Cosine);
    let long = "long ".repeat(300);
    let mut batch = rows(&[
        ("a", Some("x"), r#"{"a":null,"b":{"c":1},"d":[1,2]}"#),
        ("b", Some(&long), "{}"),
        ("c", None, "no json"),
        ("d", None, r#"{"big":123456789012345678901}"#),
        ("zero", None, "{}"),
    ]);
    batch.dense[0].values[8..].fill(0.0);
    let told = PineconeSink::rehearse(&config, &wanted, &batch).unwrap();
    assert_eq!(place.server.log().total().requests, 0, "a dry run asks nobody");
    let done = place.writer(&config, &wanted).write(&batch).unwrap();
    assert_eq!(told, done);
    let altered: Vec<(u32, &str, &str)> =
        done.altered.iter().map(|a| (a.row, a.field.as_str(), a.code.as_str())).collect();
    assert_eq!(
        altered,
        [
            (0, "metadata/a", "metadata/null-dropped"),
            (0, "metadata/b", "metadata/nested-to-json"),
            (0, "metadata/d", "metadata/list-to-strings"),
            (1, "document", "document/shortened"),
            (3, "metadata/big", "metadata/number-to-text"),
        ]
    );
    let rejected: Vec<(u32, &str)> = done.rejected.iter().map(|r| (r.row, r.reason.code.as_str())).collect();
    assert_eq!(rejected, [(2, "metadata/json"), (4, "pinecone/zero-vector")]);

    let strict = json!({"location": "docs", "overlong": "reject", "max_metadata_bytes": "1000"});
    let told = PineconeSink::rehearse(&strict, &wanted, &batch).unwrap();
    let codes: Vec<&str> = told.rejected.iter().map(|r| r.reason.code.as_str()).collect();
    assert_eq!(codes, ["pinecone/document-too-long", "metadata/json", "pinecone/zero-vector"]);
}

#[test]
fn sparse_vectors_go_with_dense_ones_and_alone() {
    let place = Place::new();
    let sparse = Sparse {
        name: String::new(),
        offsets: vec![0, 2, 2],
        indices: vec![3, 4_000_000_000],
        values: vec![0.5, -1.0],
    };
    let batch = Batch { sparse: vec![sparse.clone()], ..rows(&[("a", None, "{}"), ("b", None, "{}")]) };

    let mut hybrid = place.writer(&place.config("hybrid"), &target("ns", 2, Metric::Dot));
    assert_eq!(hybrid.write(&batch).unwrap().accepted, 2);
    let back = hybrid.fetch(&batch.ids).unwrap();
    assert_eq!((&back.sparse, &back.dense), (&batch.sparse, &batch.dense));
    assert_eq!(hybrid.query(&Dense::new(2, vec![1.0, 1.0]), 2).unwrap()[0].len(), 2);

    let mut cosine = place.writer(&place.config("cosine"), &target("ns", 2, Metric::Cosine));
    let error: Error = cosine.write(&batch).unwrap_err();
    assert_eq!(error.code, "pinecone/hybrid-metric");
    assert_eq!(cosine.count().unwrap(), 0);
    let config = place.config_with("cosine", "sparse", "drop");
    let mut cosine = place.writer(&config, &target("ns", 2, Metric::Cosine));
    assert_eq!(cosine.write(&batch).unwrap().altered.len(), 1);

    let config = place.config_with("alone", "vector_type", "sparse");
    let mut alone = place.writer(&config, &target("ns", None, Metric::Unknown));
    let batch = Batch { dense: Vec::new(), ..batch };
    let receipt = alone.write(&batch).unwrap();
    assert_eq!((receipt.accepted, receipt.rejected.len(), receipt.rejected[0].row), (1, 1, 1));
    let back = alone.fetch(&batch.ids).unwrap();
    assert_eq!((back.len(), &back.sparse[0].indices, &back.sparse[0].values), (1, &sparse.indices, &sparse.values));
    assert!(back.dense.is_empty());
    alone.settle().unwrap();
}

#[test]
fn the_documents_field_can_be_another() {
    let place = Place::new();
    let config = place.config_with("docs", "text_field", "text");
    let mut writer = place.writer(&config, &target("ns", 2, Metric::Cosine));
    let batch = rows(&[("a", Some("its text"), r#"{"text":"own","page_content":"kept"}"#)]);
    writer.write(&batch).unwrap();
    let stored = &place.server.records("docs", "ns").unwrap()[0].metadata;
    assert_eq!(
        Value::Object(stored.clone()),
        json!({"text": "its text", "_text": "own", "page_content": "kept", "chunk_id": "a"})
    );
    let back = writer.fetch(&batch.ids).unwrap();
    assert_eq!(
        (back.document(0), serde_json::from_str::<Value>(back.metadata(0)).unwrap()),
        (Some("its text"), json!({"text": "own", "page_content": "kept"}))
    );
    for field in ["chunk_id", "vecferry_id", "embedding_model", "$text"] {
        let error = PineconeSink::check(&place.host, &place.config_with("docs", "text_field", field)).unwrap_err();
        assert_eq!(error.code, "pinecone/setting", "{field}");
    }
}
