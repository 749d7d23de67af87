/*!
Models behind servers that speak OpenAI's protocol: OpenAI, Groq, Ollama, text-embeddings-inference, vLLM, others.

- [`server`]: one request.
- [`answer`]: what may be believed of an answer.
- [`refusal`]: what a server's errors mean.
- [`text`]: what of a text is sent.
- this file: from a call's texts to requests that the server takes.

Not for this module: trying again after a failure (the engine does), choosing between servers ([`crate::chain`]).
*/

mod answer;
mod refusal;
mod retry_after;
mod server;
mod text;

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use vecferry_core::{Dense, Embedder, Error, ErrorKind, Result};

use crate::probe;
use crate::provider::{Provider, base_url};
use crate::settings::{Secret, Settings};
use crate::spec::ModelSpec;
use crate::usage::Usage;
use answer::Answer;
use refusal::Refusal;
use server::{Address, Encoding, Failure, Server};
use text::Change;

/// OpenAI takes this many tokens in one request (its reference of `POST /embeddings`); others take no more.
const MAX_TOKENS: usize = 300_000;
/// A text is not cut more often than this.
const MAX_CUTS: usize = 40;

/// A model behind a server, probed: its dimension is what it really returned.
pub(crate) struct HttpEmbedder {
    server: Server,
    encoding: Encoding,
    dimension: u32,
    limits: Limits,
    /// What the last call that failed had already got.
    unfinished: Mutex<Option<Unfinished>>,
}

/// What the server takes in one request. Both become smaller where it shows that it takes less; a single text is
/// always tried.
struct Limits {
    inputs: AtomicUsize,
    tokens: AtomicUsize,
}

/// The engine repeats a call that failed; what was answered before need not be asked, and paid for, again.
struct Unfinished {
    /// Of the call's texts.
    digest: [u8; 32],
    /// Of its first texts.
    values: Vec<f32>,
}

/// A text as it is sent.
type Prepared<'a> = (Cow<'a, str>, Change);

/// A request that was refused, and whose parts are being tried. If all of them are taken, then nothing was wrong
/// but its size.
struct Suspect {
    end: usize,
    /// Whether the server spoke of the number of texts rather than of their length.
    too_many: bool,
}

impl HttpEmbedder {
    /// Asks the server for the probe's text, and returns its vector too.
    ///
    /// # Errors
    /// `embed/no-key` (auth), `embed/address`, `embed/key` (config), `embed/dimensions`, `embed/refused`
    /// (unsupported), and all that a request can come to.
    pub(crate) fn open(
        spec: &ModelSpec,
        provider: &Provider,
        settings: &dyn Settings,
        usage: Arc<Usage>,
    ) -> Result<(Self, Vec<f32>)> {
        let server = Server::new(address(spec, provider, settings)?, usage)?;
        let (answer, encoding) = probe(&server)?;
        let dimension = u32::try_from(answer.dimension).unwrap_or(u32::MAX);
        if let Some(asked) = spec.dimensions.filter(|asked| *asked != dimension) {
            let message = format!("the model returns vectors of {dimension} values where {asked} were asked for");
            return Err(server.place(
                Error::unsupported("embed/dimensions", message)
                    .hint("leave 'dimensions' away: this server or this model does not follow it"),
            ));
        }
        let limits = Limits {
            inputs: AtomicUsize::new(spec.inputs.unwrap_or(provider.inputs)),
            tokens: AtomicUsize::new(MAX_TOKENS),
        };
        let unfinished = Mutex::new(None);
        Ok((HttpEmbedder { server, encoding, dimension, limits, unfinished }, answer.values))
    }

    /// Vectors of the first texts that an earlier call got for the same texts.
    fn take_up(&self, texts: &[&str]) -> Vec<f32> {
        let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        unfinished.take().filter(|found| found.digest == digest(texts)).map_or_else(Vec::new, |found| found.values)
    }

    fn keep(&self, texts: &[&str], values: Vec<f32>) {
        let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        *unfinished = (!values.is_empty()).then(|| Unfinished { digest: digest(texts), values });
    }

    /// Adds the vectors that `values` does not hold yet, row by row.
    fn complete(&self, texts: &[Prepared<'_>], values: &mut Vec<f32>) -> Result<()> {
        let dimension = self.dimension as usize;
        let missing = values.len() / dimension..texts.len();
        // Rows still to do, the next ones last.
        let mut pieces = vec![missing];
        let mut suspect: Option<Suspect> = None;
        while let Some(piece) = pieces.pop() {
            let (start, count) = (piece.start, self.limits.fit(texts.get(piece.clone()).unwrap_or_default()));
            let end = start + count;
            pieces.extend((end < piece.end).then_some(end..piece.end));
            let Some(asked) = texts.get(start..end).filter(|asked| !asked.is_empty()) else { continue };
            let inputs: Vec<&str> = asked.iter().map(|(text, _)| text.as_ref()).collect();
            match self.server.ask(&inputs, self.encoding, Some(dimension)) {
                Ok(answer) => {
                    values.extend(answer.values);
                    if let Some(Suspect { too_many, .. }) = suspect.take_if(|suspect| suspect.end == end) {
                        self.limits.lower(asked, too_many);
                    }
                }
                Err(Failure::Refused(refusal)) if count > 1 => {
                    let middle = start + count.div_ceil(2);
                    pieces.extend([middle..end, start..middle]);
                    suspect = Some(Suspect { end, too_many: refusal.too_many });
                    continue;
                }
                Err(Failure::Refused(refusal)) => {
                    suspect = None;
                    let text = inputs.first().copied().unwrap_or_default();
                    let vector = self.beginning(text, refusal).map_err(|error| error.at("row", start))?;
                    values.extend(vector);
                    if asked.iter().all(|(_, change)| *change != Change::Shortened) {
                        self.server.usage().add_shortened(1);
                    }
                }
                Err(Failure::Failed(error)) => return Err(error),
            }
            for (_, change) in asked {
                match change {
                    Change::None => {}
                    Change::Blank => self.server.usage().add_blank(1),
                    Change::Shortened => self.server.usage().add_shortened(1),
                }
            }
        }
        Ok(())
    }

    /// The vector of as much of a text's beginning as the server takes, after it refused the text itself.
    fn beginning(&self, text: &str, mut refusal: Refusal) -> Result<Vec<f32>> {
        let mut cut = text;
        for _ in 0..MAX_CUTS {
            let Some(shorter) = text::shorter(cut, &refusal.words).filter(|_| refusal.too_long) else { break };
            cut = shorter;
            match self.server.ask(&[cut], self.encoding, Some(self.dimension as usize)) {
                Ok(answer) => return Ok(answer.values),
                Err(Failure::Refused(again)) => refusal = again,
                Err(Failure::Failed(error)) => return Err(error),
            }
        }
        let error = self.server.refused(&refusal).at("bytes", text.len());
        Err(error.hint("correct or leave out this document, or choose another model"))
    }
}

impl Embedder for HttpEmbedder {
    fn provider(&self) -> &str {
        self.server.provider()
    }

