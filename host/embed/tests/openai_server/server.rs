//! A server of `POST /v1/embeddings` as OpenAI documents it: it refuses what OpenAI refuses, in OpenAI's words, and
//! fails in the next requests as it is told to. Its "tokens" are words.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The model that the server has.
pub(crate) const MODEL: &str = "test-embedder";

/// What the server does with `encoding_format: base64`.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Base64 {
    Follows,
    /// Writes other numbers than float32, as nobody should: the upper halves of them.
    Halves,
    /// Writes float32 in the other byte order, as nobody should.
    BigEndian,
    /// Answers with lists of numbers all the same.
    Disregards,
    /// Answers with this status.
    Refuses(u16),
}

/// What the server is.
pub(crate) struct Behaviour {
    pub(crate) dimension: usize,
    pub(crate) key: Option<&'static str>,
    pub(crate) max_inputs: usize,
    /// Of one text.
    pub(crate) max_words: usize,
    pub(crate) base64: Base64,
    /// Whether it follows `dimensions`; else it disregards it.
    pub(crate) dimensions: bool,
    /// Texts with this word are refused, for no reason of length.
    pub(crate) forbidden: &'static str,
    /// Another model under the same name.
    pub(crate) seed: u64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Behaviour {
            dimension: 8,
            key: None,
            max_inputs: 2048,
            max_words: 8192,
            base64: Base64::Follows,
            dimensions: true,
            forbidden: "forbidden",
            seed: 0,
        }
    }
}

/// What happens to one request.
pub(crate) enum Fault {
    /// This answer: status, headers, body.
    Answer(u16, &'static [(&'static str, &'static str)], String),
    /// The right answer, changed.
    Changed(fn(&mut Value)),
    /// The connection is closed without an answer.
    Closed,
    /// The connection is closed in the middle of the answer.
    Half,
    /// No answer, until the client goes away.
    Silence,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Method and path.
    pub(crate) line: String,
    /// In lower case names.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
    /// The status that was answered; 0 where the connection broke off.
    pub(crate) status: u16,
}

impl Seen {
    pub(crate) fn inputs(&self) -> Vec<&str> {
        self.body["input"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

pub(crate) struct Server {
    behaviour: Behaviour,
    address: String,
    faults: Mutex<VecDeque<Fault>>,
    seen: Mutex<Vec<Seen>>,
}

impl Server {
    /// Serves until the test ends.
    pub(crate) fn start(behaviour: Behaviour) -> Arc<Server> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (faults, seen) = Default::default();
        let server = Arc::new(Server { behaviour, address, faults, seen });
        let acceptor = Arc::clone(&server);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let server = Arc::clone(&acceptor);
                std::thread::spawn(move || server.serve(&stream.unwrap()));
            }
        });
        server
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// What happens to the next requests, one each.
    pub(crate) fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lock().unwrap().extend(faults);
    }

    /// The requests since the last call.
    pub(crate) fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// The vector of a text.
    pub(crate) fn vector(&self, text: &str) -> Vec<f32> {
        self.vector_of(text, self.behaviour.dimension)
    }

