//! Files that claim more than they hold, made by hand: each is refused with its place, and takes neither memory nor
//! time for what it only claims.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::Write;

use vecferry_parquet_format::{Column, Footer};
use vecferry_sdk::testing::MemoryFile;
use vecferry_sdk::{Error, ErrorKind, Result};

/// Thrift's compact protocol, as far as a footer needs it.
#[derive(Default)]
struct Thrift(Vec<u8>);

impl Thrift {
    fn varint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap());
        self
    }
    /// A field of type i64, `delta` after the one before.
    fn int(mut self, delta: u8, value: i64) -> Self {
        self.0.push(delta << 4 | 6);
        self.varint(((value << 1) ^ (value >> 63)).cast_unsigned())
    }
    fn text(mut self, delta: u8, text: &str) -> Self {
        self.0.push(delta << 4 | 8);
        self = self.varint(text.len() as u64);
        self.0.extend(text.bytes());
        self
    }
    fn structure(mut self, delta: u8, inner: Thrift) -> Self {
        self.0.push(delta << 4 | 12);
        self.0.extend(inner.end());
        self
    }
    /// A list of structures that claims to have `count`.
    fn list(mut self, delta: u8, count: u64, elements: Vec<Thrift>) -> Self {
        self.0.extend([delta << 4 | 9, 0xfc]);
        self = self.varint(count);
        self.0.extend(elements.into_iter().flat_map(Thrift::end));
        self
    }
    fn end(mut self) -> Vec<u8> {
        self.0.push(0);
        self.0
    }
}

fn structure() -> Thrift {
    Thrift::default()
}

/// What a file is made of: one column of texts that are required.
struct Made {
    /// The chunk's bytes.
    pages: Vec<u8>,
    /// Claims.
    rows: i64,
    group_rows: i64,
    groups: u64,
    chunk_bytes: Option<i64>,
    start: i64,
    codec: i64,
}

impl Default for Made {
    fn default() -> Self {
        Made {
            pages: page(0, 6, 6, &text(b"ab")),
            rows: 1,
            group_rows: 1,
            groups: 1,
            chunk_bytes: None,
            start: 4,
            codec: 0,
        }
    }
}

fn text(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_le_bytes(), bytes].concat()
}

/// A data page of version 1 with one value.
fn page(encoding: i64, uncompressed: i64, compressed: i64, bytes: &[u8]) -> Vec<u8> {
    let inner = structure().int(1, 1).int(1, encoding).int(1, 3).int(1, 3);
    let header = structure().int(1, 0).int(1, uncompressed).int(1, compressed).structure(2, inner);
    [header.end(), bytes.to_vec()].concat()
}

impl Made {
    fn file(&self) -> Vec<u8> {
        let root = structure().text(4, "root").int(1, 1);
        let leaf = structure().int(1, 6).int(2, 0).text(1, "id").int(2, 0);
        let bytes = self.chunk_bytes.unwrap_or_else(|| i64::try_from(self.pages.len()).unwrap());
        let group = || {
            let chunk = structure()
                .int(1, 6)
                .int(3, self.codec)
                .int(1, self.group_rows)
                .int(1, bytes)
                .int(1, bytes)
                .int(2, self.start);
            structure().list(1, 1, vec![structure().structure(3, chunk)]).int(2, self.group_rows)
        };
        let groups = (0..self.groups.min(1000)).map(|_| group()).collect();
        let footer =
            structure().int(1, 1).list(1, 2, vec![root, leaf]).int(1, self.rows).list(1, self.groups, groups).end();
        let len = u32::try_from(footer.len()).unwrap().to_le_bytes();
        [b"PAR1".as_slice(), &self.pages, &footer, &len, b"PAR1"].concat()
    }

    /// The only value of the first row.
    fn read(&self) -> Result<Vec<u8>> {
        let file = MemoryFile::file("made.parquet", self.file());
        let footer = Footer::read(&file)?;
        let mut column = Column::open(&file, &footer.leaves[0], &footer.groups[0].chunks[0]);
        let mut out = Vec::new();
        assert!(column.bytes(&mut out)?);
        Ok(out)
    }
}

fn refused(name: &str, made: &Made, words: &str) -> Error {
    let error = made.read().expect_err(name);
    assert_eq!(error.kind, ErrorKind::Corrupt, "{name}: {error}");
    assert!(error.message.contains(words), "{name}: {error}");
    assert_eq!(error.context("file"), Some("made.parquet"), "{name}: {error}");
    assert!(error.context("offset").is_some(), "{name}: {error}");
    error
}

