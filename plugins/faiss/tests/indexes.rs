/*! Index files as the source: what is claimed, described, and yielded, page by page. */

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vecferry_plugin_faiss::FaissSource;
use vecferry_sdk::testing::{folder_host, read_all};
use vecferry_sdk::{ErrorKind, IdOrigin, SourcePlugin};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

fn expected(case: &Path) -> (Vec<String>, Vec<f32>) {
    let values = std::fs::read(case.join("expected.f32")).unwrap_or_default();
    let values = values.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let lines = std::fs::read_to_string(case.join("expected.jsonl")).unwrap();
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].to_string();
    (lines.lines().map(id).collect(), values)
}

#[test]
fn ids_and_vectors_are_the_librarys_whatever_the_page() {
    for name in
        ["empty_idmap2_flat_384", "flat_l1_64", "idmap2_flat_removed_64", "ivf16_flat_removed_64", "nsg32_flat_64"]
    {
        let case = fixtures().join("faiss_stores").join(name);
        let (ids, values) = expected(&case);
        for page_rows in [1, 33, 10_000] {
            let collections = read_all::<FaissSource>(&folder_host(&case), &json!({}), page_rows).unwrap();
            let [(collection, batches)] = collections.as_slice() else { panic!("{name}") };
            assert_eq!(collection, "index.faiss");
            // An IVF index stores its records by list; what is compared is which id has which vector.
            let width = batches.first().map_or(1, |batch| batch.dense[0].dimension as usize);
            let rows = |ids: Vec<String>, values: Vec<f32>| {
                let mut rows: Vec<(String, Vec<u32>)> = ids
                    .into_iter()
                    .zip(values.chunks_exact(width).map(|row| row.iter().map(|value| value.to_bits()).collect()))
                    .collect();
                rows.sort();
                rows
            };
            let got = rows(
                batches.iter().flat_map(|batch| batch.ids.clone()).collect(),
                batches.iter().flat_map(|batch| batch.dense[0].values.clone()).collect(),
            );
            assert_eq!(got, rows(ids.clone(), values.clone()), "{name} by {page_rows}");
        }
    }
}

#[test]
fn each_index_file_is_a_store_of_its_own_and_says_what_it_is() {
    let cases = [
        ("faiss_stores/flat_l1_64", "IndexFlat", IdOrigin::Position, false),
        ("faiss_stores/idmap2_flat_removed_64", "IndexIDMap2", IdOrigin::Store, false),
        ("faiss_stores/sq6_64", "IndexScalarQuantizer", IdOrigin::Position, true),
    ];
    for (case, class, origin, lossy) in cases {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.index", "b.faiss", "unnamed"] {
            std::fs::copy(fixtures().join(case).join("index.faiss"), folder.path().join(name)).unwrap();
        }
        // Not indexes: by name, and by what they begin with.
        std::fs::write(folder.path().join("notes.txt"), "IxF2 is a code that FAISS uses for flat indexes").unwrap();
        std::fs::write(folder.path().join("other"), [0; 64]).unwrap();
        let host = folder_host(folder.path());
        let claimed: Vec<Vec<String>> =
            FaissSource::detect(&host).unwrap().into_iter().map(|claim| claim.files).collect();
        assert_eq!(claimed, [["a.index"], ["b.faiss"], ["unnamed"]], "{case}");
        for collection in FaissSource::discover(&host, &json!({})).unwrap() {
            let index = &collection.details[0];
            assert!(index.0 == "index" && index.1.starts_with(class), "{case}: {index:?}");
            assert_eq!((collection.id_origin, collection.lossy_vectors), (origin, lossy), "{case}");
            assert!(collection.has_vectors && !collection.has_documents);
        }
    }
}

#[test]
fn a_scan_continues_after_any_cursor_without_a_gap_or_a_repeat() {
    for name in ["flat_l1_64", "ivf16_flat_removed_64", "sq6_64"] {
        let host = folder_host(&fixtures().join("faiss_stores").join(name));
        let whole: Vec<String> = read_all::<FaissSource>(&host, &json!({}), 10_000)
            .unwrap()
            .into_iter()
            .flat_map(|(_, batches)| batches.into_iter().flat_map(|batch| batch.ids))
            .collect();
        let split = FaissSource::plan(&host, &json!({}), "index.faiss", 1).unwrap().remove(0);
        let (mut cursor, mut got) = (None, Vec::new());
        loop {
            let mut scan = FaissSource::open(&host, &json!({}), &split, cursor.as_deref()).unwrap();
            let Some(page) = scan.next(37, 1 << 20).unwrap() else { break };
            got.extend(page.rows.ids);
            cursor = Some(page.cursor);
        }
        assert_eq!(got, whole, "{name}");
    }
}

#[test]
fn what_cannot_be_decoded_is_refused_by_name_and_damage_by_place() {
    let cases = [
        ("faiss_stores/lsh_64", ErrorKind::Unsupported, "LSH"),
        ("faiss_stores/binary_flat_384bit", ErrorKind::Unsupported, "inary"),
        ("faiss_corrupt/bad_magic", ErrorKind::Corrupt, ""),
        ("faiss_corrupt/deep_nesting_idmap", ErrorKind::Corrupt, "nest"),
        ("faiss_corrupt/huge_ntotal", ErrorKind::Corrupt, ""),
        ("faiss_corrupt/truncated_half", ErrorKind::Corrupt, ""),
    ];
    for (case, kind, says) in cases {
        let host = folder_host(&fixtures().join(case));
        assert_eq!(FaissSource::detect(&host).unwrap().len(), 1, "{case} is claimed, so that it is refused in words");
        let error = FaissSource::discover(&host, &json!({})).unwrap_err();
        assert_eq!(error.kind, kind, "{case}: {error}");
        assert!(error.message.contains(says), "{case}: {error}");
        assert_eq!(error.context("file"), Some("index.faiss"), "{case}: {error:?}");
        assert!(kind != ErrorKind::Unsupported || error.hint.is_some(), "{case}");
    }
}
