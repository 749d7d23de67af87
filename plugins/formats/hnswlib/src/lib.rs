/*!
Reads the files in which Chroma keeps a collection's HNSW index: `header.bin`, `data_level0.bin` and
`length.bin`, as written by `saveIndex`/`persistDirty` of Chroma's fork of hnswlib
(`hnswlib/hnswalg.h`, persistence version 1; every Chroma from 0.4 to 1.x).

It yields vectors by *label* (the number that Chroma's `index_metadata.pickle` gives to an id) through
ranged reads: an index of any size is read in blocks. It does not search, it does not read the graph
beyond checking it, and it knows nothing of ids, SQLite or pickle: that is the Chroma plugin's part.

Every number in the header is checked against the others and against the sizes of the files before it is
used. A slot whose links point nowhere, or whose label occurs twice, is *damaged*: it is left out, and
[`Labels`] says how many there are and what the first one looked like, so that a caller can refuse the
index or go on with what is whole.
*/

mod header;
mod index;
mod labels;

pub use header::Header;
pub use index::{Index, Wanted};
pub use labels::Labels;
