/*!
What a file's columns are to a record: its id, its vector, its document, its metadata.

In files of the sink's layouts the columns' names say so. In others these rules do, unless a setting names the column:

- **vector**: a column of lists of numbers (32, 64 or 16 bits). The first that is called `vector`, `embedding`,
  `embeddings`, `values`, `vectors`, `emb` or `dense_vector`, else the first of all. A file without one is no store.
- **id**: a column of texts or integers called `id`, `_id`, `ids`, `uuid`, `doc_id`, `document_id`, `chunk_id` or `key`.
  Where there is none, records have none.
- **document**: a column of texts called `document`, `text`, `content`, `page_content`, `documents`, `texts`, `chunk`,
  `body` or `passage`.
- **metadata**: a column of texts called `metadata` or `metadatas`, holding JSON objects. All other columns that hold
  texts, numbers, booleans, dates, timestamps or lists of such are fields of the metadata, by their names; the rest
  (structs, maps, decimals, binary) is left out, and `inspect` names it.

Names are compared without regard to case.
*/

use vecferry_parquet_format::{Footer, Leaf, Meaning, Physical, Shape};
use vecferry_sdk::{Error, Result};

use crate::columns::{Columns, NOTE_LAYOUT, sparse_columns, vector_column};
use crate::settings::{Form, SourceSettings};

const VECTORS: [&str; 7] = ["vector", "embedding", "embeddings", "values", "vectors", "emb", "dense_vector"];
const IDS: [&str; 8] = ["id", "_id", "ids", "uuid", "doc_id", "document_id", "chunk_id", "key"];
const DOCUMENTS: [&str; 9] =
    ["document", "text", "content", "page_content", "documents", "texts", "chunk", "body", "passage"];
const METADATA: [&str; 2] = ["metadata", "metadatas"];

/// Who laid a file out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The sink, for itself.
    General,
    /// The sink, or somebody else, for Pinecone.
    Pinecone,
    /// Another program.
    Foreign,
}

/// A vector's column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VectorLeaf {
    pub(crate) name: String,
    pub(crate) leaf: usize,
    /// Values per vector, where the file notes it.
    pub(crate) dimension: Option<u32>,
}

/// A sparse vector's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SparseLeaves {
    pub(crate) name: String,
    pub(crate) indices: usize,
    pub(crate) values: usize,
}

/// Which leaf is what. Positions are those of [`Footer::leaves`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) kind: Kind,
    pub(crate) id: Option<usize>,
    pub(crate) document: Option<usize>,
    pub(crate) metadata: Option<usize>,
    pub(crate) vectors: Vec<VectorLeaf>,
    pub(crate) sparse: Vec<SparseLeaves>,
    /// Fields of the metadata.
    pub(crate) others: Vec<usize>,
    /// Names of columns that are not read.
    pub(crate) left_out: Vec<String>,
}

impl Mapping {
    /// The mapping of a file that the sink wrote.
    ///
    /// # Errors
    /// `corrupt` where columns that it would have written are missing.
    pub(crate) fn ours(footer: &Footer, form: Form) -> Result<Mapping> {
        let missing = |name: &str| {
            let message = format!("there is no column {name:?} of the kind that vecferry writes");
            Error::corrupt("parquet/columns", message)
        };
        let text = |name: &str| {
            footer.leaf(name).filter(|at| footer.leaves.get(*at).is_some_and(is_text)).ok_or_else(|| missing(name))
        };
        let list = |name: &str, fits: fn(&Leaf) -> bool| {
            footer.leaf(name).filter(|at| footer.leaves.get(*at).is_some_and(fits)).ok_or_else(|| missing(name))
        };
        let mut mapping = Mapping {
            kind: if form == Form::General { Kind::General } else { Kind::Pinecone },
            id: Some(text("id")?),
            document: None,
            metadata: Some(text("metadata")?),
            vectors: Vec::new(),
            sparse: Vec::new(),
            others: Vec::new(),
            left_out: Vec::new(),
        };
        if form == Form::Pinecone {
            let leaf = list("values", is_vector)?;
            mapping.vectors.push(VectorLeaf { name: String::new(), leaf, dimension: None });
            return Ok(mapping);
        }
        mapping.document = Some(text("document")?);
        let columns = Columns::noted(footer)?;
        for column in columns.vectors {
            let leaf = list(&vector_column(&column.name), is_vector)?;
            mapping.vectors.push(VectorLeaf { name: column.name, leaf, dimension: Some(column.dimension) });
        }
        for name in columns.sparse {
            let [indices, values] = sparse_columns(&name);
            let (indices, values) = (list(&indices, is_integers)?, list(&values, is_vector)?);
            mapping.sparse.push(SparseLeaves { name, indices, values });
        }
        Ok(mapping)
    }

