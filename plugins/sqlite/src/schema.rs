/*!
The tables, version 1.

```text
collections(collection, name, dimension, metric, embedding, has_documents, revision)
columns(collection, ordinal, kind, name, dimension)
records_C(record, id, document, metadata)      one table per collection C
vectors_C(record, vector)                      its first dense vectors (ordinal 0)
vectors_C_O(record, vector)                    further dense vectors, ordinal O
sparse_C_O(record, indices, vector)            sparse vectors, ordinal O
```

- `collections.dimension` is NULL for a collection without vectors; `metric` is `cosine`, `dot`, `l2` or `unknown`;
  `embedding` is a JSON object that says which model made the vectors; `revision` grows with every write.
- `records_C.record` is the row's number and the order of reading; `id` is unique; `document` may be NULL;
  `metadata` is the JSON object as it came.
- `vector` is a BLOB of `dimension` little-endian 32-bit floats (sqlite-vec's format). A record without a vector has no
  row. Sparse: `indices` is a BLOB of little-endian 32-bit unsigned integers, as many as there are values.
- The file carries [`APPLICATION_ID`] and, as `user_version`, [`VERSION`]. Pages are of 16 KiB: a scan of
  384-dimensional vectors takes half the time of one over the usual 4 KiB.
*/

use vecferry_sdk::{Error, Metric, Result, Value};

/// "vfry" in the file's header, bytes 68 to 71, big-endian (sqlite.org/fileformat2.html).
pub const APPLICATION_ID: u32 = 0x7666_7279;
/// The version of the tables, kept as `user_version`: bytes 60 to 63.
pub const VERSION: u32 = 1;

/// Makes an empty database of this version.
pub(crate) const CREATE: &str = "
    PRAGMA application_id = 1986425465;
    PRAGMA user_version = 1;
    CREATE TABLE collections (
        collection INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        dimension INTEGER,
        metric TEXT NOT NULL,
        embedding TEXT,
        has_documents INTEGER NOT NULL DEFAULT 0,
        revision INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE columns (
        collection INTEGER NOT NULL,
        ordinal INTEGER NOT NULL,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        dimension INTEGER,
        PRIMARY KEY (collection, ordinal),
        UNIQUE (collection, kind, name)
    );";

/// Something that answers SQL: a connection of our own, or the host's `sqlite` power.
pub(crate) trait Sql {
    /// All rows of a query.
    fn rows(&self, sql: &str, params: &[Value]) -> Result<Vec<Vec<Value>>>;
    /// The file, for errors.
    fn file(&self) -> &str;

    /// An error about what the database holds.
    fn corrupt(&self, message: String) -> Error {
        Error::corrupt("sqlite/content", message).at("file", self.file())
    }
}

/// What a vector column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Dense { dimension: u32 },
    Sparse,
}

/// One vector column of a collection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) ordinal: i64,
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// One collection as the database knows it.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// `C` in the names of its tables.
    pub(crate) number: i64,
    pub(crate) name: String,
    pub(crate) dimension: Option<u32>,
    pub(crate) metric: Metric,
    /// A JSON object.
    pub(crate) embedding: Option<String>,
    pub(crate) has_documents: bool,
    pub(crate) revision: i64,
    /// By ordinal.
    pub(crate) columns: Vec<Column>,
}

impl Stored {
    pub(crate) fn records(&self) -> String {
        format!("records_{}", self.number)
    }

    pub(crate) fn table(&self, column: &Column) -> String {
        match (column.kind, column.ordinal) {
            (Kind::Dense { .. }, 0) => format!("vectors_{}", self.number),
            (Kind::Dense { .. }, ordinal) => format!("vectors_{}_{ordinal}", self.number),
            (Kind::Sparse, ordinal) => format!("sparse_{}_{ordinal}", self.number),
        }
    }

    /// The column of the first dense vectors, once there are any.
    pub(crate) fn first(&self) -> Option<&Column> {
        self.columns.iter().find(|column| column.ordinal == 0)
    }

    pub(crate) fn count(&self, sql: &dyn Sql) -> Result<u64> {
        let rows = sql.rows(&format!("SELECT count(*) FROM {}", self.records()), &[])?;
        match rows.first().map(Vec::as_slice) {
            Some([Value::Integer(count)]) => Ok(u64::try_from(*count).unwrap_or(0)),
            _ => Err(sql.corrupt("a count is no number".to_owned())),
        }
    }

