/*! One namespace of an index: the data plane's calls. */

use std::borrow::Cow;
use std::ops::Range;

use serde_json::json;
use vecferry_sdk::{Error, Method, Response, Result};

use crate::answers::{Listed, Queried, parse};
use crate::client::{Client, is_success};
use crate::faults::{error_of, header, is_missing_namespace};
use crate::index::{Index, stats};
use crate::request::{Records, fetch_urls, floats, parameter};
use vecferry_pinecone_format::ids::{self, Decoded};

/// Ids that one page of a listing may hold.
pub(crate) const LIST_PAGE: u32 = 100;
/// Bytes that a fetch's answer may grow to, by a careful estimate.
const MAX_ANSWER: usize = 24 << 20;
/// Bytes of one record in an answer, beside its vector: its metadata, with escapes, and its id.
const ANSWER_RECORD: usize = 64 << 10;
/// Bytes of one value in an answer.
const ANSWER_VALUE: usize = 24;

/// The data plane's calls for one namespace.
pub(crate) struct Namespace {
    pub(crate) client: Client,
    pub(crate) index: Index,
    /// As the service knows it; may be empty.
    pub(crate) name: String,
}

/// One page of a listing: the stored ids, and the token of the next page.
pub(crate) type Listing = (Vec<String>, Option<String>);

impl Namespace {
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.index.host)
    }

    fn shown(&self) -> String {
        format!("namespace '{}' of the index '{}'", self.name, self.index.name)
    }

    /// Sends one upsert; the answer, whatever its status.
    pub(crate) fn upsert(&self, records: &Records, run: Range<usize>) -> Result<Response> {
        self.client.send(Method::Post, &self.url("/vectors/upsert"), records.body(&self.name, run))
    }

    pub(crate) fn upsert_error(&self, response: &Response, records: usize) -> Error {
        error_of(response, &format!("store {records} records in the {}", self.shown()))
    }

    /// Answers that together hold the stored records of these ids, as far as they exist.
    pub(crate) fn fetch<'i>(
        &self,
        stored: impl IntoIterator<Item = &'i str>,
        mut take: impl FnMut(&Response) -> Result<()>,
    ) -> Result<()> {
        let dimension = self.index.dimension.map_or(0, |dimension| dimension as usize);
        let most = (MAX_ANSWER / (ANSWER_RECORD + dimension * ANSWER_VALUE)).max(1);
        for url in fetch_urls(&self.index.host, &self.name, stored, most) {
            let response = self.client.send(Method::Get, &url, Vec::new())?;
            if is_success(&response) {
                take(&response)?;
            } else if !is_missing_namespace(&response) {
                return Err(error_of(&response, &format!("fetch records of the {}", self.shown())));
            }
        }
        Ok(())
    }

    /// One page of the stored ids, at most `max` of them.
    ///
    /// # Errors
    /// `unsupported` (`pinecone/no-list`) where the index cannot list.
    pub(crate) fn list(&self, token: Option<&str>, max: u32) -> Result<Listing> {
        let what = format!("list the {}", self.shown());
        let mut url = self.url(&format!("/vectors/list?limit={}", max.clamp(1, LIST_PAGE)));
        if !self.name.is_empty() {
            url = format!("{url}&{}", parameter("namespace", &self.name));
        }
        if let Some(token) = token {
            url = format!("{url}&{}", parameter("paginationToken", token));
        }
        let response = self.client.send(Method::Get, &url, Vec::new())?;
        if is_missing_namespace(&response) {
            return Ok((Vec::new(), None));
        }
        if !is_success(&response) {
            let error = error_of(&response, &what);
            return Err(if self.index.is_pod || response.status == 501 { no_list(&self.index.name) } else { error });
        }
        let listed: Listed<'_> = parse(&response, &what)?;
        let ids = listed.vectors.into_iter().map(|item| item.into_id()).map(Cow::into_owned).collect();
        let next = listed.pagination.and_then(|pagination| pagination.next).filter(|next| !next.is_empty());
        if next.is_some() && next.as_deref() == token {
            // Else this would never end.
            return Err(Error::corrupt("pinecone/answer", format!("to {what}, Pinecone gives the same page again")));
        }
        Ok((ids, next))
    }

    /// The stored ids and scores that are nearest to a vector, as the service scores them.
    pub(crate) fn query(&self, vector: &[f32], k: u32) -> Result<Queried> {
        let what = format!("search the {}", self.shown());
        let mut body = b"{\"vector\":".to_vec();
        floats(vector, &mut body)?;
        let rest = json!({"namespace": self.name, "topK": k, "includeValues": false, "includeMetadata": false});
        body.push(b',');
        body.extend_from_slice(rest.to_string().trim_start_matches('{').as_bytes());
        let response = self.client.ask(Method::Post, &self.url("/query"), body, &what)?;
        parse(&response, &what)
    }

    /// The number of the last write that queries see; none where the service does not number them. Of all reads, only
    /// queries tell it: <https://docs.pinecone.io/guides/index-data/check-data-freshness>.
    pub(crate) fn indexed(&self, stored: &str) -> Result<Option<u64>> {
        let mut body = json!({"namespace": self.name, "topK": 1});
        match self.index.dimension {
            // A record that queries do not see yet cannot be asked with.
            Some(dimension) => {
                let values = (0..dimension).map(|at| if at == 0 { 1.0 } else { 0.0 });
                body["vector"] = values.collect::<Vec<f32>>().into();
            }
            None => body["id"] = stored.into(),
        }
        let what = format!("ask what is indexed of the {}", self.shown());
        let response = self.client.ask(Method::Post, &self.url("/query"), body.to_string().into_bytes(), &what)?;
        Ok(lsn(&response, "x-pinecone-max-indexed-lsn"))
    }

    /// Records, as the index counts them; what was just written may not be counted yet.
    pub(crate) fn count(&self) -> Result<u64> {
        let stats = stats(&self.client, &self.index.host)?;
        // Older servers call the default namespace by the empty name.
        let alias = match self.name.as_str() {
            DEFAULT => "",
            "" => DEFAULT,
            name => name,
        };
        let summary = stats.namespaces.get(&self.name).or_else(|| stats.namespaces.get(alias));
        Ok(summary.map_or(0, |summary| summary.vector_count))
    }
}

/// The service's own name of its default namespace.
pub(crate) const DEFAULT: &str = "__default__";

/// The namespace of a collection. Pinecone takes ASCII names only; others are written as ids are.
pub(crate) fn stored_name(collection: &str) -> Cow<'_, str> {
    if collection.is_empty() { "".into() } else { ids::encode(collection) }
}

/// The collection of a namespace.
pub(crate) fn collection_name(stored: &str) -> Cow<'_, str> {
    match ids::decode(stored) {
        // Older servers call the default namespace by the empty name.
        _ if stored.is_empty() => DEFAULT.into(),
        Decoded::Id(name) => name,
        Decoded::InMetadata => stored.into(),
    }
}

/// The error of an index that cannot list its ids.
pub(crate) fn no_list(index: &str) -> Error {
    let message = format!("the index '{index}' cannot list its ids; only serverless indexes can");
    Error::unsupported("pinecone/no-list", message)
        .hint("copy it into a serverless index first (in Pinecone's console: migrate to serverless)")
        .at("index", index)
}

/// A log sequence number in an answer's headers.
pub(crate) fn lsn(response: &Response, name: &str) -> Option<u64> {
    header(response, name)?.trim().parse().ok()
}
