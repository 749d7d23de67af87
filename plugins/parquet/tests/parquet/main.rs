//! The plugin `parquet`: its sink, its source, both against pyarrow, DuckDB and Polars, and damaged files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
mod damage;
mod faults;
mod pinecone;
mod python;
mod sink;
mod source;
