/*!
The control plane: indexes are created, described, listed, configured and deleted.

Two forms are spoken. Up to the API of 2026-04 an index is `{"name","dimension","metric","spec":{"serverless":…}}`, as
the OpenAPI files say; from 2026-07 on it is `{"name","schema":{"fields":…},"deployment":…}`, as Pinecone's Python SDK
10 sends and expects it. Only serverless ("managed") indexes of vectors are served: no pods, no documents, no embedding.
*/

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::answer::{Answer, Code, Outcome, Refusal};
use crate::limits::{self, MAX_DIMENSION};
use crate::lock;
use crate::operation::DATA_PREFIX;
use crate::store::{Index, Metric, Shape};

/// The first API version that knows schemas and deployments.
const SCHEMA_VERSION: &str = "2026-07";
/// The names under which the vectors' API addresses the fields of a schema (`legacy_index_translation.py` of the SDK).
const DENSE_FIELD: &str = "_values";
const SPARSE_FIELD: &str = "_sparse_values";

/// All indexes of the project.
#[derive(Default)]
pub(crate) struct Indexes {
    named: Mutex<BTreeMap<String, Arc<Mutex<Index>>>>,
}

/// What a request to the control plane comes with.
pub(crate) struct Caller<'a> {
    pub(crate) version: &'a str,
    /// `http://HOST:PORT` of this server.
    pub(crate) url: &'a str,
    /// Descriptions of a new index that say that it is not ready.
    pub(crate) unready: u32,
}

impl Caller<'_> {
    fn wants_schema(&self) -> bool {
        self.version >= SCHEMA_VERSION
    }
}

impl Indexes {
    pub(crate) fn get(&self, name: &str) -> Outcome<Arc<Mutex<Index>>> {
        lock(&self.named)
            .get(name)
            .map(Arc::clone)
            .ok_or_else(|| Refusal::new(Code::NotFound, format!("Index {name} not found.")))
    }

    pub(crate) fn list(&self, caller: &Caller) -> Outcome {
        let named = lock(&self.named);
        let all: Vec<Value> = named.values().map(|index| describe(&lock(index), caller)).collect();
        Ok(Answer::json(200, &json!({ "indexes": all })))
    }

    /// Each description brings a new index nearer to being ready.
    pub(crate) fn describe(&self, name: &str, caller: &Caller) -> Outcome {
        let index = self.get(name)?;
        let mut index = lock(&index);
        let described = describe(&index, caller);
        index.unready = index.unready.saturating_sub(1);
        Ok(Answer::json(200, &described))
    }

    pub(crate) fn create(&self, body: &[u8], caller: &Caller) -> Outcome {
        let mut index = if caller.wants_schema() { from_schema(body)? } else { from_spec(body)? };
        limits::index_name(&index.name)?;
        region(&index.cloud, &index.region)?;
        index.unready = caller.unready;
        let mut described = describe(&index, caller);
        // The service never has a new index ready in the answer to its creation.
        described["status"] = json!({"ready": false, "state": "Initializing"});
        let mut named = lock(&self.named);
        if named.contains_key(&index.name) {
            return Err(Refusal::new(Code::AlreadyExists, "Resource already exists."));
        }
        named.insert(index.name.clone(), Arc::new(Mutex::new(index)));
        Ok(Answer::json(201, &described))
    }

    pub(crate) fn configure(&self, name: &str, body: &[u8], caller: &Caller) -> Outcome {
        let change: Configure = parse(body)?;
        if change.spec.as_ref().is_some_and(|spec| spec.get("pod").is_some()) {
            return Err(Refusal::invalid("Index is not pod-based: replicas and pod type cannot be set"));
        }
        if change.schema.is_some() || change.embed.is_some() {
            return Err(Refusal::invalid("The fields of an index that was created with them cannot be changed"));
        }
        let protected = change.deletion_protection.as_deref().map(protection).transpose()?;
        let index = self.get(name)?;
        let mut index = lock(&index);
        for (key, value) in change.tags.unwrap_or_default() {
            if value.is_empty() {
                index.tags.remove(&key);
            } else {
                index.tags.insert(key, value);
            }
        }
        index.protected = protected.unwrap_or(index.protected);
        Ok(Answer::json(202, &describe(&index, caller)))
    }

    pub(crate) fn delete(&self, name: &str) -> Outcome {
        let index = self.get(name)?;
        if lock(&index).protected {
            return Err(Refusal::new(
                Code::Forbidden,
                "Deletion protection is enabled for this index. Disable deletion protection before retrying.",
            ));
        }
        lock(&self.named).remove(name);
        Ok(Answer::empty(202))
    }
}

