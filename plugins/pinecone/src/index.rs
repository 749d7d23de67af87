/*!
An index: finding it, making it, and what it is.

With the setting `index_host` nothing is asked of the control plane; then the index's own statistics say what it is.
*/

use serde_json::json;
use vecferry_sdk::{Error, ErrorKind, Host, Method, Response, Result, Target};

use crate::answers::{IndexModel, Stats, parse};
use crate::client::{Client, is_success};
use crate::faults::error_of;
use crate::settings::{IndexMetric, Settings, VectorType, base_url};

/// The largest dimension.
const MAX_DIMENSION: u32 = 20_000;
/// How long until an index that is being made is asked about again.
const READY_POLL_MS: u64 = 1_000;

/// An index that exists and is ready.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    /// Its name, or its host: for messages.
    pub(crate) name: String,
    /// With scheme, without a slash at the end.
    pub(crate) host: String,
    /// `None` for a sparse index, and where the service does not say.
    pub(crate) dimension: Option<u32>,
    /// `None` where the service does not say.
    pub(crate) metric: Option<IndexMetric>,
    pub(crate) vector_type: VectorType,
    pub(crate) is_pod: bool,
}

impl Index {
    /// The index of the settings.
    ///
    /// # Errors
    /// `transient` (`pinecone/not-ready`) while it is being made.
    pub(crate) fn find(host: &Host, settings: &Settings) -> Result<Option<Index>> {
        let client = Client::new(host, &settings.api_version);
        if let Some(index_host) = &settings.index_host {
            return Index::of_host(&client, settings, index_host).map(Some);
        }
        let what = format!("describe the index '{}'", settings.index);
        let response = client.send(Method::Get, &index_url(settings), Vec::new())?;
        match response.status {
            404 => Ok(None),
            _ if is_success(&response) => Index::read(&response, settings, &what).map(Some),
            _ => Err(error_of(&response, &what)),
        }
    }

    /// As [`Index::find`], for an index that must be there.
    ///
    /// # Errors
    /// `not-found`.
    pub(crate) fn existing(host: &Host, settings: &Settings) -> Result<Index> {
        Index::find(host, settings)?.ok_or_else(|| {
            Error::not_found("pinecone/no-index", format!("there is no index '{}'", settings.index))
                .hint("check its name and the project of PINECONE_API_KEY")
        })
    }

    fn of_host(client: &Client, settings: &Settings, host: &str) -> Result<Index> {
        let stats = stats(client, host)?;
        let sparse = stats.vector_type.as_deref() == Some("sparse");
        Ok(Index {
            name: settings.shown().to_owned(),
            host: host.to_owned(),
            dimension: stats.dimension.filter(|&dimension| dimension > 0),
            metric: stats.metric.as_deref().and_then(IndexMetric::named),
            vector_type: if sparse { VectorType::Sparse } else { VectorType::Dense },
            is_pod: false,
        })
    }

    fn read(response: &Response, settings: &Settings, what: &str) -> Result<Index> {
        let model: IndexModel = parse(response, what)?;
        let name = &settings.index;
        if !model.status.ready {
            let state = &model.status.state;
            let message = format!("the index '{name}' is not ready ({state})");
            if matches!(state.as_str(), "InitializationFailed" | "Terminating" | "Disabled") {
                return Err(Error::config("pinecone/unusable", message).hint("choose another index, or make it anew"));
            }
            let mut error = Error::transient("pinecone/not-ready", message);
            error.retry_after_ms = Some(READY_POLL_MS);
            return Err(error);
        }
        let Some(host) = model.host.filter(|host| !host.is_empty()) else {
            return Err(Error::corrupt("pinecone/answer", format!("Pinecone names no host for the index '{name}'")));
        };
        let scheme = settings.controller.split_once("://").map_or("https", |(scheme, _)| scheme);
        Ok(Index {
            name: name.clone(),
            host: base_url(&host, scheme),
            dimension: model.dimension.filter(|&dimension| dimension > 0),
            metric: IndexMetric::named(&model.metric),
            vector_type: match model.vector_type.as_deref() {
                Some("sparse") => VectorType::Sparse,
                _ => VectorType::Dense,
            },
            is_pod: model.spec.pod.is_some(),
        })
    }

