/*!
Which call of Pinecone's API a request is: by method and path, and where it is addressed.

Paths of the data plane lie below `/svc/INDEX`, which is what `describe` gives as the index's host: both planes share
one port. Nothing here looks at bodies.
*/

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// The first segment of every data-plane path.
pub(crate) const DATA_PREFIX: &str = "/svc/";

/// A call of Pinecone's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is named as Pinecone names it")]
pub enum Operation {
    ListIndexes,
    CreateIndex,
    DescribeIndex,
    ConfigureIndex,
    DeleteIndex,
    Upsert,
    Query,
    Fetch,
    FetchByMetadata,
    List,
    Update,
    Delete,
    Stats,
    ListNamespaces,
    CreateNamespace,
    DescribeNamespace,
    DeleteNamespace,
    StartImport,
    ListImports,
    DescribeImport,
    CancelImport,
    UpsertText,
    SearchText,
}

/// The two halves of the API: they differ in the shape of their errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plane {
    Control,
    Data,
}

impl Operation {
    pub(crate) fn plane(self) -> Plane {
        match self {
            Operation::ListIndexes
            | Operation::CreateIndex
            | Operation::DescribeIndex
            | Operation::ConfigureIndex
            | Operation::DeleteIndex => Plane::Control,
            _ => Plane::Data,
        }
    }

    /// Method and path as the OpenAPI files write them.
    #[cfg(feature = "testing")]
    pub(crate) fn template(self) -> (&'static str, &'static str) {
        match self {
            Operation::ListIndexes => ("get", "/indexes"),
            Operation::CreateIndex => ("post", "/indexes"),
            Operation::DescribeIndex => ("get", "/indexes/{index_name}"),
            Operation::ConfigureIndex => ("patch", "/indexes/{index_name}"),
            Operation::DeleteIndex => ("delete", "/indexes/{index_name}"),
            Operation::Upsert => ("post", "/vectors/upsert"),
            Operation::Query => ("post", "/query"),
            Operation::Fetch => ("get", "/vectors/fetch"),
            Operation::FetchByMetadata => ("post", "/vectors/fetch_by_metadata"),
            Operation::List => ("get", "/vectors/list"),
            Operation::Update => ("post", "/vectors/update"),
            Operation::Delete => ("post", "/vectors/delete"),
            Operation::Stats => ("post", "/describe_index_stats"),
            Operation::ListNamespaces => ("get", "/namespaces"),
            Operation::CreateNamespace => ("post", "/namespaces"),
            Operation::DescribeNamespace => ("get", "/namespaces/{namespace}"),
            Operation::DeleteNamespace => ("delete", "/namespaces/{namespace}"),
            Operation::StartImport => ("post", "/bulk/imports"),
            Operation::ListImports => ("get", "/bulk/imports"),
            Operation::DescribeImport => ("get", "/bulk/imports/{id}"),
            Operation::CancelImport => ("delete", "/bulk/imports/{id}"),
            Operation::UpsertText => ("post", "/records/namespaces/{namespace}/upsert"),
            Operation::SearchText => ("post", "/records/namespaces/{namespace}/search"),
        }
    }
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) operation: Operation,
    /// The index that is addressed; empty for a list or a creation of indexes.
    pub(crate) index: String,
    /// What else the path names: a namespace or an import.
    pub(crate) name: String,
}

/// Why a path leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unrouted {
    /// No call of the API has this path.
    Path,
    /// A call has it, but not with this method.
    Method,
}

/// Finds the call that `method` and `path` (without query, still percent-encoded) address.
pub(crate) fn route(method: &str, path: &str) -> Result<Route, Unrouted> {
    let (index, rest) = match path.strip_prefix(DATA_PREFIX) {
        Some(below) => match below.split_once('/') {
            Some((index, rest)) => (Some(decode(index)), rest),
            None => return Err(Unrouted::Path),
        },
        None => (None, path.strip_prefix('/').ok_or(Unrouted::Path)?),
    };
    let segments: Vec<&str> = rest.split('/').collect();
    let found = match &index {
        None => control(method, &segments)?,
        Some(_) => data(method, &segments)?,
    };
    let (operation, name) = found;
    Ok(match index {
        Some(index) => Route { operation, index, name },
        None => Route { operation, index: name, name: String::new() },
    })
}

fn control(method: &str, segments: &[&str]) -> Result<(Operation, String), Unrouted> {
    match segments {
        ["indexes"] => match method {
            "GET" => Ok((Operation::ListIndexes, String::new())),
            "POST" => Ok((Operation::CreateIndex, String::new())),
            _ => Err(Unrouted::Method),
        },
        ["indexes", name] if !name.is_empty() => match method {
            "GET" => Ok((Operation::DescribeIndex, decode(name))),
            "PATCH" => Ok((Operation::ConfigureIndex, decode(name))),
            "DELETE" => Ok((Operation::DeleteIndex, decode(name))),
            _ => Err(Unrouted::Method),
        },
        _ => Err(Unrouted::Path),
    }
}

fn data(method: &str, segments: &[&str]) -> Result<(Operation, String), Unrouted> {
    let only = |wanted: &str, operation| {
        if method == wanted { Ok((operation, String::new())) } else { Err(Unrouted::Method) }
    };
    match segments {
        ["vectors", "upsert"] => only("POST", Operation::Upsert),
        ["vectors", "update"] => only("POST", Operation::Update),
        ["vectors", "delete"] => only("POST", Operation::Delete),
        ["vectors", "fetch"] => only("GET", Operation::Fetch),
        ["vectors", "fetch_by_metadata"] => only("POST", Operation::FetchByMetadata),
        ["vectors", "list"] => only("GET", Operation::List),
        ["query"] => only("POST", Operation::Query),
        ["describe_index_stats"] => only("POST", Operation::Stats),
        ["namespaces"] if method == "GET" => only("GET", Operation::ListNamespaces),
        ["namespaces"] => only("POST", Operation::CreateNamespace),
        ["namespaces", name] => match method {
            "GET" => Ok((Operation::DescribeNamespace, decode(name))),
            "DELETE" => Ok((Operation::DeleteNamespace, decode(name))),
            _ => Err(Unrouted::Method),
        },
        ["bulk", "imports"] if method == "GET" => only("GET", Operation::ListImports),
        ["bulk", "imports"] => only("POST", Operation::StartImport),
        ["bulk", "imports", id] => match method {
            "GET" => Ok((Operation::DescribeImport, decode(id))),
            "DELETE" => Ok((Operation::CancelImport, decode(id))),
            _ => Err(Unrouted::Method),
        },
        ["records", "namespaces", name, verb @ ("upsert" | "search")] => match (method, *verb) {
            ("POST", "upsert") => Ok((Operation::UpsertText, decode(name))),
            ("POST", _) => Ok((Operation::SearchText, decode(name))),
            _ => Err(Unrouted::Method),
        },
        _ => Err(Unrouted::Path),
    }
}

fn decode(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
