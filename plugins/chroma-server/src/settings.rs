/*! What a user can set with `--set`, what stands in for what is not set, and which names Chroma takes. */

use vecferry_sdk::{Config, Error, Result};

/// For `PluginSpec::config_schema`. `x-host`: the setting's host may be asked. `x-secrets`: what the host keeps and puts
/// into headers.
pub(crate) const SCHEMA: &str = r#"{
  "type": "object",
  "x-secrets": ["CHROMA_TOKEN"],
  "properties": {
    "location": {"type": "string", "format": "uri", "x-host": true, "description": "the server: http://HOST:PORT"},
    "tenant": {"type": "string", "default": "default_tenant"},
    "database": {"type": "string", "default": "default_database"},
    "auth": {"type": "string", "enum": ["none", "token", "bearer"], "default": "none", "description": "how CHROMA_TOKEN is sent: not at all, as x-chroma-token, or as authorization: Bearer"},
    "lists": {"type": "string", "enum": ["keep", "json"], "default": "keep", "description": "lists in metadata: json writes them as text, for servers that take none"}
  }
}"#;

/// Characters of a collection's name.
const MIN_NAME: usize = 3;
const MAX_NAME: usize = 512;

/// How the server is told who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Auth {
    None,
    Token,
    Bearer,
}

/// The plugin's settings.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Without a slash at the end.
    pub(crate) server: String,
    pub(crate) tenant: String,
    pub(crate) database: String,
    pub(crate) auth: Auth,
    pub(crate) keeps_lists: bool,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// `config` (`chroma-server/location`, `chroma-server/setting`): a value that cannot be one.
    pub(crate) fn read(config: &Config) -> Result<Settings> {
        let server = text(config, "location")?.unwrap_or_default();
        let host = server.strip_prefix("http://").or_else(|| server.strip_prefix("https://"));
        if host.is_none_or(str::is_empty) || server.contains(['?', '#', '@']) {
            let message = "the location is no address of a Chroma server";
            return Err(Error::config("chroma-server/location", message)
                .hint("--to chroma:http://localhost:8000; a token goes into CHROMA_TOKEN, not into the address"));
        }
        let auth = match one_of(config, "auth", &["none", "token", "bearer"])? {
            Some("token") => Auth::Token,
            Some("bearer") => Auth::Bearer,
            _ => Auth::None,
        };
        let named = |key: &str, default: &str| -> Result<String> {
            Ok(text(config, key)?.filter(|name| !name.is_empty()).unwrap_or_else(|| default.to_owned()))
        };
        Ok(Settings {
            server: server.trim_end_matches('/').to_owned(),
            tenant: named("tenant", "default_tenant")?,
            database: named("database", "default_database")?,
            auth,
            keeps_lists: one_of(config, "lists", &["keep", "json"])? != Some("json"),
        })
    }
}

fn wrong(key: &str, value: &Config, expected: &str) -> Error {
    Error::config("chroma-server/setting", format!("the setting '{key}' is {value}, expected {expected}"))
}

fn text(config: &Config, key: &str) -> Result<Option<String>> {
    match config.get(key) {
        None | Some(Config::Null) => Ok(None),
        Some(Config::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(wrong(key, other, "a text")),
    }
}

fn one_of<'v>(config: &Config, key: &str, values: &[&'v str]) -> Result<Option<&'v str>> {
    let Some(text) = text(config, key)? else { return Ok(None) };
    match values.iter().find(|value| **value == text) {
        Some(value) => Ok(Some(value)),
        None => Err(wrong(key, &Config::String(text), &format!("one of {}", values.join(", ")))),
    }
}

/// Stops where Chroma has no collections of this name: 3 to 512 characters of `a-z A-Z 0-9 . _ -`, a letter or a digit
/// first and last, no two dots together, no IPv4 address (its server says so, and its Python client's
/// `check_index_name`).
///
/// # Errors
/// `config` (`chroma-server/name`).
pub fn check_name(name: &str) -> Result<()> {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let at_ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let fault = if let Some(other) = name.chars().find(|c| !inner(*c)) {
        format!("has the character {other:?}; a-z, A-Z, 0-9, '.', '_' and '-' are allowed")
    } else if !(MIN_NAME..=MAX_NAME).contains(&name.len()) {
        format!("has {} characters; {MIN_NAME} to {MAX_NAME} are allowed", name.len())
    } else if !at_ends(name.chars().next()) || !at_ends(name.chars().next_back()) {
        "must begin and end with a letter or a digit".to_owned()
    } else if name.contains("..") {
        "has two dots together".to_owned()
    } else if name.parse::<std::net::Ipv4Addr>().is_ok() {
        "is an IP address".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::config("chroma-server/name", format!("'{name}' cannot be a collection's name in Chroma: it {fault}"))
        .hint("name the collection with --namespace NAME"))
}
