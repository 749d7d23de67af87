/*! Writes to, and reads back from, one table. Every writer has a connection of its own, and makes it anew when it breaks. */

use std::io::Write as _;

use postgres::types::ToSql;
use postgres::{Row as SqlRow, Statement};
use vecferry_sdk::{Batch, Dense, Error, Hit, Host, IdPage, Metric, Receipt, Result, Sparse, Target, Writer};

use crate::catalog::Table;
use crate::connection::Session;
use crate::copy::{Fields, encode};
use crate::fit::{self, Row, Takes};
use crate::settings::{IndexKind, Settings, VectorType, quoted};
use crate::values::{self, Raw};

/// The most that `hnsw.ef_search` may be: an index search finds no more rows than that.
const MAX_EF_SEARCH: u32 = 1_000;
/// What it is if nobody says otherwise.
const DEFAULT_EF_SEARCH: u32 = 40;

/// A writer to one table.
pub(crate) struct TableWriter {
    host: Host,
    settings: Settings,
    table: Table,
    target: Target,
    connection: Option<Connection>,
}

/// A session, and the statements that were prepared in it.
struct Connection {
    session: Session,
    store: Option<Store>,
}

/// The statements of a write.
struct Store {
    fields: Fields,
    staging: String,
    copy: Statement,
    upsert: Statement,
}

impl TableWriter {
    pub(crate) fn new(host: Host, settings: Settings, session: Session, table: Table, target: &Target) -> Self {
        let connection = Some(Connection { session, store: None });
        TableWriter { host, settings, table, target: target.clone(), connection }
    }

    /// The connection as it is, or a new one where it broke.
    fn connection(&mut self) -> Result<&mut Connection> {
        let live = self.connection.take().filter(|connection| !connection.session.client.is_closed());
        let connection = match live {
            Some(connection) => connection,
            None => {
                let mut session = Session::connect(&self.host, &self.settings)?;
                let name = self.settings.table(&self.target)?;
                self.table = Table::find(&mut session, &name, &self.settings.columns)?.ok_or_else(|| {
                    Error::not_found("pgvector/no-table", format!("the table {} is gone", self.table.name))
                })?;
                self.table.agree(&self.target)?;
                Connection { session, store: None }
            }
        };
        Ok(self.connection.insert(connection))
    }

    /// What the table takes; the target says what the table does not declare.
    fn takes(&self) -> Takes {
        let vector = self.table.vector.map(|(kind, dimension)| (kind, dimension.or(self.target.dimension)));
        Takes { vector, drop_sparse: self.settings.drop_sparse }
    }

