//! Which model of a chain is chosen, and that a run stays with it.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::json;
use vecferry_core::ErrorKind;
use vecferry_embed::{Chain, EmbedSpec, Identity, ModelStore};

use crate::server::{Behaviour, Fault, MODEL, Server};
use crate::{Given, fetched, open};

/// `openai` at the first server, `openai-compatible` at the second.
fn two(first: &Server, second: &Server) -> String {
    format!("openai:{MODEL}?url={},openai-compatible:{MODEL}?url={}", first.base(), second.base())
}

fn answer(status: u16, code: &str) -> Fault {
    let body = json!({"error": {"message": "no", "type": "t", "param": null, "code": code}});
    Fault::Answer(status, &[], body.to_string())
}

#[test]
fn the_first_that_works_is_chosen_and_the_others_are_not_asked() {
    let (first, second) = (Server::start(Behaviour::default()), Server::start(Behaviour::default()));
    let chosen = open(&two(&first, &second), &Given::default()).unwrap();
    assert_eq!((chosen.embedder.provider(), chosen.skipped.len()), ("openai", 0));
    assert_eq!((first.take_seen().len(), second.take_seen().len()), (2, 0));
}

#[test]
fn the_next_serves_where_one_does_not_work_and_the_reason_is_told() {
    for (name, faults, code) in [
        ("key", vec![answer(401, "invalid_api_key")], "embed/auth"),
        ("model", vec![answer(404, "model_not_found")], "embed/model"),
        ("quota", vec![answer(429, "insufficient_quota")], "embed/quota"),
        ("refused", vec![answer(400, "no")], "embed/refused"),
        ("failing", (0..3).map(|_| answer(500, "no")).collect(), "embed/server"),
        ("busy", (0..3).map(|_| answer(429, "no")).collect(), "embed/throttled"),
    ] {
        let first = Server::start(Behaviour::default());
        let second = Server::start(Behaviour { dimension: 5, ..Behaviour::default() });
        first.fail(faults);
        let chosen = open(&two(&first, &second), &Given::default()).expect(name);
        assert_eq!((chosen.embedder.provider(), chosen.embedder.dimension()), ("openai-compatible", 5), "{name}");
        assert_eq!(chosen.skipped.len(), 1, "{name}");
        assert_eq!(chosen.skipped[0].why.code, code, "{name}: {:?}", chosen.skipped);
        assert!(chosen.skipped[0].model.starts_with("openai:test-embedder"), "{name}");
    }
}

#[test]
fn without_a_key_a_hosted_model_is_passed_over() {
    let server = Server::start(Behaviour::default());
    let spec = format!("groq:m,openai:m,openai-compatible:{MODEL}?url={}", server.base());
    let chosen = open(&spec, &Given::default().with("OPENAI_API_KEY", "  ")).unwrap();
    let reasons: Vec<(&str, &str, Option<&str>)> = chosen
        .skipped
        .iter()
        .map(|skipped| (skipped.model.as_str(), skipped.why.code.as_str(), skipped.why.hint.as_deref()))
        .collect();
    assert_eq!(
        reasons,
        [
            ("groq:m", "embed/no-key", Some("set GROQ_API_KEY")),
            ("openai:m", "embed/no-key", Some("set OPENAI_API_KEY"))
        ]
    );
}

#[test]
fn where_none_works_all_reasons_are_told() {
    for (name, first, second, kind) in [
        ("nothing passes", answer(404, "model_not_found"), answer(401, "no"), ErrorKind::NotFound),
        (
            "the second may pass",
            answer(404, "model_not_found"),
            Fault::Answer(429, &[("Retry-After", "90")], String::new()),
            ErrorKind::Throttled,
        ),
    ] {
        let servers = [Server::start(Behaviour::default()), Server::start(Behaviour::default())];
        servers[0].fail([first]);
        servers[1].fail([second]);
        let error = open(&two(&servers[0], &servers[1]), &Given::default()).err().expect(name);
        assert_eq!((error.kind, error.code.as_str()), (kind, "embed/none"), "{name}: {error}");
        assert_eq!(error.retry_after_ms.is_some(), kind == ErrorKind::Throttled, "{name}");
        for part in
            ["openai:test-embedder?url=http://", "; openai-compatible:test-embedder?url=http://", "no embedding model"]
        {
            assert!(error.message.contains(part), "{name}: {error}");
        }
    }
    let error = open("openai:m", &Given::default()).err().unwrap();
    assert_eq!(error.code, "embed/no-key", "one model's reason stands for itself");
    let error = open("http:m", &Given::default()).err().unwrap();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Config, "embed/address"));
    assert!(error.hint.unwrap().contains("VECFERRY_EMBED_BASE_URL"));
}

#[test]
fn a_hiccup_at_the_start_does_not_decide_a_whole_run() {
    let busy = |wait| Fault::Answer(429, wait, String::new());
    for (name, faults, waits, provider) in [
        (
            "asked waits",
            vec![busy(&[("Retry-After", "1.25")]), busy(&[("Retry-After", "2")])],
            vec![1_250, 2_000],
            "openai",
        ),
        ("own waits", vec![busy(&[]), busy(&[])], vec![500, 1_000], "openai"),
        ("a broken connection", vec![Fault::Closed], vec![500], "openai"),
        ("too long a wait", vec![busy(&[("Retry-After", "60")])], vec![], "openai-compatible"),
        ("too many hiccups", vec![busy(&[]), busy(&[]), busy(&[])], vec![500, 1_000], "openai-compatible"),
    ] {
        let (first, second) = (Server::start(Behaviour::default()), Server::start(Behaviour::default()));
        first.fail(faults);
        let waited = RefCell::new(Vec::new());
        let wait = |time: Duration| {
            waited.borrow_mut().push(time.as_millis());
            true
        };
        let spec = EmbedSpec::parse(&two(&first, &second)).unwrap();
        let (models, settings) = (ModelStore::new("nowhere"), Given::default());
        let chosen = Chain::new(&spec, &models, 1, &settings).waiting(&wait).choose().expect(name);
        assert_eq!((waited.take(), chosen.embedder.provider()), (waits, provider), "{name}");
    }
}

