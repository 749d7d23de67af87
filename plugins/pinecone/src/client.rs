/*! Requests as Pinecone wants them. The key stays with the host, which puts it into the header. */

use vecferry_sdk::{Error, Host, Method, Request, Response, Result};

use crate::faults::error_of;

/// Sends requests to either plane.
#[derive(Clone)]
pub(crate) struct Client {
    host: Host,
    api_version: String,
}

impl Client {
    pub(crate) fn new(host: &Host, api_version: &str) -> Self {
        Client { host: host.clone(), api_version: api_version.to_owned() }
    }

    /// The answer, whatever its status.
    pub(crate) fn send(&self, method: Method, url: &str, body: Vec<u8>) -> Result<Response> {
        if self.host.cancelled() {
            return Err(Error::transient("pinecone/cancelled", "the run was stopped"));
        }
        let mut headers = vec![
            ("api-key".to_owned(), "${secret:PINECONE_API_KEY}".to_owned()),
            ("x-pinecone-api-version".to_owned(), self.api_version.clone()),
            ("accept".to_owned(), "application/json".to_owned()),
        ];
        if !body.is_empty() {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        self.host.send(Request { method, url: url.to_owned(), headers, body, timeout_ms: None })
    }

    /// The answer, if it is a success.
    pub(crate) fn ask(&self, method: Method, url: &str, body: Vec<u8>, what: &str) -> Result<Response> {
        let response = self.send(method, url, body)?;
        if is_success(&response) { Ok(response) } else { Err(error_of(&response, what)) }
    }
}

pub(crate) fn is_success(response: &Response) -> bool {
    (200..300).contains(&response.status)
}
