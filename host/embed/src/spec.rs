/*!
`--embed groq:MODEL,fastembed:all-MiniLM-L6-v2`: which models may embed, in order of preference.

A model is written `PROVIDER:MODEL`, or `MODEL` for a built-in one. What a server needs to be told follows a `?`:
`openai-compatible:bge-m3?url=http://gpu:8000/v1&dimensions=256`. A spec holds no secret, so that it may be recorded.
*/

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use vecferry_core::{Error, Result};

use crate::provider::{FASTEMBED, Provider, base_url};
use crate::registry;

/// The most texts of a request that OpenAI's interface allows.
const MAX_INPUTS: usize = 2048;
/// Wider vectors than any store takes.
const MAX_DIMENSIONS: u32 = 65_535;
const MAX_TIMEOUT_SECONDS: u64 = 86_400;

/// Models in order of preference; at least one, none twice. Displayed as it can be parsed again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbedSpec {
    models: Vec<ModelSpec>,
}

/// One model of one provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelSpec {
    pub(crate) provider: &'static str,
    pub(crate) model: String,
    /// `url=`: where the server is.
    pub(crate) url: Option<String>,
    /// `dimensions=`: the length of vectors that the server is asked for.
    pub(crate) dimensions: Option<u32>,
    /// `inputs=`: texts of a request.
    pub(crate) inputs: Option<usize>,
    /// `timeout=`: seconds that an answer may take.
    pub(crate) timeout: Option<Duration>,
    /// `key=`: the name of the setting that holds the key.
    pub(crate) key: Option<String>,
}

impl EmbedSpec {
    /// Parses `PROVIDER:MODEL?OPTION=VALUE&…,…`. Options of servers: `url`, `dimensions`, `inputs` (texts of a
    /// request, 1 to 2,048), `timeout` (seconds), `key` (the name of the setting that holds the key).
    ///
    /// # Errors
    /// `embed/spec`, `embed/provider`, `embed/address`, `model/unknown` (all config).
    pub fn parse(text: &str) -> Result<Self> {
        let models = text.split(',').map(|part| ModelSpec::parse(part.trim())).collect::<Result<Vec<_>>>()?;
        let mut seen = HashSet::new();
        for model in &models {
            if !seen.insert((model.provider, model.model.as_str())) {
                return Err(wrong(format!("names {}:{} twice", model.provider, model.model)));
            }
        }
        Ok(EmbedSpec { models })
    }

    /// The models, the preferred one first.
    pub fn models(&self) -> &[ModelSpec] {
        &self.models
    }
}

impl fmt::Display for EmbedSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, model) in self.models.iter().enumerate() {
            write!(f, "{}{model}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl ModelSpec {
    /// Who runs it: `openai`.
    pub fn provider(&self) -> &'static str {
        self.provider
    }

    /// The model's name: `text-embedding-3-small`.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether it runs in this process, without a network.
    pub fn is_built_in(&self) -> bool {
        self.provider == FASTEMBED
    }

    /// Values per vector as far as it is known without asking the server: of built-in models, where the spec asks
    /// for a number, and of OpenAI's models (its guide to embeddings).
    pub fn known_dimension(&self) -> Option<u32> {
        if self.is_built_in() {
            return registry::model(&self.model).ok().map(|model| model.dimension);
        }
        self.dimensions.or(match (self.provider, self.model.as_str()) {
            ("openai", "text-embedding-3-small" | "text-embedding-ada-002") => Some(1536),
            ("openai", "text-embedding-3-large") => Some(3072),
            _ => None,
        })
    }

    fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(wrong("names no model in one place"));
        }
        let (name, options) = text.split_once('?').map_or((text, None), |(name, options)| (name, Some(options)));
        let (provider, model) = match name.split_once(':') {
            Some((provider, model)) => (provider, model),
            None if Provider::named(name).is_some() => return Err(wrong(format!("names no model of {name}"))),
            None => (FASTEMBED, name),
        };
        if model.starts_with("//") {
            return Err(wrong("holds an address where a model's name belongs")
                .hint("write openai-compatible:MODEL?url=http://HOST:PORT/v1"));
        }
        let Some(provider) = Provider::named(provider) else {
            let message = format!("nothing is known of the embedding provider '{provider}'");
            return Err(
                Error::config("embed/provider", message).hint(format!("the providers are {}", Provider::names()))
            );
        };
        if model.is_empty() {
            return Err(wrong(format!("names no model of {}", provider.name)));
        }
        let mut spec = ModelSpec {
            provider: provider.name,
            model: model.to_owned(),
            url: None,
            dimensions: None,
            inputs: None,
            timeout: None,
            key: None,
        };
        if spec.is_built_in() {
            registry::model(model)?;
            if options.is_some() {
                return Err(wrong(format!("gives options to {model}, which is built in and has none")));
            }
        }
        for option in options.into_iter().flat_map(|options| options.split('&')) {
            spec.set(option)?;
        }
        Ok(spec)
    }

    /// The value is repeated in no error: somebody may have written a key there.
    fn set(&mut self, option: &str) -> Result<()> {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let not = |what: &str| wrong(format!("has a '{name}' that is not {what}"));
        match name {
            "url" => self.url = Some(base_url(value, "'url'")?.to_string()),
            "dimensions" => self.dimensions = Some(number(value, MAX_DIMENSIONS).ok_or_else(|| not("1 to 65,535"))?),
            "inputs" => self.inputs = Some(number(value, MAX_INPUTS).ok_or_else(|| not("1 to 2,048"))?),
            "timeout" => {
                let seconds = number(value, MAX_TIMEOUT_SECONDS).ok_or_else(|| not("1 to 86,400 seconds"))?;
                self.timeout = Some(Duration::from_secs(seconds));
            }
            "key" => {
                let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
                let is_name = value.starts_with(|c: char| c.is_ascii_uppercase()) && value.chars().all(allowed);
                if !is_name {
                    return Err(not("the name of a setting")
                        .hint("put the key into a setting such as MY_API_KEY, and write key=MY_API_KEY"));
                }
                self.key = Some(value.to_owned());
            }
            _ => {
                return Err(wrong("has an option that is not known")
                    .hint("the options are url, dimensions, inputs, timeout and key"));
            }
        }
        Ok(())
    }
}

impl fmt::Display for ModelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.provider, self.model)?;
        let options = [
            ("url", self.url.clone()),
            ("dimensions", self.dimensions.map(|value| value.to_string())),
            ("inputs", self.inputs.map(|value| value.to_string())),
            ("timeout", self.timeout.map(|value| value.as_secs().to_string())),
            ("key", self.key.clone()),
        ];
        let given = options.into_iter().filter_map(|(name, value)| Some((name, value?)));
        for (at, (name, value)) in given.enumerate() {
            write!(f, "{}{name}={value}", if at == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

fn number<T: std::str::FromStr + PartialOrd + From<u8>>(text: &str, most: T) -> Option<T> {
    text.parse().ok().filter(|value| *value >= T::from(1) && *value <= most)
}

fn wrong(what: impl fmt::Display) -> Error {
    Error::config("embed/spec", format!("the choice of embedding models {what}"))
        .hint("write PROVIDER:MODEL, or several with commas between them, the preferred one first")
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
