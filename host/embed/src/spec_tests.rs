#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

#[test]
fn specs_are_read_and_shown_as_they_can_be_read_again() {
    let minilm = "fastembed:all-MiniLM-L6-v2";
    for (name, text, shown) in [
        ("a built-in model", "all-MiniLM-L6-v2", minilm),
        ("with its provider", minilm, minilm),
        ("a chain", "groq:m, all-MiniLM-L6-v2", "groq:m,fastembed:all-MiniLM-L6-v2"),
        ("a model with a tag", "ollama:nomic-embed-text:v1.5", "ollama:nomic-embed-text:v1.5"),
        ("a model with slashes", "tei:BAAI/bge-m3", "tei:BAAI/bge-m3"),
        ("two models of one provider", "vllm:a,vllm:b", "vllm:a,vllm:b"),
        ("the other name of a provider", "http:m?url=http://h:1/v1", "openai-compatible:m?url=http://h:1/v1"),
        (
            "options",
            "openai:m?key=MY_KEY_2&timeout=5&inputs=10&dimensions=256&url=https://h/v1/embeddings",
            "openai:m?url=https://h/v1&dimensions=256&inputs=10&timeout=5&key=MY_KEY_2",
        ),
    ] {
        let spec = EmbedSpec::parse(text).expect(name);
        assert_eq!(spec.to_string(), shown, "{name}");
        assert_eq!(EmbedSpec::parse(shown).unwrap(), spec, "{name}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (name, text, code, says) in [
        ("nothing", "", "embed/spec", "names no model"),
        ("a comma too many", "groq:m,", "embed/spec", "names no model"),
        ("an unknown provider", "opnai:m", "embed/provider", "'opnai'"),
        ("an unknown built-in model", "gpt-9", "model/unknown", "'gpt-9'"),
        ("a provider alone", "openai", "embed/spec", "no model of openai"),
        ("a provider with nothing", "openai:", "embed/spec", "no model of openai"),
        ("an address", "http://localhost:8000/v1", "embed/spec", "an address"),
        ("one model twice", "groq:m,openai:m,groq:m?inputs=3", "embed/spec", "groq:m twice"),
        ("options of a built-in model", "all-MiniLM-L6-v2?dimensions=3", "embed/spec", "built in"),
        ("no dimensions", "openai:m?dimensions=0", "embed/spec", "'dimensions'"),
        ("too many inputs", "openai:m?inputs=2049", "embed/spec", "'inputs'"),
        ("no time", "openai:m?timeout=0", "embed/spec", "'timeout'"),
        ("an unknown option", "openai:m?hush=hush", "embed/spec", "not known"),
        ("a key itself", "openai:m?key=sk-hush", "embed/spec", "the name of a setting"),
        ("a password", "http:m?url=http://me:hush@h/v1", "embed/address", "password"),
    ] {
        let error = EmbedSpec::parse(text).expect_err(name);
        assert_eq!(error.code, code, "{name}: {error}");
        assert!(error.message.contains(says), "{name}: {error}");
        assert!(error.hint.is_some(), "{name}");
        assert!(!format!("{error:?}").contains("hush"), "{name}: {error:?}");
    }
}

#[test]
fn dimensions_that_are_known_need_no_server() {
    for (text, known) in [
        ("all-MiniLM-L6-v2", Some(384)),
        ("openai:text-embedding-3-small", Some(1536)),
        ("openai:text-embedding-3-large", Some(3072)),
        ("openai:text-embedding-3-large?dimensions=256", Some(256)),
        ("groq:text-embedding-3-large", None),
        ("ollama:nomic-embed-text", None),
    ] {
        assert_eq!(EmbedSpec::parse(text).unwrap().models()[0].known_dimension(), known, "{text}");
    }
}
