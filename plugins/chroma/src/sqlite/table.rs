/*! Queries over `chroma.sqlite3`: rows in steps, columns with the type that is expected of them. */

use std::rc::Rc;

use vecferry_sdk::{Database, Error, ErrorKind, Host, Result, Rows, Value};

/// Rows asked of the host at a time; it also cuts an answer by its bytes.
const STEP: u32 = 1024;

/// The open database. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tables {
    database: Rc<dyn Database>,
    file: Rc<str>,
}

impl Tables {
    /// Opens `file` of the granted store.
    pub(crate) fn open(host: &Host, file: &str) -> Result<Tables> {
        Ok(Tables { database: host.open_sqlite(file)?.into(), file: file.into() })
    }

    /// The file's name, for errors.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// The columns of a table; empty when there is no such table. Chroma's versions differ in both.
    pub(crate) fn columns(&self, table: &str) -> Result<Vec<String>> {
        let name = [Value::Text(table.to_owned())];
        let mut columns = Vec::new();
        if self.exists("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1", &name)? {
            // As rows, not as the names of a query's columns: a damaged schema's names may be no text.
            self.each("SELECT name FROM pragma_table_info(?1)", &name, |mut row| {
                columns.extend(row.optional_text(0));
                Ok(())
            })?;
        }
        Ok(columns)
    }

    /// Calls `each` for every row.
    pub(crate) fn each(&self, sql: &str, params: &[Value], each: impl FnMut(Row) -> Result<()>) -> Result<()> {
        self.each_of(STEP, sql, params, each)
    }

    /// The same, one row at a time: up to a damaged page every row is seen.
    pub(crate) fn each_singly(&self, sql: &str, params: &[Value], each: impl FnMut(Row) -> Result<()>) -> Result<()> {
        self.each_of(1, sql, params, each)
    }

    fn each_of(&self, step: u32, sql: &str, params: &[Value], each: impl FnMut(Row) -> Result<()>) -> Result<()> {
        self.rows(sql, params)?.each_of(step, each)
    }

    /// Starts a query.
    pub(crate) fn rows(&self, sql: &str, params: &[Value]) -> Result<TableRows> {
        Ok(TableRows { rows: self.database.query(sql, params)?, file: Rc::clone(&self.file) })
    }

    /// The first row.
    pub(crate) fn first(&self, sql: &str, params: &[Value]) -> Result<Option<Row<'_>>> {
        let mut rows = self.database.query(sql, params)?;
        Ok(rows.next(1)?.into_iter().next().map(|values| Row { values, file: &self.file }))
    }

    /// Whether there is a row.
    pub(crate) fn exists(&self, sql: &str, params: &[Value]) -> Result<bool> {
        Ok(self.first(sql, params)?.is_some())
    }
}

/// The rows of a query that was started.
pub(crate) struct TableRows {
    rows: Box<dyn Rows>,
    file: Rc<str>,
}

impl TableRows {
    /// Calls `each` for every row.
    pub(crate) fn each(self, each: impl FnMut(Row) -> Result<()>) -> Result<()> {
        self.each_of(STEP, each)
    }

    fn each_of(mut self, step: u32, mut each: impl FnMut(Row) -> Result<()>) -> Result<()> {
        loop {
            let step = self.rows.next(step)?;
            if step.is_empty() {
                return Ok(());
            }
            for values in step {
                each(Row { values, file: &self.file })?;
            }
        }
    }
}

/// Whether an error says that the file's own content is at fault: another row may still be readable.
pub(crate) fn is_damage(error: &Error) -> bool {
    match error.kind {
        ErrorKind::Corrupt => true,
        ErrorKind::Unsupported => error.code != "sqlite/step-limit",
        _ => false,
    }
}

/// A row of a query; columns by position.
pub(crate) struct Row<'a> {
    values: Vec<Value>,
    file: &'a str,
}

impl Row<'_> {
    /// Takes a value out.
    pub(crate) fn take(&mut self, column: usize) -> Value {
        self.values.get_mut(column).map_or(Value::Null, |value| std::mem::replace(value, Value::Null))
    }

    /// A text that must be there.
    pub(crate) fn text(&mut self, column: usize, what: &str) -> Result<String> {
        let value = self.take(column);
        self.text_of(value, what)
    }

    /// A value that was taken out, as the text that it must be.
    pub(crate) fn text_of(&self, value: Value, what: &str) -> Result<String> {
        match value {
            Value::Text(text) => Ok(text),
            other => Err(self.wrong(what, "text", &other)),
        }
    }

    /// A text, where there is one.
    pub(crate) fn optional_text(&mut self, column: usize) -> Option<String> {
        match self.take(column) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An integer that must be there.
    pub(crate) fn integer(&mut self, column: usize, what: &str) -> Result<i64> {
        match self.take(column) {
            Value::Integer(number) => Ok(number),
            other => Err(self.wrong(what, "an integer", &other)),
        }
    }

    /// An integer, where there is one.
    pub(crate) fn optional_integer(&mut self, column: usize) -> Option<i64> {
        match self.take(column) {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// A sequence number, where there is one: an INTEGER since 1.0, before that a big-endian BLOB of 8 or 24
    /// bytes (`chromadb/db/mixins/embeddings_queue.py`, `decode_seq_id`); upgraded stores mix them.
    pub(crate) fn sequence(&mut self, column: usize, what: &str) -> Result<Option<i64>> {
        match self.take(column) {
            Value::Null => Ok(None),
            Value::Integer(number) => Ok(Some(number)),
            Value::Blob(bytes) => {
                let (high, low) = bytes.split_at(bytes.len().saturating_sub(8));
                let number = low.try_into().map(u64::from_be_bytes).ok().and_then(|n| i64::try_from(n).ok());
                match number {
                    Some(number) if bytes.len() <= 24 && high.iter().all(|byte| *byte == 0) => Ok(Some(number)),
                    _ => Err(self.wrong(what, "a sequence number", &Value::Blob(bytes))),
                }
            }
            other => Err(self.wrong(what, "a sequence number", &other)),
        }
    }

    fn wrong(&self, what: &str, want: &str, have: &Value) -> Error {
        let have = match have {
            Value::Null => "nothing".to_owned(),
            Value::Integer(number) => format!("the integer {number}"),
            Value::Real(number) => format!("the number {number}"),
            Value::Text(text) => format!("a text of {} bytes", text.len()),
            Value::Blob(bytes) => format!("{} bytes", bytes.len()),
        };
        Error::corrupt("chroma/column", format!("{what} should be {want} and is {have}")).at("file", self.file)
    }
}
