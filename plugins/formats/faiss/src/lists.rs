/*!
Inverted lists in all the forms a file keeps them in, walked one list at a time.

What a walk holds is a block of list sizes, whatever the number of lists.
*/

use std::rc::Rc;

use vecferry_sdk::{Reader, Result};

use crate::extent::Extent;
use crate::packing::Packing;

/// Bytes that a walk reads at a time.
const BLOCK: u32 = 32 * 1024;

/// The lists of one index.
#[derive(Debug)]
pub(crate) enum Lists {
    /// None at all.
    Empty,
    /// "ilar", "ilpn", "ilp2": the codes, then the ids of every list that has any, then `tail_bytes` for every
    /// vector that the codes have room for (Panorama's sums).
    Array { count: u64, sizes: Sizes, data: Extent, tail_bytes: u64 },
    /// "ilod": for every list three u64, its size, capacity and offset in a data file; there its codes, and behind
    /// the room for `capacity` of them its ids.
    OnDisk { count: u64, table: Extent, data: Extent },
    /// "ilbl": for every list, a vector of ids and a vector of codes.
    Blocks { count: u64, data: Extent },
    /// The `Iv..` types: a vector of ids for every list, and later a vector of codes for every list, counted in
    /// units of `unit_bytes`.
    Legacy { count: u64, ids: Extent, codes: Extent, unit_bytes: u64 },
}

/// How many vectors each list has.
#[derive(Debug)]
pub(crate) enum Sizes {
    /// One u64 per list.
    Full(Extent),
    /// Pairs of u64, list and size, in ascending order of lists.
    Sparse(Extent),
}

/// One list that is not empty.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) number: u64,
    pub(crate) rows: u64,
    /// The codes, packed.
    pub(crate) codes: Extent,
    /// One i64 per vector.
    pub(crate) ids: Extent,
}

/// A walk over the lists that are not empty, in ascending order.
pub(crate) struct Walk {
    lists: Rc<Lists>,
    packing: Packing,
    cursor: Cursor,
    /// Entries left, whether or not they are empty.
    left: u64,
    /// The next list's number.
    number: u64,
}

enum Cursor {
    Sizes { sizes: Reader, data_at: u64 },
    Table(Reader),
    Inline(Reader),
    Apart { ids: Reader, codes: Reader },
    End,
}

fn reader(extent: &Extent) -> Reader {
    let mut reader = Reader::with_block(extent.file.clone(), BLOCK);
    reader.seek(extent.offset);
    reader
}

impl Walk {
    /// Starts at the first list.
    pub(crate) fn new(lists: &Rc<Lists>, packing: Packing) -> Walk {
        let (cursor, left) = match &**lists {
            Lists::Empty => (Cursor::End, 0),
            Lists::Array { sizes: Sizes::Full(sizes), .. } => {
                (Cursor::Sizes { sizes: reader(sizes), data_at: 0 }, sizes.len / 8)
            }
            Lists::Array { sizes: Sizes::Sparse(sizes), .. } => {
                (Cursor::Sizes { sizes: reader(sizes), data_at: 0 }, sizes.len / 16)
            }
            Lists::OnDisk { count, table, .. } => (Cursor::Table(reader(table)), *count),
            Lists::Blocks { count, data } => (Cursor::Inline(reader(data)), *count),
            Lists::Legacy { count, ids, codes, .. } => {
                (Cursor::Apart { ids: reader(ids), codes: reader(codes) }, *count)
            }
        };
        Walk { lists: lists.clone(), packing, cursor, left, number: 0 }
    }

    /// The next list that is not empty.
    ///
    /// # Errors
    /// `corrupt` where a list reaches past what is there.
    pub(crate) fn next(&mut self) -> Result<Option<List>> {
        while self.left > 0 {
            self.left -= 1;
            let list = self.step()?;
            self.number = list.number + 1;
            if list.rows > 0 {
                return Ok(Some(list));
            }
        }
        Ok(None)
    }

