/*!
Texts to vectors: several sessions of one thread each, one text at a time.

fastembed would batch: it pads all texts of a batch to the longest, and keeps every batch's hidden states until
its call ends. One text at a time is faster on processors, keeps memory flat, and makes a text's vector the same
whatever stands beside it. Threads come from having several sessions, since a session serves one call at a time.
*/

use std::cmp::Reverse;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use fastembed::{InitOptionsUserDefined, Pooling, TextEmbedding, TokenizerFiles, UserDefinedEmbeddingModel};
use ort::environment::Environment;
use vecferry_core::{Dense, Embedder, Error, Result};

use crate::registry::{CONFIG, Model, SPECIAL_TOKENS, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS};
use crate::window::window;
use crate::{files, runtime};

/// Each session holds the weights once more, about 140 MB. Beyond this many, further threads speed up each text.
const MAX_SESSIONS: usize = 8;

/// A sentence-transformers model on ONNX Runtime. Vectors have length 1.
pub struct FastEmbedder {
    opener: Opener,
    limit: usize,
    sessions: Mutex<Sessions>,
    /// Signalled when a session becomes free, or one could not be started.
    freed: Condvar,
}

/// What a session is started from.
struct Opener {
    model: &'static Model,
    folder: PathBuf,
    environment: Environment,
    /// Of each session.
    threads: usize,
}

#[derive(Default)]
struct Sessions {
    idle: Vec<TextEmbedding>,
    /// Idle, in use, or being started; at most the limit.
    started: usize,
}

impl fmt::Debug for FastEmbedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FastEmbedder")
            .field("model", &self.opener.model.name)
            .field("sessions", &self.limit)
            .finish_non_exhaustive()
    }
}

impl FastEmbedder {
    /// Starts the first session, so that what is wrong shows now.
    pub(crate) fn load(model: &'static Model, folder: PathBuf, library: &Path, threads: usize) -> Result<Self> {
        let limit = threads.clamp(1, MAX_SESSIONS);
        let environment = runtime::environment(library)?;
        let opener = Opener { model, folder, environment, threads: (threads / limit).max(1) };
        let sessions = Sessions { idle: vec![opener.open()?], started: 1 };
        Ok(FastEmbedder { opener, limit, sessions: Mutex::new(sessions), freed: Condvar::new() })
    }

    /// A session that nobody else uses: an idle one, a new one, or the next that becomes free.
    fn session(&self) -> Result<Lease<'_>> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(session) = sessions.idle.pop() {
                return Ok(Lease { embedder: self, session: Some(session) });
            }
            if sessions.started < self.limit {
                break;
            }
            sessions = self.freed.wait(sessions).unwrap_or_else(PoisonError::into_inner);
        }
        sessions.started += 1;
        drop(sessions);
        // The lease gives the place back if the session cannot be started.
        let mut lease = Lease { embedder: self, session: None };
        lease.session = Some(self.opener.open()?);
        Ok(lease)
    }

    /// Embeds rows in the order given until none is left; `next` is shared by all who do so.
    fn work(&self, texts: &[&str], order: &[usize], next: &AtomicUsize) -> Result<Vec<(usize, Vec<f32>)>> {
        let mut lease = self.session()?;
        let mut done = Vec::new();
        while let Some(&row) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some(text) = texts.get(row) else { break };
            match lease.embed(text) {
                Ok(vector) => done.push((row, vector)),
                Err(error) => {
                    // Nobody needs the rest.
                    next.store(order.len(), Ordering::Relaxed);
                    return Err(error.at("row", row));
                }
            }
        }
        Ok(done)
    }
}

impl Embedder for FastEmbedder {
    fn provider(&self) -> &'static str {
        "fastembed"
    }

    fn model(&self) -> &str {
        self.opener.model.name
    }

    fn dimension(&self) -> u32 {
        self.opener.model.dimension
    }

    fn embed(&self, texts: &[&str]) -> Result<Dense> {
        // Longest first, so that no thread is left with the longest text at the end.
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|&row| Reverse(texts.get(row).map_or(0, |text| text.len())));
        let next = AtomicUsize::new(0);
        let work = || self.work(texts, &order, &next);
        let parts: Vec<_> = thread::scope(|scope| {
            let others: Vec<_> = (1..self.limit.min(texts.len())).map(|_| scope.spawn(work)).collect();
            let mine = if texts.is_empty() { Ok(Vec::new()) } else { work() };
            let panicked = |_| Err(Error::internal("embed/panic", "the embedding model's thread panicked"));
            let theirs = others.into_iter().map(|other| other.join().unwrap_or_else(panicked));
            std::iter::once(mine).chain(theirs).collect()
        });

        let width = self.opener.model.dimension as usize;
        let mut values = vec![0.0; texts.len() * width];
        for part in parts {
            for (row, vector) in part? {
                values[row * width..(row + 1) * width].copy_from_slice(&vector);
            }
        }
        Ok(Dense::new(self.opener.model.dimension, values))
    }
}

/// A session in use; it goes back when this is dropped.
struct Lease<'a> {
    embedder: &'a FastEmbedder,
    session: Option<TextEmbedding>,
}

impl Lease<'_> {
    /// One text's vector: of the model's dimension, finite.
    fn embed(&mut self, text: &str) -> Result<Vec<f32>> {
        let failed = |reason: String| Error::internal("embed/failed", format!("the embedding model failed: {reason}"));
        let model = self.embedder.opener.model;
        let Some(session) = &mut self.session else { return Err(failed("it has no session".to_owned())) };
        let count = |text: &str| session.tokenizer.encode(text, true).map(|encoding| encoding.len());
        let text = window(text, model.max_tokens, count).map_err(|error| failed(error.to_string()))?;
        let mut vectors = session.embed([text], Some(1)).map_err(|error| failed(error.to_string()))?;
        match vectors.pop() {
            Some(vector)
                if vector.len() == model.dimension as usize && vector.iter().all(|value| value.is_finite()) =>
            {
                Ok(vector)
            }
            _ => Err(failed(format!("it did not return {} finite values", model.dimension))),
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut sessions = self.embedder.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        match self.session.take() {
            Some(session) => sessions.idle.push(session),
            None => sessions.started -= 1,
        }
        self.embedder.freed.notify_one();
    }
}

impl Opener {
    fn open(&self) -> Result<TextEmbedding> {
        let tokenizer = TokenizerFiles {
            tokenizer_file: self.file(TOKENIZER)?,
            config_file: self.file(CONFIG)?,
            special_tokens_map_file: self.file(SPECIAL_TOKENS)?,
            tokenizer_config_file: self.file(TOKENIZER_CONFIG)?,
        };
        let model = UserDefinedEmbeddingModel::new(self.model.graph.to_vec(), tokenizer)
            .with_external_initializer(WEIGHTS.to_owned(), self.file(WEIGHTS)?)
            // Unset, fastembed takes the first token's state, which this model was not trained for.
            .with_pooling(Pooling::Mean);
        let options = InitOptionsUserDefined::new()
            .with_environment(self.environment.clone())
            .with_max_length(self.model.max_tokens)
            .with_intra_threads(self.threads);
        TextEmbedding::try_new_from_user_defined(model, options).map_err(|error| {
            Error::internal("model/load", format!("cannot load {}: {error}", self.model.name))
                .at("folder", self.folder.display())
        })
    }

    fn file(&self, name: &str) -> Result<Vec<u8>> {
        let files = self.model.package.files;
        let file = files.iter().find(|file| file.name == name).ok_or_else(|| {
            Error::internal("model/load", format!("{} is registered without {name}", self.model.name))
        })?;
        files::read(file, &self.folder)
    }
}
