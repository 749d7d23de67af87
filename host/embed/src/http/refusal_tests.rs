#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

const ABOUT: About<'static> = About { provider: "groq", model: "embedder-9", key_setting: "GROQ_API_KEY" };

fn openai(message: &str, kind: &str, code: Option<&str>) -> String {
    serde_json::json!({"error": {"message": message, "type": kind, "param": null, "code": code}}).to_string()
}

/// Bodies as servers' users and documentation report them.
#[test]
fn errors_get_the_kind_that_helps() {
    use ErrorKind::{Auth, Config, Denied, NotFound, Throttled, Transient, Unsupported};
    let quota = "You exceeded your current quota, please check your plan and billing details.";
    let rate = "Rate limit reached for model `m` on tokens per minute (TPM): Limit 15000, Used 11972, Requested 4351. \
                Please try again in 5.289s.";
    let page = "<html><body>502 Bad Gateway</body></html>".to_owned();
    for (name, status, body, kind, code) in [
        ("quota", 429, openai(quota, "insufficient_quota", Some("insufficient_quota")), Denied, "embed/quota"),
        ("payment", 402, String::new(), Denied, "embed/quota"),
        ("rate", 429, openai(rate, "tokens", Some("rate_limit_exceeded")), Throttled, "embed/throttled"),
        ("TEI is busy", 429, r#"{"error":"Model is overloaded","error_type":"Overloaded"}"#.to_owned(), Throttled, "embed/throttled"),
        ("Groq is full", 498, openai("capacity exceeded", "capacity_exceeded", None), Throttled, "embed/throttled"),
        ("key", 401, openai("Incorrect API key provided: sk-hush", "invalid_request_error", Some("invalid_api_key")), Auth, "embed/auth"),
        ("country", 403, openai("Country, region, or territory not supported", "request_forbidden", None), Auth, "embed/auth"),
        ("no access to the model", 403, openai("Project does not have access to model", "invalid_request_error", Some("model_not_found")), NotFound, "embed/model"),
        ("no model at Groq", 404, openai("The model `embedder-9` does not exist or you do not have access to it.", "invalid_request_error", Some("model_not_found")), NotFound, "embed/model"),
        ("no model at Ollama", 404, openai("model \"embedder-9\" not found, try pulling it first", "api_error", None), NotFound, "embed/model"),
        ("no model at vLLM", 404, r#"{"object":"error","message":"The model `embedder-9` does not exist.","type":"NotFoundError","param":null,"code":404}"#.to_owned(), NotFound, "embed/model"),
        ("no such path", 404, r#"{"detail":"Not Found"}"#.to_owned(), NotFound, "embed/address"),
        ("no such page", 404, "404 page not found".to_owned(), NotFound, "embed/address"),
        ("gateway", 502, page, Transient, "embed/server"),
        ("overload", 503, openai("The engine is currently overloaded", "server_error", None), Transient, "embed/server"),
        ("Cloudflare", 520, String::new(), Transient, "embed/server"),
        ("request timeout", 408, String::new(), Transient, "embed/server"),
        ("moved", 301, String::new(), Config, "embed/redirected"),
        ("method", 405, String::new(), Unsupported, "embed/refused"),
    ] {
        let Verdict::Failed(error) = judge(status, &body, &ABOUT) else { panic!("{name}: refused") };
        assert_eq!((error.kind, error.code.as_str()), (kind, code), "{name}: {error}");
        assert!(error.kind.is_retryable() || error.hint.is_some() || kind == Unsupported, "{name}: no hint");
        assert!(!error.message.contains("hush") && !error.message.contains('<'), "{name}: {error}");
    }
}

#[test]
fn what_is_about_the_texts_is_told_from_what_is_not() {
    for (name, status, body, too_long) in [
        (
            "OpenAI, one text",
            400,
            openai("This model's maximum context length is 8192 tokens, however you requested 51435 tokens (51435 in your prompt; 0 for the completion). Please reduce your prompt; or completion length.", "invalid_request_error", None),
            true,
        ),
        ("OpenAI, newer", 400, openai("Invalid 'input[22]': maximum input length is 8192 tokens.", "invalid_request_error", None), true),
        ("OpenAI, a request", 400, openai("Requested 312040 tokens, max 300000 tokens per request", "max_tokens_per_request", Some("max_tokens_per_request")), true),
        ("a minute's allowance", 429, openai("Request too large for m on tokens per min (TPM): Limit 40000, Requested 60000.", "tokens", Some("rate_limit_exceeded")), true),
        ("Groq", 413, openai("Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 9000", "tokens", Some("rate_limit_exceeded")), true),
        ("TEI, one text", 413, r#"{"error":"Input validation error: `inputs` must have less than 512 tokens. Given: 1205","error_type":"Validation"}"#.to_owned(), true),
        ("a proxy", 413, "<html>413 Request Entity Too Large</html>".to_owned(), true),
        ("vLLM", 400, r#"{"object":"error","message":"This model's maximum context length is 512 tokens. However, you requested 600 tokens in the input for embedding generation. Please reduce the length of the input.","type":"BadRequestError","param":null,"code":400}"#.to_owned(), true),
        ("Ollama", 400, openai("the input length exceeds the context length", "api_error", None), true),
        ("TEI, a batch", 413, r#"{"error":"batch size 64 > maximum allowed batch size 32","error_type":"Validation"}"#.to_owned(), true),
        ("a batch", 400, openai("Value error, batch size is invalid, it should not be larger than 10.: input.contents", "InvalidParameter", Some("InvalidParameter")), false),
        ("an empty text", 400, openai("'$.input' is invalid. Please check the API reference", "invalid_request_error", None), false),
        ("FastAPI", 422, r#"{"detail":[{"loc":["body","input"],"msg":"str type expected"}]}"#.to_owned(), false),
    ] {
        let Verdict::Refused(refusal) = judge(status, &body, &ABOUT) else { panic!("{name}: not refused") };
        assert_eq!(refusal.too_long, too_long, "{name}: {refusal:?}");
        assert_eq!(refusal.too_many, name.contains("batch"), "{name}: {refusal:?}");
        assert!(!refusal.words.is_empty() && !refusal.words.contains('<'), "{name}: {refusal:?}");
    }
}

#[test]
fn a_servers_words_are_one_short_line() {
    let body = openai(&format!("no\u{1b}[31m\n{}", "ü".repeat(1000)), "t", None);
    let Verdict::Failed(error) = judge(500, &body, &ABOUT) else { panic!() };
    assert!(error.message.chars().count() < 400 && error.message.ends_with('…'), "{error}");
    assert!(!error.message.contains('\n') && !error.message.contains('\u{1b}'), "{error}");
}

#[test]
fn a_missing_model_of_ollama_can_be_pulled() {
    let about = About { provider: "ollama", ..ABOUT };
    let Verdict::Failed(error) = judge(404, &openai("model not found", "api_error", None), &about) else { panic!() };
    assert_eq!(error.hint.as_deref(), Some("ollama pull embedder-9"));
}
