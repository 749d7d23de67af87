//! Queries: what the metrics rank first, what filters let through, and where sparse values belong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::Client;
use serde_json::{Value, json};
use vecferry_pinecone_local::{Options, Server};

fn started() -> (Server, Client) {
    let server = Server::start_strict(Options::default()).unwrap();
    let client = Client::new(&server);
    (server, client)
}

#[test]
fn metrics_rank_as_they_are_defined() {
    let (_server, client) = started();
    let points = json!({"vectors": [
        {"id": "near", "values": [1.0, 1.0]},
        {"id": "far", "values": [6.0, 6.0]},
        {"id": "across", "values": [1.0, -1.0]},
    ]});
    // For the query [2, 2]: the angle, the product, the squared distance.
    let cases = [
        ("cosine", vec![("far", 1.0), ("near", 1.0), ("across", 0.0)]),
        ("dotproduct", vec![("far", 24.0), ("near", 4.0), ("across", 0.0)]),
        ("euclidean", vec![("near", 2.0), ("across", 10.0), ("far", 32.0)]),
    ];
    for (metric, expected) in cases {
        let host = client.create(metric, 2, metric);
        client.post(&format!("{host}/vectors/upsert"), &points);
        let (_, headers, answer) =
            client.post_full(&format!("{host}/query"), &json!({"vector": [2, 2], "topK": 3, "includeValues": true}));
        let got: Vec<(&str, f64)> = answer["matches"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| (found["id"].as_str().unwrap(), found["score"].as_f64().unwrap()))
            .collect();
        for ((id, score), (expected_id, expected_score)) in got.iter().zip(&expected) {
            assert_eq!(id, expected_id, "{metric}: {got:?}");
            assert!((score - expected_score).abs() < 1e-6, "{metric}: {got:?}");
        }
        assert_eq!(got.len(), 3, "{metric}");
        assert_eq!(headers.get("x-pinecone-max-indexed-lsn").unwrap(), "1", "{metric}");
    }
}