    /// The mapping of any file; `None` for one that is no store of vectors.
    ///
    /// # Errors
    /// `config` where a setting names a column that is not there or cannot be what it is named as.
    pub(crate) fn of(footer: &Footer, settings: &SourceSettings) -> Result<Option<Mapping>> {
        match footer.note(NOTE_LAYOUT) {
            Some("general") => return Mapping::ours(footer, Form::General).map(Some),
            Some("pinecone") => return Mapping::ours(footer, Form::Pinecone).map(Some),
            _ => {}
        }
        let named = |setting: &Option<String>, what: &str, names: &[&str], fits: fn(&Leaf) -> bool| match setting {
            Some(name) => match footer.leaf(name).filter(|at| footer.leaves.get(*at).is_some_and(fits)) {
                Some(leaf) => Ok(Some(leaf)),
                None => {
                    let known = footer.leaves.iter().map(|leaf| leaf.name.as_str()).collect::<Vec<_>>().join(", ");
                    let message = format!("there is no column {name:?} that can hold {what}");
                    Err(Error::config("parquet/column", message).hint(format!("the columns are {known}")))
                }
            },
            None => Ok(names.iter().find_map(|name| {
                let is_it = |leaf: &Leaf| leaf.name.eq_ignore_ascii_case(name) && fits(leaf);
                footer.leaves.iter().position(is_it)
            })),
        };
        let vector = match named(&settings.vector, "vectors", &VECTORS, is_vector)? {
            Some(leaf) => leaf,
            None => match footer.leaves.iter().position(is_vector) {
                Some(leaf) => leaf,
                None => return Ok(None),
            },
        };
        let id = named(&settings.id, "ids", &IDS, is_id)?;
        let document = named(&settings.document, "documents", &DOCUMENTS, is_text)?;
        let metadata = named(&settings.metadata, "metadata as JSON", &METADATA, is_text)?;
        let (mut others, mut left_out) = (Vec::new(), Vec::new());
        for (at, leaf) in footer.leaves.iter().enumerate() {
            if at == vector || [id, document, metadata].contains(&Some(at)) {
                continue;
            }
            if is_field(leaf) {
                others.push(at);
            } else if left_out.last() != Some(&leaf.name) {
                left_out.push(leaf.name.clone());
            }
        }
        let name_of = |at: usize| footer.leaves.get(at).map(|leaf| leaf.name.as_str());
        let for_pinecone = footer.leaves.len() == 3
            && name_of(vector) == Some("values")
            && id.and_then(name_of) == Some("id")
            && metadata.and_then(name_of) == Some("metadata");
        Ok(Some(Mapping {
            kind: if for_pinecone { Kind::Pinecone } else { Kind::Foreign },
            id,
            document,
            metadata,
            vectors: vec![VectorLeaf { name: String::new(), leaf: vector, dimension: None }],
            sparse: Vec::new(),
            others,
            left_out,
        }))
    }
}

fn is_text(leaf: &Leaf) -> bool {
    leaf.shape == Shape::Scalar
        && leaf.physical == Physical::ByteArray
        // Old writers did not say that bytes are text.
        && matches!(leaf.meaning, Meaning::Text | Meaning::Plain)
}

fn is_integer(leaf: &Leaf) -> bool {
    matches!(leaf.physical, Physical::Int32 | Physical::Int64)
        && matches!(leaf.meaning, Meaning::Plain | Meaning::Unsigned)
}

fn is_id(leaf: &Leaf) -> bool {
    is_text(leaf) || (leaf.shape == Shape::Scalar && is_integer(leaf))
}

fn is_vector(leaf: &Leaf) -> bool {
    let is_half = matches!((leaf.physical, leaf.meaning), (Physical::Fixed(2), Meaning::Half));
    leaf.shape == Shape::List && (is_half || matches!(leaf.physical, Physical::Float | Physical::Double))
}

fn is_integers(leaf: &Leaf) -> bool {
    leaf.shape == Shape::List && is_integer(leaf)
}

/// Whether a column can be a field of the metadata.
fn is_field(leaf: &Leaf) -> bool {
    if leaf.shape == Shape::Nested {
        return false;
    }
    match leaf.physical {
        Physical::Boolean | Physical::Float | Physical::Double => true,
        Physical::Int32 | Physical::Int64 => leaf.meaning != Meaning::Other,
        Physical::ByteArray => leaf.meaning == Meaning::Text,
        Physical::Fixed(2) => leaf.meaning == Meaning::Half,
        Physical::Fixed(_) | Physical::Int96 => false,
    }
}
