/*!
Every store under `tests/fixtures` that has a `case.json`: migrated by the built program with its own ids and
vectors, and compared with what the owning library returned (`expected.jsonl`, and a matrix of vectors). A damaged or
hostile store must be refused with a message: in order, without running anything, and leaving nothing behind.

`case.json` gives: `kind`; `recover` (how exact the vectors are); `expect` (what a damaged store must end in);
`dim`, `expected_vectors`, `expected_vectors_dtype`.
*/

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde_json::Value;
use vecferry_e2e::{Ended, copy, lines, python_lines, root, tree, vecferry};

/// A failed case, in words.
type Finding = Result<(), String>;

#[test]
fn every_fixture_holds() {
    let cases = cases(&root().join("tests/fixtures"));
    assert!(cases.len() >= 40, "only {} fixtures were found", cases.len());
    let failed: Vec<String> =
        cases.iter().filter_map(|case| check(case).err().map(|why| format!("{}: {why}", case.display()))).collect();
    assert!(failed.is_empty(), "{} of {} cases fall short:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        if next.join("case.json").is_file() {
            out.push(next);
            continue;
        }
        if next.ends_with("generated") {
            continue; // What the generators leave on a developer's machine.
        }
        let entries = std::fs::read_dir(&next).unwrap().map(|entry| entry.unwrap().path());
        open.extend(entries.filter(|path| path.is_dir()));
    }
    out.sort();
    out
}

struct Case {
    folder: PathBuf,
    about: Value,
}

impl Case {
    fn text(&self, key: &str) -> &str {
        self.about[key].as_str().unwrap_or("")
    }

    /// Vectors that are approximations must be asked for.
    fn lossy(&self) -> bool {
        !self.text("recover").is_empty() && !self.text("recover").starts_with("exact")
    }

    fn must_be_refused(&self) -> bool {
        let expect = self.text("expect");
        let refused =
            ["refuse", "error exit", "error, no", "clear error"].iter().any(|start| expect.starts_with(start));
        refused && !expect.starts_with("clear error or")
    }

    /// Copies the store's files, without what describes them.
    fn lay_out(&self, to: &Path) {
        for inner in ["store", "storage", "vector_db"] {
            if self.folder.join(inner).is_dir() {
                return copy(&self.folder.join(inner), to);
            }
        }
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(&self.folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name == "case.json" || name.starts_with("expected") {
                continue;
            }
            if path.is_dir() {
                copy(&path, &to.join(name));
            } else {
                std::fs::copy(&path, to.join(name)).unwrap();
            }
        }
    }
}

fn check(folder: &Path) -> Finding {
    let about = serde_json::from_slice(&std::fs::read(folder.join("case.json")).unwrap()).unwrap();
    let case = Case { folder: folder.to_owned(), about };
    let place = tempfile::tempdir().unwrap();
    let (store, working) = (place.path().join("in"), place.path().join("cwd"));
    case.lay_out(&store);
    std::fs::create_dir(&working).unwrap();
    let before = tree(&store);
    let out = place.path().join("out.jsonl");
    let (from, to) = (store.to_string_lossy().into_owned(), format!("jsonl:{}", out.display()));
    let mut arguments = vec!["migrate", &from, "--to", &to, "--id", "{id}", "--embed", "reuse", "--yes"];
    if case.lossy() {
        arguments.push("--accept-lossy");
    }
    // What the store's users do not see by default is asked for by name.
    let collections = collections(folder);
    if collections.len() > 1 {
        arguments.extend(collections.iter().flat_map(|name| ["--only", name.as_str()]));
    }
    let ended = vecferry(&working, &arguments).in_order();
    if tree(&store) != before {
        return Err("the source was changed".to_owned());
    }
    if working.join("HOSTILE_MARKER").exists() {
        return Err("code from the store was run".to_owned());
    }
    if case.must_be_refused() {
        return refused(&ended, &out);
    }
    let readable = folder.join("expected.jsonl").exists();
    let other_kind = case.text("kind") == "faiss-binary"
        || case.text("recover") == "sign-bits-only"
        || folder.to_string_lossy().contains("pandas");
    if !readable || (other_kind && ended.code != 0) {
        return if ended.stderr.is_empty() { Err("ended without a message".to_owned()) } else { Ok(()) };
    }
    if ended.code != 0 {
        return Err(format!("exit {}: {}", ended.code, ended.stderr));
    }
    compare(&case, &lines(&out))
}

/// The collections whose records the library returned, where it named them.
fn collections(folder: &Path) -> BTreeSet<String> {
    let expected = folder.join("expected.jsonl");
    let rows = if expected.is_file() { python_lines(&expected) } else { Vec::new() };
    rows.iter().filter_map(|row| row["collection"].as_str().map(str::to_owned)).collect()
}

fn refused(ended: &Ended, out: &Path) -> Finding {
    match ended.code {
        0 => Err("read without an error".to_owned()),
        _ if ended.stderr.is_empty() => Err("refused without a message".to_owned()),
        _ if out.exists() => Err("refused, but left an output behind".to_owned()),
        _ => Ok(()),
    }
}

