/*!
The data plane of one index: what a request is, where it is handled, and what its parts have in common.
*/

mod namespaces;
mod query;
mod read;
mod write;

use std::sync::Mutex;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::answer::{Code, Outcome, Refusal};
use crate::faults::{Faults, Visibility};
use crate::limits;
use crate::lock;
use crate::operation::Operation;
use crate::rates::{Asked, Rates};
use crate::store::{Index, Record, Sparse};

/// A request to an index.
pub(crate) struct Request<'a> {
    pub(crate) operation: Operation,
    pub(crate) index: &'a Mutex<Index>,
    pub(crate) index_name: &'a str,
    /// The namespace that the path names, for the calls that have one there.
    pub(crate) name: &'a str,
    /// Decoded, in the order in which they came.
    pub(crate) parameters: &'a [(String, String)],
    pub(crate) body: &'a [u8],
    pub(crate) visibility: Visibility,
    pub(crate) faults: &'a Faults,
    /// None where rates are not held to.
    pub(crate) rates: Option<&'a Mutex<Rates>>,
    pub(crate) now: Instant,
}

pub(crate) fn answer(request: &Request) -> Outcome {
    match request.operation {
        Operation::Upsert => write::upsert(request),
        Operation::Update => write::update(request),
        Operation::Delete => write::delete(request),
        Operation::Fetch => read::fetch(request),
        Operation::FetchByMetadata => read::fetch_by_metadata(request),
        Operation::List => read::list(request),
        Operation::Stats => read::stats(request),
        Operation::Query => query::query(request),
        Operation::ListNamespaces => namespaces::list(request),
        Operation::CreateNamespace => namespaces::create(request),
        Operation::DescribeNamespace => namespaces::describe(request),
        Operation::DeleteNamespace => namespaces::delete(request),
        Operation::StartImport | Operation::ListImports | Operation::DescribeImport | Operation::CancelImport => {
            Err(Refusal::new(Code::Unimplemented, "Bulk imports are not available here"))
        }
        Operation::UpsertText | Operation::SearchText => {
            Err(Refusal::invalid("Integrated inference is not configured for this index"))
        }
        Operation::ListIndexes
        | Operation::CreateIndex
        | Operation::DescribeIndex
        | Operation::ConfigureIndex
        | Operation::DeleteIndex => Err(Refusal::new(Code::NotFound, "not a call of an index")),
    }
}

impl Request<'_> {
    fn parse<'a, T: Deserialize<'a>>(&'a self) -> Outcome<T> {
        serde_json::from_slice(self.body).map_err(|error| Refusal::invalid(format!("Invalid request body: {error}")))
    }

    /// Checks the namespace that is asked for, and how often it is: see [`limits::namespace`].
    fn namespace<'n>(&self, given: Option<&'n str>) -> Outcome<&'n str> {
        let namespace = limits::namespace(given.unwrap_or_default())?;
        if let Some(rates) = self.rates {
            lock(rates).admit(&Asked {
                operation: self.operation,
                index: self.index_name,
                namespace,
                bytes: self.body.len() as u64,
                now: self.now,
            })?;
        }
        Ok(namespace)
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The `limit` of a page: 100 unless it is given, and no more than `most`.
    fn limit(&self, most: u64) -> Outcome<usize> {
        match self.parameter("limit") {
            None => Ok(DEFAULT_PAGE),
            Some(text) => page_limit(text.parse().ok(), text, most),
        }
    }
}

const DEFAULT_PAGE: usize = 100;

fn page_limit(number: Option<u64>, shown: &str, most: u64) -> Outcome<usize> {
    number
        .filter(|limit| (1..=most).contains(limit))
        .and_then(|limit| usize::try_from(limit).ok())
        .ok_or_else(|| Refusal::invalid(format!("Limit must be between 1 and {most}, got '{shown}'")))
}

/// A record as answers show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "<[f32]>::is_empty")]
    values: &'a [f32],
    #[serde(skip_serializing_if = "Option::is_none")]
    sparse_values: Option<&'a Sparse>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    metadata: &'a Map<String, Value>,
}

impl<'a> Shown<'a> {
    fn whole(record: &'a Record) -> Shown<'a> {
        Shown {
            id: &record.id,
            values: &record.values,
            sparse_values: record.sparse.as_ref(),
            metadata: &record.metadata,
        }
    }
}

/// What a read costs. One is as good as any other number here.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    read_units: u32,
}

const USAGE: Usage = Usage { read_units: 1 };

#[derive(Serialize)]
struct Pagination {
    next: String,
}

/// Where a page goes on: after this name. The service's tokens have this form too, and are as opaque.
#[derive(Serialize, Deserialize)]
struct Token {
    skip_past: String,
}

fn token(last: &str) -> Option<Pagination> {
    let text = serde_json::to_vec(&Token { skip_past: last.to_owned() }).ok()?;
    Some(Pagination { next: STANDARD.encode(text) })
}

fn skip_past(token: Option<&str>) -> Outcome<Option<String>> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
    STANDARD
        .decode(token)
        .ok()
        .and_then(|text| serde_json::from_slice::<Token>(&text).ok())
        .map(|token| Some(token.skip_past))
        .ok_or_else(|| Refusal::invalid(format!("Invalid pagination token '{token}'")))
}