    /// Where in its extent a walk stands that found lists lying one after the other.
    pub(crate) fn position(&self) -> u64 {
        match (&self.cursor, &*self.lists) {
            (Cursor::Sizes { data_at, .. }, _) => *data_at,
            (Cursor::Inline(reader), Lists::Blocks { data, .. }) => reader.position().saturating_sub(data.offset),
            _ => 0,
        }
    }

    fn step(&mut self) -> Result<List> {
        let number = self.number;
        match (&mut self.cursor, &*self.lists) {
            (Cursor::Sizes { sizes, data_at }, Lists::Array { count, sizes: form, data, tail_bytes }) => {
                let number = match form {
                    Sizes::Full(_) => number,
                    Sizes::Sparse(_) => sizes.u64()?,
                };
                if number < self.number || number >= *count {
                    return Err(sizes.corrupt(format!("list {number} is named after list {}, of {count}", self.number)));
                }
                let rows = sizes.u64()?;
                let codes = data.part(*data_at, packed(self.packing, rows, data)?)?;
                *data_at += codes.len;
                let ids = data.part(*data_at, times(rows, 8, data)?)?;
                *data_at += ids.len;
                let room = codes.len / (self.packing.code_bytes() as u64).max(1);
                *data_at += data.part(*data_at, times(room, *tail_bytes, data)?)?.len;
                Ok(List { number, rows, codes, ids })
            }
            (Cursor::Table(table), Lists::OnDisk { data, .. }) => {
                let (rows, capacity, offset) = (table.u64()?, table.u64()?, table.u64()?);
                if rows > capacity {
                    return Err(table.corrupt(format!("list {number} has {rows} vectors and room for {capacity}")));
                }
                if rows == 0 {
                    return Ok(List { number, rows, codes: data.part(0, 0)?, ids: data.part(0, 0)? });
                }
                let codes = data.part(offset, packed(self.packing, rows, data)?)?;
                let room = packed(self.packing, capacity, data)?;
                let ids = data.part(offset.saturating_add(room), times(rows, 8, data)?)?;
                Ok(List { number, rows, codes, ids })
            }
            (Cursor::Inline(inline), Lists::Blocks { .. }) => {
                let (rows, ids) = vector(inline, 8)?;
                let (_, codes) = vector(inline, 1)?;
                Ok(List { number, rows, codes: exact(codes, self.packing, rows)?, ids })
            }
            (Cursor::Apart { ids, codes }, Lists::Legacy { unit_bytes, .. }) => {
                let (rows, ids) = vector(ids, 8)?;
                let (_, codes) = vector(codes, *unit_bytes)?;
                Ok(List { number, rows, codes: exact(codes, self.packing, rows)?, ids })
            }
            _ => {
                self.left = 0;
                Err(vecferry_sdk::Error::internal("faiss/lists", "a walk does not fit its lists"))
            }
        }
    }
}

fn times(count: u64, width: u64, at: &Extent) -> Result<u64> {
    count.checked_mul(width).ok_or_else(|| at.corrupt(0, format!("a list of {count} vectors is impossible")))
}

fn packed(packing: Packing, rows: u64, at: &Extent) -> Result<u64> {
    packing.bytes(rows).ok_or_else(|| at.corrupt(0, format!("a list of {rows} vectors is impossible")))
}

/// A `vec<T>` of items of `width` bytes: how many, and where.
fn vector(reader: &mut Reader, width: u64) -> Result<(u64, Extent)> {
    let count = reader.u64()?;
    let len = count
        .checked_mul(width)
        .ok_or_else(|| reader.corrupt(format!("{count} items of {width} bytes are impossible")))?;
    let offset = reader.position();
    reader.skip(len)?;
    Ok((count, Extent { file: reader.file().clone(), offset, len }))
}

/// Checks that a list's codes are as many as its ids.
fn exact(codes: Extent, packing: Packing, rows: u64) -> Result<Extent> {
    if packing.bytes(rows) != Some(codes.len) {
        return Err(codes.corrupt(0, format!("a list has {rows} ids and {} bytes of codes", codes.len)));
    }
    Ok(codes)
}
