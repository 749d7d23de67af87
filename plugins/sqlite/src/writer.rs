/*! Writing to one collection, and reading back from it. */

use rusqlite::{Statement, Transaction, TransactionBehavior, params};
use vecferry_sdk::{
    Alteration, Batch, Dense, Error, ErrorKind, Hit, Host, IdPage, Nearest, Receipt, Rejection, Result, Sparse, Value,
    Writer, metadata_object,
};

use crate::database::Database;
use crate::fault::fault;
use crate::records::{RECORD, Rows, floats};
use crate::schema::{self, Column, Kind, Sql, Stored};

/// Vectors between two looks at whether the user asked to stop.
const CANCEL_EVERY: u64 = 4096;

pub(crate) struct CollectionWriter {
    host: Host,
    database: Database,
    collection: String,
    logs: bool,
}

/// A collection's columns, each with what the batch has for it.
type Columns<'a> = Vec<(Column, Option<Source<'a>>)>;

/// A column of the batch.
enum Source<'a> {
    Dense(&'a Dense),
    Sparse(&'a Sparse),
}

impl CollectionWriter {
    pub(crate) fn new(host: Host, database: Database, collection: String) -> Self {
        CollectionWriter { host, database, collection, logs: false }
    }

    /// The collection as it is now: another process may have added a column.
    fn stored(&self) -> Result<Stored> {
        schema::collection(&self.database, &self.collection)?.ok_or_else(|| {
            Error::not_found("sqlite/no-collection", format!("the collection '{}' is gone", self.collection))
                .at("file", &self.database.path)
        })
    }

    fn store(&mut self, batch: &Batch) -> Result<Receipt> {
        batch.check()?;
        if batch.is_empty() {
            return Ok(Receipt::default());
        }
        if !self.logs {
            self.database.use_log()?;
            self.logs = true;
        }
        let path = self.database.path.clone();
        let failed = |e: rusqlite::Error| fault("write", &path, &e);
        let transaction =
            Transaction::new_unchecked(&self.database.connection, TransactionBehavior::Immediate).map_err(failed)?;
        let mut stored = self.stored()?;
        let (columns, renamed) = add_columns(&transaction, &mut stored, batch, &path)?;
        let mut receipt = Receipt::default();
        {
            let mut insert = Insert::new(&transaction, &stored, columns).map_err(failed)?;
            for (row, id) in batch.ids.iter().enumerate() {
                match fits(batch, row, &insert.columns, stored.dimension) {
                    Ok(metadata) => {
                        insert.row(batch, row, id, metadata).map_err(|e| failed(e).at("id", id))?;
                        receipt.accepted += 1;
                        if renamed {
                            receipt.altered.push(Alteration {
                                row: u32::try_from(row).unwrap_or(u32::MAX),
                                field: "vector".into(),
                                code: "vector/renamed".into(),
                            });
                        }
                    }
                    Err(reason) => receipt
                        .rejected
                        .push(Rejection { row: u32::try_from(row).unwrap_or(u32::MAX), reason: reason.at("id", id) }),
                }
            }
        }
        let has_documents = (0..batch.len()).any(|row| batch.document(row).is_some());
        let sql = "UPDATE collections SET revision = revision + 1, has_documents = max(has_documents, ?2) WHERE collection = ?1";
        transaction.execute(sql, params![stored.number, has_documents]).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(receipt)
    }
}

/// Finds the table of each of the batch's columns, and makes those that are missing. Also says whether the first
/// vectors go by another name in the collection.
fn add_columns<'a>(
    transaction: &Transaction<'_>,
    stored: &mut Stored,
    batch: &'a Batch,
    path: &str,
) -> Result<(Columns<'a>, bool)> {
    let mut taken: Columns<'a> = stored.columns.iter().map(|column| (column.clone(), None)).collect();
    let dense =
        batch.dense.iter().map(|dense| (&dense.name, Kind::Dense { dimension: dense.dimension }, Source::Dense(dense)));
    let sparse = batch.sparse.iter().map(|sparse| (&sparse.name, Kind::Sparse, Source::Sparse(sparse)));
    let mut unplaced = Vec::new();
    for (name, kind, source) in dense.chain(sparse) {
        let same_kind = |column: &Column| (column.kind == Kind::Sparse) == (kind == Kind::Sparse);
        match taken.iter_mut().find(|(column, _)| column.name == *name && same_kind(column)) {
            Some((_, place @ None)) => *place = Some(source),
            Some(_) => {
                let message = format!("a batch has two vectors called '{name}'");
                return Err(Error::internal("batch/columns", message).at("file", path));
            }
            None => unplaced.push((name, kind, source)),
        }
    }
    let mut renamed = false;
    for (name, kind, source) in unplaced {
        let is_first = matches!((&source, batch.dense.first()), (Source::Dense(a), Some(b)) if std::ptr::eq(*a, b));
        let first = taken.iter_mut().find(|(column, _)| column.ordinal == 0);
        match first {
            // A store's one vector stays that, whatever it is called here and there.
            Some((_, place @ None)) if is_first => {
                *place = Some(source);
                renamed = true;
                continue;
            }
            _ => {}
        }
        let last = taken.iter().map(|(column, _)| column.ordinal).max().unwrap_or(0);
        let ordinal = if is_first && !taken.iter().any(|(column, _)| column.ordinal == 0) { 0 } else { last + 1 };
        // Vectors of a wrong dimension, or in a collection without any, are refused row by row.
        let kind = match (ordinal, kind, stored.dimension) {
            (0, Kind::Dense { .. }, Some(dimension)) => Kind::Dense { dimension },
            (0, _, None) => continue,
            (_, kind, _) => kind,
        };
        let column = Column { ordinal, name: name.clone(), kind };
        let (word, dimension) = match kind {
            Kind::Dense { dimension } => ("dense", Some(dimension)),
            Kind::Sparse => ("sparse", None),
        };
        let sql = "INSERT INTO columns (collection, ordinal, kind, name, dimension) VALUES (?1, ?2, ?3, ?4, ?5)";
        transaction
            .execute(sql, params![stored.number, ordinal, word, name, dimension])
            .and_then(|_| transaction.execute_batch(&stored.column_table(&column)))
            .map_err(|e| fault("write", path, &e))?;
        stored.columns.push(column.clone());
        taken.push((column, Some(source)));
    }
    Ok((taken, renamed))
}

