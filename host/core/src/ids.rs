/*!
Where a record's id at the destination comes from: a template over what the record carries.

Deterministic: the same record gives the same id in every run, so that every write is an idempotent upsert.
*/

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;
use vecferry_contract::{Error, IdOrigin, Result};

/// The template for stores that keep no ids of their own.
pub const POSITION_TEMPLATE: &str = "{namespace}_{source}_{chunk_id}";
/// The template for stores that do.
pub const STORE_TEMPLATE: &str = "{id}";

/// A parsed `--id` template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Id,
    Namespace,
    Collection,
    Store,
    Source,
    ChunkId,
    Metadata(String),
}

/// What a template is filled from.
#[derive(Clone, Copy, Debug)]
pub struct IdInput<'a> {
    /// The store's own id, or the position.
    pub id: &'a str,
    /// The run's namespace.
    pub namespace: &'a str,
    /// The source collection.
    pub collection: &'a str,
    /// The source store.
    pub store: &'a str,
    /// The record's metadata: a JSON object.
    pub metadata: &'a str,
}

const PLACEHOLDERS: &str = "{id}, {namespace}, {collection}, {store}, {source}, {chunk_id}, {metadata.KEY}";

impl IdTemplate {
    /// Parses a template. `{{` and `}}` stand for braces.
    ///
    /// # Errors
    /// `id/template` (config): an unknown placeholder, or an unbalanced brace.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |what: String| {
            Error::config("id/template", format!("the id template '{text}' {what}"))
                .hint(format!("placeholders are {PLACEHOLDERS}"))
        };
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(position) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(position);
            literal.push_str(before);
            if from.starts_with("{{") || from.starts_with("}}") {
                literal.push_str(&from[..1]);
                rest = &from[2..];
                continue;
            }
            let end = from.find('}').filter(|_| from.starts_with('{'));
            let Some(end) = end else {
                return Err(wrong("has a brace without its partner".to_owned()));
            };
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(match &from[1..end] {
                "id" => Part::Id,
                "namespace" => Part::Namespace,
                "collection" => Part::Collection,
                "store" => Part::Store,
                "source" => Part::Source,
                "chunk_id" => Part::ChunkId,
                name => match name.strip_prefix("metadata.") {
                    Some(key) if !key.is_empty() => Part::Metadata(key.to_owned()),
                    _ => return Err(wrong(format!("names {{{name}}}, which is unknown"))),
                },
            });
            rest = &from[end + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        if parts.iter().all(|part| matches!(part, Part::Text(_) | Part::Namespace | Part::Collection | Part::Store)) {
            return Err(wrong("gives every record of a collection the same id".to_owned()));
        }
        Ok(IdTemplate { text: text.to_owned(), parts })
    }

    /// The template a collection gets when the user names none.
    pub fn default_for(origin: IdOrigin) -> Self {
        let (text, parts) = match origin {
            IdOrigin::Store => (STORE_TEMPLATE, vec![Part::Id]),
            IdOrigin::Position => {
                let underscore = || Part::Text("_".to_owned());
                let parts = vec![Part::Namespace, underscore(), Part::Source, underscore(), Part::ChunkId];
                (POSITION_TEMPLATE, parts)
            }
        };
        IdTemplate { text: text.to_owned(), parts }
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The id of one record. `{source}` is the metadata's `source`, else the collection; `{chunk_id}` the
    /// metadata's `chunk_id`, else the record's own id or position.
    ///
    /// # Errors
    /// `id/missing` (corrupt): the record lacks what `{metadata.KEY}` names. `id/metadata` (corrupt): its
    /// metadata is no JSON object.
    pub fn fill(&self, input: &IdInput<'_>) -> Result<String> {
        if let [Part::Id] = self.parts.as_slice() {
            return Ok(input.id.to_owned());
        }
        let needs_metadata =
            self.parts.iter().any(|part| matches!(part, Part::Source | Part::ChunkId | Part::Metadata(_)));
        let metadata: Value = if needs_metadata {
            serde_json::from_str(input.metadata).map_err(|error| {
                Error::corrupt("id/metadata", format!("the metadata is no JSON object: {error}")).at("id", input.id)
            })?
        } else {
            Value::Null
        };
        let field = |key: &str| metadata.get(key).and_then(scalar);
        let mut out = String::new();
        for part in &self.parts {
            let text: Cow<'_, str> = match part {
                Part::Text(text) => text.into(),
                Part::Id => input.id.into(),
                Part::Namespace => input.namespace.into(),
                Part::Collection => input.collection.into(),
                Part::Store => input.store.into(),
                Part::Source => field("source").unwrap_or_else(|| input.collection.into()),
                Part::ChunkId => field("chunk_id").unwrap_or_else(|| input.id.into()),
                Part::Metadata(key) => field(key).ok_or_else(|| {
                    Error::corrupt("id/missing", format!("the record has no metadata '{key}' to make its id from"))
                        .at("id", input.id)
                        .hint("choose another --id template: '{id}' always exists")
                })?,
            };
            let _ = write!(out, "{text}");
        }
        Ok(out)
    }
}

fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(flag) => Some(flag.to_string().into()),
        _ => None,
    }
}

#[cfg(test)]
#[path = "ids_tests.rs"]
mod tests;
