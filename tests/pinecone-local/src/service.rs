/*!
One request, from its arrival to its answer: key and version, the schedule of faults, size, the call itself, the log.
*/

use std::sync::Mutex;
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::json;

use crate::answer::{Answer, Code, Outcome, Refusal};
use crate::control::{Caller, Indexes};
use crate::data;
use crate::faults::{Fault, Faults, Settings};
use crate::limits::{self, PROXY_BYTES, REQUEST_BYTES, URI_BYTES};
use crate::log::{Entry, Log};
use crate::operation::{DATA_PREFIX, Operation, Plane, Route, Unrouted, route};
use crate::payload::{Cut, Payload};
use crate::rates::Rates;
#[cfg(feature = "testing")]
use crate::validation::{Exchange, Judge};

/// The path below which tests speak to the server itself; never one of Pinecone's.
const PRIVATE: &str = "/__";

pub(crate) struct Service {
    pub(crate) indexes: Indexes,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
    /// `http://HOST:PORT`.
    pub(crate) url: String,
    pub(crate) api_key: String,
    /// None where rates are not held to.
    pub(crate) rates: Option<Mutex<Rates>>,
    #[cfg(feature = "testing")]
    pub(crate) judge: Judge,
}

/// What is known of a request besides its body.
struct Head {
    method: String,
    path: String,
    query: String,
    api_key: Option<String>,
    version: Option<String>,
}

impl Head {
    fn of(request: &Request<Incoming>) -> Head {
        let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Head {
            method: request.method().as_str().to_owned(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            api_key: header("api-key"),
            version: header("x-pinecone-api-version"),
        }
    }

    fn plane(&self) -> Plane {
        if self.path.starts_with(DATA_PREFIX) { Plane::Data } else { Plane::Control }
    }
}

impl Service {
    pub(crate) async fn serve(&self, request: Request<Incoming>) -> Result<Response<Payload>, Cut> {
        let head = Head::of(&request);
        if head.path.starts_with(PRIVATE) {
            return respond(self.private(&head, request.into_body()).await);
        }
        let route = match self.admit(&head) {
            Ok(route) => route,
            Err(refusal) => return respond(refusal.at(head.plane())),
        };
        let operation = route.operation;
        let _working = self.log.begin(operation);
        let settings = self.faults.settings();
        let fault = self.faults.strike(operation);
        let body = match read(request.into_body()).await? {
            Some(body) => body,
            None => {
                // A proxy's bare 413, without JSON.
                self.note(&route, 413, 0, PROXY_BYTES, fault.is_some());
                return respond(Answer::empty(413));
            }
        };
        let carried_out = match &fault {
            None | Some(Fault::Slow { .. }) => true,
            Some(Fault::Throttle { .. }) => false,
            Some(Fault::Status { applied, .. } | Fault::Reset { applied }) => *applied,
        };
        let real = carried_out.then(|| self.carry_out(&head, &route, &body, settings));
        let rows = real.as_ref().map_or(0, |answer| answer.rows);
        let bytes = body.len() as u64;
        let answer = match (fault, real) {
            (None, Some(answer)) => {
                self.note(&route, answer.status, rows, bytes, false);
                answer
            }
            (Some(Fault::Slow { ms }), Some(answer)) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                self.note(&route, answer.status, rows, bytes, true);
                answer
            }
            (Some(Fault::Reset { .. }), answer) => {
                self.note(&route, 0, rows, bytes, true);
                let answer = answer.ok_or(Cut)?;
                return build(answer.status, &answer.headers, Payload::cut(answer.body));
            }
            (fault, _) => {
                let answer = made_up(fault, operation.plane());
                self.note(&route, answer.status, rows, bytes, true);
                answer
            }
        };
        respond(answer)
    }