    fn store(&mut self, rows: &[Row<'_>]) -> Result<()> {
        let adds_sparse = !self.table.sparse && rows.iter().any(|row| row.sparse.is_some());
        self.connection()?;
        if adds_sparse {
            let table = self.table.clone();
            table.add_sparse(&mut self.connection()?.session)?;
            self.table.sparse = true;
        }
        let fields = Fields { vector: self.table.vector.map(|(kind, _)| kind), sparse: self.table.sparse };
        let body = encode(rows, fields);
        let table = self.table.clone();
        let connection = self.connection()?;
        let Connection { session, store } = connection;
        let staging = match store {
            Some(store) if store.fields == fields => store.staging.clone(),
            _ => {
                *store = None;
                format!("pg_temp.vecferry_{}{}", table.oid, if fields.sparse { "_sparse" } else { "" })
            }
        };
        let place = session.place.clone();
        let failed = |e: postgres::Error| crate::fault::fault(&format!("write to {}", table.name), &place, &e);
        let mut transaction = session.client.transaction().map_err(failed)?;
        let store = match store {
            Some(store) => store,
            None => {
                let columns = staged(&table, fields);
                let typed: Vec<String> = columns.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
                // Not logged, gone with the session; empty at the start of every transaction.
                let make =
                    format!("CREATE TEMP TABLE IF NOT EXISTS {staging} ({}) ON COMMIT DELETE ROWS", typed.join(", "));
                transaction.batch_execute(&make.replace("pg_temp.", "")).map_err(failed)?;
                let names = columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
                let copy = format!("COPY {staging} ({names}) FROM STDIN (FORMAT binary)");
                let others: Vec<String> =
                    columns.iter().skip(1).map(|(name, _)| format!("{name} = excluded.{name}")).collect();
                let upsert = format!(
                    "INSERT INTO {} ({names}) SELECT {names} FROM {staging} ON CONFLICT ({}) DO UPDATE SET {}",
                    table.name,
                    quoted(&table.columns.id),
                    others.join(", ")
                );
                let copy = transaction.prepare(&copy).map_err(failed)?;
                let upsert = transaction.prepare(&upsert).map_err(failed)?;
                store.insert(Store { fields, staging, copy, upsert })
            }
        };
        let stored = (|| {
            let mut copy = transaction.copy_in(&store.copy)?;
            // Into memory of the connection; that it is gone says `finish`.
            let _ = copy.write_all(&body);
            copy.finish()?;
            transaction.execute(&store.upsert, &[])?;
            transaction.commit()
        })();
        stored.map_err(failed)
    }
}

/// The columns of a table that a write fills, and their types in the staging table.
fn staged(table: &Table, fields: Fields) -> Vec<(String, String)> {
    let columns = &table.columns;
    let mut staged = vec![
        (quoted(&columns.id), "text".to_owned()),
        (quoted(&columns.document), "text".to_owned()),
        (quoted(&columns.metadata), "jsonb".to_owned()),
    ];
    if let Some(kind) = fields.vector {
        staged.push((quoted(&columns.vector), kind.as_str().to_owned()));
    }
    if fields.sparse {
        staged.push((quoted(&columns.sparse), "sparsevec".to_owned()));
    }
    staged
}

impl Writer for TableWriter {
    fn write(&mut self, batch: &Batch) -> Result<Receipt> {
        let (rows, receipt) = fit::rows(self.takes(), batch)?;
        if !rows.is_empty() {
            let stored = self.store(&rows);
            if let Err(error) = stored {
                // Its statements may be of a transaction that never was.
                if let Some(connection) = &mut self.connection {
                    connection.store = None;
                }
                return Err(error);
            }
        }
        Ok(receipt)
    }

    /// Every write is a transaction, on disk once it is committed.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn count(&mut self) -> Result<u64> {
        self.connection()?;
        let table = self.table.clone();
        table.count(&mut self.connection()?.session)
    }

    fn list(&mut self, after: Option<&[u8]>, max: u32) -> Result<Option<IdPage>> {
        let after = after.map(std::str::from_utf8).transpose();
        let after = after.map_err(|_| Error::internal("pgvector/cursor", "this is no cursor of a list of ids"))?;
        let (id, table) = (quoted(&self.table.columns.id), self.table.name.clone());
        let limit = i64::from(max.max(1));
        let session = &mut self.connection()?.session;
        let rows = match after {
            None => session.client.query(&format!("SELECT {id} FROM {table} ORDER BY {id} LIMIT $1"), &[&limit]),
            Some(after) => {
                let sql = format!("SELECT {id} FROM {table} WHERE {id} > $1 ORDER BY {id} LIMIT $2");
                session.client.query(&sql, &[&after, &limit])
            }
        };
        let ids: std::result::Result<Vec<String>, postgres::Error> =
            rows.and_then(|rows| rows.iter().map(|row| row.try_get(0)).collect());
        let ids = ids.map_err(|e| session.fault("list ids", &e))?;
        Ok(ids.last().cloned().map(|last| IdPage { ids, cursor: last.into_bytes() }))
    }

