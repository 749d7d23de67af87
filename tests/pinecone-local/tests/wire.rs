//! The service's limits, errors and answers, as a client meets them on the wire.
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

/// A record of three dimensions.
fn record(id: &str, metadata: Value) -> Value {
    json!({"id": id, "values": [0.1, 0.2, 0.3], "metadata": metadata})
}

#[test]
fn records_come_back_as_they_were_written() {
    let (server, client) = started();
    let host = client.create("docs", 3, "cosine");
    let body = json!({"namespace": "a", "vectors": [
        record("x", json!({"n": 5, "s": "t", "b": true, "l": ["u", "v"], "big": 9_007_199_254_740_993_i64})),
        {"id": "y", "values": [16_777_217, 0.0, 1e-3]},
    ]});
    let (status, headers, answer) = client.post_full(&format!("{host}/vectors/upsert"), &body);
    assert_eq!((status, answer), (200, json!({"upsertedCount": 2})));
    assert_eq!(headers.get("x-pinecone-request-lsn").unwrap(), "1");
    let (status, answer) = client.get(&format!("{host}/vectors/fetch?ids=x&ids=y&ids=zz&namespace=a"));
    assert_eq!(status, 200);
    let expected = json!({
        "x": {"id": "x", "values": [0.1, 0.2, 0.3], "metadata":
            {"n": 5.0, "s": "t", "b": true, "l": ["u", "v"], "big": 9_007_199_254_740_992.0}},
        "y": {"id": "y", "values": [16_777_216.0, 0.0, 0.001]},
    });
    assert_eq!(answer["vectors"], expected);
    let kept = server.records("docs", "a").unwrap();
    assert_eq!(kept.iter().map(|record| record.id.as_str()).collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!(server.records("docs", "nothing"), Some(Vec::new()));
    assert_eq!(server.records("nowhere", "a"), None);
    assert_eq!(server.namespaces("docs").unwrap(), ["a"]);
    assert_eq!(server.violations(), []);
}

#[test]
fn what_the_service_refuses_is_refused_whole() {
    let (server, client) = started();
    let host = client.create("docs", 3, "cosine");
    let upsert = |vectors: Value| client.post(&format!("{host}/vectors/upsert"), &json!({"vectors": vectors}));
    let with = |metadata: Value| json!([record("fine", json!({})), record("bad", metadata)]);
    let sparse = |indices: Value, values: Value| json!([{"id": "a", "values": [1, 2, 3], "sparseValues": {"indices": indices, "values": values}}]);
    let many = |count: usize| Value::Array((0..count).map(|i| record(&i.to_string(), json!({}))).collect());
    let cases = [
        ("no vectors", json!([]), "At least one vector"),
        ("1,001 vectors", many(1001), "the limit is 1000"),
        ("an empty id", json!([record("", json!({}))]), "Vector ID must not be empty"),
        ("an id of 513 characters", json!([record(&"a".repeat(513), json!({}))]), "at most 512"),
        ("an id that is not ASCII", json!([record("ü", json!({}))]), "Vector ID must be ASCII, but got 'ü'"),
        ("an id with NUL", json!([record("a\0", json!({}))]), "NUL"),
        ("another dimension", json!([{"id": "a", "values": [1, 2]}]), "Vector dimension 2 does not match"),
        ("no values", json!([{"id": "a"}]), "Vector dimension 0 does not match"),
        ("zeros", json!([{"id": "a", "values": [0, 0.0, -0.0]}]), "at least one non-zero value. Vector ID 'a'"),
        // Who notices, the JSON parser or the check, depends on the parser's features.
        ("values beyond 32 bits", json!([{"id": "a", "values": [1e39, 1, 1]}]), ""),
        ("words as values", json!([{"id": "a", "values": ["1", 1, 1]}]), "Invalid request body"),
        ("null", with(json!({"k": null})), "list of strings, got 'null' for field 'k'"),
        ("an object", with(json!({"k": {"a": 1}})), "got '{\"a\":1}' for field 'k'"),
        ("a list of numbers", with(json!({"k": [1, 2]})), "got '[1,2]' for field 'k'"),
        ("a mixed list", with(json!({"k": ["a", 2]})), "for field 'k'"),
        ("a key with a dollar", with(json!({"$k": 1})), "must not start with '$'"),
        ("40 KB and a byte", with(json!({"k": "x".repeat(40 * 1024 - 8 + 1)})), "exceeds the limit of 40960 bytes"),
        ("sparse twice", sparse(json!([4, 4]), json!([1, 2])), "unique"),
        ("sparse uneven", sparse(json!([4]), json!([1, 2])), "same length"),
        ("sparse empty", sparse(json!([]), json!([])), "at least one value"),
        ("sparse beyond 32 bits", sparse(json!([4_294_967_296_i64]), json!([1])), "32-bit integers"),
        ("1,001 sparse", sparse(json!((0..1001).collect::<Vec<_>>()), json!(vec![1; 1001])), "maximum allowed size"),
    ];
    for (case, vectors, message) in cases {
        let (status, answer) = upsert(vectors);
        assert_eq!((status, &answer["code"], &answer["details"]), (400, &json!(3), &json!([])), "{case}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(message), "{case}: {answer}");
    }
    assert_eq!(server.records("docs", "").unwrap(), [], "nothing of a refused request is kept");
    let taken = [
        ("1,000 vectors", many(1000)),
        ("an id of 512 characters", json!([record(&"a".repeat(512), json!({}))])),
        ("40 KB", with(json!({"k": "x".repeat(40 * 1024 - 8)}))),
        ("1,000 sparse", sparse(json!((0..1000).rev().collect::<Vec<_>>()), json!(vec![1; 1000]))),
    ];
    for (case, vectors) in taken {
        let (status, answer) = upsert(vectors);
        assert_eq!(status, 200, "{case}: {answer}");
    }
}

#[test]
fn two_megabytes_are_the_limit() {
    let (_server, client) = started();
    let host = client.create("docs", 3, "cosine");
    let url = format!("{host}/vectors/upsert");
    let empty = json!({"vectors": [record("a", json!({}))], "namespace": ""}).to_string().len();
    let padded = |bytes: usize| {
        let mut body = json!({"vectors": [record("a", json!({}))], "namespace": ""}).to_string();
        body.push_str(&" ".repeat(bytes - empty));
        client.send(client.http().post(&url).header("content-type", "application/json").body(body)).unwrap()
    };
    assert_eq!(padded(2 * 1024 * 1024).0, 200);
    let (status, _, answer) = padded(2 * 1024 * 1024 + 1);
    assert_eq!((status, &answer["code"]), (413, &json!(11)));
    assert!(answer["message"].as_str().unwrap().contains("found 2097153 bytes, the limit is: 2097152 bytes"));
    let (status, _, answer) = padded(8 * 1024 * 1024 + 1);
    assert_eq!((status, answer), (413, Value::Null), "the proxy's is bare");
}

#[test]
fn indexes_are_created_in_both_forms() {
    let (server, mut client) = started();
    let serverless = json!({"serverless": {"cloud": "gcp", "region": "us-central1"}});
    let indexes = format!("{}/indexes", client.url);
    let (status, created) = client.post(
        &indexes,
        &json!({"name": "old", "dimension": 4, "metric": "dotproduct", "spec": serverless, "tags": {"a": "b"}}),
    );
    assert_eq!((status, &created["status"]), (201, &json!({"ready": false, "state": "Initializing"})));
    let (_, old) = client.get(&format!("{indexes}/old"));
    assert_eq!(
        (&old["dimension"], &old["metric"], &old["vector_type"]),
        (&json!(4), &json!("dotproduct"), &json!("dense"))
    );
    assert_eq!(old["spec"]["serverless"]["read_capacity"]["mode"], "OnDemand");
    assert_eq!(old["host"], format!("{}/svc/old", server.url()));
    let (status, words) = client.post(&indexes, &json!({"name": "words", "vector_type": "sparse", "spec": serverless}));
    assert_eq!((status, &words["metric"], words.get("dimension")), (201, &json!("dotproduct"), None));

    client.version = "2026-07";
    let field = json!({"type": "dense_vector", "dimension": 5, "metric": "euclidean"});
    let place = json!({"deployment_type": "managed", "cloud": "azure", "region": "eastus2"});
    let body = json!({"name": "new", "schema": {"fields": {"_values": field}}, "deployment": place});
    assert_eq!(client.post(&indexes, &body).0, 201);
    let (_, new) = client.get(&format!("{indexes}/new"));
    assert_eq!((&new["schema"]["fields"]["_values"], &new["deployment"], &new["tags"]), (&field, &place, &Value::Null));
    // Each version describes the other's indexes in its own form.
    let (_, old) = client.get(&format!("{indexes}/old"));
    assert_eq!(old["schema"]["fields"]["_values"]["dimension"], 4);
    client.version = "2026-04";
    let (_, all) = client.get(&indexes);
    let names: Vec<&str> =
        all["indexes"].as_array().unwrap().iter().map(|index| index["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["new", "old", "words"]);
    assert_eq!(server.violations(), []);
}

#[test]
fn creations_that_are_refused() {
    let (_server, mut client) = started();
    client.create("taken", 3, "cosine");
    let spec = |cloud: &str, region: &str| json!({"serverless": {"cloud": cloud, "region": region}});
    let aws = spec("aws", "us-east-1");
    let index = |name: &str, dimension: Value, metric: &str| json!({"name": name, "dimension": dimension, "metric": metric, "spec": aws});
    let long = "a".repeat(46);
    let cases = [
        ("taken", index("taken", json!(3), "cosine"), 409, "ALREADY_EXISTS"),
        ("upper case", index("Docs", json!(3), "cosine"), 400, "INVALID_ARGUMENT"),
        ("a hyphen at the end", index("docs-", json!(3), "cosine"), 400, "INVALID_ARGUMENT"),
        ("an underscore", index("my_docs", json!(3), "cosine"), 400, "INVALID_ARGUMENT"),
        ("46 characters", index(&long, json!(3), "cosine"), 400, "INVALID_ARGUMENT"),
        ("no name", index("", json!(3), "cosine"), 400, "INVALID_ARGUMENT"),
        ("no dimension", index("docs", Value::Null, "cosine"), 400, "INVALID_ARGUMENT"),
        ("dimension 0", index("docs", json!(0), "cosine"), 400, "INVALID_ARGUMENT"),
        ("dimension 20,001", index("docs", json!(20_001), "cosine"), 400, "INVALID_ARGUMENT"),
        ("metric l2", index("docs", json!(3), "l2"), 400, "INVALID_ARGUMENT"),
        ("no spec", json!({"name": "docs", "dimension": 3}), 422, "UNPROCESSABLE_ENTITY"),
        (
            "a pod",
            json!({"name": "docs", "dimension": 3, "spec": {"pod": {"environment": "x", "pod_type": "p1.x1"}}}),
            400,
            "INVALID_ARGUMENT",
        ),
        ("no such cloud", json!({"name": "docs", "dimension": 3, "spec": spec("moon", "us-east-1")}), 404, "NOT_FOUND"),
        (
            "a region of another",
            json!({"name": "docs", "dimension": 3, "spec": spec("gcp", "us-east-1")}),
            404,
            "NOT_FOUND",
        ),
        (
            "sparse with a dimension",
            json!({"name": "docs", "dimension": 3, "vector_type": "sparse", "spec": aws}),
            400,
            "INVALID_ARGUMENT",
        ),
    ];
    let indexes = format!("{}/indexes", client.url);
    for (case, body, status, code) in cases {
        let (got, answer) = client.post(&indexes, &body);
        assert_eq!(
            (got, &answer["error"]["code"], &answer["status"]),
            (status, &json!(code), &json!(status)),
            "{case}"
        );
    }
    client.version = "2026-07";
    let dense = json!({"type": "dense_vector", "dimension": 3, "metric": "cosine"});
    let cases = [
        ("the older form", index("docs", json!(3), "cosine"), 422),
        ("a document's field", json!({"name": "docs", "schema": {"fields": {"text": {"type": "string"}}}}), 501),
        ("no vector", json!({"name": "docs", "schema": {"fields": {}}}), 400),
        (
            "hybrid by cosine",
            json!({"name": "docs", "schema": {"fields": {"_values": dense, "_sparse_values": {"type": "sparse_vector"}}}}),
            400,
        ),
    ];
    for (case, body, status) in cases {
        let (got, answer) = client.post(&indexes, &body);
        assert_eq!(got, status, "{case}: {answer}");
    }
}

#[test]
fn indexes_are_configured_and_deleted() {
    let (_server, client) = started();
    let host = client.create("docs", 3, "cosine");
    let url = format!("{}/indexes/docs", client.url);
    let change = json!({"deletion_protection": "enabled", "tags": {"a": "1", "b": "2"}});
    assert_eq!(client.request("PATCH", &url, Some(&change)).0, 202);
    let (status, answer) = client.request("PATCH", &url, Some(&json!({"tags": {"a": ""}})));
    assert_eq!((status, &answer["tags"], &answer["deletion_protection"]), (202, &json!({"b": "2"}), &json!("enabled")));
    assert_eq!(client.request("DELETE", &url, None).1["error"]["code"], "FORBIDDEN");
    client.request("PATCH", &url, Some(&json!({"deletion_protection": "disabled"})));
    assert_eq!(client.request("DELETE", &url, None), (202, Value::Null));
    assert_eq!(client.get(&url).0, 404);
    let (status, answer) = client.post(&format!("{host}/describe_index_stats"), &json!({}));
    assert_eq!((status, &answer["code"]), (404, &json!(5)));
}

#[test]
fn keys_versions_and_paths_are_checked() {
    let (server, client) = started();
    let host = client.create("docs", 3, "cosine");
    let http = client.http();
    let control = format!("{}/indexes", server.url());
    let data = format!("{host}/vectors/list");
    let (key, version) = (("Api-Key", server.api_key()), ("X-Pinecone-Api-Version", "2025-10"));
    let cases = [
        ("no key", &control, vec![version], 401),
        ("a wrong key", &control, vec![("Api-Key", "x"), version], 401),
        ("no key for data", &data, vec![version], 401),
        ("a wrong key for data", &data, vec![("Api-Key", "x"), version], 403),
        ("no version", &control, vec![key], 400),
        ("no version for data", &data, vec![key], 400),
        ("an unknown version", &control, vec![key, ("X-Pinecone-Api-Version", "1999-01")], 400),
        ("all", &control, vec![key, version], 200),
    ];
    for (case, url, headers, status) in cases {
        let request = headers.iter().fold(http.get(url), |request, (name, value)| request.header(*name, *value));
        assert_eq!(request.send().unwrap().status(), status, "{case}");
    }
    let cases = [
        ("no path", "GET", format!("{}/", server.url()), 404),
        ("no such path", "GET", format!("{host}/vectors/nothing"), 404),
        ("no such index", "GET", format!("{}/svc/none/vectors/list", server.url()), 404),
        ("another method", "GET", format!("{host}/vectors/upsert"), 405),
        ("a long target", "GET", format!("{host}/vectors/fetch?ids={}", "a".repeat(17_000)), 414),
        ("an import", "POST", format!("{host}/bulk/imports"), 501),
        ("text", "POST", format!("{host}/records/namespaces/n/upsert"), 400),
    ];
    for (case, method, url, status) in cases {
        assert_eq!(client.request(method, &url, None).0, status, "{case}");
    }
}

#[test]
fn lists_are_paged_by_prefix() {
    let (server, client) = started();
    let host = client.create("docs", 3, "cosine");
    let vectors: Vec<Value> =
        (0..250).map(|i| record(&format!("doc#{i:03}"), json!({}))).chain([record("zz", json!({}))]).collect();
    client.post(&format!("{host}/vectors/upsert"), &json!({"vectors": vectors}));
    let pages = |query: &str| {
        let (mut ids, mut sizes, mut token) = (Vec::new(), Vec::new(), String::new());
        loop {
            let (status, page) = client.get(&format!("{host}/vectors/list?{query}{token}"));
            assert_eq!(status, 200, "{page}");
            let listed = page["vectors"].as_array().unwrap();
            sizes.push(listed.len());
            ids.extend(listed.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            match page["pagination"]["next"].as_str() {
                Some(next) => token = format!("&paginationToken={}", next.replace('=', "%3D").replace('+', "%2B")),
                None => return (ids, sizes),
            }
        }
    };
    let (ids, sizes) = pages("namespace=");
    assert_eq!((ids.len(), sizes, ids.is_sorted()), (251, vec![100, 100, 51], true));
    assert_eq!(pages("prefix=doc%2324&limit=4").1, [4, 4, 2]);
    assert_eq!(pages("prefix=none").1, [0]);
    assert_eq!(pages("prefix=doc%23&limit=50").1, [50; 5], "a full last page has no token");
    for (case, query) in [("101", "limit=101"), ("0", "limit=0"), ("a token of nobody", "paginationToken=abc")] {
        assert_eq!(client.get(&format!("{host}/vectors/list?{query}")).0, 400, "{case}");
    }
    assert_eq!(server.violations(), []);
}

#[test]
fn namespaces_are_kept_apart() {
    let (server, client) = started();
    let host = client.create("docs", 3, "cosine");
    let upsert = |namespace: Value, id: &str| {
        let body = json!({"vectors": [record(id, json!({}))], "namespace": namespace});
        client.post(&format!("{host}/vectors/upsert"), &body)
    };
    upsert(json!("b"), "1");
    upsert(json!("a b/c"), "2");
    upsert(json!("__default__"), "3");
    upsert(json!(""), "4");
    assert_eq!(upsert(json!("ü"), "5").0, 400);
    assert_eq!(upsert(json!("x".repeat(513)), "5").0, 400);
    assert_eq!(client.post(&format!("{host}/namespaces"), &json!({"name": "empty"})).0, 200);
    assert_eq!(client.post(&format!("{host}/namespaces"), &json!({"name": "b"})).0, 409);
    let (_, stats) = client.post(&format!("{host}/describe_index_stats"), &json!({}));
    assert_eq!(
        (&stats["namespaces"], &stats["totalVectorCount"]),
        (&json!({"__default__": {"vectorCount": 2}, "a b/c": {"vectorCount": 1}, "b": {"vectorCount": 1}}), &json!(4))
    );
    let (_, listed) = client.get(&format!("{host}/namespaces?limit=3"));
    let names: Vec<&str> =
        listed["namespaces"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!((names, &listed["total_count"]), (vec!["__default__", "a b/c", "b"], &json!(4)));
    assert!(listed["pagination"]["next"].is_string());
    assert_eq!(client.get(&format!("{host}/namespaces/a%20b%2Fc")).1, json!({"name": "a b/c", "record_count": 1}));
    assert_eq!(client.request("DELETE", &format!("{host}/namespaces/b"), None).0, 200);
    assert_eq!(client.request("DELETE", &format!("{host}/namespaces/b"), None).0, 404);
    assert_eq!(client.get(&format!("{host}/namespaces/b")).0, 404);
    assert_eq!(server.namespaces("docs").unwrap(), ["__default__", "a b/c", "empty"]);
}

#[test]
fn records_are_updated_and_deleted() {
    let (server, client) = started();
    let host = client.create("docs", 3, "cosine");
    let vectors: Vec<Value> = (0..6).map(|i| record(&i.to_string(), json!({"n": i, "kept": "k"}))).collect();
    client.post(&format!("{host}/vectors/upsert"), &json!({"vectors": vectors}));
    let call = |path: &str, body: Value| client.post(&format!("{host}/vectors/{path}"), &body);
    assert_eq!(call("update", json!({"id": "0", "values": [3, 2, 1], "setMetadata": {"n": 9}})).0, 200);
    let first = &server.records("docs", "").unwrap()[0];
    assert_eq!(
        (first.values.as_slice(), &first.metadata["n"], &first.metadata["kept"]),
        (&[3.0, 2.0, 1.0][..], &json!(9.0), &json!("k"))
    );
    assert_eq!(call("update", json!({"id": "none", "setMetadata": {"n": 9}})).0, 200);
    let matching = json!({"filter": {"n": {"$in": [1, 2]}}, "setMetadata": {"new": true}});
    let mut dry = matching.clone();
    dry["dryRun"] = json!(true);
    assert_eq!(call("update", dry).1, json!({"matchedRecords": 2}));
    assert!(server.records("docs", "").unwrap().iter().all(|record| !record.metadata.contains_key("new")));
    assert_eq!(call("update", matching).1, json!({"matchedRecords": 2}));
    assert_eq!(
        server.records("docs", "").unwrap().iter().filter(|record| record.metadata.contains_key("new")).count(),
        2
    );
    let left = || server.records("docs", "").unwrap().into_iter().map(|record| record.id).collect::<Vec<_>>();
    assert_eq!(call("delete", json!({"ids": ["0", "none"]})).0, 200);
    assert_eq!(call("delete", json!({"filter": {"n": {"$gte": 4}}})).0, 200);
    assert_eq!(left(), ["1", "2", "3"]);
    let refused = [
        ("nothing named", json!({}), 400),
        ("two ways", json!({"ids": ["1"], "deleteAll": true}), 400),
        ("an empty filter", json!({"filter": {}}), 400),
        ("1,001 ids", json!({"ids": (0..1001).map(|i| i.to_string()).collect::<Vec<_>>()}), 400),
        ("no such namespace", json!({"ids": ["1"], "namespace": "none"}), 404),
    ];
    for (case, body, status) in refused {
        assert_eq!(call("delete", body).0, status, "{case}");
    }
    assert_eq!(call("delete", json!({"deleteAll": true})).0, 200);
    assert!(left().is_empty());
}
