/*!
One request to a server that speaks OpenAI's protocol: `POST BASE/embeddings` with `{model, input, …}`.

What is sent once is sent once: nothing is tried again here. Redirects are not followed, since they would take the
documents, and the key, where nobody sent them. The key stands in no error and no log.
*/

use std::error::Error as _;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::Url;
use reqwest::blocking::{Client, Response};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use serde::Serialize;
use vecferry_core::{Error, Result};

use super::answer::{self, Answer};
use super::refusal::{self, About, Refusal, Verdict};
use super::retry_after;
use crate::settings::Secret;
use crate::usage::Usage;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// More than 2,048 vectors of 4,096 values take in the longest decimal form.
const MAX_ANSWER_BYTES: u64 = 256 << 20;
/// An error's body; the rest of it is not read.
const MAX_ERROR_BYTES: u64 = 64 << 10;

/// Where, and as whom.
pub(super) struct Address {
    pub(super) provider: &'static str,
    pub(super) model: String,
    /// Without `/embeddings`.
    pub(super) base: Url,
    pub(super) key: Option<Secret>,
    /// Where the key comes from, for hints.
    pub(super) key_setting: String,
    /// The length of vectors to ask for.
    pub(super) dimensions: Option<u32>,
    pub(super) timeout: Duration,
}

/// How vectors are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// A quarter of the bytes, and exact.
    Base64,
    /// The server's own: some refuse the parameter.
    Unasked,
}

/// Why there are no vectors.
pub(super) enum Failure {
    /// The server does not take these texts as they are.
    Refused(Refusal),
    /// Anything else.
    Failed(Error),
}

pub(super) struct Server {
    client: Client,
    address: Address,
    url: Url,
    usage: Arc<Usage>,
}

#[derive(Serialize)]
struct Body<'a, T> {
    model: &'a str,
    input: &'a [T],
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding_format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
}

impl Server {
    /// Sends nothing yet.
    ///
    /// # Errors
    /// `embed/address`, `embed/key` (config), `embed/start` (internal).
    pub(super) fn new(address: Address, usage: Arc<Usage>) -> Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = &address.key {
            let mut value = HeaderValue::try_from(format!("Bearer {}", key.reveal())).map_err(|_| {
                Error::config("embed/key", format!("{} holds what no key can hold", address.key_setting))
                    .hint("a key is one line of plain characters; check how it was set")
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let client = Client::builder()
            .user_agent(concat!("vecferry/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(address.timeout)
            .redirect(Policy::none())
            .build()
            .map_err(|error| Error::internal("embed/start", format!("cannot make ready for requests: {error}")))?;
        let mut url = address.base.clone();
        match url.path_segments_mut() {
            Ok(mut path) => {
                path.pop_if_empty().push("embeddings");
            }
            Err(()) => return Err(Error::config("embed/address", "the embedding server's address has no path")),
        }
        Ok(Server { client, address, url, usage })
    }

    pub(super) fn provider(&self) -> &'static str {
        self.address.provider
    }

    pub(super) fn model(&self) -> &str {
        &self.address.model
    }

    pub(super) fn usage(&self) -> &Usage {
        &self.usage
    }

    /// Vectors for these texts, none of which is empty. `expected` is their dimension where it is known.
    pub(super) fn ask<T: Serialize>(
        &self,
        texts: &[T],
        encoding: Encoding,
        expected: Option<usize>,
    ) -> std::result::Result<Answer, Failure> {
        let encoding_format = (encoding == Encoding::Base64).then_some("base64");
        let Address { model, dimensions, .. } = &self.address;
        let body = serde_json::to_vec(&Body { model, input: texts, encoding_format, dimensions: *dimensions })
            .map_err(|error| Failure::Failed(Error::internal("embed/request", error.to_string())))?;
        self.usage.add_request();
        let exchange = || {
            let response = self.client.post(self.url.clone()).body(body).send().map_err(|error| fault(&error))?;
            if response.status().as_u16() != 200 {
                return Ok(Err(response));
            }
            answer::read(&whole(response)?, texts.len(), expected).map(Ok)
        };
        match exchange() {
            Ok(Ok(answer)) => {
                self.usage.add_tokens(answer.tokens);
                Ok(answer)
            }
            Ok(Err(response)) => Err(self.judge(response)),
            Err(error) => Err(Failure::Failed(self.place(error))),
        }
    }

    /// Says which model of which server it was.
    pub(super) fn place(&self, mut error: Error) -> Error {
        if let Some(key) = &self.address.key {
            error.message = key.redact(&error.message);
        }
        error.at("embedder", format_args!("{}:{}", self.provider(), self.model())).at("url", &self.url)
    }

    /// A refusal that nothing got around.
    pub(super) fn refused(&self, refusal: &Refusal) -> Error {
        let message = format!("{} does not take the text: {}", self.provider(), refusal.words);
        self.place(Error::unsupported("embed/refused", message))
    }

    fn judge(&self, response: Response) -> Failure {
        let status = response.status().as_u16();
        let wait = retry_after::milliseconds(response.headers(), SystemTime::now());
        let mut body = Vec::new();
        // Half an explanation is better than none.
        let _ = response.take(MAX_ERROR_BYTES).read_to_end(&mut body);
        let body = String::from_utf8_lossy(&body);
        let body = self.address.key.as_ref().map_or_else(|| body.to_string(), |key| key.redact(&body));
        let Address { provider, model, key_setting, .. } = &self.address;
        match refusal::judge(status, &body, &About { provider, model, key_setting }) {
            Verdict::Refused(refusal) => Failure::Refused(refusal),
            Verdict::Failed(mut error) => {
                if error.kind.is_retryable() {
                    error.retry_after_ms = wait;
                }
                Failure::Failed(self.place(error))
            }
        }
    }
}

fn whole(response: Response) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    response.take(MAX_ANSWER_BYTES + 1).read_to_end(&mut body).map_err(|error| {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<reqwest::Error>()) {
            Some(inner) => fault(inner),
            None => Error::transient("embed/interrupted", format!("the embedding server's answer broke off: {error}")),
        }
    })?;
    if body.len() as u64 > MAX_ANSWER_BYTES {
        let message = format!("the embedding server's answer is larger than {} MiB", MAX_ANSWER_BYTES >> 20);
        return Err(Error::unsupported("embed/answer", message).hint("ask for fewer texts at once with '?inputs=N'"));
    }
    Ok(body)
}

/// What went wrong between here and there. reqwest's own words name the URL, which stands in the context already.
fn fault(error: &reqwest::Error) -> Error {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    let why = if causes.is_empty() { String::new() } else { format!(": {}", causes.join(": ")) };
    if error.is_connect() {
        Error::transient("embed/connect", format!("cannot reach the embedding server{why}"))
            .hint("check the server's address, that it runs, and that the network is up")
    } else if error.is_timeout() {
        Error::transient("embed/timeout", format!("the embedding server did not answer in time{why}"))
            .hint("allow more time with '?timeout=SECONDS', or ask for fewer texts at once with '?inputs=N'")
    } else if error.is_builder() {
        Error::config("embed/request", format!("the request cannot be sent{why}"))
    } else {
        Error::transient("embed/interrupted", format!("the exchange with the embedding server broke off{why}"))
    }
}