/// Whether a row can be stored; its metadata.
fn fits<'a>(
    batch: &'a Batch,
    row: usize,
    columns: &[(Column, Option<Source<'_>>)],
    dimension: Option<u32>,
) -> Result<&'a str> {
    if let (None, Some(vector)) = (dimension, batch.vectors().and_then(|dense| dense.row(row))) {
        let message = format!("the record has a vector of {} values, the collection was made without", vector.len());
        return Err(Error::corrupt("vector/dimension", message));
    }
    for (column, source) in columns {
        if let (Kind::Dense { dimension }, Some(Source::Dense(dense))) = (column.kind, source)
            && dense.dimension != dimension
            && dense.row(row).is_some()
        {
            let message = format!("the vector has {} values, the collection {dimension}", dense.dimension);
            return Err(Error::corrupt("vector/dimension", message));
        }
    }
    metadata_object(batch.metadata(row))
}

/// The statements of one batch.
struct Insert<'t, 'a> {
    record: Statement<'t>,
    columns: Columns<'a>,
    /// Per column: put a vector, take it away.
    vectors: Vec<(Statement<'t>, Statement<'t>)>,
    indices: Vec<u8>,
    values: Vec<u8>,
}

impl<'t, 'a> Insert<'t, 'a> {
    fn new(transaction: &'t Transaction<'_>, stored: &Stored, columns: Columns<'a>) -> rusqlite::Result<Self> {
        let record = transaction.prepare(&format!(
            "INSERT INTO {} (id, document, metadata) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET document = excluded.document, metadata = excluded.metadata RETURNING record",
            stored.records()
        ))?;
        let mut vectors = Vec::with_capacity(columns.len());
        for (column, _) in &columns {
            let table = stored.table(column);
            let put = match column.kind {
                Kind::Dense { .. } => format!("INSERT OR REPLACE INTO {table} (record, vector) VALUES (?1, ?2)"),
                Kind::Sparse => format!("INSERT OR REPLACE INTO {table} (record, vector, indices) VALUES (?1, ?2, ?3)"),
            };
            let take = format!("DELETE FROM {table} WHERE record = ?1");
            vectors.push((transaction.prepare(&put)?, transaction.prepare(&take)?));
        }
        Ok(Insert { record, columns, vectors, indices: Vec::new(), values: Vec::new() })
    }

    fn row(&mut self, batch: &Batch, row: usize, id: &str, metadata: &str) -> rusqlite::Result<()> {
        let record: i64 = self.record.query_row(params![id, batch.document(row), metadata], |row| row.get(0))?;
        for ((_, source), (put, take)) in self.columns.iter().zip(&mut self.vectors) {
            let (values, indices): (&[f32], Option<&[u32]>) = match source {
                Some(Source::Dense(dense)) => (dense.row(row).unwrap_or_default(), None),
                Some(Source::Sparse(sparse)) => {
                    let (indices, values) = entries(sparse, row);
                    (values, Some(indices))
                }
                None => (&[], None),
            };
            if values.is_empty() {
                take.execute([record])?;
                continue;
            }
            self.values.clear();
            self.values.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            match indices {
                None => put.execute(params![record, self.values])?,
                Some(indices) => {
                    self.indices.clear();
                    self.indices.extend(indices.iter().flat_map(|index| index.to_le_bytes()));
                    put.execute(params![record, self.values, self.indices])?
                }
            };
        }
        Ok(())
    }
}

