/*!
A FAISS index file, decoded without FAISS: its vectors, a chunk at a time, with their ids.

[`Index::open`] reads an index's structure (kilobytes, whatever the index's size) and checks it against the file's
size; [`Index::vectors`] then yields records by ranged reads. Memory is set by the chunk and by the model parts of
an index (codebooks, matrices), not by how many vectors it holds. The format is that of FAISS's
`faiss/impl/index_write.cpp`, from the first public version to 1.15.

```text
parse/   bytes → Node: a tree of numbers and extents          codec/     one code → one vector
node     that tree                                            transform  a vector, turned back
scan/    Node → records, in the order the index stores them   packing    codes out of their blocks
```

Not here: search, training, writing, the bits of binary indexes.
*/

mod codec;
mod extent;
mod fidelity;
mod fourcc;
mod header;
mod index;
mod info;
mod lists;
mod node;
mod packing;
mod parse;
mod scan;
mod transform;

pub use fourcc::is_index;
pub use index::Index;
pub use info::{Fidelity, Info};
pub use scan::{Chunk, VectorScan};
