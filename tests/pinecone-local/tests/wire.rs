//! The service's limits, errors and answers, as a client meets them on the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Client;
use serde_json::json;
use vecferry_pinecone_local::{Options, Server};

#[test]
fn records_come_back_as_they_were_written() {
    let server = Server::start(Options::default()).unwrap();
    let client = Client::new(&server);
    let host = client.create("docs", 3, "cosine");
    let body = json!({"namespace": "a", "vectors": [
        {"id": "x", "values": [0.1, 0.2, 0.3], "metadata": {"n": 5, "s": "t", "b": true, "l": ["u", "v"]}},
        {"id": "y", "values": [1.0, 0.0, 0.0]},
    ]});
    let (status, headers, answer) = client.post_full(&format!("{host}/vectors/upsert"), &body);
    assert_eq!((status, answer), (200, json!({"upsertedCount": 2})));
    assert_eq!(headers.get("x-pinecone-request-lsn").unwrap(), "1");
    let (status, answer) = client.get(&format!("{host}/vectors/fetch?ids=x&ids=zz&namespace=a"));
    assert_eq!(status, 200);
    assert_eq!(
        answer["vectors"],
        json!({"x": {"id": "x", "values": [0.1, 0.2, 0.3],
                     "metadata": {"n": 5.0, "s": "t", "b": true, "l": ["u", "v"]}}})
    );
    let (status, stats) = client.post(&format!("{host}/describe_index_stats"), &json!({}));
    assert_eq!((status, &stats["namespaces"]), (200, &json!({"a": {"vectorCount": 2}})));
}
