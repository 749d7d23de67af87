/*! The way back: a record from Pinecone's id and metadata. */

use serde_json::value::RawValue;
use vecferry_sdk::{Error, Result};

use crate::fit::{CHUNK_ID, EMBEDDING_FIELDS, Layout, chunk_id, text_of};
use crate::ids::{self, Decoded};
use crate::json::{Fields, Kind, kind, plain_number, quoted};

/// A record without its vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The id that it had before it was stored.
    pub id: String,
    /// Its text.
    pub document: Option<String>,
    /// A JSON object.
    pub metadata: String,
}

/// Whose record it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// The sink, reading back what it wrote: what it added or renamed is taken back.
    Sink,
    /// The source: fields are given as they stand.
    Source,
}

impl Layout {
    /// The record that is stored as `stored` with `metadata`.
    ///
    /// # Errors
    /// `corrupt` where the service's answer is no object.
    pub fn restore(&self, stored: &str, metadata: Option<&RawValue>, reader: Reader) -> Result<Restored> {
        let Fields(fields) = match metadata.map(RawValue::get) {
            None | Some("null") => Fields::default(),
            Some(json) => serde_json::from_str(json).map_err(|e| {
                Error::corrupt("pinecone/answer", format!("a record's metadata is no JSON object: {e}"))
                    .at("id", stored)
            })?,
        };
        let text_of_field =
            |name: &str| fields.iter().find(|(key, _)| key == name).and_then(|(_, value)| text_of(value.get()));
        let kept = text_of_field(ids::FIELD).filter(|id| stored != id && ids::encode(id) == stored);
        let was_encoded = kept.is_some();
        let id = kept.unwrap_or_else(|| match ids::decode(stored) {
            Decoded::Id(id) => id.into_owned(),
            // Somebody else's id that only looks like a digest.
            Decoded::InMetadata => stored.to_owned(),
        });
        let document = text_of_field(&self.text_field);
        let is_ours = |key: &str| -> bool {
            if (key == self.text_field && document.is_some()) || (key == ids::FIELD && was_encoded) {
                return true;
            }
            if reader == Reader::Source {
                return false;
            }
            if key == CHUNK_ID {
                let source = text_of_field(&self.stored_key("source"));
                return text_of_field(CHUNK_ID).as_deref() == Some(chunk_id(&id, &self.namespace, source.as_deref()));
            }
            self.embedding.is_some() && EMBEDDING_FIELDS.contains(&key)
        };
        let mut out = String::from("{");
        for (key, value) in fields.iter().filter(|(key, _)| !is_ours(key)) {
            if out.len() > 1 {
                out.push(',');
            }
            let key = if reader == Reader::Sink { self.own_key(key) } else { key };
            out.push_str(&quoted(key));
            out.push(':');
            let value = value.get();
            out.push_str(&if kind(value) == Kind::Number { plain_number(value) } else { value.into() });
        }
        out.push('}');
        Ok(Restored { id, document, metadata: out })
    }
}
