//! Against a server that nobody here wrote: LLMock, which mocks providers' interfaces, checked with their official
//! clients, fails on demand, and judges how its clients behave.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use vecferry_core::ErrorKind;
use vecferry_embed::{Chain, EmbedSpec, ModelStore};

use crate::{Given, official_client, open};

struct Mock {
    process: Child,
    address: String,
}

impl Mock {
    fn start() -> Mock {
        let serve = "import uvicorn; uvicorn.run('llmock.main:create_app', factory=True, port=0)";
        let mut python = Command::new(official_client::python());
        let mut process = python.args(["-c", serve]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
        let said = lines.find(|line| line.contains("running on")).expect("LLMock ended at its start");
        let address = said.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_owned();
        // What it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Mock { process, address }
    }

    fn spec(&self) -> String {
        format!("openai:text-embedding-3-small?url={}/v1&inputs=16", self.address)
    }

    fn post(&self, path: &str, body: &Value) {
        let url = format!("{}/_llmock/{path}", self.address);
        let answer = reqwest::blocking::Client::new().post(url).body(body.to_string());
        let answer = answer.header("content-type", "application/json").send().unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.text().unwrap());
    }

    fn get(&self, path: &str) -> Value {
        let answer = reqwest::blocking::get(format!("{}/_llmock/{path}", self.address)).unwrap();
        serde_json::from_str(&answer.text().unwrap()).unwrap()
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The vectors as the server's own code computes them.
fn expected(texts: &[&str]) -> Vec<Vec<f32>> {
    let compute = "import json, sys; from llmock.simulation import build_mock_embedding as embed; \
                   print(json.dumps([embed(text) for text in json.loads(sys.argv[1])]))";
    let mut python = Command::new(official_client::python());
    let done = python.args(["-c", compute]).arg(json!(texts).to_string()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

#[test]
fn a_server_of_others_gives_every_text_its_vector_and_its_errors_get_their_kinds() {
    let mock = Mock::start();
    let chosen = open(&mock.spec(), &Given::default()).unwrap();
    assert_eq!(chosen.embedder.dimension(), 1536);
    let texts: Vec<String> = (0..50).map(|n| format!("text {n} of größe 世界 \"quoted\"\n")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let vectors = chosen.embedder.embed(&texts).unwrap();
    assert_eq!(vectors.values, expected(&texts).concat());

    for (status, kind, wait) in [
        (400, ErrorKind::Unsupported, None),
        (401, ErrorKind::Auth, None),
        (402, ErrorKind::Denied, None),
        (403, ErrorKind::Auth, None),
        (404, ErrorKind::NotFound, None),
        (422, ErrorKind::Unsupported, None),
        (429, ErrorKind::Throttled, Some(2_000)),
        (500, ErrorKind::Transient, Some(2_000)),
        (503, ErrorKind::Transient, Some(2_000)),
    ] {
        mock.post("scenario", &json!({"behaviors": [{"type": "fail", "status": status, "retry_after": 2}]}));
        let error = chosen.embedder.embed(&["a text"]).expect_err("a fault was asked for");
        assert_eq!((error.kind, error.retry_after_ms), (kind, wait), "{status}: {error}");
    }
    chosen.embedder.embed(&["a text"]).unwrap();
}

#[test]
fn a_server_of_others_finds_no_fault_with_how_a_model_is_chosen() {
    for (name, behaviour, provider, requests) in [
        ("asked to wait", json!({"type": "fail", "status": 429, "retry_after": 1, "times": 1}), "openai", 3),
        ("a hiccup", json!({"type": "fail", "status": 503, "times": 1}), "openai", 3),
        ("no access", json!({"type": "fail", "status": 403, "times": 1}), "vllm", 3),
        ("no such model", json!({"type": "fail", "status": 404, "times": 1}), "vllm", 3),
    ] {
        let mock = Mock::start();
        mock.post("scenario", &json!({ "behaviors": [behaviour] }));
        let spec = format!("{},vllm:m?url={}/v1", mock.spec(), mock.address);
        let spec = EmbedSpec::parse(&spec).unwrap();
        // With the waits of every day: they are what is judged.
        let (models, settings) = (ModelStore::new("nowhere"), Given::default());
        let chosen = Chain::new(&spec, &models, 1, &settings).choose().expect(name);
        assert_eq!(chosen.embedder.provider(), provider, "{name}: {:?}", chosen.skipped);
        let verdict = mock.get("verdict");
        let findings = verdict["findings"].as_array().unwrap();
        assert!(findings.iter().all(|finding| finding["severity"] != "error"), "{name}: {verdict:#}");
        assert_eq!(mock.get("requests")["count"], requests, "{name}");
    }
}
