//! What the sink wrote, read by pyarrow and DuckDB.

use serde_json::{Value, json};
use vecferry_sdk::{Batch, Dense, Sparse};

use crate::common::{Place, elsewhere, records, run_python, target};

/// What both of them read, in the order of the ids.
fn read_back(place: &Place, folder: &str) -> (Value, Vec<Value>) {
    let mut read: Value = serde_json::from_str(&run_python("read_back.py", &[&place.path(folder)])).unwrap();
    let mut sorted = |reader: &str| {
        let mut rows: Vec<Value> = serde_json::from_value(read[reader].take()).unwrap();
        rows.sort_by_key(|row| row["id"].as_str().unwrap().to_owned());
        rows
    };
    let (arrow, duckdb) = (sorted("arrow"), sorted("duckdb"));
    assert_eq!(arrow, duckdb, "pyarrow and DuckDB read two different things");
    (read, arrow)
}

fn bits(values: Option<&[f32]>) -> Value {
    values.map_or(Value::Null, |values| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>().into())
}

fn sorted(batch: &Batch) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..batch.len()).collect();
    rows.sort_by_key(|row| batch.ids[*row].clone());
    rows
}

#[test]
fn the_general_layout_is_what_others_read() {
    let mut all = records(0, 50, 3);
    all.documents.as_mut().unwrap()[1] = None;
    all.documents.as_mut().unwrap()[2] = Some(String::new());
    all.ids[3] = "Ω語🦀\"".into();
    all.metadata.as_mut().unwrap()[4] = r#"{"big":123456789012345678901234567890,"deep":[{"a":null}]}"#.into();
    all.dense[0].absent = vec![7];
    all.dense[0].values[21..24].fill(0.0);
    all.dense.push(Dense { name: "title".into(), ..Dense::new(1, (0..50u8).map(f32::from).collect()) });
    all.sparse = vec![Sparse {
        name: "bm25".into(),
        offsets: (0..=50).map(|row| row / 5 * 2).collect(),
        indices: (0..20).map(|row| u32::MAX - row).collect(),
        values: vec![0.25; 20],
    }];
    let place = Place::new(&json!({"embedding": {"provider": "fastembed", "model": "all-MiniLM-L6-v2"}}));
    place.store(&target("docs", 3), &all.clone().select(&(0..30).collect::<Vec<_>>()));
    place.store(&target("docs", 3), &all.clone().select(&(20..50).collect::<Vec<_>>()));
    place.finish();
    let (about, rows) = read_back(&place, "out/docs");
    let types = [
        ("id", "string"),
        ("document", "string"),
        ("metadata", "string"),
        ("vector", "fixed_size_list<element: float not null>[3]"),
        ("vector_title", "fixed_size_list<element: float not null>[1]"),
        ("sparse_bm25_indices", "list<element: uint32 not null>"),
        ("sparse_bm25_values", "list<element: float not null>"),
    ];
    assert_eq!(about["types"], Value::from_iter(types.map(|(name, kind)| (name.to_owned(), kind.to_owned()))));
    let notes = [
        ("vecferry.collection", "docs"),
        ("vecferry.dimension", "3"),
        ("vecferry.embedding.model", "all-MiniLM-L6-v2"),
        ("vecferry.embedding.provider", "fastembed"),
        ("vecferry.layout", "general"),
        ("vecferry.metric", "cosine"),
        ("vecferry.vectors", r#"[{"name":"","dimension":3},{"name":"title","dimension":1}]"#),
        ("vecferry.version", env!("CARGO_PKG_VERSION")),
    ];
    assert_eq!(about["notes"], Value::from_iter(notes.map(|(name, value)| (name.to_owned(), value.to_owned()))));
    assert_eq!(rows.len(), 50);
    for (have, row) in rows.iter().zip(sorted(&all)) {
        let sparse = all.sparse[0].offsets[row] as usize..all.sparse[0].offsets[row + 1] as usize;
        let list = |values: Value| if sparse.is_empty() { Value::Null } else { values };
        let want = json!({
            "id": all.ids[row],
            "document": all.document(row),
            "metadata": all.metadata(row),
            "vector": bits(all.dense[0].row(row)),
            "vector_title": bits(all.dense[1].row(row)),
            "sparse_bm25_indices": list(all.sparse[0].indices[sparse.clone()].into()),
            "sparse_bm25_values": list(bits(Some(&all.sparse[0].values[sparse.clone()]))),
        });
        assert_eq!(have, &want, "row {row}");
    }
}

#[test]
fn the_pinecone_layout_has_its_three_columns_and_no_other() {
    let mut all = records(0, 50, 3);
    all.metadata.as_mut().unwrap()[0] =
        r#"{"source":"a.pdf","n":1.5,"gone":null,"deep":{"a":1},"list":["x","y"]}"#.into();
    all.documents.as_mut().unwrap()[1] = None;
    let place = Place::new(&json!({"layout": "pinecone"}));
    place.store(&target("ns1", 3), &all);
    place.finish();
    let (about, rows) = read_back(&place, "out/ns1");
    assert_eq!(about["types"], json!({"id": "string", "values": "list<element: float>", "metadata": "string"}));
    assert_eq!(rows.len(), 50);
    for (have, row) in rows.iter().zip(sorted(&all)) {
        assert_eq!((&have["id"], &have["values"]), (&json!(all.ids[row]), &bits(all.dense[0].row(row))));
        let metadata: Value = serde_json::from_str(have["metadata"].as_str().unwrap()).unwrap();
        assert_eq!(metadata.get("page_content").and_then(Value::as_str), all.document(row), "row {row}");
        if row == 0 {
            let fields =
                (&metadata["source"], &metadata["n"], metadata.get("gone"), &metadata["deep"], &metadata["list"]);
            assert_eq!(fields, (&json!("a.pdf"), &json!(1.5), None, &json!(r#"{"a":1}"#), &json!(["x", "y"])));
        }
    }
}

#[test]
fn twenty_thousand_dimensions_are_read_by_others() {
    elsewhere(|| {
        let all = records(0, 20, 20_000);
        let place = Place::new(&json!({}));
        place.store(&target("wide", 20_000), &all);
        place.finish();
        let (_, rows) = read_back(&place, "out/wide");
        for (have, row) in rows.iter().zip(sorted(&all)) {
            assert!(have["vector"] == bits(all.dense[0].row(row)), "row {row}");
        }
    });
}
