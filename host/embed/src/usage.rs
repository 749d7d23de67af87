/*! What embedding over the network took, and what was changed on the way. */

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of one embedder since it was opened, the probe included. All zero for built-in models.
#[derive(Debug, Default)]
pub struct Usage {
    requests: AtomicU64,
    tokens: AtomicU64,
    shortened: AtomicU64,
    blank: AtomicU64,
}

impl Usage {
    /// Requests that were sent, also those that failed.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Tokens that the server counted in what it embedded; 0 where it does not say.
    pub fn tokens(&self) -> u64 {
        self.tokens.load(Ordering::Relaxed)
    }

    /// Texts of which only the beginning was embedded, since the model reads no more.
    pub fn shortened(&self) -> u64 {
        self.shortened.load(Ordering::Relaxed)
    }

    /// Empty texts, which the protocol does not have: a blank was embedded for each.
    pub fn blank(&self) -> u64 {
        self.blank.load(Ordering::Relaxed)
    }

    pub(crate) fn add_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add_tokens(&self, tokens: u64) {
        self.tokens.fetch_add(tokens, Ordering::Relaxed);
    }

    pub(crate) fn add_shortened(&self, texts: u64) {
        self.shortened.fetch_add(texts, Ordering::Relaxed);
    }

    pub(crate) fn add_blank(&self, texts: u64) {
        self.blank.fetch_add(texts, Ordering::Relaxed);
    }
}
