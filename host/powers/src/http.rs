/*!
`http`: requests to allow-listed hosts, over one pool of connections for the whole process.

A header value may name a secret as `${secret:NAME}`: the value is put in here, last, and taken out of the
answer again where a server repeats it, so that a plugin never holds a key. It stands in no error and no log.
Redirects are followed within one scheme, host and port; any other is handed to the plugin as it came.
*/

use std::error::Error as _;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Url, redirect};
use tokio::runtime::Runtime;
use vecferry_contract::{Error, Method, Request, Response, Result};
use vecferry_core::Grants;

/// Bytes of the largest answer, after decompression.
const MAX_RESPONSE_BYTES: usize = 64 << 20;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_TIMEOUT: Duration = Duration::from_secs(600);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_REDIRECTS: usize = 5;
/// How soon a cancelled request returns.
const CANCEL_POLL: Duration = Duration::from_millis(50);
/// Shorter secrets are not taken out of answers: they would be found where they are not meant.
const MIN_REDACTED_BYTES: usize = 8;

/// Headers that decide where a request goes, or how it is framed.
const RESERVED_HEADERS: [&str; 9] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "proxy-authorization",
];

pub(crate) fn send(request: Request, grants: &Grants, plugin: &str) -> Result<Response> {
    let url = granted_url(&request.url, &grants.http_hosts, plugin)?;
    let place = place(&url);
    let secrets = Secrets { granted: &grants.secrets, plugin };
    let mut used = Vec::new();
    let headers = headers(&request.headers, &secrets, &mut used)?;
    let timeout = request.timeout_ms.map_or(DEFAULT_TIMEOUT, |ms| Duration::from_millis(ms.into())).min(MAX_TIMEOUT);
    let net = Net::get()?;
    let call = net.client.request(method(request.method), url).headers(headers).body(request.body).timeout(timeout);
    let (answer, arrived) = sync_channel(1);
    let at = place.clone();
    let task = net.runtime.spawn(async move {
        // Nobody waits any more when this fails: the call was cancelled.
        let _ = answer.send(exchange(call, &at).await);
    });
    loop {
        match arrived.recv_timeout(CANCEL_POLL) {
            Ok(result) => return result.map(|response| redact(response, &used)),
            Err(RecvTimeoutError::Timeout) if grants.cancelled.load(Ordering::Relaxed) => {
                task.abort();
                return Err(Error::transient("http/cancelled", "the request was given up: the run was cancelled")
                    .at("url", place));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::internal("http/panic", "the host failed while it sent a request").at("url", place));
            }
        }
    }
}

/// The connections of the process, and the threads that serve them.
struct Net {
    runtime: Runtime,
    client: Client,
}

impl Net {
    fn get() -> Result<&'static Net> {
        static NET: OnceLock<Result<Net>> = OnceLock::new();
        NET.get_or_init(Net::start).as_ref().map_err(Clone::clone)
    }

    fn start() -> Result<Net> {
        let failed = |why: String| Error::internal("http/start", format!("cannot make ready for requests: {why}"));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("vecferry-http")
            .enable_all()
            .build()
            .map_err(|e| failed(e.to_string()))?;
        let same_origin = redirect::Policy::custom(|attempt| {
            let stays = attempt.previous().last().is_some_and(|from| from.origin() == attempt.url().origin());
            if stays && attempt.previous().len() <= MAX_REDIRECTS { attempt.follow() } else { attempt.stop() }
        });
        let client = Client::builder()
            .user_agent(concat!("vecferry/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(same_origin)
            .build()
            .map_err(|e| failed(e.to_string()))?;
        Ok(Net { runtime, client })
    }
}

async fn exchange(call: reqwest::RequestBuilder, place: &str) -> Result<Response> {
    let mut response = call.send().await.map_err(|e| fault(e, place))?;
    let status = response.status().as_u16();
    let headers = response.headers().iter();
    let headers =
        headers.map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let headers = headers.collect();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| fault(e, place))? {
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            let message = format!("the answer is larger than {} MiB", MAX_RESPONSE_BYTES >> 20);
            return Err(Error::unsupported("http/response-too-large", message)
                .hint("this is a fault of the plugin: it must ask for less at a time")
                .at("url", place));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Response { status, headers, body })
}

fn fault(error: reqwest::Error, place: &str) -> Error {
    let error = error.without_url();
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        message = format!("{message}: {inner}");
        cause = inner.source();
    }
    if error.is_timeout() {
        Error::transient("http/timeout", format!("no answer in time: {message}"))
    } else if error.is_connect() {
        Error::transient("http/connect", format!("cannot connect: {message}"))
            .hint("check that the server runs and that the network is up")
    } else if error.is_builder() {
        Error::config("http/request", format!("the request cannot be sent: {message}"))
    } else {
        Error::transient("http/interrupted", format!("the exchange broke off: {message}"))
    }
    .at("url", place)
}