    fn fetch(&mut self, ids: &[String]) -> Result<Batch> {
        // A NUL stands in no id here, and the server refuses to be asked for one.
        let asked: Vec<&str> = ids.iter().map(String::as_str).filter(|id| !id.contains('\0')).collect();
        self.connection()?;
        let columns = &self.table.columns;
        let null = || "NULL".to_owned();
        let sql = format!(
            "SELECT {id}, {}, {}::text, {}, {} FROM {} WHERE {id} = ANY($1)",
            quoted(&columns.document),
            quoted(&columns.metadata),
            if self.table.vector.is_some() { quoted(&columns.vector) } else { null() },
            if self.table.sparse { quoted(&columns.sparse) } else { null() },
            self.table.name,
            id = quoted(&columns.id),
        );
        let kind = self.table.vector.map_or(VectorType::Vector, |(kind, _)| kind);
        let session = &mut self.connection()?.session;
        let rows = session.client.query(&sql, &[&asked]).map_err(|e| session.fault("read records", &e))?;
        let mut read = Read::default();
        for row in &rows {
            read.push(row, kind).map_err(|fault| match fault {
                Fault::Sql(e) => session.fault("read records", &e),
                Fault::Content(error) => error.at("server", &session.place),
            })?;
        }
        Ok(read.batch())
    }

    fn query(&mut self, vectors: &Dense, k: u32) -> Result<Vec<Vec<Hit>>> {
        self.connection()?;
        let dimension = self.table.dimension().or(self.target.dimension);
        let (kind, dimension) = match (self.table.vector, dimension) {
            (Some((kind, _)), dimension) if dimension.is_none_or(|has| has == vectors.dimension) => (kind, dimension),
            (None, _) => {
                return Err(Error::config("query/dimension", format!("the table {} has no vectors", self.table.name)));
            }
            (Some(_), dimension) => {
                let message = format!(
                    "the table {} has vectors of {} values, the query has {}",
                    self.table.name,
                    dimension.unwrap_or_default(),
                    vectors.dimension
                );
                return Err(Error::config("query/dimension", message));
            }
        };
        let metric = match self.table.metric() {
            Metric::Unknown => self.target.metric,
            known => known,
        };
        let operator = match metric {
            Metric::L2 => "<->",
            Metric::Dot => "<#>",
            Metric::Cosine | Metric::Unknown => "<=>",
        };
        let (id, vector) = (quoted(&self.table.columns.id), quoted(&self.table.columns.vector));
        // Where no dimension is declared, rows of another one would end the search.
        let comparable = match dimension {
            Some(_) => format!("{vector} IS NOT NULL"),
            None => format!("vector_dims({vector}) = {}", vectors.dimension),
        };
        let sql = format!(
            "SELECT {id}, ({vector} {operator} $1)::float8 FROM {} WHERE {comparable} ORDER BY {vector} {operator} $1 LIMIT $2",
            self.table.name
        );
        let tune = tuning(&self.table, k);
        let queries = vectors.values.len().checked_div(vectors.dimension as usize).unwrap_or(0);
        let session = &mut self.connection()?.session;
        let place = session.place.clone();
        let failed = |e: postgres::Error| crate::fault::fault("search", &place, &e);
        let mut transaction = session.client.transaction().map_err(failed)?;
        transaction.batch_execute(&tune).map_err(failed)?;
        let statement = transaction.prepare(&sql).map_err(failed)?;
        let mut answers = Vec::with_capacity(queries);
        for row in 0..queries {
            let Some(values) = vectors.row(row) else {
                answers.push(Vec::new());
                continue;
            };
            let mut query = Vec::new();
            values::put_dense(&mut query, kind, values);
            let params: [&(dyn ToSql + Sync); 2] = [&Raw(query), &i64::from(k)];
            let found = transaction.query(&statement, &params).map_err(failed)?;
            let hits: std::result::Result<Vec<Hit>, postgres::Error> = found
                .iter()
                .map(|row| Ok(Hit { id: row.try_get(0)?, score: score(metric, row.try_get(1)?) }))
                .collect();
            answers.push(hits.map_err(failed)?);
        }
        transaction.commit().map_err(failed)?;
        Ok(answers)
    }
}