    /// Numbers that differ for every text (FNV-1a, then a generator), with digits that only float32 keeps.
    fn vector_of(&self, text: &str, dimension: usize) -> Vec<f32> {
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        let mut state = text.bytes().fold(0xcbf2_9ce4_8422_2325 ^ self.behaviour.seed, mix);
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        (0..dimension).map(|_| next()).collect()
    }

    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Some(mut seen) = read_request(&mut reader) {
            let fault = self.faults.lock().unwrap().pop_front();
            let (status, headers, body): (u16, &[(&str, &str)], String) = match &fault {
                Some(Fault::Answer(status, headers, body)) => (*status, headers, body.clone()),
                Some(Fault::Closed | Fault::Silence) => (0, &[], String::new()),
                Some(Fault::Changed(change)) => {
                    let (status, mut body) = self.answer(&seen);
                    change(&mut body);
                    (status, &[], body.to_string())
                }
                Some(Fault::Half) | None => {
                    let (status, body) = self.answer(&seen);
                    (status, &[], body.to_string())
                }
            };
            seen.status = status;
            // Before the answer, so that the test finds it there.
            self.seen.lock().unwrap().push(seen);
            match fault {
                Some(Fault::Closed) => return,
                Some(Fault::Silence) => {
                    // Returns when the client closes the connection.
                    let _ = reader.read(&mut [0]);
                    return;
                }
                _ => {}
            }
            let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let head = format!(
                "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n",
                body.len()
            );
            let bytes = [head.as_bytes(), body.as_bytes()].concat();
            let sent = if matches!(fault, Some(Fault::Half)) { bytes.len() - body.len() / 2 } else { bytes.len() };
            let mut writer = stream;
            if writer.write_all(&bytes[..sent]).is_err() || sent < bytes.len() {
                return;
            }
        }
    }

    /// Status and body, as OpenAI's reference of the endpoint has them.
    fn answer(&self, seen: &Seen) -> (u16, Value) {
        let Behaviour { key, max_inputs, max_words, base64, dimensions, forbidden, .. } = &self.behaviour;
        let error = |status: u16, message: &str, code: Value| {
            let kind = "invalid_request_error";
            (status, json!({"error": {"message": message, "type": kind, "param": null, "code": code}}))
        };
        if seen.line != "POST /v1/embeddings" {
            return error(404, &format!("Invalid URL ({})", seen.line), Value::Null);
        }
        if let Some(key) = key
            && seen.header("authorization") != Some(&format!("Bearer {key}"))
        {
            let given = seen.header("authorization").unwrap_or("none");
            return error(401, &format!("Incorrect API key provided: {given}"), json!("invalid_api_key"));
        }
        let known = ["model", "input", "encoding_format", "dimensions", "user"];
        if let Some(unknown) = seen.body.as_object().unwrap().keys().find(|key| !known.contains(&key.as_str())) {
            return error(400, &format!("Unrecognized request argument supplied: {unknown}"), Value::Null);
        }
        if seen.body["model"] != MODEL {
            let message = format!("The model `{}` does not exist", seen.body["model"].as_str().unwrap_or_default());
            return error(404, &message, json!("model_not_found"));
        }
        let encoding = seen.body["encoding_format"].as_str();
        match (encoding, base64) {
            (Some("base64"), Base64::Refuses(status)) => {
                return error(*status, "UnsupportedParamsError: encoding_format", Value::Null);
            }
            (None | Some("float" | "base64"), _) => {}
            _ => return error(400, "Invalid value for 'encoding_format'", Value::Null),
        }
        let texts: Vec<&str> = match &seen.body["input"] {
            Value::String(text) => vec![text],
            Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        };
        if texts.is_empty() || texts.iter().any(|text| text.is_empty()) {
            return error(400, "'$.input' is invalid. Please check the API reference.", Value::Null);
        }
        if texts.len() > *max_inputs {
            let message = format!("batch size {} > maximum allowed batch size {max_inputs}", texts.len());
            return error(400, &message, Value::Null);
        }
        if texts.iter().any(|text| text.contains(forbidden)) {
            return error(400, "The input violates a policy", Value::Null);
        }
        let words: Vec<usize> = texts.iter().map(|text| text.split_whitespace().count()).collect();
        if let Some(long) = words.iter().find(|words| *words > max_words) {
            let message = format!(
                "This model's maximum context length is {max_words} tokens, however you requested {long} tokens \
                 ({long} in your prompt; 0 for the completion). Please reduce your prompt; or completion length."
            );
            return error(400, &message, Value::Null);
        }
        let asked = seen.body["dimensions"].as_u64().filter(|_| *dimensions);
        let dimension = asked.map_or(self.behaviour.dimension, |asked| asked as usize);
        let embed = |(index, text): (usize, &&str)| {
            let vector = self.vector_of(text, dimension);
            let bytes =
                |write: fn(&f32) -> Vec<u8>| json!(STANDARD.encode(vector.iter().flat_map(write).collect::<Vec<u8>>()));
            let embedding = match base64 {
                Base64::Follows if encoding == Some("base64") => bytes(|value| value.to_le_bytes().to_vec()),
                Base64::BigEndian if encoding == Some("base64") => bytes(|value| value.to_be_bytes().to_vec()),
                Base64::Halves if encoding == Some("base64") => bytes(|value| value.to_le_bytes()[2..].to_vec()),
                _ => json!(vector),
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        };
        let data: Vec<Value> = texts.iter().enumerate().map(embed).collect();
        let tokens: usize = words.iter().sum();
        let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
        (200, json!({"object": "list", "data": data, "model": MODEL, "usage": usage}))
    }
}

/// The next request of a connection; `None` when the client has gone.
fn read_request(reader: &mut impl BufRead) -> Option<Seen> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let line = line.trim_end().strip_suffix(" HTTP/1.1").unwrap().to_owned();
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.push((name.to_lowercase(), value.to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Some(Seen { line, headers, body, status: 0 })
}
