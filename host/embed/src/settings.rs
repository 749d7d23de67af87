/*!
What the embedders ask of whoever uses this crate: where servers are, and the keys for them.

This crate reads no environment variable and no file of settings; it asks a [`Settings`] by name. Addresses and
keys are asked for separately, so that the two can come from different places: a key may come from a file beside
the user's data, but an address from there could send the user's own key to somebody else's server.
*/

use std::fmt;

/// Looks settings up by name. The names are those of [`crate::PROVIDERS`], and those that a spec gives as `key=NAME`.
pub trait Settings {
    /// An address, such as `OPENAI_BASE_URL`. `None` where it is not set. Must come from the user, never from
    /// files that the user only wants to move.
    fn address(&self, name: &str) -> Option<String>;

    /// A key, such as `OPENAI_API_KEY`. `None` where it is not set.
    fn key(&self, name: &str) -> Option<Secret>;
}

/// A value that is shown to nobody: `Debug` hides it, and errors are cleared of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Stands where a secret stood.
const MASK: &str = "[secret]";
/// Shorter secrets are not looked for in texts: they would be found where they are not meant.
const MIN_REDACTED_BYTES: usize = 8;

impl Secret {
    /// Takes it in, without blanks around it.
    pub fn new(value: &str) -> Self {
        Secret(value.trim().to_owned())
    }

    /// Whether there is nothing to keep secret.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value, for a request's header alone.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// `text` without the secret, for servers that repeat what they refuse.
    pub(crate) fn redact(&self, text: &str) -> String {
        if self.0.len() < MIN_REDACTED_BYTES { text.to_owned() } else { text.replace(&self.0, MASK) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}