    /// What is checked before anything else, in the service's order.
    fn admit(&self, head: &Head) -> Outcome<Route> {
        match &head.api_key {
            None => return Err(Refusal::new(Code::Unauthenticated, "Missing API key.")),
            Some(key) if *key != self.api_key => {
                return Err(match head.plane() {
                    Plane::Control => Refusal::new(Code::Unauthenticated, "Invalid API key."),
                    Plane::Data => Refusal::new(Code::WrongKey, "Wrong API key."),
                });
            }
            Some(_) => {}
        }
        if head.path.len() + head.query.len() > URI_BYTES {
            return Err(Refusal::new(
                Code::UriTooLong,
                format!("The request's target is longer than {URI_BYTES} bytes"),
            ));
        }
        let route = route(&head.method, &head.path).map_err(|unrouted| match unrouted {
            Unrouted::Path => Refusal::new(Code::NotFound, format!("No such path: {}", head.path)),
            Unrouted::Method => {
                Refusal::new(Code::MethodNotAllowed, format!("{} is not allowed for {}", head.method, head.path))
            }
        })?;
        match head.version.as_deref() {
            None => Err(Refusal::invalid("The header X-Pinecone-Api-Version is required")),
            Some(version) if !VERSIONS.contains(&version) => {
                Err(Refusal::invalid(format!("X-Pinecone-Api-Version '{version}' is not supported")))
            }
            Some(_) => Ok(route),
        }
    }

    fn carry_out(&self, head: &Head, route: &Route, body: &[u8], settings: Settings) -> Answer {
        let parameters: Vec<(String, String)> = form_urlencoded::parse(head.query.as_bytes()).into_owned().collect();
        let version = head.version.as_deref().unwrap_or_default();
        let answer = self
            .call(version, route, &parameters, body, settings)
            .unwrap_or_else(|refusal| refusal.at(route.operation.plane()));
        #[cfg(feature = "testing")]
        self.judge.judge(&Exchange {
            operation: route.operation,
            version,
            parameters: &parameters,
            request: body,
            status: answer.status,
            response: &answer.body,
        });
        answer
    }

    fn call(
        &self,
        version: &str,
        route: &Route,
        parameters: &[(String, String)],
        body: &[u8],
        settings: Settings,
    ) -> Outcome {
        let caller = Caller { version, url: &self.url, unready: settings.not_ready_describes };
        match route.operation {
            Operation::ListIndexes => return self.indexes.list(&caller),
            Operation::CreateIndex => return self.indexes.create(body, &caller),
            Operation::DescribeIndex => return self.indexes.describe(&route.index, &caller),
            Operation::ConfigureIndex => return self.indexes.configure(&route.index, body, &caller),
            Operation::DeleteIndex => return self.indexes.delete(&route.index),
            _ => {}
        }
        fits(route.operation, body.len() as u64, settings)?;
        let index = self.indexes.get(&route.index)?;
        if crate::lock(&index).unready > 0 {
            return Err(Refusal::new(Code::Unavailable, format!("Index {} is not ready", route.index)));
        }
        let index: &Mutex<_> = &index;
        data::answer(&data::Request {
            operation: route.operation,
            index,
            index_name: &route.index,
            name: &route.name,
            parameters,
            body,
            visibility: settings.visibility,
            faults: &self.faults,
            rates: self.rates.as_ref(),
            now: Instant::now(),
        })
    }

    fn note(&self, route: &Route, status: u16, rows: u64, bytes: u64, faulted: bool) {
        let index = route.index.clone();
        self.log.note(Entry { operation: route.operation, index, status, rows, bytes, faulted });
    }

    /// What tests of whole processes use: the schedule is set, the log is read.
    async fn private(&self, head: &Head, body: Incoming) -> Answer {
        let refuse = |code, message: &str| Refusal::new(code, message).at(Plane::Control);
        if head.api_key.as_deref() != Some(self.api_key.as_str()) {
            return refuse(Code::Unauthenticated, "Invalid API key.");
        }
        let Ok(Some(body)) = read(body).await else { return refuse(Code::TooLarge, "The schedule is too large") };
        match (head.method.as_str(), head.path.as_str()) {
            ("POST", "/__faults") => match serde_json::from_slice(&body) {
                Ok(schedule) => {
                    self.faults.set(schedule);
                    Answer::json(200, &json!({}))
                }
                Err(error) => refuse(Code::InvalidArgument, &format!("not a schedule: {error}")),
            },
            ("GET", "/__faults") => {
                Answer::json(200, &json!({"struck": self.faults.struck(), "schedule": self.faults.schedule()}))
            }
            ("DELETE", "/__faults") => {
                self.faults.clear();
                Answer::json(200, &json!({}))
            }
            ("GET", "/__log") => {
                Answer::json(200, &json!({"total": self.log.total(), "operations": self.log.by_operation()}))
            }
            ("DELETE", "/__log") => {
                self.log.clear();
                Answer::json(200, &json!({}))
            }
            _ => refuse(Code::NotFound, "one of POST, GET, DELETE /__faults and GET, DELETE /__log"),
        }
    }
}

