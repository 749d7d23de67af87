#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

#[test]
fn ollama_host_is_read_as_ollama_reads_it() {
    for (name, host, base) in [
        ("host alone", "gpu", "http://gpu:11434/v1"),
        ("host and port", "gpu:1234", "http://gpu:1234/v1"),
        ("port alone", ":1234", "http://127.0.0.1:1234/v1"),
        ("a server's setting", "0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("a server's setting with a port", "0.0.0.0:1234", "http://127.0.0.1:1234/v1"),
        ("all interfaces in IPv6", "[::]:1234", "http://[::1]:1234/v1"),
        ("IPv6", "[fe80::7]", "http://[fe80::7]:11434/v1"),
        ("http", "http://gpu", "http://gpu:80/v1"),
        ("http and a slash", "http://gpu:11434/", "http://gpu:11434/v1"),
        ("https", "https://gpu", "https://gpu:443/v1"),
        ("path", "https://gpu/ollama", "https://gpu:443/ollama/v1"),
        ("base URL", "http://localhost:11434/v1", "http://localhost:11434/v1"),
    ] {
        let complete = Provider::named("ollama").unwrap().complete(host);
        assert_eq!(complete, base, "{name}");
        base_url(&complete, "OLLAMA_HOST").expect(name);
    }
}

#[test]
fn every_built_in_address_is_one() {
    for provider in PROVIDERS {
        if let Some(address) = provider.address {
            assert_eq!(base_url(&provider.complete(address), provider.name).unwrap().as_str(), address);
        }
    }
}

#[test]
fn addresses_are_checked_and_what_may_be_secret_is_not_repeated() {
    assert_eq!(base_url(" http://a.example/v1/embeddings/ ", "url").unwrap().as_str(), "http://a.example/v1");
    for (name, address, why) in [
        ("nothing", "", "cannot be read"),
        ("host alone", "a.example", "cannot be read"),
        ("file", "file:///etc/passwd", "neither http nor https"),
        ("password", "https://me:hush@a.example/v1", "user name or a password"),
        ("query", "https://a.example/v1?key=hush", "'?'"),
        ("fragment", "https://a.example/v1#hush", "'#'"),
    ] {
        let error = base_url(address, "OPENAI_BASE_URL").expect_err(name);
        assert_eq!(error.code, "embed/address", "{name}");
        assert!(error.message.contains(why) && error.message.contains("OPENAI_BASE_URL"), "{name}: {error}");
        assert!(!format!("{error:?}").contains("hush"), "{name}");
    }
}