#[derive(Deserialize)]
struct Configure {
    #[serde(default)]
    tags: Option<BTreeMap<String, String>>,
    #[serde(default)]
    deletion_protection: Option<String>,
    #[serde(default)]
    spec: Option<Value>,
    #[serde(default)]
    schema: Option<Value>,
    #[serde(default)]
    embed: Option<Value>,
}

#[derive(Deserialize)]
struct CreateBySpec {
    name: String,
    dimension: Option<u64>,
    metric: Option<String>,
    vector_type: Option<String>,
    deletion_protection: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    serverless: Option<Serverless>,
}

#[derive(Deserialize)]
struct Serverless {
    cloud: String,
    region: String,
}

fn from_spec(body: &[u8]) -> Outcome<Index> {
    let wanted: CreateBySpec = parse(body)?;
    let Some(Serverless { cloud, region }) = wanted.spec.serverless else {
        return Err(Refusal::invalid("only serverless indexes are served here: set spec.serverless"));
    };
    let shape = match wanted.vector_type.as_deref().unwrap_or("dense") {
        "dense" => {
            let dimension = wanted.dimension.ok_or_else(|| Refusal::invalid("Dense indexes must have a dimension"))?;
            dense(dimension, wanted.metric.as_deref())?
        }
        "sparse" => sparse(wanted.dimension, wanted.metric.as_deref())?,
        other => return Err(Refusal::invalid(format!("vector_type must be dense or sparse, got '{other}'"))),
    };
    let protected = wanted.deletion_protection.as_deref().map(protection).transpose()?.unwrap_or(false);
    let tags = wanted.tags.unwrap_or_default();
    Ok(new(wanted.name, shape, false, (cloud, region), tags, protected))
}