#[test]
fn filters_let_through_what_they_say() {
    let (server, client) = started();
    let host = client.create("docs", 1, "dotproduct");
    let records = [
        ("a", json!({"n": 1, "s": "x", "b": true, "l": ["u", "v"]})),
        ("b", json!({"n": 2.5, "s": "y", "b": false, "l": ["v"]})),
        ("c", json!({"n": 3, "s": "z"})),
        ("d", json!({})),
    ];
    let vectors: Vec<Value> =
        records.iter().map(|(id, metadata)| json!({"id": id, "values": [1], "metadata": metadata})).collect();
    client.post(&format!("{host}/vectors/upsert"), &json!({"vectors": vectors}));
    let cases = [
        (json!({}), "abcd"),
        (json!({"s": "x"}), "a"),
        (json!({"n": {"$eq": 3}}), "c"),
        (json!({"n": {"$eq": 3.0}}), "c"),
        (json!({"b": false}), "b"),
        (json!({"l": "v"}), "ab"),
        (json!({"l": {"$in": ["u", "w"]}}), "a"),
        (json!({"s": {"$ne": "x"}}), "bcd"),
        (json!({"n": {"$gt": 1}}), "bc"),
        (json!({"n": {"$gte": 1, "$lt": 3}}), "ab"),
        (json!({"n": {"$lte": 2.5}}), "ab"),
        (json!({"s": {"$gt": 1}}), ""),
        (json!({"n": {"$in": [1, 3]}}), "ac"),
        (json!({"s": {"$nin": ["x", "y"]}}), "cd"),
        (json!({"b": {"$exists": true}}), "ab"),
        (json!({"b": {"$exists": false}}), "cd"),
        (json!({"n": {"$gt": 1}, "b": false}), "b"),
        (json!({"$or": [{"s": "x"}, {"n": 3}]}), "ac"),
        (json!({"$and": [{"n": {"$gte": 2}}, {"$or": [{"s": "z"}, {"s": "x"}]}]}), "c"),
    ];
    for (filter, expected) in cases {
        let body = json!({"vector": [1], "topK": 10, "filter": filter});
        let (status, answer) = client.post(&format!("{host}/query"), &body);
        assert_eq!(status, 200, "{filter}: {answer}");
        let found: String =
            answer["matches"].as_array().unwrap().iter().map(|found| found["id"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "{filter}");
    }
    let refused = [
        json!({"n": {"$near": 1}}),
        json!({"n": {"$gt": "1"}}),
        json!({"n": {"$in": 1}}),
        json!({"n": {"$in": [null]}}),
        json!({"n": {}}),
        json!({"n": null}),
        json!({"n": [1]}),
        json!({"n": {"$exists": 1}}),
        json!({"$or": []}),
        json!({"$or": {"n": 1}}),
        json!({"$not": [{"n": 1}]}),
    ];
    for filter in refused {
        let (status, answer) =
            client.post(&format!("{host}/query"), &json!({"vector": [1], "topK": 1, "filter": filter}));
        assert_eq!((status, &answer["code"]), (400, &json!(3)), "{filter}");
    }
    let (_, page) =
        client.post(&format!("{host}/vectors/fetch_by_metadata"), &json!({"filter": {"n": {"$gte": 1}}, "limit": 2}));
    assert_eq!(page["vectors"].as_object().unwrap().keys().map(String::as_str).collect::<String>(), "ab");
    let next = json!({"filter": {"n": {"$gte": 1}}, "limit": 2, "paginationToken": page["pagination"]["next"]});
    let (_, page) = client.post(&format!("{host}/vectors/fetch_by_metadata"), &next);
    assert_eq!((page["vectors"].as_object().unwrap().len(), page.get("pagination")), (1, None));
    assert_eq!(server.violations(), []);
}

#[test]
fn sparse_values_belong_to_the_dot_product() {
    let (_server, client) = started();
    let hybrid =
        json!({"vectors": [{"id": "a", "values": [1, 0], "sparseValues": {"indices": [7, 3], "values": [2, 1]}}]});
    let query = json!({"vector": [1, 1], "topK": 1});
    let mut sparse_query = query.clone();
    sparse_query["sparseVector"] = json!({"indices": [3, 7, 9], "values": [10, 1, 5]});

    let dot = client.create("dot", 2, "dotproduct");
    client.post(&format!("{dot}/vectors/upsert"), &hybrid);
    assert_eq!(client.post(&format!("{dot}/query"), &query).1["matches"][0]["score"], 1.0);
    assert_eq!(client.post(&format!("{dot}/query"), &sparse_query).1["matches"][0]["score"], 13.0);
    let (_, fetched) = client.get(&format!("{dot}/vectors/fetch?ids=a"));
    assert_eq!(fetched["vectors"]["a"]["sparseValues"], json!({"indices": [3, 7], "values": [1.0, 2.0]}), "in order");

    let cosine = client.create("cosine", 2, "cosine");
    assert_eq!(client.post(&format!("{cosine}/query"), &sparse_query).0, 400);
    assert_eq!(client.post(&format!("{cosine}/query"), &query).0, 200);
    assert_eq!(client.post(&format!("{cosine}/vectors/upsert"), &hybrid).0, 200, "the upsert succeeds");
    let (status, answer) = client.post(&format!("{cosine}/query"), &query);
    assert_eq!(status, 400, "and every query fails");
    assert!(answer["message"].as_str().unwrap().contains("does not support sparse values"));
}

#[test]
fn queries_that_are_refused() {
    let (_server, client) = started();
    let host = client.create("docs", 2, "cosine");
    client.post(&format!("{host}/vectors/upsert"), &json!({"vectors": [{"id": "a", "values": [1, 0]}]}));
    let cases = [
        ("nothing sought", json!({"topK": 1}), 400),
        ("two things sought", json!({"topK": 1, "vector": [1, 1], "id": "a"}), 400),
        ("another dimension", json!({"topK": 1, "vector": [1]}), 400),
        ("topK 0", json!({"topK": 0, "vector": [1, 1]}), 400),
        ("topK 10,001", json!({"topK": 10_001, "vector": [1, 1]}), 400),
        ("no topK", json!({"vector": [1, 1]}), 400),
        ("zeros", json!({"topK": 1, "vector": [0, 0]}), 200),
        ("a namespace that is not there", json!({"topK": 1, "vector": [1, 1], "namespace": "none"}), 200),
        ("an id that is not there", json!({"topK": 1, "id": "b"}), 200),
    ];
    for (case, body, status) in cases {
        let (got, answer) = client.post(&format!("{host}/query"), &body);
        assert_eq!(got, status, "{case}: {answer}");
    }
}
