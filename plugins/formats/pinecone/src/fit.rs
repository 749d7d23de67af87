/*!
How a record's document and metadata become Pinecone's metadata. Pure: [`Layout::fit`] serves the write and the dry run.

Pinecone's metadata is flat; a value is a string, a number, a boolean or a list of strings, and all of a record's are at
most 40 KB. What does not fit is changed by these rules, and every change is told as an alteration:

| what | becomes | code |
|---|---|---|
| `null` | nothing: the field is left out | [`NULL_DROPPED`] |
| an object, or a list that holds an object, a list or `null` | its JSON text | [`NESTED_TO_JSON`] |
| a list of strings, numbers and booleans that are not all strings | a list of their texts | [`LIST_TO_STRINGS`] |
| an integer that a 64-bit float does not hold, or a number beyond its range | its text | [`NUMBER_TO_TEXT`] |
| a name that begins with `$`, is empty, or is one of ours | the name with `_` before it | [`KEY_RENAMED`] |
| `embedding_provider`, `…_model`, `…_dimension`, where the run embeds | the run's own | [`EMBEDDING_REPLACED`] |
| a document that makes it all too large | its beginning, cut between two characters | [`DOCUMENT_SHORTENED`] |

A record that is too large without its document, or whose document may not be cut (`overlong=reject`), is refused.
*/

use std::borrow::Cow;

use serde_json::value::RawValue;
use vecferry_sdk::{Error, Result, metadata_object};

use crate::ids;
use crate::json::{Fields, Kind, Text, fits_double, kind, quoted, quoted_len};

/// A field that was null is left out.
pub const NULL_DROPPED: &str = "metadata/null-dropped";
/// An object or a list of mixed things became its JSON text.
pub const NESTED_TO_JSON: &str = "metadata/nested-to-json";
/// Numbers and booleans in a list became strings.
pub const LIST_TO_STRINGS: &str = "metadata/list-to-strings";
/// A number that a 64-bit float cannot hold became its text.
pub const NUMBER_TO_TEXT: &str = "metadata/number-to-text";
/// A name that Pinecone or this layout does not leave free got a `_` in front.
pub const KEY_RENAMED: &str = "metadata/key-renamed";
/// A field about an earlier embedding made way for this run's.
pub const EMBEDDING_REPLACED: &str = "metadata/embedding-replaced";
/// The record's own `chunk_id` is what its id says anyhow, so that it reads back as if it had none.
pub const CHUNK_ID_IMPLIED: &str = "metadata/chunk-id-implied";
/// The document's end is missing.
pub const DOCUMENT_SHORTENED: &str = "document/shortened";

/// The field that says which part of its source a record is.
pub const CHUNK_ID: &str = "chunk_id";
/// The fields that say which model made the vector.
pub const EMBEDDING_FIELDS: [&str; 3] = ["embedding_provider", "embedding_model", "embedding_dimension"];

/// What is done with a document that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlong {
    /// Its beginning is kept.
    Shorten,
    /// The record is refused.
    Reject,
}

/// Which model the run embeds with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embedding {
    /// `fastembed`
    pub provider: String,
    /// `all-MiniLM-L6-v2`
    pub model: Option<String>,
    /// Values per vector.
    pub dimension: Option<u64>,
}

/// How records of one namespace are laid out.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The metadata field of the document.
    pub text_field: String,
    /// The target's namespace: ids may begin with it.
    pub namespace: String,
    /// `None` where vectors are reused.
    pub embedding: Option<Embedding>,
    /// Bytes of one record's metadata as JSON.
    pub max_metadata_bytes: usize,
    /// What is done with a document that is too long.
    pub overlong: Overlong,
}

/// A record's metadata as Pinecone takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// A JSON object.
    pub metadata: String,
    /// Field (`document`, `metadata/KEY`) and code of each change.
    pub altered: Vec<(String, &'static str)>,
}

