/*!
A FAISS index file, decoded without FAISS: its vectors, in pieces, with their ids.

[`Index::open`] reads an index's structure (kilobytes, whatever the index's size); [`Index::vectors`] then yields
records a chunk at a time by ranged reads. Memory is set by the chunk, not by the index. Formats are those of
`faiss/impl/index_read.cpp` and `index_write.cpp`, from FAISS 1.0 to 1.15.

Not here: search, training, writing, binary indexes' bits as floats.
*/

mod extent;
mod fourcc;
mod header;
mod index;
mod info;
mod node;
mod parse;
mod scan;

pub use fourcc::is_index;
pub use index::Index;
pub use info::{Fidelity, Info};
pub use scan::{Chunk, VectorScan};