fn compare(case: &Case, got: &[Value]) -> Finding {
    let expected = python_lines(&case.folder.join("expected.jsonl"));
    if case.text("kind") == "folder" {
        return compare_documents(case, &expected, got);
    }
    let several = collections(&case.folder).len() > 1;
    let two_tenants = case.folder.to_string_lossy().contains("two_tenants");
    if got.len() != expected.len() && !two_tenants {
        return Err(format!("{} records, expected {}", got.len(), expected.len()));
    }
    let key = |row: &Value| {
        let collection = if several { row["collection"].as_str().unwrap_or("") } else { "" };
        let id = row["id"].as_str().map_or_else(|| row["id"].to_string(), str::to_owned);
        (collection.to_owned(), id)
    };
    let mut index: HashMap<(String, String), &Value> = HashMap::new();
    for row in got {
        if index.insert(key(row), row).is_some() && !two_tenants {
            return Err(format!("{:?} stands there twice", key(row)));
        }
    }
    let matrix = matrix(case);
    for want in &expected {
        let found = if two_tenants {
            got.iter().find(|row| key(row) == key(want) && row["document"] == want["text"])
        } else {
            index.get(&key(want)).copied()
        };
        let row = found.ok_or_else(|| format!("{:?} is missing", key(want)))?;
        same_record(case, want, row, matrix.as_deref()).map_err(|why| format!("{:?}: {why}", key(want)))?;
    }
    Ok(())
}

/// A folder with several stores of the same documents: each document once.
fn compare_documents(case: &Case, expected: &[Value], got: &[Value]) -> Finding {
    let mut texts: Vec<&str> = got.iter().filter_map(|row| row["document"].as_str()).collect();
    let all = texts.len();
    texts.sort_unstable();
    texts.dedup();
    if texts.len() != all {
        return Err(format!("{} documents stand there twice", all - texts.len()));
    }
    let count = usize::try_from(case.about["count"].as_u64().unwrap()).unwrap();
    if texts.len() != count {
        return Err(format!("{} documents, expected {count}", texts.len()));
    }
    let missing =
        expected.iter().filter_map(|want| want["text"].as_str()).find(|text| texts.binary_search(text).is_err());
    missing.map_or(Ok(()), |text| Err(format!("{text:?} is missing")))
}

fn matrix(case: &Case) -> Option<Vec<Vec<f32>>> {
    let name = case.about["expected_vectors"].as_str()?;
    if case.text("expected_vectors_dtype") != "f32le" {
        return None;
    }
    let bytes = std::fs::read(case.folder.join(name)).unwrap();
    let values: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let width = usize::try_from(case.about["dim"].as_u64()?).unwrap();
    Some(values.chunks_exact(width).map(<[f32]>::to_vec).collect())
}

fn same_record(case: &Case, want: &Value, row: &Value, matrix: Option<&[Vec<f32>]>) -> Finding {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    if text(&want["text"]) != text(&row["document"]) {
        return Err(format!("document {} instead of {}", row["document"], want["text"]));
    }
    for (name, value) in want["metadata"].as_object().into_iter().flatten() {
        if is_plain(value) && !value.is_null() && !same_value(value, &row["metadata"][name]) {
            return Err(format!("metadata '{name}' is {}, expected {value}", row["metadata"][name]));
        }
    }
    let from_matrix = || Some(matrix?.get(usize::try_from(want["vector_row"].as_u64()?).ok()?)?.clone());
    let inline = || want["vector"].as_array().map(|values| values.iter().map(as_f32).collect());
    let Some(expected) = inline().or_else(from_matrix) else { return Ok(()) };
    if case.text("recover") == "sign-bits-only" {
        return Ok(());
    }
    let exact = matches!(case.text("recover"), "" | "exact" | "exact-of-normalised");
    let tolerance = if exact { 1e-5 } else { 2e-4 };
    let vector: Vec<f32> = row["vector"].as_array().into_iter().flatten().map(as_f32).collect();
    if vector.len() != expected.len() {
        return Err(format!("a vector of {} values, expected {}", vector.len(), expected.len()));
    }
    let near = |(a, b): (&f32, &f32)| !a.is_finite() || (a - b).abs() <= tolerance * a.abs().max(1.0);
    match expected.iter().zip(&vector).position(|pair| !near(pair)) {
        Some(at) => Err(format!("vector[{at}] is {}, expected {}", vector[at], expected[at])),
        None => Ok(()),
    }
}

#[allow(clippy::cast_possible_truncation)]
fn as_f32(value: &Value) -> f32 {
    value.as_f64().map_or(f32::NAN, |value| value as f32)
}

/// Metadata on which every implementation must agree; the rest is mapped by a stated rule of its own.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => number.as_i64().map_or(number.is_f64(), |n| n.unsigned_abs() < 1 << 53),
        Value::Array(items) => items.iter().all(is_plain),
        Value::Object(fields) => fields.iter().all(|(name, value)| !name.starts_with("__") && is_plain(value)),
    }
}

fn same_value(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            a == b || (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(name, value)| b.get(name).is_some_and(|other| same_value(value, other)))
        }
        _ => a == b,
    }
}
