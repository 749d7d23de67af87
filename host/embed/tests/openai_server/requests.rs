//! Every text gets its vector, however the texts must be cut into requests.

use vecferry_core::{Embedder, ErrorKind};

use crate::server::{Base64, Behaviour, MODEL, Server};
use crate::{Given, open, open_at};

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("text {n} of größe 世界 \"quoted\"\n{}", "word ".repeat(n % 7))).collect()
}

fn embed(embedder: &dyn Embedder, texts: &[impl AsRef<str>]) -> Vec<Vec<f32>> {
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    let dense = embedder.embed(&texts).unwrap();
    let width = embedder.dimension() as usize;
    assert_eq!((dense.dimension, dense.values.len()), (embedder.dimension(), texts.len() * width));
    dense.values.chunks(width).map(<[f32]>::to_vec).collect()
}

/// What the server computes for these very texts.
fn expected(server: &Server, texts: &[impl AsRef<str>]) -> Vec<Vec<f32>> {
    texts.iter().map(|text| server.vector(text.as_ref())).collect()
}

#[test]
fn a_request_is_what_openai_documents() {
    let server = Server::start(Behaviour { key: Some("sk-0123456789"), ..Behaviour::default() });
    let settings = Given::default().with("OPENAI_API_KEY", " sk-0123456789\n").with("OPENAI_BASE_URL", server.base());
    let chosen = open(&format!("openai:{MODEL}?dimensions=4"), &settings).unwrap();
    let embedder = chosen.embedder.as_ref();
    assert_eq!((embedder.provider(), embedder.model(), embedder.dimension()), ("openai", MODEL, 4));
    server.take_seen();

    embedder.embed(&["a text", "another"]).unwrap();
    let seen = server.take_seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].line, "POST /v1/embeddings");
    assert_eq!(seen[0].header("authorization"), Some("Bearer sk-0123456789"));
    assert_eq!(seen[0].header("content-type"), Some("application/json"));
    assert!(seen[0].header("user-agent").unwrap().starts_with("vecferry/"));
    let body = serde_json::json!({
        "model": MODEL, "input": ["a text", "another"], "encoding_format": "base64", "dimensions": 4
    });
    assert_eq!(seen[0].body, body);
    assert_eq!(
        (chosen.usage.requests(), chosen.usage.tokens()),
        (3, 5),
        "the probe is one word, sent twice, the texts are three"
    );
}

#[test]
fn every_text_gets_its_vector_in_every_encoding() {
    let texts = texts(50);
    for (name, base64, encoding) in [
        ("base64", Base64::Follows, Some("base64")),
        ("numbers all the same", Base64::Disregards, Some("base64")),
        ("refused", Base64::Refuses(400), None),
        ("refused with what looks like a fault", Base64::Refuses(500), None),
        ("of half precision", Base64::Halves, None),
        ("of the other byte order", Base64::BigEndian, None),
    ] {
        let server = Server::start(Behaviour { base64, ..Behaviour::default() });
        let chosen = open_at(&server, "inputs=7").expect(name);
        server.take_seen();
        assert_eq!(embed(chosen.embedder.as_ref(), &texts), expected(&server, &texts), "{name}");
        let seen = server.take_seen();
        let counts: Vec<usize> = seen.iter().map(|seen| seen.inputs().len()).collect();
        assert_eq!(counts, [7, 7, 7, 7, 7, 7, 7, 1], "{name}");
        assert!(seen.iter().all(|seen| seen.body["encoding_format"].as_str() == encoding), "{name}");
    }
}

#[test]
fn no_texts_need_no_request() {
    let server = Server::start(Behaviour::default());
    let chosen = open_at(&server, "inputs=7").unwrap();
    server.take_seen();
    assert!(chosen.embedder.embed(&[]).unwrap().values.is_empty());
    assert!(server.take_seen().is_empty());
}

#[test]
fn requests_are_cut_by_what_their_texts_may_have_in_tokens() {
    let server = Server::start(Behaviour { max_words: usize::MAX, ..Behaviour::default() });
    let chosen = open_at(&server, "inputs=2048").unwrap();
    server.take_seen();
    let texts: Vec<String> = (0..10).map(|n| format!("{n}{}", "x".repeat(89_999))).collect();
    assert_eq!(embed(chosen.embedder.as_ref(), &texts), expected(&server, &texts));
    let counts: Vec<usize> = server.take_seen().iter().map(|seen| seen.inputs().len()).collect();
    assert_eq!(counts, [3, 3, 3, 1], "at one token a byte, three texts of 90,000 fit into 300,000");
}

