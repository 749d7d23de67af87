/*!
Sink: tables of PostgreSQL with the extension [pgvector](https://github.com/pgvector/pgvector).
`--to pgvector:postgres://user@host/database` writes one table a collection.

# The table
```sql
CREATE TABLE docs (id text PRIMARY KEY, document text, metadata jsonb NOT NULL DEFAULT '{}', embedding vector(384));
```
Names can be set, and a table that is there already is used as it is, where it has such columns. A column `sparse`
(`sparsevec`) is added when records bring sparse vectors. What PostgreSQL has no place for (the collection's name, its
metric before there is an index, the model) stands in the table's comment; see [`note`].

# What a record becomes
| of a record | in the table | what cannot stand there |
|---|---|---|
| id | as it is | U+0000, more than 2,600 bytes (an entry of the primary key's index): rejected |
| document | as it is | U+0000 is left out: `document/nul-dropped` |
| metadata | `jsonb`: equal by value; numbers are `numeric`, so exact | see [`json`] |
| vector | `vector` (the same 32-bit floats) or, on request, `halfvec` (16 bits) | NaN and infinities: rejected |
| sparse vector | `sparsevec` | zeros are left out, as they mean nothing; indices from 1,000,000,000 on: rejected |

# How it is written
A batch is one transaction: binary `COPY` into a temporary table, then one `INSERT … ON CONFLICT DO UPDATE`. Rows at
fault are found before anything is sent. Where the server refuses the batch all the same, the error is one that makes
the host halve it. A vector index is built in `finish`, over rows that are there, which takes a fraction of the time.

Not here: reading a table as a source, and poolers that give every transaction another session (the port of a pooler
that keeps sessions does).
*/

mod catalog;
mod connection;
mod copy;
mod fault;
mod fit;
pub mod json;
pub mod note;
mod password;
mod settings;
mod sink;
mod tls;
mod values;
mod writer;

/// The sink `pgvector`.
pub struct PgvectorSink;

vecferry_sdk::export!(sink: PgvectorSink);
