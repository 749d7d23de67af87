/*!
The built-in embedder: sentence-transformers' models on ONNX Runtime, through fastembed, without a network.

- [`ModelStore`] knows the models, fetches them with what they need, checks every byte, and loads them.
- [`FastEmbedder`] turns texts into vectors.

Invariants: reads no environment variable and no configuration (folders are given by the caller); nothing is
downloaded but by [`ModelStore::fetch`]; no file is used whose digest is not the one in this crate; a text's
vector does not depend on what stands beside it.
*/

mod embedder;
mod fetch;
mod files;
mod registry;
mod runtime;
mod store;
mod window;

pub use embedder::FastEmbedder;
pub use registry::DEFAULT_MODEL;
pub use store::{ModelStatus, ModelStore};