#[test]
fn an_empty_text_is_sent_as_a_blank_and_counted() {
    let server = Server::start(Behaviour::default());
    let chosen = open_at(&server, "inputs=64").unwrap();
    let vectors = embed(chosen.embedder.as_ref(), &["one", "", "two", ""]);
    assert_eq!(vectors, expected(&server, &["one", " ", "two", " "]));
    assert_eq!((chosen.usage.blank(), chosen.usage.shortened()), (2, 0));
}

#[test]
fn of_a_text_that_is_too_long_the_beginning_counts() {
    let server = Server::start(Behaviour { max_words: 100, ..Behaviour::default() });
    let chosen = open_at(&server, "inputs=64").unwrap();
    let long = |words: usize| (0..words).map(|n| format!("word{n} ")).collect::<String>();
    let texts = [long(99), long(100), long(101), "short".to_owned(), long(1000), long(150_000)];
    server.take_seen();
    let together = embed(chosen.embedder.as_ref(), &texts);
    let seen = server.take_seen();
    for (row, text) in texts.iter().enumerate() {
        let sent: Vec<&str> = seen.iter().filter(|seen| seen.status == 200).flat_map(|seen| seen.inputs()).collect();
        let sent = sent.iter().filter(|sent| text.starts_with(**sent) && together[row] == server.vector(sent));
        let words = sent.map(|sent| sent.split_whitespace().count()).max().unwrap_or(0);
        match row {
            0 | 1 | 3 => assert_eq!(together[row], server.vector(text), "text {row} is whole"),
            _ => assert!((70..=100).contains(&words), "{words} words of text {row} count"),
        }
    }
    assert_eq!((chosen.usage.shortened(), chosen.usage.blank()), (3, 0));
    for (row, text) in texts.iter().enumerate() {
        assert_eq!(embed(chosen.embedder.as_ref(), &[text]), together[row..=row], "text {row} alone");
    }
}

#[test]
fn a_server_that_takes_fewer_texts_at_once_is_found_out_once() {
    let server = Server::start(Behaviour { max_inputs: 10, ..Behaviour::default() });
    let chosen = open_at(&server, "inputs=256").unwrap();
    server.take_seen();
    let texts = texts(300);
    assert_eq!(embed(chosen.embedder.as_ref(), &texts), expected(&server, &texts));
    let seen = server.take_seen();
    assert!(seen.iter().filter(|seen| seen.status != 200).count() <= 8, "256, 128, 64, 32, 16");
    assert_eq!(embed(chosen.embedder.as_ref(), &texts), expected(&server, &texts));
    assert!(server.take_seen().iter().all(|seen| seen.status == 200), "and then never again");
    assert_eq!(chosen.usage.shortened(), 0);
}

#[test]
fn a_text_that_is_refused_is_named_and_makes_no_other_request_smaller() {
    let server = Server::start(Behaviour::default());
    let chosen = open_at(&server, "inputs=64").unwrap();
    let mut texts = texts(64);
    texts[37] = "a forbidden text".to_owned();
    let given: Vec<&str> = texts.iter().map(String::as_str).collect();
    let error = chosen.embedder.embed(&given).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Unsupported, "embed/refused"));
    assert_eq!(error.context("row"), Some("37"));
    assert!(error.message.contains("violates a policy") && error.hint.is_some(), "{error}");

    server.take_seen();
    texts.remove(37);
    assert_eq!(embed(chosen.embedder.as_ref(), &texts), expected(&server, &texts));
    assert_eq!(server.take_seen().len(), 1);
}

#[test]
fn a_server_that_disregards_dimensions_is_refused() {
    let server = Server::start(Behaviour { dimensions: false, ..Behaviour::default() });
    let error = open_at(&server, "dimensions=4").err().unwrap();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Unsupported, "embed/dimensions"));
    assert!(error.message.contains("8 values where 4"), "{error}");
    assert_eq!(open_at(&server, "dimensions=8").unwrap().embedder.dimension(), 8);
}

#[test]
fn many_may_call_at_once() {
    let server = Server::start(Behaviour::default());
    let chosen = open_at(&server, "inputs=3").unwrap();
    let texts = texts(80);
    std::thread::scope(|scope| {
        for part in texts.chunks(20) {
            let (server, embedder) = (&server, &chosen.embedder);
            scope.spawn(move || assert_eq!(embed(embedder.as_ref(), part), expected(server, part)));
        }
    });
}

#[test]
fn it_can_be_called_from_and_dropped_in_the_engines_runtime() {
    let server = Server::start(Behaviour::default());
    let chosen = open_at(&server, "inputs=3").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let texts = texts(5);
    let expected = expected(&server, &texts);
    runtime.block_on(async move {
        let call = move || {
            let vectors = embed(chosen.embedder.as_ref(), &texts);
            (vectors, chosen)
        };
        let (vectors, chosen) = tokio::task::spawn_blocking(call).await.unwrap();
        assert_eq!(vectors, expected);
        drop(chosen);
    });
}
