/*!
A parquet file's footer: its columns, and where each row group keeps them.

Source: `parquet.thrift` and the README of apache/parquet-format. Only what Chroma's own two files need is read.
*/

use vecferry_sdk::{Error, File, Reader, Result};

use super::thrift::{self, Fields, Kind};

const MAGIC: &[u8; 4] = b"PAR1";

/// Physical types of the columns that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Physical {
    Float,
    Double,
    ByteArray,
    Other(i64),
}

impl Default for Physical {
    fn default() -> Self {
        Physical::Other(-1)
    }
}

/// A column that holds values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Leaf {
    /// The name of the column at the top: `embedding` of `embedding.list.element`.
    pub(super) name: String,
    pub(super) physical: Physical,
    /// Definition level of a value that is there.
    pub(super) max_definition: u32,
    /// 0 for one value per row, 1 for a list.
    pub(super) max_repetition: u32,
    /// Definition level of a list that has an element, be it null; 0 where there is no list.
    pub(super) element_definition: u32,
}

/// A column's bytes in one row group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Where its first page starts, which is the dictionary's where there is one.
    pub(super) start: u64,
    /// Bytes of all its pages.
    pub(super) bytes: u64,
    pub(super) codec: i64,
    /// Values, nulls included; of a list column, elements.
    pub(super) values: u64,
}

/// Rows that are stored together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowGroup {
    pub(super) rows: u64,
    /// One per leaf, in the order of the leaves.
    pub(super) chunks: Vec<Chunk>,
}

/// The whole footer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) leaves: Vec<Leaf>,
    pub(super) groups: Vec<RowGroup>,
}

impl Footer {
    /// Reads it.
    ///
    /// # Errors
    /// `corrupt` naming file and offset.
    pub(super) fn read(file: &File) -> Result<Footer> {
        let mut reader = Reader::with_block(file.clone(), 64 * 1024);
        let wrong = |message: &str| {
            Error::corrupt("parquet/footer", message)
                .at("file", file.name())
                .at("offset", file.size().saturating_sub(8))
        };
        if file.size() < 12 {
            return Err(wrong("the file is too short for a parquet file"));
        }
        reader.seek(file.size() - 8);
        let footer_bytes = u64::from(reader.u32()?);
        if &reader.array::<4>()? != MAGIC {
            return Err(wrong("the file does not end as a parquet file does: it was cut short, or is none"));
        }
        let start = (file.size() - 8).checked_sub(footer_bytes).filter(|start| *start >= 4);
        reader.seek(start.ok_or_else(|| wrong("the footer is said to be larger than the file"))?);

        let (mut leaves, mut groups) = (None, Vec::new());
        let mut fields = Fields::new();
        while let Some((number, kind)) = fields.next(&mut reader)? {
            match (number, kind) {
                (2, Kind::List) => leaves = Some(read_schema(&mut reader)?),
                (4, Kind::List) => {
                    let (count, kind) = thrift::list(&mut reader)?;
                    if kind != Kind::Struct {
                        return Err(reader.corrupt("the row groups are no structures"));
                    }
                    for _ in 0..count {
                        groups.push(read_group(&mut reader)?);
                    }
                }
                _ => thrift::skip(&mut reader, kind)?,
            }
        }
        let leaves = leaves.ok_or_else(|| reader.corrupt("the footer has no schema"))?;
        for group in &groups {
            if group.chunks.len() != leaves.len() {
                return Err(reader.corrupt(format!(
                    "a row group has {} columns, the schema has {}",
                    group.chunks.len(),
                    leaves.len()
                )));
            }
            for chunk in &group.chunks {
                // The pages lie between the magic at the start and the footer.
                let end = chunk.start.checked_add(chunk.bytes);
                if chunk.start < 4 || end.is_none_or(|end| end > file.size() - 8) {
                    return Err(reader.corrupt(format!(
                        "a column is said to take {} bytes from {}, outside of the file",
                        chunk.bytes, chunk.start
                    )));
                }
            }
        }
        Ok(Footer { leaves, groups })
    }

    /// The position of a column.
    pub(super) fn leaf(&self, name: &str) -> Option<usize> {
        self.leaves.iter().position(|leaf| leaf.name == name)
    }
}

/// An element of the schema, which is a tree in depth-first order.
#[derive(Default)]
struct Element {
    physical: Option<i64>,
    repetition: i64,
    name: String,
    children: u64,
}