/// Versions that clients in use send.
const VERSIONS: &[&str] = &["2024-07", "2024-10", "2025-01", "2025-04", "2025-10", "2026-01", "2026-04", "2026-07"];

/// Checks a body's size.
fn fits(operation: Operation, bytes: u64, settings: Settings) -> Outcome<()> {
    let lowered = settings.max_body_bytes.filter(|_| operation == Operation::Upsert);
    let limit = lowered.unwrap_or(REQUEST_BYTES).min(REQUEST_BYTES);
    if bytes <= limit {
        return Ok(());
    }
    let code = if settings.too_large_is_400 { Code::OutOfRange } else { Code::TooLarge };
    Err(Refusal::new(
        code,
        format!("Error, message length too large: found {bytes} bytes, the limit is: {limit} bytes"),
    ))
}

/// The answer that a fault gives instead of the real one.
fn made_up(fault: Option<Fault>, plane: Plane) -> Answer {
    let (code, retry_after) = match fault {
        Some(Fault::Throttle { retry_after }) => (429, retry_after),
        Some(Fault::Status { code, .. }) => (code, None),
        _ => (500, None),
    };
    let known = match code {
        403 => Some((Code::QuotaExceeded, "Request failed. You've reached the max storage allowed for your plan.")),
        413 => Some((Code::TooLarge, "Error, message length too large")),
        429 => Some((Code::TooManyRequests, "Too many requests. Try again later.")),
        500 => Some((Code::Internal, "Internal server error")),
        503 => Some((Code::Unavailable, "Service unavailable")),
        _ => None,
    };
    let answer = match (known, plane) {
        (Some((code, message)), _) => Refusal::new(code, message).at(plane),
        (None, Plane::Data) => Answer::json(code, &json!({"code": 2, "message": "made to fail", "details": []})),
        (None, Plane::Control) => {
            Answer::json(code, &json!({"error": {"code": "UNKNOWN", "message": "made to fail"}, "status": code}))
        }
    };
    match retry_after {
        Some(value) => answer.header("retry-after", value),
        None => answer,
    }
}

/// Reads a body; none where it is larger than what the proxy lets through. The rest of such a body is read and dropped:
/// a client that is answered while it still sends may see a broken connection instead of the answer.
async fn read(mut body: Incoming) -> Result<Option<Vec<u8>>, Cut> {
    let most = usize::try_from(PROXY_BYTES).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    let mut fits = true;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Cut)?;
        let Some(data) = frame.data_ref() else { continue };
        fits = fits && data.len() <= most - bytes.len();
        if fits {
            bytes.extend_from_slice(data);
        }
    }
    Ok(fits.then_some(bytes))
}

fn respond(answer: Answer) -> Result<Response<Payload>, Cut> {
    build(answer.status, &answer.headers, Payload::whole(answer.body))
}

fn build(status: u16, headers: &[(&'static str, String)], payload: Payload) -> Result<Response<Payload>, Cut> {
    let mut response = Response::builder().status(status).header("content-type", "application/json");
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response.body(payload).map_err(|_| Cut)
}

impl Service {
    /// Everything that was written to a namespace, in the order of the ids; none where there is no such index.
    pub(crate) fn records(&self, index: &str, namespace: &str) -> Option<Vec<crate::Record>> {
        let index = self.indexes.get(index).ok()?;
        let index = crate::lock(&index);
        let name = limits::namespace(namespace).ok()?;
        let records = index.spaces.get(name).map(|space| space.written().values());
        Some(records.into_iter().flatten().map(|record| crate::Record::clone(record)).collect())
    }

    pub(crate) fn namespaces(&self, index: &str) -> Option<Vec<String>> {
        let index = self.indexes.get(index).ok()?;
        let names = crate::lock(&index).spaces.keys().map(|name| limits::shown(name).to_owned()).collect();
        Some(names)
    }
}