    /// Asks for a new serverless index. It is usually not ready at once: ask for it until it is.
    ///
    /// # Errors
    /// `config` for a target of which no index can be made.
    pub(crate) fn create(host: &Host, settings: &Settings, target: &Target) -> Result<()> {
        let name = &settings.index;
        let metric = wanted_metric(settings, target);
        let mut body = json!({
            "name": name,
            "spec": {"serverless": {"cloud": settings.cloud, "region": settings.region}},
            "deletion_protection": settings.deletion_protection,
        });
        match settings.vector_type {
            VectorType::Sparse => {
                body["vector_type"] = json!("sparse");
                body["metric"] = json!("dotproduct");
            }
            VectorType::Dense => {
                let Some(dimension) = target.dimension else {
                    let message = format!("the index '{name}' does not exist, and records without vectors make none");
                    return Err(Error::config("pinecone/no-dimension", message)
                        .hint("embed the documents (--embed), or write into an index that exists"));
                };
                if dimension == 0 || dimension > MAX_DIMENSION {
                    let message = format!("Pinecone takes dimensions from 1 to {MAX_DIMENSION}, not {dimension}");
                    return Err(Error::config("target/dimension", message));
                }
                body["vector_type"] = json!("dense");
                body["dimension"] = json!(dimension);
                body["metric"] = json!(metric.unwrap_or(IndexMetric::Cosine).as_str());
            }
        }
        let client = Client::new(host, &settings.api_version);
        let url = format!("{}/indexes", settings.controller);
        let response = client.send(Method::Post, &url, body.to_string().into_bytes())?;
        match response.status {
            // Somebody was faster, or an answer was lost.
            409 => Ok(()),
            _ if is_success(&response) => Ok(()),
            _ => {
                let what = format!("create the index '{name}' in {} {}", settings.cloud, settings.region);
                let mut error = error_of(&response, &what);
                if response.status == 404 {
                    error.kind = ErrorKind::Config;
                    error = error.hint("check the settings cloud and region");
                }
                Err(error)
            }
        }
    }

    /// Stops where the target asks for something else than the index is.
    ///
    /// # Errors
    /// `config` (`target/mismatch`), which says both.
    pub(crate) fn agree(&self, settings: &Settings, target: &Target) -> Result<()> {
        let differs = |what: &str, has: &str, wants: &str| {
            let message = format!("the index '{}' has {what} {has}, the run asks for {wants}", self.name);
            Err(Error::config("target/mismatch", message)
                .hint("write into another index; one that does not exist is made to fit")
                .at("index", &self.name))
        };
        if self.vector_type != settings.vector_type {
            let word = |kind| if kind == VectorType::Sparse { "sparse" } else { "dense" };
            return differs("vectors that are", word(self.vector_type), word(settings.vector_type));
        }
        if self.vector_type == VectorType::Sparse {
            return Ok(());
        }
        match (self.dimension, target.dimension) {
            (Some(has), Some(wants)) if has != wants => {
                return differs("dimension", &has.to_string(), &wants.to_string());
            }
            _ => {}
        }
        match (self.metric, wanted_metric(settings, target)) {
            (Some(has), Some(wants)) if has != wants => {
                let shown = |metric: IndexMetric| match metric {
                    IndexMetric::Cosine => "cosine",
                    IndexMetric::Dotproduct => "dotproduct (dot)",
                    IndexMetric::Euclidean => "euclidean (l2)",
                };
                differs("metric", shown(has), shown(wants))
            }
            _ => Ok(()),
        }
    }
}

/// The metric that the user or the source asks for.
pub(crate) fn wanted_metric(settings: &Settings, target: &Target) -> Option<IndexMetric> {
    settings.metric.or_else(|| IndexMetric::of(target.metric))
}

/// The statistics of an index.
pub(crate) fn stats(client: &Client, host: &str) -> Result<Stats> {
    let what = "describe the index's statistics";
    let response = client.ask(Method::Post, &format!("{host}/describe_index_stats"), b"{}".to_vec(), what)?;
    parse(&response, what)
}

fn index_url(settings: &Settings) -> String {
    format!("{}/indexes/{}", settings.controller, settings.index)
}