fn read_schema(reader: &mut Reader) -> Result<Vec<Leaf>> {
    let (count, kind) = thrift::list(reader)?;
    if kind != Kind::Struct || count == 0 {
        return Err(reader.corrupt("the schema is empty"));
    }
    let root = read_element(reader)?;
    let mut leaves = Vec::new();
    // Groups that are open: children left, what a leaf inherits from them.
    let mut open = vec![(root.children, Leaf::default())];
    for _ in 1..count {
        while open.last().is_some_and(|(left, ..)| *left == 0) {
            open.pop();
        }
        let is_top = open.len() == 1;
        let Some((left, group)) = open.last_mut() else {
            return Err(reader.corrupt("the schema has more elements than its groups hold"));
        };
        *left -= 1;
        let mut leaf = group.clone();
        let element = read_element(reader)?;
        if is_top {
            leaf.name = element.name;
        }
        // 0 required, 1 optional, 2 repeated.
        leaf.max_definition += u32::from(element.repetition != 0);
        if element.repetition == 2 {
            leaf.max_repetition += 1;
            leaf.element_definition = leaf.max_definition;
        }
        match element.physical {
            Some(physical) => {
                leaf.physical = match physical {
                    4 => Physical::Float,
                    5 => Physical::Double,
                    6 => Physical::ByteArray,
                    other => Physical::Other(other),
                };
                leaves.push(leaf);
            }
            None => open.push((element.children, leaf)),
        }
    }
    Ok(leaves)
}

fn read_element(reader: &mut Reader) -> Result<Element> {
    let mut element = Element::default();
    let mut fields = Fields::new();
    while let Some((number, kind)) = fields.next(reader)? {
        match (number, kind) {
            (1, Kind::Integer) => element.physical = Some(thrift::integer(reader)?),
            (3, Kind::Integer) => element.repetition = thrift::integer(reader)?,
            (4, Kind::Binary) => element.name = thrift::text(reader)?,
            (5, Kind::Integer) => element.children = count(reader, "children")?,
            _ => thrift::skip(reader, kind)?,
        }
    }
    if element.children > 0 {
        element.physical = None;
    }
    Ok(element)
}

fn read_group(reader: &mut Reader) -> Result<RowGroup> {
    let mut group = RowGroup { rows: 0, chunks: Vec::new() };
    let mut fields = Fields::new();
    while let Some((number, kind)) = fields.next(reader)? {
        match (number, kind) {
            (1, Kind::List) => {
                let (count, kind) = thrift::list(reader)?;
                if kind != Kind::Struct {
                    return Err(reader.corrupt("the columns of a row group are no structures"));
                }
                for _ in 0..count {
                    group.chunks.push(read_chunk(reader)?);
                }
            }
            (3, Kind::Integer) => group.rows = count(reader, "rows")?,
            _ => thrift::skip(reader, kind)?,
        }
    }
    Ok(group)
}

fn read_chunk(reader: &mut Reader) -> Result<Chunk> {
    let mut found = None;
    let mut fields = Fields::new();
    while let Some((number, kind)) = fields.next(reader)? {
        match (number, kind) {
            (3, Kind::Struct) => found = Some(read_chunk_metadata(reader)?),
            _ => thrift::skip(reader, kind)?,
        }
    }
    found.ok_or_else(|| reader.corrupt("a column has no metadata"))
}

fn read_chunk_metadata(reader: &mut Reader) -> Result<Chunk> {
    let (mut codec, mut values, mut bytes, mut data, mut dictionary) = (0, 0, 0, 0, 0);
    let mut fields = Fields::new();
    while let Some((number, kind)) = fields.next(reader)? {
        match (number, kind) {
            (4, Kind::Integer) => codec = thrift::integer(reader)?,
            (5, Kind::Integer) => values = count(reader, "values")?,
            (7, Kind::Integer) => bytes = count(reader, "bytes")?,
            (9, Kind::Integer) => data = count(reader, "the first page")?,
            (11, Kind::Integer) => dictionary = count(reader, "the dictionary")?,
            _ => thrift::skip(reader, kind)?,
        }
    }
    // Some writers record 0 where there is no dictionary; no page can stand at 0.
    let start = if dictionary > 0 { data.min(dictionary) } else { data };
    Ok(Chunk { start, bytes, codec, values })
}

fn count(reader: &mut Reader, what: &str) -> Result<u64> {
    let value = thrift::integer(reader)?;
    u64::try_from(value).map_err(|_| reader.corrupt(format!("{what}: {value} is impossible")))
}
