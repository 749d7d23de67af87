//! OpenAI's own Python client as the judge of the test server: what it accepts, and recognises, is the protocol.

use std::ffi::OsString;
use std::process::Command;

use serde_json::{Value, json};

use crate::server::{Behaviour, MODEL, Server};

/// The interpreter that has tests/requirements.txt.
pub(crate) fn python() -> OsString {
    std::env::var_os("VECFERRY_TEST_PYTHON")
        .expect("this test needs Python with tests/requirements.txt; run it through: cargo xtask test")
}

#[test]
fn the_official_client_understands_the_test_server() {
    let server = Server::start(Behaviour { key: Some("sk-0123456789"), max_words: 10, ..Behaviour::default() });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openai_server/official_client.py");
    let done = Command::new(python()).arg(script).arg(server.base()).arg(MODEL).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    let said: Value = serde_json::from_slice(&done.stdout).unwrap();
    let vectors = [server.vector("one"), server.vector("größe 世界")];
    for form in ["base64", "float"] {
        let understood: [Vec<f32>; 2] = serde_json::from_value(said[form].clone()).unwrap();
        assert_eq!(understood, vectors, "{form}");
    }
    assert_eq!(said["dimensions"], 3);
    assert_eq!(said["usage"], json!({"prompt_tokens": 3, "total_tokens": 3}));
    assert_eq!(
        said["errors"],
        json!({
            "wrong key": ["AuthenticationError", 401, "invalid_api_key"],
            "no such model": ["NotFoundError", 404, "model_not_found"],
            "empty text": ["BadRequestError", 400, null],
            "too long": ["BadRequestError", 400, null],
        })
    );
}