/// Scheme, host, port and path: what errors may show. A query may hold what is nobody's business.
fn place(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    shown.to_string()
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

fn granted_url(text: &str, granted: &[String], plugin: &str) -> Result<Url> {
    let invalid = |why: &str| {
        Error::config("http/url", format!("the plugin {plugin} asked for a URL that {why}"))
            .hint("check the settings that name the server")
    };
    let url = Url::parse(text).map_err(|_| invalid("cannot be parsed"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("is neither http nor https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("holds a user name or password; those belong into a header, as a secret"));
    }
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(invalid("names no host"));
    };
    let is_default = url.port().is_none();
    if !granted.iter().any(|grant| HostGrant::parse(grant).covers(host, port, is_default)) {
        let asked = if is_default { host.to_owned() } else { format!("{host}:{port}") };
        return Err(Error::denied("http/host", format!("the plugin {plugin} was not granted requests to {asked}"))
            .hint(format!("if it should reach that host, grant it with --allow-host {asked}"))
            .at("host", asked));
    }
    Ok(url)
}

/// One entry of the list: `host` (on the scheme's own port), `host:port`, or `*.domain` for every host below it.
struct HostGrant<'a> {
    host: &'a str,
    port: Option<u16>,
}

impl<'a> HostGrant<'a> {
    fn parse(entry: &'a str) -> Self {
        let entry = entry.trim();
        if let Some((host, port)) = entry.rsplit_once(':')
            && let Ok(port) = port.parse()
            // An IPv6 address without brackets is all host.
            && (!host.contains(':') || host.ends_with(']'))
        {
            return HostGrant { host, port: Some(port) };
        }
        HostGrant { host: entry, port: None }
    }

    fn covers(&self, host: &str, port: u16, is_default: bool) -> bool {
        let host_fits = match self.host.strip_prefix("*.") {
            Some(domain) => {
                let below =
                    host.len().checked_sub(domain.len()).filter(|&at| at > 1).and_then(|at| host.split_at_checked(at));
                below.is_some_and(|(label, end)| {
                    !domain.is_empty() && label.ends_with('.') && end.eq_ignore_ascii_case(domain)
                })
            }
            None => {
                host.eq_ignore_ascii_case(self.host)
                    || host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) == Some(self.host)
            }
        };
        host_fits && self.port.map_or(is_default, |granted| granted == port)
    }
}

struct Secrets<'a> {
    granted: &'a [(String, String)],
    plugin: &'a str,
}

impl<'a> Secrets<'a> {
    /// `text` with every `${secret:NAME}` replaced; the values that were put in are added to `used`.
    fn fill(&self, text: &str, used: &mut Vec<&'a str>) -> Result<String> {
        const OPEN: &str = "${secret:";
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(OPEN) {
            let Some((name, after)) = after.split_once('}') else { break };
            let Some((_, value)) = self.granted.iter().find(|(granted, _)| granted == name) else {
                let message = format!("the plugin {} was not granted the secret {name}", self.plugin);
                return Err(Error::denied("http/secret", message)
                    .hint(format!("set {name} in the environment, or in the place your credentials are kept"))
                    .at("secret", name));
            };
            out.push_str(before);
            out.push_str(value);
            used.push(value);
            rest = after;
        }
        out.push_str(rest);
        Ok(out)
    }
}

fn headers<'a>(wanted: &[(String, String)], secrets: &Secrets<'a>, used: &mut Vec<&'a str>) -> Result<HeaderMap> {
    let mut out = HeaderMap::with_capacity(wanted.len());
    for (name, value) in wanted {
        let refused = |why: &str| Error::config("http/header", format!("the header {name:?} {why}"));
        let key =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused("has a name that HTTP does not allow"))?;
        if RESERVED_HEADERS.contains(&key.as_str()) {
            return Err(refused("is set by the host alone"));
        }
        let before = used.len();
        let value = secrets.fill(value, used)?;
        let mut value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
            refused("has a value that HTTP does not allow")
                .hint("a secret must not hold a line break; check how it was set")
        })?;
        value.set_sensitive(used.len() > before);
        out.append(key, value);
    }
    Ok(out)
}

/// Takes the secrets that were sent out of what came back: some servers repeat a refused key.
fn redact(mut response: Response, used: &[&str]) -> Response {
    const MASK: &str = "[secret]";
    for secret in used.iter().filter(|secret| secret.len() >= MIN_REDACTED_BYTES) {
        for (_, value) in &mut response.headers {
            if value.contains(secret) {
                *value = value.replace(secret, MASK);
            }
        }
        let needle = secret.as_bytes();
        let mut from = 0;
        while let Some(at) = find(response.body.get(from..).unwrap_or_default(), needle) {
            let start = from + at;
            response.body.splice(start..start + needle.len(), MASK.bytes());
            from = start + MASK.len();
        }
    }
    response
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    loop {
        let at = from + haystack.get(from..)?.iter().position(|&byte| byte == first)?;
        if haystack.get(at..)?.starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
}
