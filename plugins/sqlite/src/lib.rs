/*!
Sink and source: one SQLite file with vectors, documents and metadata. `--to sqlite:demo.db` writes it,
`vecferry search demo.db "text"` searches it, and as a source it gives back what was written.

# The file
Ordinary tables that any SQLite reads; see [`schema`]. A collection's records are in `records_N`, their vectors in
`vectors_N`, as BLOBs of little-endian 32-bit floats. That is the vector format of sqlite-vec, so its SQL
functions work on them:

```sql
SELECT r.id, vec_distance_cosine(v.vector, :query) AS distance
FROM vectors_1 v JOIN records_1 r USING (record) ORDER BY distance LIMIT 10;
```

# Why a scan, and no vec0 table
A query here reads all vectors and computes in Rust. On 100,000 × 384 (pages of 16 KiB, in memory, two cores) that took 39 ms, a
`vec0` table 54 ms, `vec_distance_cosine` over the same BLOBs 67 ms: a `vec0` table is a scan too. It would
hold every vector a second time, stop at 8,192 dimensions, know no inner product and hide the vectors in chunks that
a reader of plain SQL (the host's `sqlite` power among them) cannot take apart.

# Durability
The sink writes with a write-ahead log and `synchronous=FULL`: a batch is one transaction, on disk when `write`
returns. `finish` leaves the one file, without a log beside it.
*/

mod database;
mod fault;
mod records;
pub mod schema;
mod sink;
mod source;
mod writer;

/// The source `sqlite`.
pub struct SqliteSource;
/// The sink `sqlite`.
pub struct SqliteSink;

vecferry_sdk::export!(source: SqliteSource, sink: SqliteSink);

/// What both roles say of the plugin.
fn spec() -> vecferry_sdk::PluginSpec {
    use vecferry_sdk::Capability;
    vecferry_sdk::PluginSpec {
        name: "sqlite".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        summary: "One SQLite file with vectors, documents and metadata, to search and to read back".into(),
        config_schema: r#"{
  "type": "object",
  "properties": {
    "location": {"type": "string", "description": "sink: the database file"},
    "busy-timeout-ms": {"type": "integer", "minimum": 0, "default": 5000, "description": "sink: how long to wait for a database that another program has locked"},
    "embedding": {"type": "object", "description": "sink: which model made the vectors (provider, model); kept with the collection"}
  }
}"#
        .into(),
        schemes: vec!["sqlite".into()],
        capabilities: vec![Capability::SourceFiles, Capability::Sqlite],
        features: vec!["read-back".into(), "reopens".into()],
    }
}