/// Row `row` of a sparse column: indices and values.
fn entries(sparse: &Sparse, row: usize) -> (&[u32], &[f32]) {
    let offset = |row: usize| sparse.offsets.get(row).map_or(0, |&offset| offset as usize);
    let span = offset(row)..offset(row + 1);
    let indices = sparse.indices.get(span.clone()).unwrap_or_default();
    (indices, sparse.values.get(span).unwrap_or_default())
}

impl Writer for CollectionWriter {
    fn write(&mut self, batch: &Batch) -> Result<Receipt> {
        self.store(batch).map_err(|mut error| {
            // Of a row it would mean that halving the batch can help.
            if error.kind == ErrorKind::Corrupt {
                error.kind = ErrorKind::Internal;
            }
            error
        })
    }

    /// Every write is a transaction on disk.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn count(&mut self) -> Result<u64> {
        self.stored()?.count(&self.database)
    }

    fn list(&mut self, after: Option<&[u8]>, max: u32) -> Result<Option<IdPage>> {
        let after = match after.map(<[u8; 8]>::try_from) {
            None => i64::MIN,
            Some(Ok(record)) => i64::from_le_bytes(record),
            Some(Err(_)) => return Err(Error::internal("sqlite/cursor", "this is no cursor of a list of ids")),
        };
        let table = self.stored()?.records();
        let sql = format!("SELECT record, id FROM {table} WHERE record > ?1 ORDER BY record LIMIT ?2");
        let mut page = IdPage::default();
        for row in self.database.rows(&sql, &[Value::Integer(after), Value::Integer(i64::from(max.max(1)))])? {
            match <[Value; 2]>::try_from(row) {
                Ok([Value::Integer(record), Value::Text(id)]) => {
                    page.ids.push(id);
                    page.cursor = record.to_le_bytes().to_vec();
                }
                _ => return Err(self.database.corrupt(format!("{table} holds an id that is no text"))),
            }
        }
        Ok((!page.ids.is_empty()).then_some(page))
    }

    fn fetch(&mut self, ids: &[String]) -> Result<Batch> {
        let stored = self.stored()?;
        let query = format!("SELECT {RECORD} FROM {} WHERE id = ?1", stored.records());
        let mut rows = Rows::default();
        let mut records = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for id in ids.iter().filter(|id| seen.insert(id.as_str())) {
            for row in self.database.rows(&query, &[Value::Text(id.clone())])? {
                let (record, _) = rows.push(&self.database, row)?;
                records.push(vec![Value::Integer(record)]);
            }
        }
        let (batch, unreadable) = rows.with_vectors(&self.database, &stored, "record = ?1", &records)?;
        match unreadable.into_iter().next() {
            Some(first) => Err(first.reason),
            None => Ok(batch),
        }
    }

    fn query(&mut self, vectors: &Dense, k: u32) -> Result<Vec<Vec<Hit>>> {
        let stored = self.stored()?;
        if stored.dimension != Some(vectors.dimension) {
            let has =
                stored.dimension.map_or("no vectors".to_owned(), |dimension| format!("vectors of {dimension} values"));
            let message =
                format!("the collection '{}' has {has}, the query has {} values", stored.name, vectors.dimension);
            return Err(Error::config("query/dimension", message));
        }
        let queries = vectors.values.len().checked_div(vectors.dimension as usize).unwrap_or(0);
        let mut nearest = Nearest::new(stored.metric, vectors, queries, k);
        if let Some(column) = stored.first() {
            self.scan(&stored, column, &mut nearest)?;
        }
        let sql = format!("SELECT id FROM {} WHERE record = ?1", stored.records());
        let hit = |(record, score): (i64, f32)| -> Result<Option<Hit>> {
            let rows = self.database.rows(&sql, &[Value::Integer(record)])?;
            let id =
                rows.into_iter().flatten().find_map(|value| if let Value::Text(id) = value { Some(id) } else { None });
            Ok(id.map(|id| Hit { id, score }))
        };
        nearest
            .finish()
            .into_iter()
            .map(|hits| hits.into_iter().filter_map(|found| hit(found).transpose()).collect())
            .collect()
    }
}

impl CollectionWriter {
    /// Offers every vector of a column.
    fn scan(&self, stored: &Stored, column: &Column, nearest: &mut Nearest<'_, i64>) -> Result<()> {
        let failed = |e: rusqlite::Error| self.database.fault("search", &e);
        let sql = format!("SELECT record, vector FROM {}", stored.table(column));
        let mut statement = self.database.connection.prepare_cached(&sql).map_err(failed)?;
        let mut cursor = statement.query([]).map_err(failed)?;
        let mut vector = Vec::new();
        let mut scanned = 0_u64;
        while let Some(row) = cursor.next().map_err(failed)? {
            let record: i64 = row.get(0).map_err(failed)?;
            let Ok(bytes) = row.get_ref(1).map_err(failed)?.as_blob() else { continue };
            vector.clear();
            vector.extend(floats(bytes));
            nearest.offer(&vector, || record);
            scanned += 1;
            if scanned.is_multiple_of(CANCEL_EVERY) && self.host.cancelled() {
                return Err(Error::transient("sqlite/cancelled", "the search was stopped"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
