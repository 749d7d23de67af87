/*!
Which of several models embeds: the first that works at the start serves the whole run.

Vectors of two models must never meet in one index. So a model is chosen once, by embedding a short text, and from
then on nothing falls back: when the chosen one fails, the run pauses. A run that goes on later names its
[`Identity`], and gets the same model or an error.
*/

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vecferry_core::{Embedder, Error, Result};

use crate::http::HttpEmbedder;
use crate::probe;
use crate::provider::Provider;
use crate::settings::Settings;
use crate::spec::{EmbedSpec, ModelSpec};
use crate::store::ModelStore;
use crate::usage::Usage;

/// How often one model is tried before the next: one hiccup must not decide the model of a whole run.
const TRIES: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Whoever asks for more time than this is busy for now.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// Values of the probe's vector that are kept to recognise the model by.
const PROBE_VALUES: usize = 32;

/// A chain of models that can be opened.
pub struct Chain<'a> {
    spec: &'a EmbedSpec,
    models: &'a ModelStore,
    threads: usize,
    settings: &'a dyn Settings,
    wait: &'a dyn Fn(Duration) -> bool,
}

/// The model of a run.
pub struct Chosen {
    /// Opened and probed.
    pub embedder: Arc<dyn Embedder>,
    /// What it is known by; to be kept for [`Chain::open_exactly`].
    pub identity: Identity,
    /// The models before it in the chain, with the reasons.
    pub skipped: Vec<Skipped>,
    /// What it took so far and what it changed; all zero for built-in models.
    pub usage: Arc<Usage>,
}

/// A model that cannot be used now.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// As the spec names it.
    pub model: String,
    /// Why.
    pub why: Error,
}

/// What a model is recognised by when a run goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Who runs it.
    pub provider: String,
    /// Its name there.
    pub model: String,
    /// Values per vector.
    pub dimension: u32,
    /// The first values of the vector of a fixed text: servers may run another model under the same name. Not
    /// compared where it is empty.
    #[serde(default)]
    pub probe: Vec<f32>,
}

impl<'a> Chain<'a> {
    /// Nothing is opened yet. Built-in models come from `models` and use this many threads.
    pub fn new(spec: &'a EmbedSpec, models: &'a ModelStore, threads: usize, settings: &'a dyn Settings) -> Self {
        let sleep = &|time| {
            thread::sleep(time);
            true
        };
        Chain { spec, models, threads, settings, wait: sleep }
    }

    /// Waits between tries in this way rather than by sleeping. `false` from it ends the tries.
    #[must_use]
    pub fn waiting(mut self, wait: &'a dyn Fn(Duration) -> bool) -> Self {
        self.wait = wait;
        self
    }

    /// Opens the first model that can be used.
    ///
    /// # Errors
    /// The reason where the chain has one model; else `embed/none`, which lists all reasons, retryable when one of
    /// them is.
    pub fn choose(&self) -> Result<Chosen> {
        let mut skipped = Vec::new();
        for model in self.spec.models() {
            match self.open(model) {
                Ok(chosen) => return Ok(Chosen { skipped, ..chosen }),
                Err(why) => skipped.push(Skipped { model: model.to_string(), why }),
            }
        }
        Err(none(skipped))
    }

    /// Opens the model that an earlier part of the run used, and no other.
    ///
    /// # Errors
    /// `embed/not-in-chain`, `embed/another-model` (config), and the reasons for which it cannot be opened, of
    /// their own kinds.
    pub fn open_exactly(&self, identity: &Identity) -> Result<Chosen> {
        let Identity { provider, model, dimension, probe: vector } = identity;
        let is_it = |spec: &&ModelSpec| spec.provider() == provider && spec.model() == model;
        let Some(spec) = self.spec.models().iter().find(is_it) else {
            let message = format!("the run embeds with {provider}:{model}, which '{}' does not name", self.spec);
            return Err(Error::config("embed/not-in-chain", message)
                .hint("go on with the model that the run began with, or begin a new run"));
        };
        let chosen = self.open(spec)?;
        let found = &chosen.identity;
        let changed = if found.dimension != *dimension {
            Some(format!("its vectors have {} values, and had {dimension}", found.dimension))
        } else if !vector.is_empty() && !probe::is_same(&found.probe, vector) {
            Some("the same text has another vector".to_owned())
        } else {
            None
        };
        let Some(changed) = changed else { return Ok(chosen) };
        let message = format!("{provider}:{model} is not the model that it was when the run began: {changed}");
        Err(Error::config("embed/another-model", message)
            .hint("let the server run the model that the run began with, or begin a new run: vectors of two models cannot be compared"))
    }

    /// Tries a few times where that can help soon.
    fn open(&self, spec: &ModelSpec) -> Result<Chosen> {
        let mut tries = 1;
        loop {
            let error = match self.open_once(spec) {
                Ok(chosen) => return Ok(chosen),
                Err(error) => error,
            };
            // Where nothing listens, nothing will in a second.
            let is_passing = error.kind.is_retryable() && error.code != "embed/connect";
            let asked = error.retry_after_ms.map_or(Duration::ZERO, Duration::from_millis);
            let wait = asked.max(FIRST_WAIT.saturating_mul(1 << (tries - 1)));
            if !is_passing || tries == TRIES || wait > LONGEST_WAIT || !(self.wait)(wait) {
                return Err(error);
            }
            tries += 1;
        }
    }

    fn open_once(&self, spec: &ModelSpec) -> Result<Chosen> {
        let usage = Arc::new(Usage::default());
        let (embedder, vector): (Arc<dyn Embedder>, Vec<f32>) = if spec.is_built_in() {
            let embedder = self.models.load(spec.model(), self.threads)?;
            let vector = embedder.embed(&[probe::TEXT])?.values;
            (Arc::new(embedder), vector)
        } else {
            let provider = Provider::named(spec.provider()).ok_or_else(|| {
                Error::internal("embed/provider", format!("the provider {} is not there", spec.provider()))
            })?;
            let (embedder, vector) = HttpEmbedder::open(spec, provider, self.settings, Arc::clone(&usage))?;
            (Arc::new(embedder), vector)
        };
        let identity = Identity {
            provider: embedder.provider().to_owned(),
            model: embedder.model().to_owned(),
            dimension: embedder.dimension(),
            probe: vector.into_iter().take(PROBE_VALUES).collect(),
        };
        Ok(Chosen { embedder, identity, skipped: Vec::new(), usage })
    }
}

fn none(skipped: Vec<Skipped>) -> Error {
    if let [Skipped { why, .. }] = skipped.as_slice() {
        return why.clone();
    }
    let reasons: Vec<String> =
        skipped.iter().map(|Skipped { model, why }| format!("{model}: {}", why.message)).collect();
    let message = format!("none of the embedding models can be used: {}", reasons.join("; "));
    // What may pass leaves hope; else the preferred model's reason is the one to mend.
    let passing = skipped.iter().find(|skipped| skipped.why.kind.is_retryable());
    let Some(Skipped { why, .. }) = passing.or(skipped.first()) else {
        return Error::config("embed/none", message);
    };
    let mut error = Error::new(why.kind, "embed/none", message);
    error.retry_after_ms = why.retry_after_ms;
    let hints: Vec<&str> = skipped.iter().filter_map(|skipped| skipped.why.hint.as_deref()).collect();
    if hints.is_empty() { error } else { error.hint(hints.join("; or: ")) }
}
