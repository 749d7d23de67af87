//! A client that says exactly what it is told to, and hides nothing of the answer.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use reqwest::blocking::{Client as Http, RequestBuilder};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use vecferry_pinecone_local::Server;

pub struct Client {
    http: Http,
    pub url: String,
    key: String,
    pub version: &'static str,
}

impl Client {
    pub fn new(server: &Server) -> Client {
        Client::at(server.url(), server.api_key())
    }

    pub fn at(url: &str, key: &str) -> Client {
        let http = Http::builder().no_proxy().build().unwrap();
        Client { http, url: url.to_owned(), key: key.to_owned(), version: "2025-10" }
    }

    fn with_headers(&self, request: RequestBuilder) -> RequestBuilder {
        request.header("Api-Key", &self.key).header("X-Pinecone-Api-Version", self.version)
    }

    /// Creates a dense index and gives its host.
    pub fn create(&self, name: &str, dimension: u32, metric: &str) -> String {
        let body = json!({"name": name, "dimension": dimension, "metric": metric,
            "spec": {"serverless": {"cloud": "aws", "region": "us-east-1"}}});
        let (status, created) = self.post(&format!("{}/indexes", self.url), &body);
        assert_eq!(status, 201, "{created}");
        created["host"].as_str().unwrap().to_owned()
    }

    pub fn post(&self, url: &str, body: &Value) -> (u16, Value) {
        let (status, _, answer) = self.post_full(url, body);
        (status, answer)
    }

    pub fn post_full(&self, url: &str, body: &Value) -> (u16, HeaderMap, Value) {
        self.send(self.http.post(url).json(body)).unwrap()
    }

    pub fn get(&self, url: &str) -> (u16, Value) {
        let (status, _, answer) = self.send(self.http.get(url)).unwrap();
        (status, answer)
    }

    pub fn request(&self, method: &str, url: &str, body: Option<&Value>) -> (u16, Value) {
        let mut request = self.http.request(method.parse().unwrap(), url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let (status, _, answer) = self.send(request).unwrap();
        (status, answer)
    }

    /// Sends a request with the key and the version; an error is a connection that broke off.
    pub fn send(&self, request: RequestBuilder) -> Result<(u16, HeaderMap, Value), reqwest::Error> {
        let response = self.with_headers(request).send()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes()?;
        let answer = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok((status, headers, answer))
    }

    pub fn http(&self) -> &Http {
        &self.http
    }
}
