/*! Who can run a model: the known providers, where they are, what their keys are called, what they take at once. */

use std::time::Duration;

use reqwest::Url;
use vecferry_core::{Error, Result};

/// A provider that a spec can name, as `NAME:MODEL`.
#[derive(Debug)]
pub struct Provider {
    /// Its name, as specs and records have it.
    pub name: &'static str,
    /// Where it is unless an address is given. `None` where an address must be given, or none is used.
    pub address: Option<&'static str>,
    /// The setting that gives another address.
    pub address_setting: Option<&'static str>,
    /// The setting that holds the key.
    pub key_setting: Option<&'static str>,
    /// Whether nothing can be done without a key.
    pub needs_key: bool,
    /// Texts of a request.
    pub(crate) inputs: usize,
    /// How long an answer may take. Servers on people's own machines may be slow.
    pub(crate) timeout: Duration,
}

/// What is built in.
pub(crate) const FASTEMBED: &str = "fastembed";
const OLLAMA: &str = "ollama";
/// Any other server that speaks the protocol.
const COMPATIBLE: &str = "openai-compatible";
/// What people also call it.
const COMPATIBLE_ALIAS: &str = "http";

const HOSTED_TIMEOUT: Duration = Duration::from_secs(120);
const LOCAL_TIMEOUT: Duration = Duration::from_secs(600);

/// All providers. A server may take fewer texts at once than is said here; the embedder finds out.
pub const PROVIDERS: &[Provider] = &[
    Provider {
        name: FASTEMBED,
        address: None,
        address_setting: None,
        key_setting: None,
        needs_key: false,
        inputs: 256,
        timeout: LOCAL_TIMEOUT,
    },
    Provider {
        name: "openai",
        address: Some("https://api.openai.com/v1"),
        address_setting: Some("OPENAI_BASE_URL"),
        key_setting: Some("OPENAI_API_KEY"),
        needs_key: true,
        inputs: 256,
        timeout: HOSTED_TIMEOUT,
    },
    Provider {
        name: "groq",
        address: Some("https://api.groq.com/openai/v1"),
        address_setting: Some("GROQ_BASE_URL"),
        key_setting: Some("GROQ_API_KEY"),
        needs_key: true,
        inputs: 256,
        timeout: HOSTED_TIMEOUT,
    },
    Provider {
        name: OLLAMA,
        address: Some("http://localhost:11434/v1"),
        address_setting: Some("OLLAMA_HOST"),
        key_setting: Some("OLLAMA_API_KEY"),
        needs_key: false,
        inputs: 64,
        timeout: LOCAL_TIMEOUT,
    },
    Provider {
        name: "tei",
        address: Some("http://localhost:8080/v1"),
        address_setting: Some("TEI_BASE_URL"),
        key_setting: Some("TEI_API_KEY"),
        needs_key: false,
        // What text-embeddings-router takes unless it is started with another --max-client-batch-size.
        inputs: 32,
        timeout: LOCAL_TIMEOUT,
    },
    Provider {
        name: "vllm",
        address: Some("http://localhost:8000/v1"),
        address_setting: Some("VLLM_BASE_URL"),
        key_setting: Some("VLLM_API_KEY"),
        needs_key: false,
        inputs: 64,
        timeout: LOCAL_TIMEOUT,
    },
    Provider {
        name: COMPATIBLE,
        address: None,
        address_setting: Some("VECFERRY_EMBED_BASE_URL"),
        key_setting: Some("VECFERRY_EMBED_API_KEY"),
        needs_key: false,
        inputs: 64,
        timeout: LOCAL_TIMEOUT,
    },
];

impl Provider {
    /// The provider of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Provider> {
        let name = if name == COMPATIBLE_ALIAS { COMPATIBLE } else { name };
        PROVIDERS.iter().find(|provider| provider.name == name)
    }

    /// Names for people.
    pub(crate) fn names() -> String {
        let names: Vec<&str> = PROVIDERS.iter().map(|provider| provider.name).collect();
        names.join(", ")
    }

    /// The address in the form that [`base_url`] takes: `OLLAMA_HOST` has a form of its own.
    pub(crate) fn complete(&self, address: &str) -> String {
        if self.name == OLLAMA { ollama_base(address) } else { address.to_owned() }
    }
}

/// `OLLAMA_HOST` as Ollama's own client reads it (its `envconfig`): a scheme and a port may be missing, a server's
/// "listen everywhere" is asked on the loopback interface, and the protocol spoken here is below `/v1`.
fn ollama_base(host: &str) -> String {
    let host = host.trim().trim_end_matches('/');
    let (scheme, rest, port) = match host.split_once("://") {
        None => ("http", host, "11434"),
        Some(("https", rest)) => ("https", rest, "443"),
        Some((scheme, rest)) => (scheme, rest, "80"),
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let has_port = authority.rsplit_once(':').is_some_and(|(_, after)| !after.ends_with(']'));
    let authority = if has_port { authority.to_owned() } else { format!("{authority}:{port}") };
    let authority = match authority.strip_prefix("0.0.0.0:").or_else(|| authority.strip_prefix(':')) {
        Some(port) => format!("127.0.0.1:{port}"),
        None => authority.replacen("[::]:", "[::1]:", 1),
    };
    match path.trim_end_matches('/') {
        "" => format!("{scheme}://{authority}/v1"),
        path if path == "v1" || path.ends_with("/v1") => format!("{scheme}://{authority}/{path}"),
        path => format!("{scheme}://{authority}/{path}/v1"),
    }
}

/// Checks a base URL such as `https://api.openai.com/v1`; `/embeddings` at its end is taken off.
///
/// # Errors
/// `embed/address` (config), without the text where that could hold a password.
pub(crate) fn base_url(text: &str, origin: &str) -> Result<Url> {
    let wrong = |why: &str| {
        Error::config("embed/address", format!("the embedding server's address in {origin} {why}"))
            .hint("it has the form https://HOST:PORT/PATH, such as http://localhost:8000/v1")
    };
    let text = text.trim().trim_end_matches('/');
    let text = text.strip_suffix("/embeddings").unwrap_or(text);
    let url = Url::parse(text).map_err(|_| wrong("cannot be read"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("is neither http nor https"));
    }
    if !url.has_host() {
        return Err(wrong("names no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("holds a user name or a password, which do not belong there"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("holds a '?' or a '#', which do not belong there"));
    }
    Ok(url)
}

#[cfg(test)]
#[path = "provider_tests.rs"]
mod tests;
