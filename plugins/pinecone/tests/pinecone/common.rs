//! What the tests share: a host that sends real requests, and a server to send them to.

use std::rc::Rc;

use serde_json::{Value, json};
use vecferry_pinecone_local::{Options, Server};
use vecferry_plugin_pinecone::PineconeSink;
use vecferry_sdk::{
    Batch, Config, Database, Dense, Entry, Error, File, Host, HostPowers, Level, Method, Metric, Output, PrepareMode,
    Request, Response, Result, SinkPlugin, Target, Writer,
};

/// Sends what is asked, with the key in its place.
struct Network {
    client: reqwest::blocking::Client,
    key: String,
}

impl Network {
    fn host(key: &str) -> Host {
        Host::new(Rc::new(Network { client: reqwest::blocking::Client::new(), key: key.to_owned() }))
    }

    fn exchange(&self, request: Request) -> reqwest::Result<Response> {
        let method = match request.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            other => panic!("the plugin sends {other:?}"),
        };
        let mut call = self.client.request(method, &request.url).body(request.body);
        for (name, value) in &request.headers {
            call = call.header(name, value.replace("${secret:PINECONE_API_KEY}", &self.key));
        }
        let response = call.send()?;
        let status = response.status().as_u16();
        let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        Ok(Response { status, headers, body: response.bytes()?.to_vec() })
    }
}

fn denied<T>() -> Result<T> {
    Err(Error::denied("test/denied", "the plugin asks for more than requests"))
}

impl HostPowers for Network {
    fn list_files(&self) -> Result<Vec<Entry>> {
        denied()
    }
    fn open_file(&self, _: &str) -> Result<File> {
        denied()
    }
    fn open_sqlite(&self, _: &str) -> Result<Box<dyn Database>> {
        denied()
    }
    fn send(&self, request: Request) -> Result<Response> {
        self.exchange(request).map_err(|e| Error::transient("http/interrupted", e.to_string()))
    }
    fn create_output(&self, _: &str) -> Result<Box<dyn Output>> {
        denied()
    }
    fn reopen_output(&self, _: &str) -> Result<Option<Box<dyn Output>>> {
        denied()
    }
    fn open_output(&self, _: &str) -> Result<Box<dyn Output>> {
        denied()
    }
    fn list_outputs(&self) -> Result<Vec<Entry>> {
        denied()
    }
    fn log_enabled(&self, _: Level) -> bool {
        false
    }
    fn log(&self, _: Level, _: &str, _: &[(&str, String)]) {}
    fn cancelled(&self) -> bool {
        false
    }
}

/// A local Pinecone that judges every request by Pinecone's OpenAPI files.
pub(crate) struct Place {
    pub(crate) server: Server,
    pub(crate) host: Host,
}

impl Place {
    pub(crate) fn new() -> Self {
        Place::over(Server::start_strict(Options::default()).unwrap())
    }

    /// Without the judge, who takes his time over millions of values.
    pub(crate) fn unjudged() -> Self {
        Place::over(Server::start(Options::default()).unwrap())
    }

    fn over(server: Server) -> Self {
        let host = Network::host(server.api_key());
        Place { server, host }
    }

    pub(crate) fn config(&self, index: &str) -> Config {
        json!({"location": index, "controller_host": self.server.url()})
    }

    /// The settings, and one more.
    pub(crate) fn config_with(&self, index: &str, key: &str, value: impl Into<Value>) -> Config {
        let mut config = self.config(index);
        config[key] = value.into();
        config
    }

    /// A writer to a prepared target.
    pub(crate) fn writer(&self, config: &Config, target: &Target) -> Box<dyn Writer> {
        PineconeSink::prepare(&self.host, config, target, PrepareMode::CreateIfMissing).unwrap();
        PineconeSink::open(&self.host, config, target).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let wrong = self.server.violations();
            assert!(wrong.is_empty(), "requests that Pinecone does not allow: {wrong:#?}");
        }
    }
}

/// A host for another server than [`Place`]'s.
pub(crate) fn host(key: &str) -> Host {
    Network::host(key)
}

pub(crate) fn target(name: &str, dimension: impl Into<Option<u32>>, metric: Metric) -> Target {
    Target { collection: name.into(), dimension: dimension.into(), metric }
}

/// A repeatable value in -0.5..0.5 for a place.
pub(crate) fn value(row: usize, column: usize) -> f32 {
    let mut x =
        (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (column as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 30)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x >> 40) as f32 / 16_777_216.0 - 0.5
}

/// Records `from..to`, with document and metadata.
pub(crate) fn records(from: usize, to: usize, dimension: u32) -> Batch {
    let values = (from..to).flat_map(|row| (0..dimension as usize).map(move |column| value(row, column))).collect();
    Batch {
        ids: (from..to).map(|row| format!("doc-{row:05}")).collect(),
        dense: vec![Dense::new(dimension, values)],
        sparse: vec![],
        documents: Some((from..to).map(|row| (row % 5 != 0).then(|| format!("text {row}"))).collect()),
        metadata: Some((from..to).map(|row| format!(r#"{{"row":{row},"exact":{row}.25,"tags":["a","ü"]}}"#)).collect()),
    }
}
