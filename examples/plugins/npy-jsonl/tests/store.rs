//! The plugin against what NumPy saved: no vecferry is needed to test a plugin.

use std::fs;
use std::path::{Path, PathBuf};

use npy_jsonl::NpyJsonl;
use serde_json::{Value, json};
use vecferry_sdk::testing::{folder_host, read_all};
use vecferry_sdk::{ErrorKind, IdOrigin, Page, SourcePlugin};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("store")
}

/// An empty folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A copy of the sample, changed.
fn changed(name: &str, change: impl FnOnce(&mut Vec<u8>, &mut String)) -> PathBuf {
    let folder = folder(name);
    let mut npy = fs::read(sample().join("notes.npy")).unwrap();
    let mut jsonl = fs::read_to_string(sample().join("notes.jsonl")).unwrap();
    change(&mut npy, &mut jsonl);
    fs::write(folder.join("notes.npy"), npy).unwrap();
    fs::write(folder.join("notes.jsonl"), jsonl).unwrap();
    folder
}

fn pages(folder: &Path, after: Option<&[u8]>, rows: u32) -> vecferry_sdk::Result<Vec<Page>> {
    let host = folder_host(folder);
    let split = NpyJsonl::plan(&host, &json!({}), "notes", 1)?.remove(0);
    let mut scan = NpyJsonl::open(&host, &json!({}), &split, after)?;
    let mut pages = Vec::new();
    while let Some(page) = scan.next(rows, 1 << 20)? {
        page.rows.check()?;
        pages.push(page);
    }
    Ok(pages)
}

fn ids(pages: &[Page]) -> Vec<String> {
    pages.iter().flat_map(|page| page.rows.ids.clone()).collect()
}

#[test]
fn the_sample_is_found_and_described() {
    let host = folder_host(&sample());
    let claims = NpyJsonl::detect(&host).unwrap();
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0].files, ["notes.npy", "notes.jsonl"]);
    let collection = NpyJsonl::discover(&host, &json!({})).unwrap().remove(0);
    assert_eq!((collection.rows, collection.dimension), (Some(12), Some(8)));
    assert!(collection.has_documents && collection.has_vectors && collection.id_origin == IdOrigin::Store);
}

#[test]
fn the_sample_reads_as_it_was_saved() {
    let read = read_all::<NpyJsonl>(&folder_host(&sample()), &json!({}), 5).unwrap();
    let (name, batches) = &read[0];
    assert_eq!((name.as_str(), batches.len()), ("notes", 3));
    let first = &batches[0];
    assert_eq!(first.ids[0], "draught");
    assert_eq!(first.document(0).unwrap(), "The draught of a ship is the depth of its keel below the water line.");
    let metadata: Value = serde_json::from_str(first.metadata(0)).unwrap();
    assert_eq!(metadata, json!({"topic": "ships", "page": 1}));
    // The bytes behind the header, which NumPy pads to 128.
    let saved = fs::read(sample().join("notes.npy")).unwrap();
    let read: Vec<u8> = batches.iter().flat_map(|b| b.dense[0].values.clone()).flat_map(f32::to_le_bytes).collect();
    assert!(read == saved[128..]);
}

#[test]
fn a_cursor_continues_behind_its_page() {
    let all = ids(&pages(&sample(), None, 100).unwrap());
    assert_eq!(all.len(), 12);
    for rows in [1, 5, 12] {
        let read = pages(&sample(), None, rows).unwrap();
        assert_eq!(ids(&read), all);
        for (at, page) in read.iter().enumerate() {
            assert_eq!(ids(&pages(&sample(), Some(&page.cursor), rows).unwrap()), ids(&read[at + 1..]));
        }
    }
}

