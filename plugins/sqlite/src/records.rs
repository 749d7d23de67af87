/*!
Rows of the tables as a batch, for both roles: the writer's `fetch` and the source's scan.

What stands in the file is not believed: a vector of another length, metadata that is no JSON, a value of
another type make their record unreadable, not the whole read.
*/

use std::collections::HashMap;

use vecferry_sdk::{Batch, Dense, Error, Result, Sparse, Unreadable, Value, metadata_object};

use crate::schema::{Column, Kind, Sql, Stored};

/// The columns of `records_C` that [`Rows::push`] takes, in order.
pub(crate) const RECORD: &str = "record, id, document, metadata";

/// Records without their vectors yet.
#[derive(Default)]
pub(crate) struct Rows {
    numbers: HashMap<i64, usize>,
    ids: Vec<String>,
    documents: Vec<Option<String>>,
    metadata: Vec<String>,
    faults: HashMap<usize, Error>,
}

impl Rows {
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Takes one row; returns its number and about how many bytes it holds.
    pub(crate) fn push(&mut self, sql: &dyn Sql, row: Vec<Value>) -> Result<(i64, u64)> {
        let mut row = row.into_iter();
        let (Some(Value::Integer(record)), Some(id), Some(document), Some(metadata), None) =
            (row.next(), row.next(), row.next(), row.next(), row.next())
        else {
            return Err(sql.corrupt("a record has no number".to_owned()));
        };
        let at = self.len();
        let mut fault = None;
        let mut text = |value: Value, what: &str| match value {
            Value::Text(text) => text,
            _ => {
                fault = Some(sql.corrupt(format!("the {what} of record {record} is no text")));
                String::new()
            }
        };
        let id = text(id, "id");
        let document = (document != Value::Null).then(|| text(document, "document"));
        let metadata = text(metadata, "metadata");
        if fault.is_none() {
            fault = metadata_object(&metadata).err().map(|e| e.at("file", sql.file()));
        }
        if let Some(fault) = fault {
            self.faults.insert(at, fault.at("id", if id.is_empty() { record.to_string() } else { id.clone() }));
        }
        let bytes = id.len() + document.as_ref().map_or(0, String::len) + metadata.len();
        self.numbers.insert(record, at);
        self.ids.push(id);
        self.documents.push(document);
        self.metadata.push(metadata);
        Ok((record, bytes as u64))
    }

    fn fault(&mut self, row: usize, sql: &dyn Sql, message: String) {
        let id = self.ids.get(row).map_or("", String::as_str);
        let fault = sql.corrupt(message).at("id", id);
        self.faults.entry(row).or_insert(fault);
    }

    /// Adds the vectors that `condition` selects from each of the collection's tables. Records at fault are left
    /// out and told of.
    pub(crate) fn with_vectors(
        mut self,
        sql: &dyn Sql,
        stored: &Stored,
        condition: &str,
        params: &[Vec<Value>],
    ) -> Result<(Batch, Vec<Unreadable>)> {
        let mut batch = Batch::default();
        for column in &stored.columns {
            let indices = if column.kind == Kind::Sparse { "indices" } else { "NULL" };
            let query = format!("SELECT record, {indices}, vector FROM {} WHERE {condition}", stored.table(column));
            let mut found = HashMap::new();
            for params in params {
                for row in sql.rows(&query, params)? {
                    let mut row = row.into_iter();
                    let (Some(Value::Integer(record)), Some(indices), Some(vector)) =
                        (row.next(), row.next(), row.next())
                    else {
                        return Err(sql.corrupt("a vector has no record".to_owned()));
                    };
                    if let Some(&at) = self.numbers.get(&record) {
                        found.insert(at, (indices, vector));
                    }
                }
            }
            match column.kind {
                Kind::Dense { dimension } => batch.dense.extend(self.dense(sql, column, dimension, found)),
                Kind::Sparse => batch.sparse.extend(self.sparse(sql, column, found)),
            }
        }
        let Rows { ids, documents, metadata, faults, .. } = self;
        let whole: Vec<bool> = (0..ids.len()).map(|row| !faults.contains_key(&row)).collect();
        let mut unreadable: Vec<(usize, Error)> = faults.into_iter().collect();
        unreadable.sort_by_key(|(row, _)| *row);
        let unreadable = unreadable
            .into_iter()
            .map(|(row, reason)| Unreadable { id: ids.get(row).cloned().unwrap_or_default(), reason })
            .collect();
        let batch = Batch { ids, documents: Some(documents), metadata: Some(metadata), ..batch };
        Ok((batch.filter(&whole), unreadable))
    }

    /// `None` where no row has a vector: a declared dimension alone makes no memory.
    fn dense(
        &mut self,
        sql: &dyn Sql,
        column: &Column,
        dimension: u32,
        found: HashMap<usize, (Value, Value)>,
    ) -> Option<Dense> {
        let width = dimension as usize;
        let mut vectors = HashMap::with_capacity(found.len());
        for (row, (_, vector)) in found {
            match vector {
                Value::Blob(bytes) if bytes.len() as u64 == u64::from(dimension) * 4 => {
                    drop(vectors.insert(row, bytes))
                }
                vector => self.fault(
                    row,
                    sql,
                    format!("the vector '{}' is {}, expected {width} values", column.name, shape(&vector)),
                ),
            }
        }
        if vectors.is_empty() {
            return None;
        }
        let mut dense = Dense { name: column.name.clone(), dimension, ..Dense::default() };
        for row in 0..self.len() {
            match vectors.get(&row) {
                Some(bytes) => dense.values.extend(floats(bytes)),
                None => {
                    dense.values.resize(dense.values.len() + width, 0.0);
                    dense.absent.extend(u32::try_from(row));
                }
            }
        }
        Some(dense)
    }

    fn sparse(&mut self, sql: &dyn Sql, column: &Column, found: HashMap<usize, (Value, Value)>) -> Option<Sparse> {
        let mut sparse = Sparse { name: column.name.clone(), offsets: vec![0], ..Sparse::default() };
        for row in 0..self.len() {
            match found.get(&row) {
                None => {}
                Some((Value::Blob(indices), Value::Blob(values)))
                    if indices.len() == values.len() && values.len().is_multiple_of(4) =>
                {
                    sparse.indices.extend(words(indices).map(u32::from_le_bytes));
                    sparse.values.extend(floats(values));
                }
                Some((indices, values)) => {
                    let (indices, values) = (shape(indices), shape(values));
                    self.fault(
                        row,
                        sql,
                        format!("the sparse vector '{}' has {indices} of indices for {values}", column.name),
                    );
                }
            }
            sparse.offsets.push(u32::try_from(sparse.values.len()).unwrap_or(u32::MAX));
        }
        (!sparse.values.is_empty()).then_some(sparse)
    }
}

fn words(bytes: &[u8]) -> impl Iterator<Item = [u8; 4]> + '_ {
    bytes.as_chunks::<4>().0.iter().copied()
}

/// The values of a BLOB.
pub(crate) fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    words(bytes).map(f32::from_le_bytes)
}

fn shape(value: &Value) -> String {
    match value {
        Value::Blob(bytes) => format!("{} bytes", bytes.len()),
        _ => "no BLOB".to_owned(),
    }
}