#[derive(Deserialize)]
struct CreateBySchema {
    name: Option<String>,
    schema: Schema,
    deployment: Option<Deployment>,
    deletion_protection: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Schema {
    fields: BTreeMap<String, Field>,
}

#[derive(Deserialize)]
struct Field {
    #[serde(rename = "type")]
    kind: String,
    dimension: Option<u64>,
    metric: Option<String>,
}

#[derive(Deserialize)]
struct Deployment {
    deployment_type: String,
    cloud: Option<String>,
    region: Option<String>,
}

fn from_schema(body: &[u8]) -> Outcome<Index> {
    let wanted: CreateBySchema = parse(body)?;
    let name = wanted.name.ok_or_else(|| Refusal::invalid("this server makes up no names: name the index"))?;
    let mut shape = None;
    let mut declares_sparse = false;
    for (field, declared) in &wanted.schema.fields {
        match (field.as_str(), declared.kind.as_str()) {
            (DENSE_FIELD, "dense_vector") => {
                let dimension =
                    declared.dimension.ok_or_else(|| Refusal::invalid("a dense_vector field must have a dimension"))?;
                shape = Some(dense(dimension, declared.metric.as_deref())?);
            }
            (SPARSE_FIELD, "sparse_vector") => declares_sparse = true,
            _ => {
                return Err(Refusal::new(
                    Code::Unimplemented,
                    format!(
                        "only indexes of vectors are served here: the fields {DENSE_FIELD} (dense_vector) and \
                         {SPARSE_FIELD} (sparse_vector), got '{field}' ({})",
                        declared.kind
                    ),
                ));
            }
        }
    }
    let shape = match (shape, declares_sparse) {
        (Some(shape), true) if shape.metric() != Metric::Dot => {
            return Err(Refusal::invalid("an index with dense and sparse vectors must have the metric dotproduct"));
        }
        (Some(shape), _) => shape,
        (None, true) => Shape::Sparse,
        (None, false) => return Err(Refusal::invalid("schema.fields must declare a vector field")),
    };
    let place = match wanted.deployment {
        None => ("aws".to_owned(), "us-east-1".to_owned()),
        Some(Deployment { deployment_type, cloud: Some(cloud), region: Some(region) })
            if deployment_type == "managed" =>
        {
            (cloud, region)
        }
        Some(_) => return Err(Refusal::invalid("only managed deployments, with cloud and region, are served here")),
    };
    let protected = wanted.deletion_protection.as_deref().map(protection).transpose()?.unwrap_or(false);
    Ok(new(name, shape, declares_sparse, place, wanted.tags.unwrap_or_default(), protected))
}

fn new(
    name: String,
    shape: Shape,
    declares_sparse: bool,
    (cloud, region): (String, String),
    tags: BTreeMap<String, String>,
    protected: bool,
) -> Index {
    Index { name, shape, declares_sparse, cloud, region, tags, protected, unready: 0, spaces: BTreeMap::new() }
}

fn describe(index: &Index, caller: &Caller) -> Value {
    let ready = index.unready == 0;
    let mut described = Map::new();
    let mut set = |key: &str, value: Value| described.insert(key.to_owned(), value);
    set("name", json!(index.name));
    set("host", json!(format!("{}{DATA_PREFIX}{}", caller.url, index.name)));
    set("status", json!({"ready": ready, "state": if ready { "Ready" } else { "Initializing" }}));
    set("deletion_protection", json!(if index.protected { "enabled" } else { "disabled" }));
    let capacity = json!({"mode": "OnDemand", "status": {"state": "Ready"}});
    if caller.wants_schema() {
        let mut fields = Map::new();
        if let Shape::Dense { dimension, metric } = index.shape {
            let field = json!({"type": "dense_vector", "dimension": dimension, "metric": metric.name()});
            fields.insert(DENSE_FIELD.to_owned(), field);
        }
        if index.declares_sparse || index.shape == Shape::Sparse {
            fields.insert(SPARSE_FIELD.to_owned(), json!({"type": "sparse_vector"}));
        }
        set("schema", json!({ "fields": fields }));
        set("deployment", json!({"deployment_type": "managed", "cloud": index.cloud, "region": index.region}));
        set("read_capacity", capacity);
        // The newest API says null where there are no tags.
        set("tags", if index.tags.is_empty() { Value::Null } else { json!(index.tags) });
    } else {
        set("metric", json!(index.shape.metric().name()));
        match index.shape {
            Shape::Dense { dimension, .. } => {
                set("dimension", json!(dimension));
                set("vector_type", json!("dense"));
            }
            Shape::Sparse => {
                set("vector_type", json!("sparse"));
            }
        }
        let serverless = json!({"cloud": index.cloud, "region": index.region, "read_capacity": capacity});
        set("spec", json!({ "serverless": serverless }));
        if !index.tags.is_empty() {
            set("tags", json!(index.tags));
        }
    }
    Value::Object(described)
}

fn dense(dimension: u64, metric: Option<&str>) -> Outcome<Shape> {
    let dimension = u32::try_from(dimension)
        .ok()
        .filter(|dimension| (1..=MAX_DIMENSION).contains(dimension))
        .ok_or_else(|| Refusal::invalid(format!("Dimension must be between 1 and {MAX_DIMENSION}, got {dimension}")))?;
    let name = metric.unwrap_or("cosine");
    let metric = Metric::parse(name).ok_or_else(|| {
        Refusal::invalid(format!("metric must be one of cosine, euclidean, dotproduct, got '{name}'"))
    })?;
    Ok(Shape::Dense { dimension, metric })
}

fn sparse(dimension: Option<u64>, metric: Option<&str>) -> Outcome<Shape> {
    if dimension.is_some() {
        return Err(Refusal::invalid("Sparse indexes must not have a dimension"));
    }
    if metric.is_some_and(|metric| metric != "dotproduct") {
        return Err(Refusal::invalid("Sparse indexes must use the dotproduct metric"));
    }
    Ok(Shape::Sparse)
}

fn protection(word: &str) -> Outcome<bool> {
    match word {
        "enabled" => Ok(true),
        "disabled" => Ok(false),
        other => Err(Refusal::invalid(format!("deletion_protection must be enabled or disabled, got '{other}'"))),
    }
}

/// The clouds are a closed list; regions come and go, so only their form is checked: `us-east-1` at Amazon,
/// `us-central1` at Google, `eastus2` at Microsoft.
fn region(cloud: &str, region: &str) -> Outcome<()> {
    let ends_in_digit = region.ends_with(|c: char| c.is_ascii_digit());
    let hyphens = region.matches('-').count();
    let fits = match cloud {
        "aws" => hyphens == 2 && ends_in_digit,
        "gcp" => hyphens == 1 && ends_in_digit,
        "azure" => hyphens == 0 && !region.is_empty(),
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(Refusal::new(Code::NotFound, format!("Resource cloud: {cloud} region: {region} not found.")))
}

/// The control plane answers 422 where a body does not have the form that is expected.
fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Outcome<T> {
    serde_json::from_slice(body).map_err(|error| {
        Refusal::new(Code::Unprocessable, format!("Failed to deserialize the JSON body into the target type: {error}"))
    })
}
