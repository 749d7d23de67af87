/*!
Sink and source: folders of Parquet files.

`--to parquet:export` writes one folder a collection below `export`, with files of at most a gigabyte; [`columns`] lists
their columns. They are ordinary Parquet: `pyarrow.parquet.read_table("export/docs")` and DuckDB's
`SELECT id FROM read_parquet('export/docs/part-*')` read them, and so does the source of this plugin, bit for bit.
`--set sink.layout=pinecone` writes what Pinecone imports from object storage instead.

As a source it also reads files of other programs that have a column of vectors; [`mapping`] says by which rules.

Writing goes through Apache's `parquet` crate, reading through our own reader, which can be given damaged files.

What it is not: a query engine, nor a reader of Parquet tables without vectors.
*/

mod columns;
mod committed;
mod detect;
mod encode;
mod fields;
mod fit;
mod index;
mod mapping;
mod names;
mod part;
mod rows;
mod scan;
mod settings;
mod sink;
mod source;
mod store;
mod table;

/// The source `parquet`.
pub struct ParquetSource;
/// The sink `parquet`.
pub struct ParquetSink;

vecferry_sdk::export!(source: ParquetSource, sink: ParquetSink);

/// What both roles say of the plugin.
fn spec() -> vecferry_sdk::PluginSpec {
    use vecferry_sdk::Capability;
    vecferry_sdk::PluginSpec {
        name: "parquet".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        summary: "Folders of Parquet files, to write and to read; Pinecone's import layout, to write".into(),
        config_schema: settings::SCHEMA.into(),
        schemes: vec!["parquet".into()],
        capabilities: vec![Capability::SourceFiles, Capability::SinkFiles],
        features: vec!["read-back".into(), "reopens".into(), "sparse".into()],
    }
}
