/*!
Sink and source: Pinecone indexes. `--to pinecone:docs` writes the index `docs`, `vecferry migrate pinecone:docs …`
reads it.

A target's collection is the index's namespace, name for name (a name that is not ASCII is written as ids are, see
[`ids`](vecferry_pinecone_format::ids)). `__default__` is the service's own default namespace; a namespace called
`default` is another one.

# How a record is laid out
| in Pinecone | from |
|---|---|
| `id` | the record's id; see [`ids`](vecferry_pinecone_format::ids) for ids that the service does not take |
| `values`, `sparseValues` | its dense and sparse vector |
| metadata `page_content` (setting `text_field`) | its document |
| metadata `chunk_id` | its own, or else what its id says after namespace and source; else its id |
| metadata `embedding_provider`, `embedding_model`, `embedding_dimension` | which model, where the run embeds |
| other metadata | its own, made to fit by the rules of [`fit`](vecferry_pinecone_format::fit) |

The sink's `fetch` takes away exactly what the sink put in. The source returns what the index holds: only the document
and an encoded id are put back into their places.

What it is not: a client for pod-based indexes (they cannot list their ids), for integrated embedding, or for imports
from object storage.
*/

mod answers;
mod client;
mod faults;
mod index;
mod namespace;
mod page;
mod records;
mod request;
mod rows;
mod settings;
mod sink;
mod source;
mod writer;

/// The source `pinecone`.
pub struct PineconeSource;
/// The sink `pinecone`.
pub struct PineconeSink;

vecferry_sdk::export!(source: PineconeSource, sink: PineconeSink);

/// What both roles say of the plugin.
fn spec() -> vecferry_sdk::PluginSpec {
    vecferry_sdk::PluginSpec {
        name: "pinecone".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        summary: "Pinecone indexes, to write and to read".into(),
        config_schema: settings::SCHEMA.into(),
        schemes: vec!["pinecone".into()],
        capabilities: vec![vecferry_sdk::Capability::Http],
        features: vec!["read-back".into(), "reopens".into(), "alters".into(), "sparse".into()],
    }
}
