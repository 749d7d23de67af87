//! Models behind servers, and the choice between models, against a server of our own that speaks OpenAI's
//! protocol, strictly, and fails on demand. OpenAI's official client is the judge of that server; a mock server that
//! others wrote is asked beside it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chain;
mod faults;
mod independent;
mod official_client;
mod requests;
mod server;

#[path = "../fetched/mod.rs"]
mod fetched;

use std::collections::HashMap;
use std::sync::Arc;

use vecferry_core::Error;
use vecferry_embed::{Chain, Chosen, EmbedSpec, ModelStore, Secret, Settings};

/// Settings of a test.
#[derive(Default)]
struct Given(HashMap<&'static str, String>);

impl Given {
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.insert(name, value.into());
        self
    }
}

impl Settings for Given {
    fn address(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn key(&self, name: &str) -> Option<Secret> {
        self.0.get(name).map(|value| Secret::new(value))
    }
}

/// Opens a spec's model without waiting between tries.
fn open(spec: &str, settings: &Given) -> Result<Chosen, Error> {
    let spec = EmbedSpec::parse(spec).unwrap();
    Chain::new(&spec, &ModelStore::new("nowhere"), 1, settings).waiting(&|_| true).choose()
}

/// Opens the model of a test server, with options such as `inputs=7`.
fn open_at(server: &Arc<server::Server>, options: &str) -> Result<Chosen, Error> {
    open(&format!("openai-compatible:{}?url={}&{options}", server::MODEL, server.base()), &Given::default())
}
