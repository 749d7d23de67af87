/*! `http`: against servers of one answer each, on the loopback interface. */

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use vecferry_contract::ErrorKind;
use vecferry_powers::{Error, Grants, Method, Powers, Request, Response};

use crate::common::ALL;

/// A server that answers each of `answers` to one connection, and returns the requests it got.
struct Server {
    host: String,
    thread: JoinHandle<Vec<String>>,
}

impl Server {
    fn start(answers: Vec<Vec<u8>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let thread = std::thread::spawn(move || {
            let serve = |answer: Vec<u8>| {
                let (mut stream, _) = listener.accept().unwrap();
                let request = read_request(&stream);
                // The client may have seen enough before the end.
                let _ = stream.write_all(&answer);
                request
            };
            answers.into_iter().map(serve).collect()
        });
        Server { host, thread }
    }

    fn requests(self) -> Vec<String> {
        self.thread.join().unwrap()
    }
}

/// Head and body of a request with a content length.
fn read_request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut text).unwrap(), 0, "the client went away: {text}");
    }
    let lower = text.to_ascii_lowercase();
    let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    text + &String::from_utf8(body).unwrap()
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn powers(hosts: &[&str], secrets: &[(&str, &str)]) -> Powers {
    let grants = Grants {
        http_hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        secrets: secrets.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..Grants::default()
    };
    Powers::new("probe", &ALL, grants)
}

fn get(url: &str, headers: &[(&str, &str)]) -> Request {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Request { method: Method::Get, url: url.to_owned(), headers, body: vec![], timeout_ms: Some(20_000) }
}

fn send(server: &Server, request: &Request) -> Result<Response, Error> {
    powers(&[&server.host], &[]).send(request.clone())
}

#[test]
fn sends_what_is_asked_and_returns_what_came() {
    for (method, word) in [
        (Method::Get, "GET"),
        (Method::Post, "POST"),
        (Method::Put, "PUT"),
        (Method::Patch, "PATCH"),
        (Method::Delete, "DELETE"),
    ] {
        let server = Server::start(vec![answer("418 I'm a teapot", "X-Odd: a\r\nx-odd: b\r\n", b"\x00\xffbody")]);
        let mut request =
            get(&format!("http://{}/path?q=1", server.host), &[("Content-Type", "text/plain"), ("x-n", "7")]);
        request.method = method;
        request.body = b"sent".to_vec();
        let response = send(&server, &request).unwrap();
        assert_eq!(
            (response.status, response.body.as_slice()),
            (418, b"\x00\xffbody".as_slice()),
            "any status is fine"
        );
        let odd: Vec<&str> =
            response.headers.iter().filter(|(name, _)| name == "x-odd").map(|(_, value)| value.as_str()).collect();
        assert_eq!(odd, ["a", "b"]);
        let seen = server.requests().remove(0);
        assert!(seen.starts_with(&format!("{word} /path?q=1 HTTP/1.1\r\n")), "{seen}");
        assert!(seen.contains("content-type: text/plain\r\n") && seen.contains("x-n: 7\r\n"), "{seen}");
        assert!(seen.contains("user-agent: vecferry/") && seen.ends_with("\r\n\r\nsent"), "{seen}");
    }
}

#[test]
fn only_granted_hosts_are_reached() {
    // (granted, URL, whether it is within the grant); nothing listens on these ports.
    for (granted, url, allowed) in [
        ("127.0.0.1:1", "http://127.0.0.1:1/", true),
        ("127.0.0.1:1", "http://127.0.0.1:2/", false),
        ("127.0.0.1", "http://127.0.0.1:1/", false),
        ("127.0.0.1:1", "http://127.0.0.1/", false),
        ("LocalHost:1", "http://localhost:1/", true),
        ("localhost:1", "http://LOCALHOST:1/", true),
        ("[::1]:1", "http://[::1]:1/", true),
        ("*.localhost:1", "http://a.localhost:1/", true),
        ("*.localhost:1", "http://localhost:1/", false),
        ("*.localhost:1", "http://evillocalhost:1/", false),
        ("example.com", "http://example.com.evil.example/", false),
        ("example.com", "http://evil-example.com/", false),
        ("*.example.com", "http://example.com.evil.example/", false),
        ("*", "http://example.com/", false),
        ("*.", "http://example.com/", false),
        ("example.com", "http://example.com@evil.example/", false),
        ("example.com", "ftp://example.com/", false),
        ("example.com", "file:///etc/passwd", false),
        ("example.com", "//example.com/", false),
    ] {
        let error = powers(&[granted], &[]).send(get(url, &[])).expect_err(url);
        let tried = error.kind == ErrorKind::Transient;
        assert_eq!(tried, allowed, "{granted} for {url}: {error:?}");
        assert!(tried || matches!(error.code.as_str(), "http/host" | "http/url"), "{granted} for {url}: {error:?}");
    }
    let error = powers(&["a.example"], &[]).send(get("https://b.example:8443/x?key=hush", &[])).unwrap_err();
    assert_eq!((error.kind, error.context("host")), (ErrorKind::Denied, Some("b.example:8443")));
    assert!(error.hint.as_deref().unwrap().contains("--allow-host b.example:8443"));
    assert!(!format!("{error:?}").contains("hush"));
}

