/*!
A successful answer: `{"data": [{"index": 0, "embedding": …}, …], "usage": {"prompt_tokens": …}}`.

Nothing in it is believed: there must be one vector for each text, each with an index of its own, all of one
length, every value finite. An embedding is a list of numbers, or base64 of little-endian float32 (what OpenAI's
own clients ask for), whichever was asked for: some servers disregard `encoding_format`.
*/

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use vecferry_core::{Error, Result};

use super::refusal::shown;

/// Vectors in the order of the texts.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    /// Values per vector, at least 1.
    pub(super) dimension: usize,
    /// `texts × dimension`, all finite.
    pub(super) values: Vec<f32>,
    /// The tokens that the server counted, 0 where it does not say.
    pub(super) tokens: u64,
}

#[derive(Deserialize)]
struct Body {
    data: Vec<Item>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    embedding: Embedding,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: Option<u64>,
}

/// Reads the answer to a request with this many texts. `expected` is the dimension where it is known.
///
/// # Errors
/// `embed/answer`, `embed/count`, `embed/index`, `embed/dimension`, `embed/value` (all corrupt).
pub(super) fn read(body: &[u8], texts: usize, expected: Option<usize>) -> Result<Answer> {
    let body: Body = serde_json::from_slice(body).map_err(|error| {
        // serde quotes what it did not expect, whole.
        let why = shown(&error.to_string());
        Error::corrupt("embed/answer", format!("the embedding server's answer is not one to this request: {why}"))
            .hint("check the server's address, and that it speaks OpenAI's protocol")
    })?;
    if body.data.len() != texts {
        let message = format!("the embedding server returned {} vectors for {texts} texts", body.data.len());
        return Err(Error::corrupt("embed/count", message));
    }
    let dimension = expected.or_else(|| body.data.first().map(|item| item.embedding.0.len())).unwrap_or(0);
    if dimension == 0 {
        return Err(Error::corrupt("embed/dimension", "the embedding server returned a vector without values"));
    }
    let mut rows: Vec<Option<Vec<f32>>> = Vec::new();
    rows.resize_with(texts, || None);
    for Item { index, embedding: Embedding(vector) } in body.data {
        if vector.len() != dimension {
            let message =
                format!("the embedding server returned a vector of {} values among ones of {dimension}", vector.len());
            return Err(Error::corrupt("embed/dimension", message)
                .hint("see whether the server runs another model now")
                .at("index", index));
        }
        if let Some(at) = vector.iter().position(|value| !value.is_finite()) {
            return Err(Error::corrupt("embed/value", "the embedding server returned a value that is no number")
                .at("index", index)
                .at("value", at));
        }
        match rows.get_mut(index) {
            Some(row @ None) => *row = Some(vector),
            Some(_) => {
                return Err(Error::corrupt("embed/index", "the embedding server returned two vectors for one text")
                    .at("index", index));
            }
            None => {
                let message = format!("the embedding server returned a vector for text {index} of {texts}");
                return Err(Error::corrupt("embed/index", message));
            }
        }
    }
    let tokens = body.usage.and_then(|usage| usage.prompt_tokens).unwrap_or(0);
    Ok(Answer { dimension, values: rows.into_iter().flatten().flatten().collect(), tokens })
}

/// A vector as it came, of any length.
struct Embedding(Vec<f32>);

impl<'de> Deserialize<'de> for Embedding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherForm).map(Embedding)
    }
}

struct EitherForm;

impl<'de> Visitor<'de> for EitherForm {
    type Value = Vec<f32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of numbers, or base64 of float32 values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<f32>, A::Error> {
        let mut vector = Vec::new();
        while let Some(value) = list.next_element()? {
            vector.push(value);
        }
        Ok(vector)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<f32>, E> {
        const LENIENT: GeneralPurposeConfig =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
        let bytes = BASE64.decode(text).map_err(|error| E::custom(format!("a vector is not base64: {error}")))?;
        let (values, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(E::custom(format!("a vector of {} bytes is not one of float32 values", bytes.len())));
        }
        Ok(values.iter().map(|value| f32::from_le_bytes(*value)).collect())
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