#[test]
fn waiting_can_be_given_up() {
    let (first, second) = (Server::start(Behaviour::default()), Server::start(Behaviour::default()));
    first.fail([Fault::Closed]);
    let spec = EmbedSpec::parse(&two(&first, &second)).unwrap();
    let (models, settings) = (ModelStore::new("nowhere"), Given::default());
    let chosen = Chain::new(&spec, &models, 1, &settings).waiting(&|_| false).choose().unwrap();
    assert_eq!((chosen.embedder.provider(), first.take_seen().len()), ("openai-compatible", 1));
}

#[test]
fn a_model_that_fails_midway_is_not_replaced() {
    let (first, second) = (Server::start(Behaviour::default()), Server::start(Behaviour::default()));
    let chosen = open(&two(&first, &second), &Given::default()).unwrap();
    for (name, fault, kind) in [
        ("throttled", answer(429, "no"), ErrorKind::Throttled),
        ("failing", answer(503, "no"), ErrorKind::Transient),
        ("gone", Fault::Closed, ErrorKind::Transient),
        ("no quota", answer(429, "insufficient_quota"), ErrorKind::Denied),
    ] {
        first.fail([fault]);
        assert_eq!(chosen.embedder.embed(&["a"]).expect_err(name).kind, kind, "{name}");
    }
    assert!(second.take_seen().is_empty());
    assert_eq!(chosen.embedder.embed(&["a"]).unwrap().values, first.vector("a"));
}

#[test]
fn a_run_goes_on_with_the_model_it_began_with_or_not_at_all() {
    let (first, second) = (Server::start(Behaviour::default()), Server::start(Behaviour::default()));
    first.fail([answer(401, "no")]);
    let text = two(&first, &second);
    let began = open(&text, &Given::default()).unwrap().identity;
    assert_eq!((began.provider.as_str(), began.model.as_str(), began.dimension), ("openai-compatible", MODEL, 8));
    let stored = serde_json::to_string(&began).unwrap();
    let began: Identity = serde_json::from_str(&stored).unwrap();

    let go_on = |text: &str, identity: &Identity| {
        let spec = EmbedSpec::parse(text).unwrap();
        let (models, settings) = (ModelStore::new("nowhere"), Given::default());
        Chain::new(&spec, &models, 1, &settings).waiting(&|_| true).open_exactly(identity)
    };
    first.take_seen();
    let chosen = go_on(&text, &began).unwrap();
    assert_eq!((chosen.embedder.provider(), &chosen.identity), ("openai-compatible", &began));
    assert!(first.take_seen().is_empty(), "the preferred model works again, and is left alone");

    let other_dimension = Server::start(Behaviour { dimension: 9, ..Behaviour::default() });
    let other_model = Server::start(Behaviour { seed: 1, ..Behaviour::default() });
    let refusing = Server::start(Behaviour::default());
    refusing.fail((0..3).map(|_| answer(503, "no")));
    let at = |server: &Server| format!("openai-compatible:{MODEL}?url={}", server.base());
    for (name, text, kind, code) in [
        ("another dimension", at(&other_dimension), ErrorKind::Config, "embed/another-model"),
        ("another model of that name", at(&other_model), ErrorKind::Config, "embed/another-model"),
        ("another chain", format!("openai:{MODEL}?url={}", first.base()), ErrorKind::Config, "embed/not-in-chain"),
        (
            "not now",
            format!("{},openai:{MODEL}?url={}", at(&refusing), first.base()),
            ErrorKind::Transient,
            "embed/server",
        ),
    ] {
        let error = go_on(&text, &began).err().expect(name);
        assert_eq!((error.kind, error.code.as_str()), (kind, code), "{name}: {error}");
    }
    let mut unknown = began;
    unknown.probe.clear();
    go_on(&at(&other_model), &unknown).expect("without a probe there is nothing to compare");
}

#[test]
fn the_built_in_model_is_the_fallback_of_a_hosted_one() {
    let server = Server::start(Behaviour { key: Some("gsk-0123456789"), ..Behaviour::default() });
    let settings = Given::default().with("GROQ_API_KEY", "gsk-0123456789").with("GROQ_BASE_URL", server.base());
    let text = "groq:no-such-model,fastembed:all-MiniLM-L6-v2";
    let spec = EmbedSpec::parse(text).unwrap();
    fetched::load(1); // Tells what to do where the model is missing.
    let chosen = Chain::new(&spec, &fetched::store(), 1, &settings).choose().unwrap();
    assert_eq!((chosen.embedder.provider(), chosen.embedder.dimension()), ("fastembed", 384));
    assert_eq!(
        (chosen.skipped[0].model.as_str(), chosen.skipped[0].why.code.as_str()),
        ("groq:no-such-model", "embed/model")
    );
    assert_eq!(chosen.usage.requests(), 0);
    let again = Chain::new(&spec, &fetched::store(), 1, &settings).open_exactly(&chosen.identity).unwrap();
    assert_eq!(again.identity, chosen.identity);
}
