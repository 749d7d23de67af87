//! What the tests share: one server for all of them, a host that sends real requests, and Chroma's own client.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::OnceLock;

use serde_json::{Value, json};
use vecferry_core::Grants;
use vecferry_plugin_chroma_server::ChromaServerSink;
use vecferry_powers::Powers;
use vecferry_sdk::{
    Batch, Capability, Config, Database, Dense, Entry, Error, File, Host, HostPowers, Level, Metric, Output,
    PrepareMode, Request, Response, Result, SinkPlugin, Target, Writer,
};

/// The Python that `cargo xtask test` made.
fn python() -> PathBuf {
    let python = std::env::var_os("VECFERRY_TEST_PYTHON");
    PathBuf::from(
        python.expect("VECFERRY_TEST_PYTHON names no Python with tests/requirements.txt: run cargo xtask test"),
    )
}

fn script(name: &str) -> Command {
    let mut command = Command::new(python());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/chroma_server").join(name));
    command
}

/// The server. It ends when its input does: with this process.
pub(crate) struct Server {
    _process: Child,
    pub(crate) url: String,
}

pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let mut process = script("server.py").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).expect("the server did not start; its reason stands above");
        Server { _process: process, url: answer["url"].as_str().unwrap().to_owned() }
    })
}

/// What Chroma's own client answers.
pub(crate) fn client(arguments: &[&str]) -> Value {
    let output = script("client.py").arg(&server().url).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// The host's own http, granted one server and a token.
struct Network(Powers);

/// A host that may ask `url`.
pub(crate) fn host(url: &str, secrets: &[(&str, &str)]) -> Host {
    let granted = url.split_once("://").unwrap().1.to_owned();
    let secrets = secrets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let grants = Grants { http_hosts: vec![granted], secrets, ..Grants::default() };
    Host::new(Rc::new(Network(Powers::new("chroma-server", &[Capability::Http], grants))))
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
        self.0.send(request)
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
        self.0.cancelled()
    }
}

/// The server and a host that may ask it.
pub(crate) struct Place {
    pub(crate) host: Host,
}

impl Place {
    pub(crate) fn new() -> Self {
        Place { host: host(&server().url, &[]) }
    }

    pub(crate) fn config(&self) -> Config {
        json!({"location": server().url})
    }

    /// The settings, and one more.
    pub(crate) fn config_with(&self, key: &str, value: impl Into<Value>) -> Config {
        let mut config = self.config();
        config[key] = value.into();
        config
    }

    /// A writer to a prepared target.
    pub(crate) fn writer(&self, target: &Target) -> Box<dyn Writer> {
        let config = self.config();
        ChromaServerSink::prepare(&self.host, &config, target, PrepareMode::CreateIfMissing).unwrap();
        ChromaServerSink::open(&self.host, &config, target).unwrap()
    }
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
