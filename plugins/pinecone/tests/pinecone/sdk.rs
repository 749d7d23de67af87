//! Pinecone's own Python SDK reads back what the sink wrote.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use vecferry_pinecone_local::needle::python;
use vecferry_sdk::Metric;

use crate::common::{Place, records, target};

#[test]
fn the_official_sdk_reads_what_was_written() {
    let place = Place::new();
    let embedding = json!({"provider": "fastembed", "model": "all-MiniLM-L6-v2", "dimension": 8});
    let config = place.config_with("docs", "embedding", embedding);
    let mut writer = place.writer(&config, &target("default", 8, Metric::Cosine));
    let mut batch = records(0, 230, 8);
    batch.ids[9] = "größe 語".into();
    writer.write(&batch).unwrap();
    writer.settle().unwrap();

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pinecone/read_back.py");
    let output = Command::new(python().unwrap())
        .arg(script)
        .args([place.server.url(), place.server.api_key(), "docs", "default", "doc-00011"])
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let saw: Value = serde_json::from_slice(&output.stdout).unwrap();

    assert_eq!(saw["index"], json!([8, "cosine", "dense", "aws", "us-east-1"]));
    assert_eq!(saw["count"], 230);
    let records = saw["records"].as_object().unwrap();
    assert_eq!(records.len(), 230);
    for (row, id) in batch.ids.iter().enumerate() {
        let stored = if id.is_ascii() { id } else { "~u~gr%C3%B6%C3%9Fe%20%E8%AA%9E" };
        let values: Vec<f32> = serde_json::from_value(records[stored]["values"].clone()).unwrap();
        assert_eq!(Some(values.as_slice()), batch.vectors().unwrap().row(row), "{id}");
        let metadata = &records[stored]["metadata"];
        assert_eq!(metadata.get("page_content").and_then(Value::as_str), batch.document(row), "{id}");
        assert_eq!(metadata["chunk_id"], json!(id));
        assert_eq!((&metadata["row"], &metadata["tags"]), (&json!(row as f64), &json!(["a", "ü"])), "{id}");
        assert_eq!(metadata["exact"], json!(row as f64 + 0.25), "{id}");
        assert_eq!(
            (&metadata["embedding_provider"], &metadata["embedding_dimension"]),
            (&json!("fastembed"), &json!(8.0))
        );
    }
    assert_eq!(records["~u~gr%C3%B6%C3%9Fe%20%E8%AA%9E"]["metadata"]["vecferry_id"], "größe 語");
    // A filter on what the layout keeps, and a search that finds its own vector.
    assert_eq!((&saw["filtered"], &saw["nearest"]), (&json!(["doc-00011"]), &json!(["doc-00011"])));
}