impl Layout {
    /// The metadata of one record. `metadata` is the text of a JSON object.
    ///
    /// # Errors
    /// `corrupt` where the metadata is no JSON object; `unsupported` (`pinecone/metadata-too-large`,
    /// `pinecone/document-too-long`) where the record cannot be made to fit.
    pub fn fit(&self, id: &str, document: Option<&str>, metadata: &str) -> Result<Fitted> {
        let Fields(fields) = serde_json::from_str(metadata_object(metadata)?).map_err(|e| no_json(&e))?;
        let mut object = Object::default();
        let mut altered = Vec::new();
        let (mut source, mut chunk, mut has_chunk) = (None, None, false);
        for (key, value) in &fields {
            let mut note = |code| altered.push((format!("metadata/{key}"), code));
            if self.embedding.is_some() && EMBEDDING_FIELDS.contains(&&**key) {
                note(EMBEDDING_REPLACED);
                continue;
            }
            let Some((json, changed)) = fit_value(value.get())? else {
                note(NULL_DROPPED);
                continue;
            };
            changed.into_iter().for_each(&mut note);
            let stored = self.stored_key(key);
            if stored != *key {
                note(KEY_RENAMED);
            }
            match &**key {
                "source" => source = text_of(&json),
                CHUNK_ID => (chunk, has_chunk) = (text_of(&json), true),
                _ => {}
            }
            object.push(&stored, &json);
        }
        let implied = chunk_id(id, &self.namespace, source.as_deref());
        if !has_chunk {
            object.push(CHUNK_ID, &quoted(implied));
        } else if chunk.as_deref() == Some(implied) {
            altered.push((format!("metadata/{CHUNK_ID}"), CHUNK_ID_IMPLIED));
        }
        if let Some(embedding) = &self.embedding {
            let [provider, model, dimension] = EMBEDDING_FIELDS;
            object.push(provider, &quoted(&embedding.provider));
            embedding.model.iter().for_each(|name| object.push(model, &quoted(name)));
            embedding.dimension.iter().for_each(|values| object.push(dimension, &values.to_string()));
        }
        if ids::encode(id) != id {
            object.push(ids::FIELD, &quoted(id));
        }
        if let Some(document) = document {
            let kept = self.room(&object, document)?;
            if kept.len() < document.len() {
                altered.push(("document".to_owned(), DOCUMENT_SHORTENED));
            }
            object.push(&self.text_field, &quoted(kept));
        }
        let metadata = object.finish();
        if metadata.len() > self.max_metadata_bytes {
            let (has, may) = (metadata.len(), self.max_metadata_bytes);
            let message = format!("the metadata is {has} bytes as JSON, Pinecone takes {may}");
            return Err(Error::unsupported("pinecone/metadata-too-large", message)
                .hint("leave fields out of the metadata at the source"));
        }
        Ok(Fitted { metadata, altered })
    }

    /// As much of the document as there is room for beside the other fields.
    fn room<'d>(&self, object: &Object, document: &'d str) -> Result<&'d str> {
        let mut bytes = object.len_with(&self.text_field);
        let mut end = 0;
        for c in document.chars() {
            bytes += quoted_len(c);
            if bytes > self.max_metadata_bytes {
                break;
            }
            end += c.len_utf8();
        }
        if end == document.len() {
            return Ok(document);
        }
        let may = self.max_metadata_bytes;
        if self.overlong == Overlong::Reject {
            let message =
                format!("the document of {} bytes and the other metadata are more than {may} bytes", document.len());
            return Err(Error::unsupported("pinecone/document-too-long", message)
                .hint("--set sink.overlong=shorten keeps the document's beginning"));
        }
        match document.get(..end) {
            Some(kept) if end > 0 => Ok(kept),
            _ => {
                let message = format!("the metadata leaves the document no room in {may} bytes");
                Err(Error::unsupported("pinecone/metadata-too-large", message)
                    .hint("leave fields out of the metadata at the source"))
            }
        }
    }

    /// The name under which a field is stored. Names that are not free get a `_` in front, and so do those that
    /// already look like that: two names are never stored as one, and [`Layout::own_key`] undoes it.
    pub fn stored_key<'k>(&self, key: &'k str) -> Cow<'k, str> {
        if self.is_taken(key) { format!("_{key}").into() } else { key.into() }
    }

    /// The name that [`Layout::stored_key`] was given.
    pub fn own_key<'k>(&self, stored: &'k str) -> &'k str {
        match stored.strip_prefix('_') {
            Some(key) if self.is_taken(key) => key,
            _ => stored,
        }
    }

    /// Whether a name, or what follows its underscores, is not free.
    fn is_taken(&self, key: &str) -> bool {
        let mut rest = key;
        loop {
            if rest.is_empty() || rest.starts_with('$') || rest == self.text_field || rest == ids::FIELD {
                return true;
            }
            match rest.strip_prefix('_') {
                Some(after) => rest = after,
                None => return false,
            }
        }
    }
}

