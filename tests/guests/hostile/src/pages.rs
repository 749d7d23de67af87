/*! Pages: right ones, and wrong ones of each kind. */

use std::ops::Range;

use vecferry_sdk::{Batch, Dense, Page, Sparse};

/// Records `rows`, each with a vector of `dimension` values, a document and metadata.
pub(crate) fn healthy(rows: Range<u32>, dimension: u32) -> Page {
    let cursor = rows.end.to_le_bytes().to_vec();
    let mut values = Vec::with_capacity(rows.len() * dimension as usize);
    for row in rows.clone() {
        let base = row as f32;
        values.extend((0..dimension).map(|column| base + column as f32 / 1024.0));
    }
    let batch = Batch {
        ids: rows.clone().map(|row| row.to_string()).collect(),
        dense: vec![Dense::new(dimension, values)],
        sparse: Vec::new(),
        documents: Some(rows.clone().map(|row| Some(format!("document {row}"))).collect()),
        metadata: Some(rows.map(|row| format!(r#"{{"row":{row}}}"#)).collect()),
    };
    Page { rows: batch, cursor, ..Page::default() }
}

/// A page that breaks the contract, if that is what `deed` names.
pub(crate) fn malformed(deed: &str, max_rows: u32) -> Option<Page> {
    let mut page = healthy(0..3, 2);
    let batch = &mut page.rows;
    match deed {
        "short-vectors" => batch.dense[0].values.truncate(5),
        "vast-dimension" => batch.dense[0].dimension = u32::MAX,
        "absent-unordered" => batch.dense[0].absent = vec![2, 1],
        "absent-beyond" => batch.dense[0].absent = vec![3],
        "short-documents" => batch.documents = Some(vec![None]),
        "long-metadata" => batch.metadata = Some(vec!["{}".into(); 4]),
        "sparse-offsets" => {
            batch.sparse =
                vec![Sparse { name: String::new(), offsets: vec![0, 2, 1, 9], indices: vec![1], values: vec![1.0] }];
        }
        "too-many-rows" => page = healthy(0..max_rows.saturating_add(1), 1),
        "empty-page" => page = healthy(0..0, 1),
        _ => return None,
    }
    Some(page)
}
