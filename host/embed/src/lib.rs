/*!
Embedders: the built-in one, models behind servers, and the choice between them.

- [`EmbedSpec`] is a choice as it is written: `groq:MODEL,fastembed:all-MiniLM-L6-v2`.
- [`Chain`] opens the first model of it that works, or exactly the one that a run began with.
- [`ModelStore`] knows the built-in models, fetches them with what they need, checks every byte, and loads them.
- [`FastEmbedder`] runs sentence-transformers' models on ONNX Runtime, through fastembed, without a network.
- [`PROVIDERS`] are the servers that are known by name; all speak OpenAI's protocol.

Invariants: reads no environment variable and no configuration (folders are given by the caller, addresses and
keys through [`Settings`]); nothing is downloaded but by [`ModelStore::fetch`]; no file is used whose digest is not
the one in this crate; a text's vector does not depend on what stands beside it; one run's vectors are all of one
model; a key stands in a request's header and nowhere else.

One thing is left to the HTTP library: it honours the usual proxy variables (`HTTPS_PROXY`, `NO_PROXY`).
*/

mod chain;
mod embedder;
mod fetch;
mod files;
mod http;
mod probe;
mod provider;
mod registry;
mod runtime;
mod settings;
mod spec;
mod store;
mod usage;
mod window;

pub use chain::{Chain, Chosen, Identity, Skipped};
pub use embedder::FastEmbedder;
pub use provider::{PROVIDERS, Provider};
pub use registry::DEFAULT_MODEL;
pub use settings::{Secret, Settings};
pub use spec::{EmbedSpec, ModelSpec};
pub use store::{ModelStatus, ModelStore};
pub use usage::Usage;
