/*! Chroma's HTTP interface v2, as far as a sink needs it. */

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use vecferry_sdk::{Error, ErrorKind, Host, Method, Metric, Response, Result};

use crate::client::{Client, error_of, is_success, parse, segment};
use crate::settings::Settings;

/// Ids of one request that reads.
pub(crate) const PAGE: usize = 1_000;
/// What a server takes unless it is told otherwise (Chroma 1.x, `max_payload_size_bytes`).
const MAX_BODY_BYTES: usize = 40 * 1024 * 1024;

/// One tenant's database on a server.
#[derive(Clone)]
pub(crate) struct Database {
    client: Client,
    /// `/api/v2/tenants/…/databases/…`
    path: String,
    tenant: String,
    name: String,
}

/// What the server says about itself.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Checklist {
    /// Records of one upsert.
    pub(crate) max_batch_size: u32,
    /// Whether vectors may be sent as their bytes.
    #[serde(default)]
    pub(crate) supports_base64_encoding: bool,
}

impl Database {
    pub(crate) fn new(host: &Host, settings: &Settings) -> Self {
        let (tenant, name) = (settings.tenant.clone(), settings.database.clone());
        let path = format!("/api/v2/tenants/{}/databases/{}", segment(&tenant), segment(&name));
        Database { client: Client::new(host, settings), path, tenant, name }
    }

    /// Asks for the database: a wrong address, token, tenant or database is found before anything is written.
    pub(crate) fn check(&self) -> Result<()> {
        let asked = self.client.ask(Method::Get, &self.path, Vec::new(), &format!("show the database '{}'", self.name));
        asked.map(drop).map_err(|error| match error.code.as_str() {
            "chroma-server/not-found" | "chroma-server/refused" => {
                let words = format!("{} (tenant '{}')", error.message, self.tenant);
                Error { message: words, ..error }
                    .hint("name others with --set sink.tenant=NAME and --set sink.database=NAME")
            }
            _ => error,
        })
    }

    pub(crate) fn checklist(&self) -> Result<Checklist> {
        let what = "say what it takes";
        parse(&self.client.ask(Method::Get, "/api/v2/pre-flight-checks", Vec::new(), what)?, what)
    }

    /// The collection of this name; `None` where there is none.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Collection>> {
        let what = format!("show the collection '{name}'");
        let response =
            self.client.send(Method::Get, &format!("{}/collections/{}", self.path, segment(name)), Vec::new())?;
        match response.status {
            404 => Ok(None),
            _ if is_success(&response) => self.collection(&response, &what).map(Some),
            _ => Err(error_of(&response, &what)),
        }
    }

    /// Makes a collection. One that another writer made in the meantime is taken as it is.
    pub(crate) fn create(&self, name: &str, metric: Metric) -> Result<Collection> {
        let what = format!("make the collection '{name}'");
        let configuration = match space_of(metric) {
            Some(space) => serde_json::json!({"hnsw": {"space": space}}),
            None => serde_json::Value::Null,
        };
        let body = serde_json::json!({"name": name, "get_or_create": true, "configuration": configuration});
        let path = format!("{}/collections", self.path);
        let response = self.client.ask(Method::Post, &path, body.to_string().into_bytes(), &what)?;
        self.collection(&response, &what)
    }

    fn collection(&self, response: &Response, what: &str) -> Result<Collection> {
        let about: About = parse(response, what)?;
        let index = about.configuration_json.hnsw.or(about.configuration_json.spann);
        let space = index.and_then(|index| index.space);
        Ok(Collection {
            client: self.client.clone(),
            path: format!("{}/collections/{}", self.path, segment(&about.id)),
            name: about.name,
            dimension: about.dimension.and_then(|dimension| u32::try_from(dimension).ok()),
            metric: space.as_deref().map_or(Metric::Unknown, metric_of),
        })
    }
}

#[derive(Deserialize)]
struct About {
    id: String,
    name: String,
    dimension: Option<i64>,
    #[serde(default)]
    configuration_json: Configuration,
}

#[derive(Default, Deserialize)]
struct Configuration {
    hnsw: Option<Index>,
    spann: Option<Index>,
}

#[derive(Deserialize)]
struct Index {
    space: Option<String>,
}

fn space_of(metric: Metric) -> Option<&'static str> {
    match metric {
        Metric::Cosine => Some("cosine"),
        Metric::Dot => Some("ip"),
        Metric::L2 => Some("l2"),
        Metric::Unknown => None,
    }
}

