/*! Where a listing stands: the cursor of the source's pages and of the sink's lists. */

use vecferry_sdk::{Error, Result};

const END: &[u8] = b"end";
const AT: &[u8] = b"at:";

/// A place in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// Before the first page.
    Start,
    /// Before the page of this token.
    At(String),
    /// After the last page.
    End,
}

impl Cursor {
    /// The place after a page whose answer named `next`.
    pub(crate) fn after(next: Option<String>) -> Self {
        next.map_or(Cursor::End, Cursor::At)
    }

    /// Reads what [`Cursor::bytes`] wrote.
    ///
    /// # Errors
    /// `config` for bytes that it did not write.
    pub(crate) fn read(bytes: Option<&[u8]>) -> Result<Self> {
        match bytes {
            None => Ok(Cursor::Start),
            Some(END) => Ok(Cursor::End),
            Some(bytes) => bytes
                .strip_prefix(AT)
                .and_then(|token| std::str::from_utf8(token).ok())
                .map(|token| Cursor::At(token.to_owned()))
                .ok_or_else(|| {
                    Error::config("pinecone/cursor", "this place in a listing is from another version of the plugin")
                }),
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Cursor::Start => Vec::new(),
            Cursor::At(token) => [AT, token.as_bytes()].concat(),
            Cursor::End => END.to_vec(),
        }
    }

    /// The token to ask with.
    pub(crate) fn token(&self) -> Option<&str> {
        match self {
            Cursor::At(token) => Some(token),
            Cursor::Start | Cursor::End => None,
        }
    }
}
