/*!
What the plugin faiss-native and its helper process say to each other: messages over two pipes.

The plugin asks and the helper answers. While an index is being opened the helper asks back for the file's bytes, so
that it needs no right to open a file itself. A frame is `u32` length of the message, `u32` length of the body (both
little endian), the message (postcard), the body (bytes as they are).
*/

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Bytes of a message without its body.
const MAX_MESSAGE: u32 = 64 * 1024;
/// Bytes of a body.
const MAX_BODY: u32 = 1 << 30;
/// Bytes that the helper asks for at a time.
pub const BLOCK: u32 = 1 << 20;

/// From the plugin to its helper.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Read an index of so many bytes. Answered with any number of [`Answer::More`], each of which wants
    /// [`Request::Bytes`], and then [`Answer::Opened`] or [`Answer::Failed`].
    Open {
        /// Bytes of the file.
        bytes: u64,
    },
    /// The file's next bytes are the body; an empty one says that there are no more.
    Bytes,
    /// Some records. Answered with [`Answer::Rows`] or [`Answer::Failed`].
    Rows {
        /// The first record's number among the index's records.
        first: u64,
        /// Records, at least one; fewer come at the end.
        count: u32,
    },
}

/// From the helper to the plugin.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// At most [`BLOCK`] of the file's next bytes are wanted.
    More,
    /// The index was read.
    Opened(About),
    /// The body holds the records: their ids (`i64`), then their values (`f32`, rows × dimension), little endian.
    Rows,
    /// It cannot be done; in libfaiss' own words.
    Failed(String),
}

/// What libfaiss says about an index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The library's class: `IndexLSH`.
    pub class: String,
    /// The library's version: `1.12.0`.
    pub library: String,
    /// Values per vector.
    pub dimension: u32,
    /// Records.
    pub rows: u64,
    /// `faiss::MetricType`: 0 inner product, 1 squared L2, then others.
    pub metric: i64,
    /// Whether the index keeps ids; otherwise a record's id is its position.
    pub own_ids: bool,
}

/// Writes one frame.
///
/// # Errors
/// The pipe's; `InvalidInput` for a frame that is too long.
pub fn send(to: &mut impl Write, message: &impl Serialize, body: &[u8]) -> io::Result<()> {
    let message = postcard::to_stdvec(message).map_err(io::Error::other)?;
    let length = |bytes: &[u8], most: u32| {
        u32::try_from(bytes.len())
            .ok()
            .filter(|&length| length <= most)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a message is too long"))
    };
    to.write_all(&length(&message, MAX_MESSAGE)?.to_le_bytes())?;
    to.write_all(&length(body, MAX_BODY)?.to_le_bytes())?;
    to.write_all(&message)?;
    to.write_all(body)?;
    to.flush()
}

/// Reads one frame; `None` where the other side has closed the pipe.
///
/// # Errors
/// The pipe's; `UnexpectedEof` within a frame; `InvalidData` for what is no frame.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<(T, Vec<u8>)>> {
    let Some(message_length) = length(from)? else { return Ok(None) };
    let body_length = length(from)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    if message_length > MAX_MESSAGE || body_length > MAX_BODY {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message is too long"));
    }
    let message = bytes(from, message_length)?;
    let body = bytes(from, body_length)?;
    let message = postcard::from_bytes(&message).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(Some((message, body)))
}

/// A length, or `None` at the end of the pipe.
fn length(from: &mut impl Read) -> io::Result<Option<u32>> {
    let start = bytes_up_to(from, 4)?;
    match <[u8; 4]>::try_from(start.as_slice()) {
        Ok(length) => Ok(Some(u32::from_le_bytes(length))),
        Err(_) if start.is_empty() => Ok(None),
        Err(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn bytes(from: &mut impl Read, length: u32) -> io::Result<Vec<u8>> {
    let bytes = bytes_up_to(from, length)?;
    if bytes.len() as u64 == u64::from(length) { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Allocates as the bytes arrive, not as they are promised.
fn bytes_up_to(from: &mut impl Read, length: u32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.by_ref().take(u64::from(length)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
