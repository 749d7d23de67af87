//! The driver of needledb: it starts, creates an index, and ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::{Value, json};
use vecferry_pinecone_local::needle::Needle;

#[test]
fn needledb_starts_and_ends() {
    let needle = Needle::start().unwrap();
    let url = needle.url();
    let http = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    let index = json!({"name": "docs", "dimension": 3, "metric": "dotproduct"});
    let created = http.post(format!("{url}/indexes")).header("Api-Key", needle.api_key()).json(&index).send().unwrap();
    assert_eq!(created.status(), 201);
    assert_eq!(created.json::<Value>().unwrap()["host"], format!("{url}/indexes/docs"));
    drop(needle);
    let gone = http.get(format!("{url}/health")).send();
    assert!(gone.is_err_and(|error| error.is_connect()));
}
