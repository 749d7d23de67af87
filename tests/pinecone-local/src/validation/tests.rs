use serde_json::{Value, json};

use super::openapi::{Api, Version};
use super::*;

fn exchange(operation: Operation, request: &Value, status: u16, response: &Value) -> (Vec<Violation>, Vec<Violation>) {
    let judge = Judge::strict();
    let body = |value: &Value| if value.is_null() { Vec::new() } else { serde_json::to_vec(value).unwrap() };
    judge.judge(&Exchange {
        operation,
        version: "2025-10",
        parameters: &[],
        request: &body(request),
        status,
        response: &body(response),
    });
    (judge.by_clients(), judge.by_server())
}

#[test]
fn what_clients_do_wrong_is_found() {
    let cases = [
        ("misspelt field", json!({"vectors": [{"id": "a", "value": [1.0]}]}), "/vectors/0"),
        ("id too long", json!({"vectors": [{"id": "a".repeat(513), "values": [1.0]}]}), "/vectors/0/id"),
        ("no id", json!({"vectors": [{"values": [1.0]}]}), "/vectors/0"),
        ("values are words", json!({"vectors": [{"id": "a", "values": ["1"]}]}), "/vectors/0/values/0"),
        (
            "metadata is a list",
            json!({"vectors": [{"id": "a", "values": [1.0], "metadata": []}]}),
            "/vectors/0/metadata",
        ),
        (
            "sparse without values",
            json!({"vectors": [{"id": "a", "sparseValues": {"indices": [1]}}]}),
            "/vectors/0/sparseValues",
        ),
        ("too many", json!({"vectors": vec![json!({"id": "a", "values": [1.0]}); 1001]}), "/vectors"),
        ("no body", Value::Null, "the body"),
    ];
    for (case, request, place) in cases {
        let (by_client, by_server) = exchange(Operation::Upsert, &request, 200, &json!({"upsertedCount": 1}));
        assert_eq!(by_client.first().map(|violation| violation.place.as_str()), Some(place), "{case}: {by_client:?}");
        assert_eq!(by_server, [], "{case}");
    }
}

#[test]
fn what_the_server_does_wrong_is_found() {
    let upsert = json!({"vectors": [{"id": "a", "values": [1.0]}]});
    let status = json!({"code": 3, "message": "no", "details": []});
    let gate = json!({"status": 403, "error": {"code": "QUOTA_EXCEEDED", "message": "no"}});
    let cases = [
        ("right", 200, json!({"upsertedCount": 1}), true),
        ("refused", 400, status.clone(), true),
        ("refused by range", 413, status.clone(), true),
        ("refused at the gate", 403, gate.clone(), true),
        ("a count in words", 200, json!({"upsertedCount": "1"}), false),
        ("a field more", 200, json!({"upsertedCount": 1, "took": 3}), false),
        ("a status it has not", 204, Value::Null, false),
        ("an error of no shape", 400, json!({"problem": "no"}), false),
        ("a refusal that claims success", 200, gate, false),
    ];
    for (case, code, response, right) in cases {
        let (by_client, by_server) = exchange(Operation::Upsert, &upsert, code, &response);
        assert_eq!(by_client, [], "{case}");
        assert_eq!(by_server.is_empty(), right, "{case}: {by_server:?}");
    }
}

#[test]
fn parameters_are_judged() {
    let api = Api::of(Version::V2025_10).unwrap();
    let list = api.call("get", "/vectors/list").unwrap();
    let fetch = api.call("get", "/vectors/fetch").unwrap();
    let given = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let cases = [
        ("none needed", list, given(&[]), 0),
        ("all", list, given(&[("prefix", "a"), ("limit", "5"), ("paginationToken", "x"), ("namespace", "n")]), 0),
        ("an unknown one", list, given(&[("pagination_token", "x")]), 1),
        ("a limit in words", list, given(&[("limit", "five")]), 1),
        ("twice", list, given(&[("prefix", "a"), ("prefix", "b")]), 1),
        ("repeated ids", fetch, given(&[("ids", "a"), ("ids", "b")]), 0),
        ("a required one is missing", fetch, given(&[("namespace", "n")]), 1),
    ];
    for (case, call, parameters, problems) in cases {
        assert_eq!(call.parameters(&parameters).len(), problems, "{case}");
    }
}

/// Pinecone's own examples of the calls that are served pass, in every version: what is tightened is not too tight.
#[test]
fn the_published_examples_pass() {
    let mut judged = 0;
    for text in super::openapi::ALL_FILES {
        let file: Value = serde_saphyr::from_str(text).unwrap();
        let api =
            Api::of(if text.contains("version: 2025-10") { Version::V2025_10 } else { Version::V2026_04 }).unwrap();
        for (path, methods) in file["paths"].as_object().unwrap() {
            if !["/indexes", "/indexes/{index_name}"].contains(&path.as_str()) {
                continue;
            }
            for (method, call) in methods.as_object().unwrap() {
                let compiled = api.call(method, path).unwrap();
                let examples = |of: &Value| -> Vec<Value> {
                    let all = of.pointer("/content/application~1json/examples").and_then(Value::as_object);
                    all.into_iter().flatten().map(|(_, example)| example["value"].clone()).collect()
                };
                for example in examples(&call["requestBody"]) {
                    // The one that misspells `deletion_protection`.
                    if example.get("delete_protection").is_some() {
                        continue;
                    }
                    let problems = compiled.request(&serde_json::to_vec(&example).unwrap());
                    assert!(problems.is_empty(), "{method} {path}: {problems:?}");
                    judged += 1;
                }
                for (status, response) in call["responses"].as_object().unwrap() {
                    for example in examples(response) {
                        let problems =
                            compiled.response(status.parse().unwrap(), &serde_json::to_vec(&example).unwrap());
                        assert!(problems.is_empty(), "{method} {path} {status}: {problems:?}");
                        judged += 1;
                    }
                }
            }
        }
    }
    assert!(judged > 50, "{judged}");
}
