/*! The one error of the contract: a closed kind that decides policy, and words for people. */

use std::fmt;

use serde::{Deserialize, Serialize};

/// A result whose error is the contract's.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What an error makes the host do. Closed: a new kind is a major change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The user's settings are wrong; nothing was tried. Stops the run.
    Config,
    /// Credentials are missing or refused. Stops the run.
    Auth,
    /// A file, collection or index that was named does not exist. Stops the run.
    NotFound,
    /// Understood, but it cannot be done here. Stops the run.
    Unsupported,
    /// The data contradicts its own format. Stops the run, or rejects one row when it concerns a row.
    Corrupt,
    /// Slow down: retried with back-off, honouring `retry_after_ms`.
    Throttled,
    /// May succeed when tried again: retried with back-off.
    Transient,
    /// A capability that was not granted. Stops the run.
    Denied,
    /// A fault of the plugin or of the host. Stops the run.
    Internal,
}

impl ErrorKind {
    /// Whether trying the same call again can help.
    pub fn is_retryable(self) -> bool {
        matches!(self, ErrorKind::Throttled | ErrorKind::Transient)
    }

    /// The kind's name as users and JSON see it.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorKind::Config => "config",
            ErrorKind::Auth => "auth",
            ErrorKind::NotFound => "not-found",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::Corrupt => "corrupt",
            ErrorKind::Throttled => "throttled",
            ErrorKind::Transient => "transient",
            ErrorKind::Denied => "denied",
            ErrorKind::Internal => "internal",
        }
    }
}

/// What failed, where, why, and what to do next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Error {
    /// Decides policy.
    pub kind: ErrorKind,
    /// Open-ended, `area/what`, for tests and scripts: `faiss/unknown-fourcc`.
    pub code: String,
    /// One sentence: what failed and why.
    pub message: String,
    /// What the user can do next.
    pub hint: Option<String>,
    /// For [`ErrorKind::Throttled`]: milliseconds the other side asked to wait.
    pub retry_after_ms: Option<u64>,
    /// Where: `("file", "index.faiss")`, `("offset", "4096")`, `("id", "doc-7")`.
    pub context: Vec<(String, String)>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {
        $($(#[$doc])* pub fn $name(code: impl Into<String>, message: impl Into<String>) -> Self {
            Error::new(ErrorKind::$kind, code, message)
        })*
    };
}

impl Error {
    /// An error without hint or context.
    pub fn new(kind: ErrorKind, code: impl Into<String>, message: impl Into<String>) -> Self {
        Error {
            kind,
            code: code.into(),
            message: message.into(),
            hint: None,
            retry_after_ms: None,
            context: Vec::new(),
        }
    }

    constructors! {
        /// Of kind [`ErrorKind::Config`].
        config => Config;
        /// Of kind [`ErrorKind::Auth`].
        auth => Auth;
        /// Of kind [`ErrorKind::NotFound`].
        not_found => NotFound;
        /// Of kind [`ErrorKind::Unsupported`].
        unsupported => Unsupported;
        /// Of kind [`ErrorKind::Corrupt`].
        corrupt => Corrupt;
        /// Of kind [`ErrorKind::Throttled`].
        throttled => Throttled;
        /// Of kind [`ErrorKind::Transient`].
        transient => Transient;
        /// Of kind [`ErrorKind::Denied`].
        denied => Denied;
        /// Of kind [`ErrorKind::Internal`].
        internal => Internal;
    }

    /// Adds what the user can do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds where it happened, unless that key is already there (the innermost place wins).
    #[must_use]
    pub fn at(mut self, key: &str, value: impl fmt::Display) -> Self {
        if !self.context.iter().any(|(k, _)| k == key) {
            self.context.push((key.to_owned(), value.to_string()));
        }
        self
    }

    /// The value of one context key.
    pub fn context(&self, key: &str) -> Option<&str> {
        self.context.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if !self.context.is_empty() {
            f.write_str(" (")?;
            for (i, (key, value)) in self.context.iter().enumerate() {
                let separator = if i == 0 { "" } else { ", " };
                write!(f, "{separator}{key} {value}")?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