#[test]
fn redirects_stay_on_their_host() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    let away = format!("http://{}/stolen", elsewhere.local_addr().unwrap());
    let server = Server::start(vec![
        answer("302 Found", "location: /next\r\n", b""),
        answer("307 Temporary Redirect", &format!("location: {away}\r\n"), b"moved"),
    ]);
    let response = send(&server, &get(&format!("http://{}/first", server.host), &[])).unwrap();
    assert_eq!((response.status, response.body.as_slice()), (307, b"moved".as_slice()), "handed over as it came");
    let seen = server.requests();
    assert!(seen[0].starts_with("GET /first ") && seen[1].starts_with("GET /next "), "{seen:?}");
    elsewhere.set_nonblocking(true).unwrap();
    assert!(elsewhere.accept().is_err(), "nobody came to the other host");
}

#[test]
fn secrets_are_put_in_by_the_host_and_leak_nowhere() {
    const KEY: &str = "sk-very-secret-0123456789";
    let echo = format!("invalid key: {KEY}, {KEY}!");
    let server = Server::start(vec![answer("401 Unauthorized", &format!("x-echo: {KEY}\r\n"), echo.as_bytes())]);
    let powers =
        powers(&[&server.host], &[("API_KEY", KEY), ("OTHER", "other-secret"), ("BROKEN", "line\nbreak-secret")]);
    let url = format!("http://{}/", server.host);
    let response = powers.send(get(&url, &[("authorization", "Bearer ${secret:API_KEY}; ${secret:API_KEY}")])).unwrap();
    assert_eq!(response.body, b"invalid key: [secret], [secret]!");
    assert!(!format!("{response:?}").contains(KEY));
    let seen = server.requests().remove(0);
    assert!(seen.contains(&format!("authorization: Bearer {KEY}; {KEY}\r\n")), "{seen}");
    for (case, header, kind, code) in [
        ("not granted", "${secret:MISSING}", ErrorKind::Denied, "http/secret"),
        ("no name", "${secret:}", ErrorKind::Denied, "http/secret"),
        ("no header value", "${secret:BROKEN}", ErrorKind::Config, "http/header"),
        ("nobody listens", "${secret:API_KEY}", ErrorKind::Transient, "http/connect"),
    ] {
        let error = powers.send(get(&url, &[("x-key", header), ("x-other", "${secret:OTHER}")])).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (kind, code), "{case}: {error:?}");
        assert!(
            !format!("{error:?}").contains("secret-") && !format!("{error:?}").contains("-secret"),
            "{case}: {error:?}"
        );
    }
    assert!(!format!("{:?}", Grants { secrets: vec![("K".into(), KEY.into())], ..Grants::default() }).contains(KEY));
}

#[test]
fn text_that_only_looks_like_a_secret_stays() {
    let server = Server::start(vec![answer("200 OK", "", b"")]);
    let headers = [("x-a", "$secret:A ${secret:unclosed"), ("x-b", "${other:A}")];
    send(&server, &get(&format!("http://{}/", server.host), &headers)).unwrap();
    let seen = server.requests().remove(0);
    assert!(seen.contains("x-a: $secret:A ${secret:unclosed\r\n") && seen.contains("x-b: ${other:A}\r\n"), "{seen}");
}

#[test]
fn headers_that_frame_or_route_belong_to_the_host() {
    for (name, value) in [
        ("Host", "evil.example"),
        ("content-length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("connection", "keep-alive"),
        ("bad name", "x"),
        ("x", "a\r\ny: b"),
    ] {
        let error = powers(&["127.0.0.1:1"], &[]).send(get("http://127.0.0.1:1/", &[(name, value)])).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, "http/header"), "{name}: {error:?}");
    }
}

#[test]
fn answers_are_bounded() {
    let length = (64 << 20) + 1;
    let server = Server::start(vec![answer("200 OK", "", &vec![0; length])]);
    let error = send(&server, &get(&format!("http://{}/", server.host), &[])).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Unsupported, "http/response-too-large"));
}

#[test]
fn faults_of_the_network_are_transient() {
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this".to_vec();
    let junk = b"this is not HTTP\r\n\r\n".to_vec();
    for (case, raw) in [("cut short", cut), ("no HTTP", junk), ("closed", Vec::new())] {
        let server = Server::start(vec![raw]);
        let error = send(&server, &get(&format!("http://{}/", server.host), &[])).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Transient, "http/interrupted"), "{case}: {error:?}");
        assert!(error.context("url").is_some(), "{case}");
    }
}

#[test]
fn a_silent_server_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let mut request = get(&format!("http://{host}/"), &[]);
    request.timeout_ms = Some(30);
    let error = powers(&[&host], &[]).send(request).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Transient, "http/timeout"));
}

#[test]
fn a_cancelled_run_gives_its_requests_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let grants = Grants { http_hosts: vec![host.clone()], ..Grants::default() };
    let cancelled = grants.cancelled.clone();
    let powers = Powers::new("probe", &ALL, grants);
    let canceller = std::thread::spawn(move || {
        let (_stream, _) = listener.accept().unwrap();
        cancelled.store(true, Ordering::Relaxed);
        _stream
    });
    let error = powers.send(get(&format!("http://{host}/"), &[])).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Transient, "http/cancelled"));
    drop(canceller.join().unwrap());
}

#[test]
fn works_inside_an_asynchronous_program() {
    let server = Server::start(vec![answer("200 OK", "", b"fine")]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let response = runtime.block_on(async { send(&server, &get(&format!("http://{}/", server.host), &[])) }).unwrap();
    assert_eq!(response.body, b"fine");
}
