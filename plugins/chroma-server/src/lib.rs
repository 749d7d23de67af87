/*!
Sink: collections of a [Chroma](https://www.trychroma.com) server, over its HTTP interface v2.
`--to chroma:http://localhost:8000` writes a collection of the same name for each that is moved.

# What a record becomes
| of a record | in Chroma | what cannot stand there |
|---|---|---|
| id | as it is | an empty one: rejected |
| document | as it is, also an empty one and none | |
| metadata | as it is where Chroma takes it, else by the rules of [`fit`] | |
| vector | the same 32-bit floats, sent as their bytes | none at all, NaN, infinities: rejected |
| sparse vectors, further dense vectors | nothing: left out, and said so | |

With the metric cosine, Chroma keeps vectors as directions and lengths and multiplies them when it is asked: what is read
back differs in the last digits of a 32-bit float. With other metrics it is bit for bit what was written.

# Upserts
Chroma's own upsert keeps what the new record does not name: metadata fields, and the document. So records that are there
already are looked up first; fields that are gone are sent as `null`, which removes them, and a record whose document is
gone is deleted and written anew.

A collection that exists keeps its configuration and its embedding function: it is looked up, never made again. The names
of collections are Chroma's to rule (see [`check_name`]); one that does not fit is an error, not another name.

Not here: folders in which Chroma persists (the source `chroma` reads those), and collections whose index is made of
sparse vectors.
*/

mod api;
mod client;
pub mod fit;
mod records;
mod settings;
mod sink;
mod writer;

pub use settings::check_name;

/// The sink `chroma-server`.
pub struct ChromaServerSink;

vecferry_sdk::export!(sink: ChromaServerSink);