/// Settings of this transaction under which an index finds `k` rows.
fn tuning(table: &Table, k: u32) -> String {
    let mut tune = Vec::new();
    for index in &table.indexes {
        match index.kind {
            IndexKind::Hnsw if k > MAX_EF_SEARCH => tune.push("SET LOCAL enable_indexscan = off".to_owned()),
            IndexKind::Hnsw => tune.push(format!("SET LOCAL hnsw.ef_search = {}", k.max(DEFAULT_EF_SEARCH))),
            // As pgvector's README advises; one list, as it is if nobody says so, finds little.
            IndexKind::Ivfflat => {
                tune.push(format!("SET LOCAL ivfflat.probes = {}", index.lists.unwrap_or(100).isqrt().max(1)));
            }
        }
    }
    tune.join("; ")
}

/// pgvector answers distances, of which less is nearer; `<#>` is the inner product, negated.
fn score(metric: Metric, distance: f64) -> f32 {
    let score = match metric {
        Metric::L2 | Metric::Dot => -distance,
        Metric::Cosine | Metric::Unknown => 1.0 - distance,
    };
    if score.is_finite() { score as f32 } else { f32::NEG_INFINITY }
}

enum Fault {
    Sql(postgres::Error),
    Content(Error),
}

impl From<postgres::Error> for Fault {
    fn from(error: postgres::Error) -> Self {
        Fault::Sql(error)
    }
}

/// Records as they are read.
#[derive(Default)]
struct Read {
    batch: Batch,
    documents: Vec<Option<String>>,
    metadata: Vec<String>,
    dense: Dense,
    sparse: Sparse,
}

impl Read {
    /// Takes a row of id, document, metadata, vector, sparse vector.
    fn push(&mut self, row: &SqlRow, kind: VectorType) -> std::result::Result<(), Fault> {
        let id: String = row.try_get(0)?;
        let wrong = |what: &str| Fault::Content(Error::corrupt("pgvector/content", what.to_owned()).at("id", &id));
        let number = u32::try_from(self.batch.ids.len()).map_err(|_| wrong("there are too many records"))?;
        let width = self.dense.dimension as usize;
        let vector: Option<Raw> = if row.columns().get(3).is_some_and(is_vector) { row.try_get(3)? } else { None };
        match vector {
            Some(Raw(bytes)) => {
                let values = values::dense(kind, &bytes).ok_or_else(|| wrong("the vector cannot be read"))?;
                if self.dense.values.is_empty() {
                    // All rows before it are without.
                    self.dense.dimension = u32::try_from(values.len()).unwrap_or(u32::MAX);
                    self.dense.values = vec![0.0; values.len() * number as usize];
                } else if values.len() != width {
                    let message = format!("the vector has {} values, another record's {width}", values.len());
                    return Err(wrong(&message));
                }
                self.dense.values.extend(values);
            }
            None => {
                self.dense.absent.push(number);
                self.dense.values.resize(self.dense.values.len() + width, 0.0);
            }
        }
        if self.sparse.offsets.is_empty() {
            self.sparse.offsets.push(0);
        }
        let sparse: Option<Raw> = if row.columns().get(4).is_some_and(is_vector) { row.try_get(4)? } else { None };
        if let Some(Raw(bytes)) = sparse {
            let (indices, values) = values::sparse(&bytes).ok_or_else(|| wrong("the sparse vector cannot be read"))?;
            self.sparse.indices.extend(indices);
            self.sparse.values.extend(values);
        }
        self.sparse.offsets.push(u32::try_from(self.sparse.values.len()).map_err(|_| wrong("there is too much"))?);
        self.documents.push(row.try_get(1)?);
        // A table of another maker may have NULL there.
        self.metadata.push(row.try_get::<_, Option<String>>(2)?.unwrap_or_else(|| "{}".to_owned()));
        self.batch.ids.push(id);
        Ok(())
    }

    fn batch(self) -> Batch {
        let mut batch = self.batch;
        if !self.dense.values.is_empty() {
            batch.dense.push(self.dense);
        }
        if !self.sparse.values.is_empty() {
            batch.sparse.push(self.sparse);
        }
        Batch { documents: Some(self.documents), metadata: Some(self.metadata), ..batch }
    }
}

/// Whether a column of an answer is one of pgvector's types, and not the `NULL` in place of one.
fn is_vector(column: &postgres::Column) -> bool {
    ["vector", "halfvec", "sparsevec"].contains(&column.type_().name())
}