#[test]
fn without_ids_rows_are_numbered() {
    let folder = changed("numbered", |_, jsonl| *jsonl = jsonl.replace("\"id\"", "\"name\""));
    assert_eq!(ids(&pages(&folder, None, 100).unwrap())[..3], ["0", "1", "2"]);
    let collection = NpyJsonl::discover(&folder_host(&folder), &json!({})).unwrap().remove(0);
    assert_eq!(collection.id_origin, IdOrigin::Position);
}

#[test]
fn a_bad_line_is_told_and_the_rest_is_read() {
    let folder = changed("bad-line", |_, jsonl| *jsonl = jsonl.replacen("{\"id\": \"cable\"", "{\"id\": cable", 1));
    let read = pages(&folder, None, 100).unwrap();
    assert_eq!(ids(&read).len(), 11);
    let unreadable = &read[0].unreadable[0];
    assert_eq!((unreadable.id.as_str(), unreadable.reason.kind), ("2", ErrorKind::Corrupt));
    assert!(unreadable.reason.context("offset").is_some());
    // The rows behind it keep their own vectors.
    let whole = pages(&sample(), None, 100).unwrap();
    assert_eq!(read[0].rows.dense[0].row(2), whole[0].rows.dense[0].row(3));
}

#[test]
fn damage_is_an_error_that_says_where() {
    type Change = fn(&mut Vec<u8>, &mut String);
    let cases: [(&str, Change, ErrorKind, &str); 7] = [
        ("cut-off", |npy, _| npy.truncate(400), ErrorKind::Corrupt, "ends too early"),
        ("cut-in-the-header", |npy, _| npy.truncate(20), ErrorKind::Corrupt, "ends too early"),
        (
            "fewer-lines",
            |_, jsonl| *jsonl = jsonl.lines().next().unwrap().to_owned(),
            ErrorKind::Corrupt,
            "1 lines for 12",
        ),
        ("more-lines", |_, jsonl| jsonl.push_str("{}\n"), ErrorKind::Corrupt, "more lines than the 12"),
        ("whole-numbers", |npy, _| replace(npy, "'<f4'", "'<i4'"), ErrorKind::Unsupported, "type <i4"),
        ("columns", |npy, _| replace(npy, "False, ", "True,  "), ErrorKind::Unsupported, "Fortran"),
        ("one-dimension", |npy, _| replace(npy, "(12, 8)", "(96,)  "), ErrorKind::Unsupported, "shape (96,)"),
    ];
    for (name, change, kind, words) in cases {
        let error = pages(&changed(name, change), None, 100).expect_err(name);
        assert_eq!(error.kind, kind, "{name}: {error}");
        assert!(error.message.contains(words), "{name}: {error}");
        assert!(error.context("file").is_some(), "{name}: {error}");
    }
}

fn replace(bytes: &mut [u8], old: &str, new: &str) {
    let at = bytes.windows(old.len()).position(|window| window == old.as_bytes()).unwrap();
    bytes[at..at + new.len()].copy_from_slice(new.as_bytes());
}

#[test]
fn doubles_are_rounded_and_counted() {
    let folder = changed("doubles", |npy, _| {
        replace(npy, "'<f4'", "'<f8'");
        let values: Vec<u8> = (0..96).flat_map(|value| (f64::from(value) + 0.1).to_le_bytes()).collect();
        npy.truncate(128);
        npy.extend(values);
    });
    let read = pages(&folder, None, 100).unwrap();
    assert_eq!(read[0].rows.dense[0].values[95], 95.1);
    assert_eq!((read[0].changes[0].code.as_str(), read[0].changes[0].records), ("vector/f64-to-f32", 12));
}

#[test]
fn other_files_are_left_alone() {
    let folder = folder("others");
    fs::write(folder.join("a.npy"), "not from NumPy").unwrap();
    fs::write(folder.join("a.jsonl"), "{}").unwrap();
    fs::copy(sample().join("notes.npy"), folder.join("alone.npy")).unwrap();
    assert!(NpyJsonl::detect(&folder_host(&folder)).unwrap().is_empty());
}