    fn model(&self) -> &str {
        self.server.model()
    }

    fn dimension(&self) -> u32 {
        self.dimension
    }

    fn embed(&self, texts: &[&str]) -> Result<Dense> {
        let prepared: Vec<Prepared<'_>> = texts.iter().map(|text| text::prepared(text)).collect();
        let mut values = self.take_up(texts);
        match self.complete(&prepared, &mut values) {
            Ok(()) => Ok(Dense::new(self.dimension, values)),
            Err(error) => {
                self.keep(texts, values);
                Err(error)
            }
        }
    }
}

impl Limits {
    /// How many of the first texts go into one request: at least one.
    fn fit(&self, texts: &[Prepared<'_>]) -> usize {
        let (inputs, most) = (self.inputs.load(Ordering::Relaxed), self.tokens.load(Ordering::Relaxed));
        let mut tokens = 0usize;
        let fits = |(text, _): &&Prepared<'_>| {
            tokens = tokens.saturating_add(text::most_tokens(text));
            tokens <= most
        };
        texts.iter().take(inputs).take_while(fits).count().clamp(1, texts.len().max(1))
    }

    /// A request with more than these texts was refused, one with them is taken.
    fn lower(&self, taken: &[Prepared<'_>], too_many: bool) {
        if too_many {
            self.inputs.fetch_min(taken.len(), Ordering::Relaxed);
        } else {
            let tokens = taken.iter().map(|(text, _)| text::most_tokens(text)).sum();
            self.tokens.fetch_min(tokens, Ordering::Relaxed);
        }
    }
}

/// Embeds the probe's text as the server likes to, and then in base64: that is used where it gives the same.
fn probe(server: &Server) -> Result<(Answer, Encoding)> {
    let answer = match server.ask(&[probe::TEXT], Encoding::Unasked, None) {
        Ok(answer) => answer,
        Err(Failure::Failed(error)) => return Err(error),
        Err(Failure::Refused(refusal)) => {
            return Err(server.refused(&refusal).hint("see whether the model can embed, and which options it has"));
        }
    };
    match server.ask(&[probe::TEXT], Encoding::Base64, Some(answer.dimension)) {
        Ok(same) if probe::is_same(&answer.values, &same.values) => Ok((answer, Encoding::Base64)),
        // Says nothing about base64.
        Err(Failure::Failed(error)) if error.kind == ErrorKind::Throttled => Err(error),
        // Servers refuse a parameter that they do not know, or fail over it, with any status.
        _ => Ok((answer, Encoding::Unasked)),
    }
}

/// Where the server is and as whom it is asked: the spec comes first, then the settings, then what is usual.
fn address(spec: &ModelSpec, provider: &Provider, settings: &dyn Settings) -> Result<Address> {
    let given = || {
        let name = provider.address_setting?;
        Some((settings.address(name).filter(|value| !value.trim().is_empty())?, name))
    };
    let (base, is_usual) = if let Some(url) = &spec.url {
        (base_url(url, "'url'")?, false)
    } else if let Some((address, name)) = given() {
        (base_url(&provider.complete(&address), name)?, false)
    } else if let Some(usual) = provider.address {
        (base_url(usual, provider.name)?, true)
    } else {
        let message = format!("no address is given for {}:{}", provider.name, spec.model);
        let setting = provider.address_setting.map_or_else(String::new, |name| format!(", or set {name}"));
        return Err(Error::config("embed/address", message)
            .hint(format!("write {}:{}?url=http://HOST:PORT/v1{setting}", provider.name, spec.model)));
    };
    let key_setting = spec.key.as_deref().or(provider.key_setting).unwrap_or_default();
    let key: Option<Secret> = settings.key(key_setting).filter(|key| !key.is_empty());
    // A server at another address knows itself whether it wants a key.
    if key.is_none() && (spec.key.is_some() || (provider.needs_key && is_usual)) {
        let message = format!("there is no key for {}:{}: {key_setting} is not set", provider.name, spec.model);
        return Err(Error::auth("embed/no-key", message).hint(format!("set {key_setting}")));
    }
    Ok(Address {
        provider: provider.name,
        model: spec.model.clone(),
        base,
        key,
        key_setting: key_setting.to_owned(),
        dimensions: spec.dimensions,
        timeout: spec.timeout.unwrap_or(provider.timeout),
    })
}

fn digest(texts: &[&str]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update(text.len().to_le_bytes());
        digest.update(text);
    }
    digest.finalize().into()
}