#[test]
fn what_is_made_here_is_read() {
    assert_eq!(Made::default().read().unwrap(), b"ab");
}

#[test]
fn claims_are_held_against_the_file() {
    let many = 1i64 << 40;
    let cases = [
        ("more rows than bytes can hold", Made { rows: many, group_rows: many, ..Made::default() }, "cannot hold"),
        ("rows that the row groups do not have", Made { rows: 7, ..Made::default() }, "claims 7 rows"),
        ("rows below nothing", Made { rows: -1, ..Made::default() }, "impossible"),
        ("more row groups than there are", Made { groups: 1 << 50, ..Made::default() }, "too early"),
        ("a column beyond the file", Made { chunk_bytes: Some(1 << 30), ..Made::default() }, "outside of the file"),
        (
            "a column that ends beyond all",
            Made { start: i64::MAX, chunk_bytes: Some(i64::MAX), ..Made::default() },
            "outside",
        ),
        ("a column in the magic", Made { start: 0, ..Made::default() }, "outside of the file"),
        (
            "the same bytes in every row group",
            Made { groups: 1000, rows: 1000, pages: vec![0; 100_000], ..Made::default() },
            "of a file of",
        ),
    ];
    for (name, made, words) in cases {
        refused(name, &made, words);
    }
}

#[test]
fn pages_are_held_against_their_columns() {
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    // A megabyte of zeros behind the claim of a value of 3 GB.
    let bomb = gzip(&[&3_000_000_000u32.to_le_bytes()[..], &vec![0; 1 << 20]].concat());
    let size = |bytes: &[u8]| i64::try_from(bytes.len()).unwrap();
    let cases = [
        (
            "a value larger than its page",
            Made { pages: page(0, 6, 6, &[9, 0, 0, 0, b'a', b'b']), ..Made::default() },
            "9 bytes are needed",
        ),
        (
            "a page larger than its column",
            Made { pages: page(0, 60, 60, &text(b"ab")), ..Made::default() },
            "beyond its column's end",
        ),
        (
            "two sizes of one page",
            Made { pages: page(0, 7, 6, &text(b"ab")), ..Made::default() },
            "two different sizes",
        ),
        ("a size below nothing", Made { pages: page(0, -1, 6, &text(b"ab")), ..Made::default() }, "no size"),
        (
            "a value that compression makes cheap",
            Made { pages: page(0, 3_000_000_004, size(&bomb), &bomb), codec: 2, ..Made::default() },
            "a value of 3000000000 bytes",
        ),
        ("no Snappy", Made { pages: page(0, 6, 6, &text(b"ab")), codec: 1, ..Made::default() }, "when decompressed"),
        ("no GZIP", Made { pages: page(0, 6, 6, &text(b"ab")), codec: 2, ..Made::default() }, "cannot be decompressed"),
        ("no ZSTD", Made { pages: page(0, 6, 6, &text(b"ab")), codec: 6, ..Made::default() }, "cannot be decompressed"),
        ("no LZ4", Made { pages: page(0, 6, 6, &[0xff; 6]), codec: 7, ..Made::default() }, "cannot be decompressed"),
        (
            "more than LZ4 can make",
            Made { pages: page(0, 1 << 25, 6, &[0; 6]), codec: 7, ..Made::default() },
            "more than its bytes can",
        ),
        (
            "a dictionary that is not there",
            Made { pages: page(8, 3, 3, &[1, 2, 0]), ..Made::default() },
            "beyond the dictionary",
        ),
        ("positions of too many bits", Made { pages: page(8, 3, 3, &[33, 2, 0]), ..Made::default() }, "33 bits"),
        ("an encoding of another type", Made { pages: page(5, 6, 6, &text(b"ab")), ..Made::default() }, "cannot be"),
        // Blocks of 128 in 4, one value, 4 GB long; the other lengths are not there.
        (
            "lengths beyond the page",
            Made { pages: page(6, 9, 9, &[0x80, 1, 4, 1, 0xfe, 0xff, 0xff, 0xff, 0x1f]), ..Made::default() },
            "bytes",
        ),
        (
            "lengths without end",
            Made { pages: page(6, 9, 9, &[0x80, 1, 4, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]), ..Made::default() },
            "values",
        ),
    ];
    for (name, made, words) in cases {
        refused(name, &made, words);
    }
}
