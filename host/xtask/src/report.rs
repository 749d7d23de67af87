/*! What a task says: its steps and its failure, on standard error. Results go to standard output. */

use std::fmt;

/// A task's result.
pub(crate) type Result<T> = std::result::Result<T, Failure>;

/// Why a task ended, and what its user can do.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Failure { message: message.into(), hint: None }
    }

    /// Adds what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Adds to an error what was being done.
pub(crate) trait Context<T> {
    fn context(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Failure::new(format!("{}: {error}", doing())))
    }
}

/// One line about a step: its subject, and what happens and why.
pub(crate) fn step(subject: &str, what: impl fmt::Display) {
    eprintln!("[{subject}] {what}");
}

/// The last words of a task that failed.
pub(crate) fn failure(failure: &Failure) {
    eprintln!("error: {failure}");
    if let Some(hint) = &failure.hint {
        eprintln!("hint: {hint}");
    }
}
