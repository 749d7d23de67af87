/*!
Swapping the destination is one flag: the same source into every sink, each read back with the library that owns the
store, then compared record by record.
*/

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use vecferry_e2e::{root, vecferry_with};
use vecferry_pinecone_local::needle::python;
use vecferry_pinecone_local::{Options, Server};

/// Records of every kind that all stores hold: Unicode, line ends, empty texts, long texts, numbers, flags, lists.
const MAKE: &str = "
import json, pickle
ids = [f'id-{i}' for i in range(40)]
texts = ['' if i == 3 else f'text {i} – 語 🜁 \\n' + 'x' * (i * 50) for i in range(40)]
metadatas = [{'source': f'f{i % 5}.txt', 'n': i, 'share': i / 8, 'even': i % 2 == 0} for i in range(40)]
vectors = [[float(i) / 16, 1.0, -float(i % 7)] for i in range(40)]
pickle.dump({'ids': ids, 'texts': texts, 'metadatas': metadatas, 'embeddings': vectors}, open('store.pkl', 'wb'))
rows = [{'id': a, 'document': b, 'metadata': c, 'vector': d} for a, b, c, d in zip(ids, texts, metadatas, vectors)]
open('want.jsonl', 'w').write(''.join(json.dumps(row) + '\\n' for row in rows))";

/// A server of others, which ends when its input does.
struct Other {
    _process: Child,
    place: String,
}

fn start(script: &str, key: &str) -> Other {
    let mut process = Command::new(python().unwrap())
        .arg(root().join(script))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{script}: {error}: {line}"));
    Other { _process: process, place: answer[key].as_str().unwrap().to_owned() }
}

fn by_id(text: &str) -> BTreeMap<String, Value> {
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = rows.len();
    let rows: BTreeMap<String, Value> =
        rows.into_iter().map(|row| (row["id"].as_str().unwrap().to_owned(), row)).collect();
    assert_eq!(rows.len(), count, "an id stands there twice");
    rows
}

/// Equal, where a number is the same as an integer or as a float.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        (a, b) => a == b,
    }
}

#[test]
fn the_same_source_arrives_in_every_store() {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("python3").args(["-c", MAKE]).current_dir(folder.path()).status();
    assert!(made.unwrap().success());
    let wanted = by_id(&std::fs::read_to_string(folder.path().join("want.jsonl")).unwrap());
    let pinecone = Server::start_strict(Options::default()).unwrap();
    let postgres = start("plugins/pgvector/tests/pgvector/server.py", "socket");
    let chroma = start("plugins/chroma-server/tests/chroma_server/server.py", "url");
    let postgres = format!("postgres://postgres@/postgres?host={}", postgres.place);
    let file = |name: &str| -> String { PathBuf::from(folder.path()).join(name).display().to_string() };
    let pinecone_place = format!("{} {}", pinecone.url(), pinecone.api_key());
    // What `--to` says, what else must be said, and where the store's own library finds it.
    let sinks: [(&str, String, &[&str], String); 6] = [
        ("jsonl", "jsonl:out.jsonl".into(), &[], file("out.jsonl")),
        ("sqlite", "sqlite:out.db".into(), &[], file("out.db")),
        ("parquet", "parquet:out".into(), &[], file("out")),
        ("pinecone", "pinecone:docs".into(), &[], pinecone_place),
        ("pgvector", format!("pgvector:{postgres}"), &["--set", "sink.create_extension=true"], postgres.clone()),
        ("chroma", format!("chroma:{}", chroma.place), &[], chroma.place.clone()),
    ];
    let variables = [("PINECONE_API_KEY", pinecone.api_key()), ("PINECONE_CONTROLLER_HOST", pinecone.url())];
    for (kind, to, more, place) in &sinks {
        let fixed =
            ["migrate", "store.pkl", "--to", to, "--embed", "reuse", "--namespace", "swapped", "--yes", "--json"];
        let summary = vecferry_with(folder.path(), &variables, &[&fixed[..], more].concat()).succeeded().json();
        assert_eq!(summary["counts"]["migrated"], 40, "{kind}: {summary}");
        let found = read_back(folder.path(), kind, place);
        assert_eq!(found.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "{kind}");
        for (id, want) in &wanted {
            assert!(same(&found[id], want), "{kind} has {} for {want}", found[id]);
        }
        println!("{kind:<9} {} records, equal", found.len());
        // A second time it changes nothing.
        vecferry_with(folder.path(), &variables, &["verify"]).succeeded();
    }
    assert!(pinecone.violations().is_empty(), "{:#?}", pinecone.violations());
}

fn read_back(folder: &Path, kind: &str, place: &str) -> BTreeMap<String, Value> {
    let script = root().join("tests/e2e/tests/swap/read_back.py");
    let output = Command::new(python().unwrap())
        .arg(script)
        .args([kind, place, "swapped"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stderr));
    by_id(&String::from_utf8(output.stdout).unwrap())
}
