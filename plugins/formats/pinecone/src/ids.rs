/*!
Ids that the service does not take, and back.

Pinecone takes ids of 1 to 512 ASCII characters (its newest SDK refuses all others before it sends them). Such an id is
kept as it is. Any other is stored

- as `~u~` and the id's UTF-8, in which every byte but the visible ASCII characters, and `%`, is written `%XX`, where
  that is no longer than 512 characters: `Größe 1` becomes `~u~Gr%C3%B6%C3%9Fe%201`;
- else as `~h~` and the BLAKE3 digest of the id, in 64 hexadecimal digits.

Either way the metadata field [`FIELD`] holds the id itself. Ids that begin with one of the two marks are encoded too,
so no two ids share a stored one, and the same id always gives the same: upserts stay idempotent.
*/

use std::borrow::Cow;

use crate::percent;

/// The metadata field that keeps an encoded id's original.
pub const FIELD: &str = "vecferry_id";

const MAX_CHARS: usize = 512;
const SPELLED: &str = "~u~";
const HASHED: &str = "~h~";

/// The id under which a record is stored.
pub fn encode(id: &str) -> Cow<'_, str> {
    let taken = (1..=MAX_CHARS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii() && byte != 0);
    if taken && !is_marked(id) {
        return id.into();
    }
    let spelled = percent::encode(SPELLED, id, |byte| byte.is_ascii_graphic() && byte != b'%');
    if spelled.len() <= MAX_CHARS {
        return spelled.into();
    }
    format!("{HASHED}{}", blake3::hash(id.as_bytes()).to_hex()).into()
}

/// What a stored id stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// The record's id.
    Id(Cow<'a, str>),
    /// Only the record's metadata says.
    InMetadata,
}

/// Reads a stored id. What merely looks encoded is an id of somebody else, and stays as it is.
pub fn decode(stored: &str) -> Decoded<'_> {
    if let Some(digest) = stored.strip_prefix(HASHED)
        && digest.len() == 64
        && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Decoded::InMetadata;
    }
    let spelled = stored.strip_prefix(SPELLED).and_then(percent_decode).filter(|id| encode(id) == stored);
    Decoded::Id(spelled.map_or(Cow::Borrowed(stored), Cow::Owned))
}

fn is_marked(id: &str) -> bool {
    id.starts_with(SPELLED) || id.starts_with(HASHED)
}

fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let [high, low, after @ ..] = after else { return None };
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            out.push(digit(*high)? << 4 | digit(*low)?);
            rest = after;
        } else {
            out.push(*first);
            rest = after;
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
#[path = "ids_tests.rs"]
mod tests;
