/*!
Reads Parquet files: a footer, and columns value by value, streaming, from bytes that nobody vouches for.

Why not Apache's reader: it panics on some damaged files (version 60: on one of about 500 files with a few bytes
changed), and in a guest a panic is a trap; and it holds whole pages, where DuckDB writes pages of up to 100 MB. Here
every length is checked against the bytes that are there, pages of the usual compressions stream through a window, and
nothing is allocated from a number that was only claimed.

What is read:
- data pages of versions 1 and 2;
- the encodings PLAIN, dictionary, RLE (booleans), DELTA_BINARY_PACKED, DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY and
  BYTE_STREAM_SPLIT;
- no compression, Snappy, GZIP, ZSTD and LZ4_RAW;
- columns of scalars, and lists of scalars.

Everything else is refused by name: structs, maps, lists of lists, Brotli, LZO, encryption, columns kept in other files.

The format is <https://github.com/apache/parquet-format>: `README.md`, `Encodings.md`, `parquet.thrift`.
*/

mod bytes;
mod column;
mod delta;
mod footer;
mod levels;
mod page;
mod schema;
mod snappy;
mod thrift;
mod values;

pub use column::{Column, List};
pub use footer::{Chunk, Footer, MAGIC, RowGroup};
pub use schema::{Leaf, Meaning, Physical, Shape, Unit};
pub use values::Value;