    /// Makes the table of a new collection's records.
    pub(crate) fn tables(number: i64) -> String {
        format!(
            "CREATE TABLE records_{number} (
                record INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, document TEXT, metadata TEXT NOT NULL);"
        )
    }

    /// Makes the table of a new column.
    pub(crate) fn column_table(&self, column: &Column) -> String {
        let indices = if column.kind == Kind::Sparse { "indices BLOB NOT NULL, " } else { "" };
        format!("CREATE TABLE {} (record INTEGER PRIMARY KEY, {indices}vector BLOB NOT NULL);", self.table(column))
    }
}

/// All collections, in the order in which they were made.
pub(crate) fn collections(sql: &dyn Sql) -> Result<Vec<Stored>> {
    let rows = sql.rows(
        "SELECT collection, name, dimension, metric, embedding, has_documents, revision FROM collections ORDER BY collection",
        &[],
    )?;
    let mut out = Vec::with_capacity(rows.len());
    for row in rows {
        let [Value::Integer(number), Value::Text(name), dimension, Value::Text(metric), embedding, documents, revision] =
            &row[..]
        else {
            return Err(sql.corrupt("the table 'collections' does not hold what it should".to_owned()));
        };
        out.push(Stored {
            number: *number,
            name: name.clone(),
            dimension: whole(sql, dimension)?,
            metric: metric_of(metric).ok_or_else(|| sql.corrupt(format!("'{metric}' is no metric")))?,
            embedding: if let Value::Text(json) = embedding { Some(json.clone()) } else { None },
            has_documents: documents != &Value::Integer(0),
            revision: if let Value::Integer(revision) = revision { *revision } else { 0 },
            columns: Vec::new(),
        });
    }
    for row in sql.rows("SELECT collection, ordinal, kind, name, dimension FROM columns ORDER BY ordinal", &[])? {
        let [Value::Integer(number), Value::Integer(ordinal), Value::Text(kind), Value::Text(name), dimension] =
            &row[..]
        else {
            return Err(sql.corrupt("the table 'columns' does not hold what it should".to_owned()));
        };
        let kind = match (kind.as_str(), whole(sql, dimension)?) {
            ("dense", Some(dimension)) => Kind::Dense { dimension },
            ("sparse", _) if *ordinal != 0 => Kind::Sparse,
            _ => return Err(sql.corrupt(format!("'{kind}' is no kind of column {ordinal}"))),
        };
        if let Some(stored) = out.iter_mut().find(|stored| stored.number == *number) {
            stored.columns.push(Column { ordinal: *ordinal, name: name.clone(), kind });
        }
    }
    Ok(out)
}

/// The collection of that name.
pub(crate) fn collection(sql: &dyn Sql, name: &str) -> Result<Option<Stored>> {
    Ok(collections(sql)?.into_iter().find(|stored| stored.name == name))
}

fn whole(sql: &dyn Sql, value: &Value) -> Result<Option<u32>> {
    match value {
        Value::Null => Ok(None),
        Value::Integer(number) => match u32::try_from(*number) {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => Err(sql.corrupt(format!("{number} is no dimension"))),
        },
        _ => Err(sql.corrupt("a dimension is no number".to_owned())),
    }
}

fn metric_of(name: &str) -> Option<Metric> {
    [Metric::Cosine, Metric::Dot, Metric::L2, Metric::Unknown].into_iter().find(|metric| metric.as_str() == name)
}

/// What the first bytes of a file say it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// A database of this plugin.
    Ours {
        /// Of its tables.
        version: u32,
        /// Grows with every change outside a write-ahead log: bytes 24 to 27.
        changes: u32,
    },
    /// Another program's SQLite database.
    Foreign,
    /// No SQLite database.
    Other,
}

impl Header {
    /// Bytes of a SQLite file's header.
    pub(crate) const BYTES: u32 = 100;

    pub(crate) fn parse(bytes: &[u8]) -> Header {
        let number = |at: usize| bytes.get(at..at + 4).map(|b| b.iter().fold(0_u32, |n, &b| n << 8 | u32::from(b)));
        match (bytes.starts_with(b"SQLite format 3\0"), number(24), number(60), number(68)) {
            (true, Some(changes), Some(version), Some(APPLICATION_ID)) => Header::Ours { version, changes },
            (true, Some(_), Some(_), Some(_)) => Header::Foreign,
            _ => Header::Other,
        }
    }
}

/// Refuses tables of a later version.
pub(crate) fn check_version(version: u32, file: &str) -> Result<()> {
    if version == VERSION {
        return Ok(());
    }
    let message = format!("{file} has tables of version {version}; this plugin knows version {VERSION}");
    Err(Error::unsupported("sqlite/version", message).hint("use a newer vecferry").at("file", file))
}
