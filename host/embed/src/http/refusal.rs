/*!
What a server says when it does not embed: from a status and a body to an error's kind, or to a [`Refusal`] of
these very texts, which smaller requests may get around.

Servers agree on little more than the status. Bodies are `{"error": {"message", "type", "code"}}` (OpenAI, Groq,
Ollama, newer vLLM), `{"error": "…", "error_type": "…"}` (text-embeddings-inference), `{"message", "type", "code"}`
(older vLLM), `{"detail": …}` (FastAPI), or a proxy's page.
*/

use serde_json::Value;
use vecferry_core::{Error, ErrorKind};

/// How much of a server's words is repeated.
const MAX_WORDS: usize = 300;

/// The server does not embed these texts, in one request, as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What the server says, fit to be shown.
    pub(super) words: String,
    /// Whether it says that something is too long.
    pub(super) too_long: bool,
    /// Whether it speaks of the number of texts.
    pub(super) too_many: bool,
}

/// What a status other than 200 comes to.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is about the texts.
    Refused(Refusal),
    /// It is not. Without place and wait.
    Failed(Error),
}

/// What is said about the model in hints.
pub(super) struct About<'a> {
    pub(super) provider: &'a str,
    pub(super) model: &'a str,
    /// The setting that holds the key.
    pub(super) key_setting: &'a str,
}

/// Judges an answer. `body` must already be cleared of secrets.
pub(super) fn judge(status: u16, body: &str, about: &About<'_>) -> Verdict {
    let said = Said::read(body);
    let words = said.words(status);
    let failed = |kind: ErrorKind, code: &str, what: &str| {
        let message = if words.is_empty() { what.to_owned() } else { format!("{what}: {words}") };
        Error::new(kind, code, message)
    };
    let is = |code: &str| said.code.as_deref() == Some(code) || said.kind.as_deref() == Some(code);
    let About { provider, key_setting, .. } = about;

    if is("insufficient_quota") || status == 402 {
        return Verdict::Failed(
            failed(ErrorKind::Denied, "embed/quota", &format!("the account at {provider} has no quota left"))
                .hint("raise the account's limit or add to its credit, then continue the run"),
        );
    }
    // Larger than the account's whole allowance: waiting would not help, a smaller request does. Groq says so
    // with 413, OpenAI with 429.
    let never_fits = said.lower.contains("request too large");
    let error = match status {
        _ if is("model_not_found") => no_model(failed, about),
        // OpenAI quotes parts of the key that it refuses: its words are not repeated.
        401 => Error::auth("embed/auth", format!("{provider} does not accept the key (HTTP status 401)"))
            .hint(format!("check {key_setting}")),
        403 => failed(ErrorKind::Auth, "embed/auth", &format!("{provider} refuses access"))
            .hint(format!("check {key_setting}, and what its account may use")),
        // Any other 404 is about the path.
        404 if said.lower.contains("model") => no_model(failed, about),
        404 => failed(ErrorKind::NotFound, "embed/address", "there is no embeddings service at this address")
            .hint("check the server's address; for most servers it ends in /v1"),
        400 | 413 | 422 => return Verdict::Refused(said.refusal(status, words)),
        429 if never_fits => return Verdict::Refused(said.refusal(status, words)),
        // 498 is Groq's "capacity exceeded".
        429 | 498 => failed(ErrorKind::Throttled, "embed/throttled", &format!("{provider} asks to slow down")),
        408 | 409 | 425 | 500.. => {
            failed(ErrorKind::Transient, "embed/server", &format!("{provider} failed with HTTP status {status}"))
        }
        300..400 => Error::config("embed/redirected", format!("{provider} redirects to another address"))
            .hint("give the server's real address"),
        _ => failed(
            ErrorKind::Unsupported,
            "embed/refused",
            &format!("{provider} refuses the request with HTTP status {status}"),
        ),
    };
    Verdict::Failed(error)
}

fn no_model(failed: impl Fn(ErrorKind, &str, &str) -> Error, about: &About<'_>) -> Error {
    let About { provider, model, .. } = about;
    let error = failed(ErrorKind::NotFound, "embed/model", &format!("{provider} has no embedding model '{model}'"));
    match *provider {
        "ollama" => error.hint(format!("ollama pull {model}")),
        _ => error.hint("see the provider's list of models; not every model can embed"),
    }
}

/// A server's words in one short line.
pub(super) fn shown(words: &str) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = line.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect();
    if line.chars().nth(MAX_WORDS).is_some() { format!("{shown}…") } else { shown }
}

/// An error's body, in whichever form.
struct Said {
    message: String,
    /// Of the message and the code.
    lower: String,
    /// `error.code`
    code: Option<String>,
    /// `error.type`
    kind: Option<String>,
}

impl Said {
    fn read(body: &str) -> Self {
        let json: Value = serde_json::from_str(body).unwrap_or(Value::Null);
        let error = json.get("error").filter(|error| error.is_object()).unwrap_or(&json);
        let text = |key: &str| error.get(key).and_then(Value::as_str).map(str::to_owned);
        let plain = || if json.is_null() { Some(body.to_owned()) } else { None };
        let detail = || error.get("detail").map(ToString::to_string);
        let message = text("message").or_else(|| text("error")).or_else(detail).or_else(plain).unwrap_or_default();
        let (code, kind) = (text("code"), text("type").or_else(|| text("error_type")));
        let lower = format!("{message} {}", code.as_deref().unwrap_or_default()).to_lowercase();
        Said { message, lower, code, kind }
    }

    /// The message, fit to be shown. A page is no message.
    fn words(&self, status: u16) -> String {
        let words = shown(&self.message);
        if words.starts_with('<') { format!("HTTP status {status}") } else { words }
    }

    fn refusal(&self, status: u16, words: String) -> Refusal {
        const TOO_LONG: [&str; 13] = [
            "too long",
            "too large",
            "too many tokens",
            "too_long",
            "above_max_length",
            "context length",
            "context_length",
            "context size",
            "maximum input length",
            "must have less than",
            "max_tokens_per_request",
            "reduce the length",
            "reduce your prompt",
        ];
        let too_long = status == 413 || TOO_LONG.iter().any(|phrase| self.lower.contains(phrase));
        let too_many = self.lower.contains("batch") || self.lower.contains("array too long");
        let words = if words.is_empty() { format!("HTTP status {status}") } else { words };
        Refusal { words, too_long, too_many }
    }
}

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod tests;
