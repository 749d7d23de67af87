/*! A file's footer: its columns, where each row group keeps them, and what its writer noted. */

use vecferry_sdk::{Error, File, Reader, Result};

use crate::schema::{self, Leaf};
use crate::thrift::{self, Fields, Kind};

/// What stands at both ends of a file.
pub const MAGIC: &[u8; 4] = b"PAR1";
/// The same of a file whose footer is encrypted.
const ENCRYPTED: &[u8; 4] = b"PARE";

/// No table with an id per row is compressed more than this.
const MAX_ROWS_PER_BYTE: u64 = 64;

/// A column's bytes in one row group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where its first page starts, which is the dictionary's where there is one.
    pub(crate) start: u64,
    /// Bytes of all its pages.
    pub(crate) bytes: u64,
    pub(crate) codec: i64,
    /// Values, nulls included; of a list column, elements.
    pub(crate) values: u64,
}

/// Rows that are stored together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowGroup {
    /// How many.
    pub rows: u64,
    /// One per leaf, in the order of the leaves.
    pub chunks: Vec<Chunk>,
}

/// The whole footer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footer {
    /// The columns that hold values; one of a struct has several.
    pub leaves: Vec<Leaf>,
    /// In the order of the rows.
    pub groups: Vec<RowGroup>,
    /// Names and values that the writer noted.
    pub notes: Vec<(String, String)>,
}

impl Footer {
    /// Reads it. What it claims is checked against the file: every column lies inside of it, all columns together are
    /// no larger than it, and there are no more rows than its bytes can hold.
    ///
    /// # Errors
    /// `corrupt` naming file and offset; `unsupported` for an encrypted file.
    pub fn read(file: &File) -> Result<Footer> {
        let mut reader = Reader::with_block(file.clone(), 64 * 1024);
        let wrong = |message: &str| {
            Error::corrupt("parquet/footer", message)
                .at("file", file.name())
                .at("offset", file.size().saturating_sub(8))
        };
        if file.size() < 12 {
            return Err(wrong("the file is too short for a Parquet file"));
        }
        reader.seek(file.size() - 8);
        let footer_bytes = u64::from(reader.u32()?);
        match &reader.array::<4>()? {
            MAGIC => {}
            ENCRYPTED => {
                return Err(Error::unsupported("parquet/encrypted", "the file is encrypted")
                    .at("file", file.name())
                    .hint("decrypt it with the program that wrote it"));
            }
            _ => return Err(wrong("the file does not end as a Parquet file does: it was cut short, or is none")),
        }
        let start = (file.size() - 8).checked_sub(footer_bytes).filter(|start| *start >= 4);
        reader.seek(start.ok_or_else(|| wrong("the footer is said to be larger than the file"))?);
        let footer = parse(&mut reader)?;
        footer.check(&reader)?;
        Ok(footer)
    }

    /// Rows of all row groups.
    pub fn rows(&self) -> u64 {
        self.groups.iter().fold(0, |rows, group| rows.saturating_add(group.rows))
    }

    /// The position of the only leaf of a column; `None` where there is no such column, or it is a struct.
    pub fn leaf(&self, name: &str) -> Option<usize> {
        let mut named = self.leaves.iter().enumerate().filter(|(_, leaf)| leaf.name == name);
        match (named.next(), named.next()) {
            (Some((position, _)), None) => Some(position),
            _ => None,
        }
    }

