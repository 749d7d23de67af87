/*!
The write-ahead log of a collection: the rows of `embeddings_queue` that a segment has not taken up yet.

Every change of a collection is a row there first. Its segments take rows up later (the metadata segment at once,
the vector segment in batches) and record how far they came; from 0.5 on, rows that all segments have are deleted.
What is not in a segment yet is replayed over it: `ADD` makes a record that is not there, `UPDATE` changes one that
is, `UPSERT` does either, `DELETE` removes. Here only ids, operations and sequence numbers are held: vectors and
metadata are fetched when their page is read.
*/

use vecferry_sdk::{Error, Result, Value};

use super::ids::IdTable;
use super::table::Tables;

/// `_operation_codes` in `chromadb/db/mixins/embeddings_queue.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Add,
    Update,
    Upsert,
    Delete,
}

impl Operation {
    pub(crate) fn from_code(code: i64) -> Option<Operation> {
        match code {
            0 => Some(Operation::Add),
            1 => Some(Operation::Update),
            2 => Some(Operation::Upsert),
            3 => Some(Operation::Delete),
            _ => None,
        }
    }

    /// Whether the record is there afterwards.
    pub(crate) fn leaves(self, was_there: bool) -> bool {
        match self {
            Operation::Add | Operation::Upsert => true,
            Operation::Update => was_there,
            Operation::Delete => false,
        }
    }

    /// Whether it has an effect on a record that is, or is not, there.
    pub(crate) fn applies(self, is_there: bool) -> bool {
        match self {
            Operation::Add => !is_there,
            Operation::Update => is_there,
            Operation::Upsert | Operation::Delete => true,
        }
    }
}

/// One row of the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) sequence: i64,
    pub(crate) operation: Operation,
    pub(crate) has_vector: bool,
}

/// The rows with a sequence number above `after`, by id, in order.
///
/// # Errors
/// `corrupt` for an operation that Chroma does not know.
pub(crate) fn read(tables: &Tables, topic: &str, after: i64) -> Result<IdTable<Change>> {
    let mut log = IdTable::default();
    let sql = "SELECT seq_id, operation, id, vector IS NOT NULL FROM embeddings_queue \
               WHERE seq_id > ?1 AND topic = ?2 ORDER BY seq_id";
    tables.each(sql, &[Value::Integer(after), Value::Text(topic.to_owned())], |mut row| {
        let sequence = row.integer(0, "embeddings_queue.seq_id")?;
        let code = row.integer(1, "embeddings_queue.operation")?;
        let operation = Operation::from_code(code).ok_or_else(|| {
            Error::corrupt("chroma/operation", format!("row {sequence} of the log has the unknown operation {code}"))
                .at("file", tables.file())
        })?;
        let id = row.text(2, "embeddings_queue.id")?;
        log.push(&id, Change { sequence, operation, has_vector: row.optional_integer(3) == Some(1) })
    })?;
    log.sort();
    Ok(log)
}
