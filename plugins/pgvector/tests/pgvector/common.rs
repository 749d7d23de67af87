//! What the tests share: one server for all of them, a schema for each.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use postgres::{Client, NoTls};
use serde_json::{Value, json};
use vecferry_plugin_pgvector::PgvectorSink;
use vecferry_sdk::testing::folder_host;
use vecferry_sdk::{Batch, Config, Dense, Host, Metric, PrepareMode, Result, SinkPlugin, Target, Writer};

/// The Python that `cargo xtask test` made.
pub(crate) fn python() -> PathBuf {
    let python = std::env::var_os("VECFERRY_TEST_PYTHON");
    PathBuf::from(
        python.expect("VECFERRY_TEST_PYTHON names no Python with tests/requirements.txt: run cargo xtask test"),
    )
}

pub(crate) fn script(name: &str) -> Command {
    let mut command = Command::new(python());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pgvector").join(name));
    command
}

/// The server. It ends when its input does: with this process.
pub(crate) struct Server {
    _process: Child,
    pub(crate) socket: String,
}

pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let mut process = script("server.py").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).expect("the server did not start; its reason stands above");
        let socket = answer["socket"].as_str().unwrap().to_owned();
        let server = Server { _process: process, socket };
        server.sql("postgres").batch_execute("CREATE EXTENSION vector").unwrap();
        server
    })
}

impl Server {
    pub(crate) fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@/{database}?host={}", self.socket)
    }

    pub(crate) fn sql(&self, database: &str) -> Client {
        Client::connect(&self.url("postgres", database), NoTls).unwrap()
    }
}

/// A schema of the server.
pub(crate) struct Place {
    pub(crate) host: Host,
    pub(crate) schema: String,
}

impl Place {
    /// `name` is the test's own.
    pub(crate) fn new(name: &str) -> Self {
        server().sql("postgres").batch_execute(&format!("CREATE SCHEMA \"{name}\"")).unwrap();
        Place { host: host(), schema: name.to_owned() }
    }

    pub(crate) fn sql(&self) -> Client {
        let mut sql = server().sql("postgres");
        sql.batch_execute(&format!("SET search_path TO \"{}\", public", self.schema)).unwrap();
        sql
    }

    /// The first value of a query's first row.
    pub(crate) fn text(&self, sql: &str) -> String {
        self.sql().query_one(sql, &[]).unwrap().get(0)
    }

    pub(crate) fn config(&self) -> Config {
        json!({"location": server().url("postgres", "postgres"), "schema": self.schema})
    }

    pub(crate) fn config_with(&self, more: Value) -> Config {
        let mut config = self.config();
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config
    }

    pub(crate) fn prepare(&self, config: &Config, target: &Target) -> Result<()> {
        PgvectorSink::prepare(&self.host, config, target, PrepareMode::CreateIfMissing).map(drop)
    }

    /// A writer to a prepared target.
    pub(crate) fn writer(&self, config: &Config, target: &Target) -> Box<dyn Writer> {
        self.prepare(config, target).unwrap();
        PgvectorSink::open(&self.host, config, target).unwrap()
    }
}

/// It is asked for nothing.
pub(crate) fn host() -> Host {
    folder_host(Path::new("."))
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