    /// What the writer noted under a name.
    pub fn note(&self, name: &str) -> Option<&str> {
        self.notes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn check(&self, reader: &Reader) -> Result<()> {
        let size = reader.file().size();
        if self.rows() > size.saturating_mul(MAX_ROWS_PER_BYTE) {
            return Err(
                reader.corrupt(format!("the footer claims {} rows, which {size} bytes cannot hold", self.rows()))
            );
        }
        let mut all = 0u64;
        for group in &self.groups {
            if group.chunks.len() != self.leaves.len() {
                return Err(reader.corrupt(format!(
                    "a row group has {} columns, the schema has {}",
                    group.chunks.len(),
                    self.leaves.len()
                )));
            }
            for chunk in &group.chunks {
                // The pages lie between the magic at the start and the footer.
                let end = chunk.start.checked_add(chunk.bytes);
                if chunk.start < 4 || end.is_none_or(|end| end > size - 8) {
                    return Err(reader.corrupt(format!(
                        "a column is said to take {} bytes from {}, outside of the file",
                        chunk.bytes, chunk.start
                    )));
                }
                all = all.saturating_add(chunk.bytes);
            }
        }
        if all > size {
            return Err(reader.corrupt(format!("the columns are said to take {all} bytes of a file of {size}")));
        }
        Ok(())
    }
}

fn parse(reader: &mut Reader) -> Result<Footer> {
    let (mut leaves, mut footer, mut rows, mut has_groups) = (None, Footer::default(), None, false);
    let mut fields = Fields::new();
    while let Some((number, kind)) = fields.next(reader)? {
        match (number, kind) {
            (2, Kind::List) => leaves = Some(schema::read(reader)?),
            (3, Kind::Integer) => rows = Some(thrift::count(reader, "rows")?),
            (4, Kind::List) => {
                has_groups = true;
                for _ in 0..structures(reader, "the row groups")? {
                    footer.groups.push(read_group(reader)?);
                }
            }
            (5, Kind::List) => {
                for _ in 0..structures(reader, "the notes")? {
                    footer.notes.push(read_note(reader)?);
                }
            }
            _ => thrift::skip(reader, kind)?,
        }
    }
    footer.leaves = leaves.ok_or_else(|| reader.corrupt("the footer has no schema"))?;
    // All three are required by the format: a footer without them was overwritten.
    let Some(rows) = rows.filter(|_| has_groups) else {
        return Err(reader.corrupt("the footer does not say how many rows there are, or where"));
    };
    if rows != footer.rows() {
        return Err(reader.corrupt(format!("the footer claims {rows} rows, its row groups have {}", footer.rows())));
    }
    Ok(footer)
}

fn structures(reader: &mut Reader, what: &str) -> Result<u64> {
    match thrift::list(reader)? {
        (count, Kind::Struct) => Ok(count),
        _ => Err(reader.corrupt(format!("{what} are no structures"))),
    }
}

fn read_note(reader: &mut Reader) -> Result<(String, String)> {
    let mut note = (String::new(), String::new());
    let mut fields = Fields::new();
    while let Some((number, kind)) = fields.next(reader)? {
        match (number, kind) {
            (1, Kind::Binary) => note.0 = thrift::text(reader)?,
            (2, Kind::Binary) => note.1 = thrift::text(reader)?,
            _ => thrift::skip(reader, kind)?,
        }
    }
    Ok(note)
}

fn read_group(reader: &mut Reader) -> Result<RowGroup> {
    let mut group = RowGroup { rows: 0, chunks: Vec::new() };
    let mut fields = Fields::new();
    while let Some((number, kind)) = fields.next(reader)? {
        match (number, kind) {
            (1, Kind::List) => {
                for _ in 0..structures(reader, "the columns of a row group")? {
                    group.chunks.push(read_chunk(reader)?);
                }
            }
            (3, Kind::Integer) => group.rows = thrift::count(reader, "rows")?,
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
            (1, Kind::Binary) => {
                let path = thrift::text(reader)?;
                if !path.is_empty() {
                    let message = format!("a column is kept in another file, {path:?}");
                    return Err(Error::unsupported("parquet/other-file", message).at("file", reader.file().name()));
                }
            }
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
            (5, Kind::Integer) => values = thrift::count(reader, "values")?,
            (7, Kind::Integer) => bytes = thrift::count(reader, "bytes")?,
            (9, Kind::Integer) => data = thrift::count(reader, "the first page")?,
            (11, Kind::Integer) => dictionary = thrift::count(reader, "the dictionary")?,
            _ => thrift::skip(reader, kind)?,
        }
    }
    // Some writers record 0 where there is no dictionary; no page can stand at 0.
    let start = if dictionary > 0 { data.min(dictionary) } else { data };
    Ok(Chunk { start, bytes, codec, values })
}
