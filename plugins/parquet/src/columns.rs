/*!
Which columns the files have, and what they note beside them.

| layout | columns |
|---|---|
| general | `id` string, `document` string or null, `metadata` string (a JSON object as it came), `vector` fixed-size list of 32-bit floats or null; a vector named N is `vector_N`; a sparse vector is the lists `sparse_indices` (unsigned 32-bit) and `sparse_values` (32-bit floats), a named one `sparse_N_indices` and `sparse_N_values` |
| pinecone | `id` string, `values` list of 32-bit floats, `metadata` string (a JSON object); no other column (<https://docs.pinecone.io/guides/index-data/import-data>) |
*/

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use serde::{Deserialize, Serialize};
use vecferry_parquet_format::Footer;
use vecferry_sdk::{Dense, Error, Metric, Result};

use crate::settings::Form;

/// The layout, by its name.
pub(crate) const NOTE_LAYOUT: &str = "vecferry.layout";
/// Who wrote the file.
pub(crate) const NOTE_VERSION: &str = "vecferry.version";
/// The collection's name.
pub(crate) const NOTE_COLLECTION: &str = "vecferry.collection";
/// Values of the first vector column.
pub(crate) const NOTE_DIMENSION: &str = "vecferry.dimension";
/// How the collection compares vectors.
pub(crate) const NOTE_METRIC: &str = "vecferry.metric";
/// The vector columns in their order, as JSON: `[{"name":"","dimension":384}]`.
pub(crate) const NOTE_VECTORS: &str = "vecferry.vectors";
/// Which model made the vectors.
pub(crate) const NOTE_PROVIDER: &str = "vecferry.embedding.provider";
/// As [`NOTE_PROVIDER`].
pub(crate) const NOTE_MODEL: &str = "vecferry.embedding.model";

/// The longest vector that a note is believed to speak of.
const MAX_DIMENSION: u32 = 1 << 20;

/// A column of vectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VectorColumn {
    /// "" where a store has one vector per record.
    pub(crate) name: String,
    /// Values per vector.
    pub(crate) dimension: u32,
}

/// What a collection's records have beside id, document and metadata. Grows, and never shrinks, while it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) vectors: Vec<VectorColumn>,
    /// Names of sparse vectors.
    pub(crate) sparse: Vec<String>,
}

impl Columns {
    /// Those of a collection of which nothing but the dimension is known.
    pub(crate) fn of_dimension(dimension: Option<u32>) -> Columns {
        let vectors = dimension.map(|dimension| VectorColumn { name: String::new(), dimension });
        Columns { vectors: vectors.into_iter().collect(), sparse: Vec::new() }
    }

    /// Makes room for what another one has.
    pub(crate) fn add(&mut self, other: &Columns) {
        for vector in &other.vectors {
            self.add_vector(&vector.name, vector.dimension);
        }
        for name in &other.sparse {
            self.add_sparse(name);
        }
    }

    /// Makes room for a column of vectors; the dimension that the column has.
    pub(crate) fn add_vector(&mut self, name: &str, dimension: u32) -> u32 {
        match self.vectors.iter().find(|column| column.name == name) {
            Some(column) => column.dimension,
            None => {
                self.vectors.push(VectorColumn { name: name.to_owned(), dimension });
                dimension
            }
        }
    }

    /// Makes room for sparse vectors.
    pub(crate) fn add_sparse(&mut self, name: &str) {
        if !self.sparse.iter().any(|column| column == name) {
            self.sparse.push(name.to_owned());
        }
    }

    /// Those of a file of the general layout.
    ///
    /// # Errors
    /// `corrupt` where the file's notes are not what was written.
    pub(crate) fn noted(footer: &Footer) -> Result<Columns> {
        let text = footer.note(NOTE_VECTORS).unwrap_or("[]");
        let wrong = |what: &str| {
            Error::corrupt("parquet/notes", format!("the file's note {NOTE_VECTORS} is not what was written: {what}"))
        };
        let vectors: Vec<VectorColumn> = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
        if vectors.iter().any(|column| column.dimension == 0 || column.dimension > MAX_DIMENSION) {
            return Err(wrong("a dimension is impossible"));
        }
        for (at, column) in vectors.iter().enumerate() {
            if vectors.iter().take(at).any(|other| other.name == column.name) {
                return Err(wrong("a vector is named twice"));
            }
        }
        let sparse = footer.leaves.iter().filter_map(|leaf| sparse_of(&leaf.name)).map(str::to_owned).collect();
        Ok(Columns { vectors, sparse })
    }

    /// The schema of the files.
    pub(crate) fn schema(&self, form: Form) -> Schema {
        let item = |kind, nullable| Arc::new(Field::new("element", kind, nullable));
        if form == Form::Pinecone {
            return Schema::new(vec![
                Field::new("id", DataType::Utf8, false),
                Field::new("values", DataType::List(item(DataType::Float32, true)), true),
                Field::new("metadata", DataType::Utf8, true),
            ]);
        }
        let mut fields = vec![
            Field::new("id", DataType::Utf8, false),
            Field::new("document", DataType::Utf8, true),
            Field::new("metadata", DataType::Utf8, false),
        ];
        for VectorColumn { name, dimension } in &self.vectors {
            let width = i32::try_from(*dimension).unwrap_or(i32::MAX);
            let kind = DataType::FixedSizeList(item(DataType::Float32, false), width);
            fields.push(Field::new(vector_column(name), kind, true));
        }
        for name in &self.sparse {
            let [indices, values] = sparse_columns(name);
            fields.push(Field::new(indices, DataType::List(item(DataType::UInt32, false)), true));
            fields.push(Field::new(values, DataType::List(item(DataType::Float32, false)), true));
        }
        Schema::new(fields)
    }
}

/// The column of the vector of this name.
pub(crate) fn vector_column(name: &str) -> String {
    if name.is_empty() { "vector".to_owned() } else { format!("vector_{name}") }
}

/// The columns of the sparse vector of this name.
pub(crate) fn sparse_columns(name: &str) -> [String; 2] {
    let stem = if name.is_empty() { "sparse".to_owned() } else { format!("sparse_{name}") };
    [format!("{stem}_indices"), format!("{stem}_values")]
}

/// The name of the sparse vector whose indices are in this column.
fn sparse_of(column: &str) -> Option<&str> {
    let middle = column.strip_prefix("sparse")?.strip_suffix("_indices")?;
    if middle.is_empty() { Some("") } else { middle.strip_prefix('_').filter(|name| !name.is_empty()) }
}

/// The metric that a file notes.
pub(crate) fn noted_metric(footer: &Footer) -> Metric {
    let noted = footer.note(NOTE_METRIC).unwrap_or_default();
    [Metric::Cosine, Metric::Dot, Metric::L2].into_iter().find(|m| m.as_str() == noted).unwrap_or_default()
}

/// The first vector column of a batch must be the collection's.
///
/// # Errors
/// `corrupt` naming both dimensions.
pub(crate) fn check_dimension(dense: &Dense, row: usize, dimension: Option<u32>) -> Result<()> {
    let Some(vector) = dense.row(row) else { return Ok(()) };
    let has = vector.len();
    let message = match dimension {
        Some(dimension) if dimension as usize == has => return Ok(()),
        Some(dimension) => format!("the vector has {has} values, the collection {dimension}"),
        None => format!("the record has a vector of {has} values, the collection was made without"),
    };
    Err(Error::corrupt("vector/dimension", message))
}