fn metric_of(space: &str) -> Metric {
    let known = [Metric::Cosine, Metric::Dot, Metric::L2];
    known.into_iter().find(|metric| space_of(*metric) == Some(space)).unwrap_or_default()
}

/// One collection.
#[derive(Clone)]
pub(crate) struct Collection {
    client: Client,
    path: String,
    pub(crate) name: String,
    /// Not known before the first record.
    pub(crate) dimension: Option<u32>,
    pub(crate) metric: Metric,
}

/// Records as the server answers them.
#[derive(Default, Deserialize)]
pub(crate) struct Found {
    pub(crate) ids: Vec<String>,
    pub(crate) embeddings: Option<Vec<Option<Vec<f32>>>>,
    pub(crate) documents: Option<Vec<Option<String>>>,
    pub(crate) metadatas: Option<Vec<Option<Box<RawValue>>>>,
}

#[derive(Serialize)]
struct Get<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ids: Option<&'a [&'a str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u32>,
    include: &'a [&'a str],
}

/// A neighbour's id and its distance.
pub(crate) type Neighbour = (String, Option<f32>);

#[derive(Deserialize)]
struct Neighbours {
    ids: Vec<Vec<String>>,
    distances: Option<Vec<Vec<Option<f32>>>>,
}

impl Collection {
    fn post(&self, action: &str, body: Vec<u8>, what: &str) -> Result<Response> {
        let what = format!("{what} '{}'", self.name);
        self.client.ask(Method::Post, &format!("{}/{action}", self.path), body, &what)
    }

    pub(crate) fn count(&self) -> Result<u64> {
        let what = format!("count the records of '{}'", self.name);
        parse(&self.client.ask(Method::Get, &format!("{}/count", self.path), Vec::new(), &what)?, &what)
    }

    /// The records of up to [`PAGE`] ids that exist.
    pub(crate) fn get(&self, ids: &[&str], include: &[&str]) -> Result<Found> {
        let body = json(&Get { ids: Some(ids), limit: None, offset: None, include })?;
        parse(&self.post("get", body, "read records of")?, "read records")
    }

    /// Up to `limit` ids from the `offset`th on.
    pub(crate) fn ids(&self, offset: u32, limit: usize) -> Result<Vec<String>> {
        let body = json(&Get { ids: None, limit: Some(limit), offset: Some(offset), include: &[] })?;
        let found: Found = parse(&self.post("get", body, "list the ids of")?, "list ids")?;
        Ok(found.ids)
    }

    /// The answer to an upsert, whatever its status.
    pub(crate) fn upsert(&self, body: Vec<u8>) -> Result<Response> {
        let bytes = body.len();
        self.client.send(Method::Post, &format!("{}/upsert", self.path), body).map_err(|error| {
            // The server hangs up on a body that is too large; whether its refusal arrives before that is chance.
            if bytes <= MAX_BODY_BYTES || error.kind != ErrorKind::Transient {
                return error;
            }
            let message = format!("the server broke off a request of {bytes} bytes: {}", error.message);
            Error { kind: ErrorKind::Corrupt, code: "chroma-server/too-large".to_owned(), message, ..error }
        })
    }

    pub(crate) fn delete(&self, ids: &[&str]) -> Result<()> {
        #[derive(Serialize)]
        struct Delete<'a> {
            ids: &'a [&'a str],
        }
        self.post("delete", json(&Delete { ids })?, "delete records of").map(drop)
    }

    /// The ids and distances of the nearest of each vector.
    pub(crate) fn query(&self, vectors: &[&[f32]], k: u32) -> Result<Vec<Vec<Neighbour>>> {
        #[derive(Serialize)]
        struct Query<'a> {
            query_embeddings: &'a [&'a [f32]],
            n_results: u32,
            include: [&'static str; 1],
        }
        let body = json(&Query { query_embeddings: vectors, n_results: k, include: ["distances"] })?;
        let found: Neighbours = parse(&self.post("query", body, "search")?, "search")?;
        let distances = found.distances.unwrap_or_default();
        let answers: Vec<Vec<Neighbour>> =
            found.ids.into_iter().zip(distances).map(|(ids, near)| ids.into_iter().zip(near).collect()).collect();
        if answers.len() == vectors.len() {
            return Ok(answers);
        }
        let message = format!("{} answers to {} queries came back", answers.len(), vectors.len());
        Err(Error::internal("chroma-server/answer", message))
    }
}

fn json(body: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(body)
        .map_err(|e| Error::internal("chroma-server/request", format!("a request cannot be written: {e}")))
}