/// What an id says about the chunk: what follows `NAMESPACE_SOURCE_`, or all of it.
pub fn chunk_id<'i>(id: &'i str, namespace: &str, source: Option<&str>) -> &'i str {
    let after = |text: &'i str, word: &str| text.strip_prefix(word).and_then(|rest| rest.strip_prefix('_'));
    let chunk = source.and_then(|source| after(after(id, namespace)?, source)).filter(|chunk| !chunk.is_empty());
    chunk.unwrap_or(id)
}

/// The string that a JSON value is.
pub fn text_of(json: &str) -> Option<String> {
    if kind(json) == Kind::Text { serde_json::from_str(json).ok() } else { None }
}

/// A value as it is stored, and what was done to it. `None` = it is left out.
fn fit_value(value: &str) -> Result<Option<(Cow<'_, str>, Option<&'static str>)>> {
    let as_text = |code| Some((quoted(value).into(), Some(code)));
    Ok(match kind(value) {
        Kind::Null => None,
        Kind::Bool => Some((value.into(), None)),
        Kind::Number if fits_double(value) => Some((value.into(), None)),
        Kind::Number => as_text(NUMBER_TO_TEXT),
        // Written anew: escapes that need not be would count towards the limit.
        Kind::Text => Some((quoted(&text(value)?).into(), None)),
        Kind::Object => as_text(NESTED_TO_JSON),
        Kind::List => {
            let items: Vec<&RawValue> = serde_json::from_str(value).map_err(|e| no_json(&e))?;
            let kinds = || items.iter().map(|item| kind(item.get()));
            if kinds().any(|kind| matches!(kind, Kind::Null | Kind::List | Kind::Object)) {
                return Ok(as_text(NESTED_TO_JSON));
            }
            let mut list = String::from("[");
            for item in &items {
                if list.len() > 1 {
                    list.push(',');
                }
                let item = item.get();
                list.push_str(&quoted(&if kind(item) == Kind::Text { text(item)? } else { item.into() }));
            }
            list.push(']');
            let all_strings = kinds().all(|kind| kind == Kind::Text);
            Some((list.into(), (!all_strings).then_some(LIST_TO_STRINGS)))
        }
    })
}

fn text(json: &str) -> Result<Cow<'_, str>> {
    serde_json::from_str(json).map(|Text(text)| text).map_err(|e| no_json(&e))
}

fn no_json(error: &serde_json::Error) -> Error {
    Error::corrupt("metadata/json", format!("the metadata is no valid JSON: {error}"))
}

/// A JSON object being written.
#[derive(Default)]
struct Object(String);

impl Object {
    fn push(&mut self, key: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&quoted(key));
        self.0.push(':');
        self.0.push_str(value);
    }

    /// Bytes of the object with one more field, which is an empty string.
    fn len_with(&self, key: &str) -> usize {
        // The comma or the brace before it, the colon, two quotes, the brace at the end.
        self.0.len() + key.chars().map(quoted_len).sum::<usize>() + 2 + 5
    }

    fn finish(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('{');
        }
        self.0.push('}');
        self.0
    }
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
