/*!
Every value that `tests/fixtures/generate_pickle.py` wrote, in every protocol of every interpreter, is the JSON
that the script says it is.
*/
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use serde_json::Value;
use vecferry_pickle_format::{Audit, Json, Limits, Notes, Pickle};
use vecferry_sdk::testing::MemoryFile;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures/pickle_values")
}

/// Equal, but for what a protocol cannot tell apart: floats in the last place of a textual form.
fn same(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((k, a), (l, b))| k == l && same(a, b))
        }
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => found == expected,
    }
}

fn check(version: &str, protocol: u32, limits: Limits) -> usize {
    let read = |name: &str| std::fs::read(folder().join(version).join(name)).unwrap();
    let expected: Value = serde_json::from_slice(&read("expected.json")).unwrap();
    let name = format!("values_p{protocol}.pkl");
    let bytes = read(&name);
    let size = bytes.len() as u64;
    let pickle = Pickle::load(MemoryFile::file(&name, bytes), &limits).unwrap();
    assert_eq!(pickle.trailing_bytes(), 0);
    let mut audit = Audit::new(&pickle, &limits);
    let mut json = Json::new(&limits, size);
    let mut wrong = Vec::new();
    let mut count = 0;
    for (key, value) in pickle.root().entries() {
        let key = key.text().unwrap().unwrap().string;
        let expected = &expected[&key];
        let found = audit.check(value).and_then(|()| json.value(value, &mut Notes::default()));
        count += 1;
        match found {
            Ok(found) => match serde_json::from_str::<Value>(&found) {
                Ok(found) if same(&found, expected) => {}
                Ok(found) => wrong.push(format!("{key}: {found:.300} instead of {expected:.300}")),
                Err(error) => wrong.push(format!("{key}: no JSON: {error}: {found:.300}")),
            },
            Err(error) => wrong.push(format!("{key}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{version} protocol {protocol}:\n{}", wrong.join("\n"));
    assert_eq!(count, expected.as_object().unwrap().len(), "{version} protocol {protocol}");
    count
}

#[test]
fn every_value_in_every_protocol() {
    for (version, highest) in [("py27", 2), ("py36", 4), ("py311_numpy1", 5), ("py311", 5), ("py313", 5)] {
        for protocol in 0..=highest {
            assert!(check(version, protocol, Limits::default()) > 100);
            assert!(check(version, protocol, Limits { two_passes_from: 0, ..Limits::default() }) > 100);
        }
    }
}
