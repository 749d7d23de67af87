/*! What comes back, as types. Fields that are not used are not read. */

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use vecferry_sdk::{Error, Response, Result};

use vecferry_pinecone_format::json::{Fields, Text};

/// An answer's body.
///
/// # Errors
/// `corrupt` for a body that is not what the API promises.
pub(crate) fn parse<'r, T: Deserialize<'r>>(response: &'r Response, what: &str) -> Result<T> {
    serde_json::from_slice(&response.body).map_err(|e| {
        Error::corrupt("pinecone/answer", format!("the answer to '{what}' is not what Pinecone answers: {e}"))
            .hint("check that the host is Pinecone's, and the setting api_version")
    })
}

/// `GET /indexes/NAME`
#[derive(Deserialize)]
pub(crate) struct IndexModel {
    pub(crate) dimension: Option<u32>,
    pub(crate) metric: String,
    pub(crate) host: Option<String>,
    pub(crate) vector_type: Option<String>,
    pub(crate) status: Status,
    #[serde(default)]
    pub(crate) spec: Spec,
}

/// Whether an index can be used.
#[derive(Deserialize)]
pub(crate) struct Status {
    pub(crate) ready: bool,
    #[serde(default)]
    pub(crate) state: String,
}

/// How an index is deployed; only whether it is pod-based matters.
#[derive(Default, Deserialize)]
pub(crate) struct Spec {
    pub(crate) pod: Option<serde::de::IgnoredAny>,
}

/// `POST /describe_index_stats`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stats {
    pub(crate) dimension: Option<u32>,
    pub(crate) metric: Option<String>,
    pub(crate) vector_type: Option<String>,
    #[serde(default)]
    pub(crate) namespaces: BTreeMap<String, NamespaceSummary>,
}

/// One namespace's records.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NamespaceSummary {
    // Left out where it is 0: the answer is a protobuf message as JSON.
    #[serde(default)]
    pub(crate) vector_count: u64,
}

/// `GET /vectors/fetch`
#[derive(Deserialize)]
pub(crate) struct Fetched<'a> {
    #[serde(borrow, default)]
    pub(crate) vectors: Fields<'a>,
}

/// One fetched record.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Vector<'a> {
    #[serde(borrow)]
    pub(crate) values: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) sparse_values: Option<SparseValues<'a>>,
    #[serde(borrow)]
    pub(crate) metadata: Option<&'a RawValue>,
}

/// A sparse vector.
#[derive(Deserialize)]
pub(crate) struct SparseValues<'a> {
    #[serde(default)]
    pub(crate) indices: Vec<u32>,
    #[serde(borrow)]
    pub(crate) values: Option<&'a RawValue>,
}

/// `GET /vectors/list`
#[derive(Deserialize)]
pub(crate) struct Listed<'a> {
    #[serde(borrow, default)]
    pub(crate) vectors: Vec<ListItem<'a>>,
    pub(crate) pagination: Option<Pagination>,
}

/// One listed id.
#[derive(Deserialize)]
pub(crate) struct ListItem<'a> {
    #[serde(borrow)]
    id: Text<'a>,
}

impl<'a> ListItem<'a> {
    pub(crate) fn into_id(self) -> Cow<'a, str> {
        self.id.0
    }
}

/// Where a listing goes on.
#[derive(Deserialize)]
pub(crate) struct Pagination {
    pub(crate) next: Option<String>,
}

/// `POST /query`
#[derive(Deserialize)]
pub(crate) struct Queried {
    #[serde(default)]
    pub(crate) matches: Vec<Match>,
}

/// One neighbour.
#[derive(Deserialize)]
pub(crate) struct Match {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) score: Option<f32>,
}

/// The floats of a JSON list, each the 32-bit float that is nearest to its text. Not through JSON's 64-bit floats,
/// which would round twice.
pub(crate) fn floats(list: &RawValue, out: &mut Vec<f32>) -> Result<usize> {
    let wrong = || Error::corrupt("pinecone/answer", "a vector in Pinecone's answer is no list of numbers");
    let inside = list.get().strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or_else(wrong)?.trim();
    let before = out.len();
    for value in inside.split_terminator(',') {
        out.push(value.trim().parse().map_err(|_| wrong())?);
    }
    Ok(out.len() - before)
}
