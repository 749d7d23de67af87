/*! Inverted lists (`read_InvertedLists` and the hooks in `faiss/invlists`). */

use std::rc::Rc;

use vecferry_sdk::Result;

use super::Parser;
use crate::fourcc::FourCc;
use crate::lists::{Lists, Sizes, Walk};
use crate::packing::Packing;

/// Bytes of an on-disk list's entry.
const ON_DISK_ENTRY: u64 = 24;
/// Bytes of a file name that are read.
const MAX_NAME: u64 = 1 << 16;

impl Parser<'_> {
    /// The lists of an index that says it has `count` of them, with codes packed as `packing`.
    pub(super) fn lists(&mut self, count: u64, packing: Packing) -> Result<Lists> {
        let start = self.reader.position();
        let fourcc = FourCc(self.reader.array()?);
        if fourcc.0 == *b"il00" {
            return Ok(Lists::Empty);
        }
        let have = self.reader.u64()?;
        if have != count {
            return Err(self.corrupt_at(start, format!("{have} lists, where {count} belong")));
        }
        let code_size = self.reader.u64()?;
        let rows_apart = matches!(packing, Packing::Rows { .. } | Packing::Levels { .. });
        if rows_apart && code_size != packing.code_bytes() as u64 {
            return Err(self.corrupt(format!("lists of codes of {code_size} bytes, the index has {packing:?}")));
        }
        match &fourcc.0 {
            b"ilar" => self.array(count, packing, 0),
            b"ilpn" | b"ilp2" => {
                let levels = self.reader.u64()?;
                if fourcc.0 == *b"ilp2" {
                    self.reader.skip(8)?;
                }
                let tail = levels.checked_add(1).and_then(|sums| sums.checked_mul(4));
                let tail = tail.ok_or_else(|| self.corrupt(format!("{levels} levels are impossible")))?;
                self.array(count, packing, tail)
            }
            b"ilod" => self.on_disk(count),
            b"ilbl" => self.blocks(count, packing),
            _ => Err(self.unsupported_at(
                start,
                "faiss/unsupported-lists",
                format!("{fourcc} is no known form of inverted lists"),
            )),
        }
    }

    /// "full" and vec<u64> sizes, or "sprs" and vec<u64> pairs; then the lists.
    fn array(&mut self, count: u64, packing: Packing, tail_bytes: u64) -> Result<Lists> {
        let form = FourCc(self.reader.array()?);
        let sizes = match &form.0 {
            b"full" => Sizes::Full(self.vector_of("sizes of lists", Some(count), 8)?),
            b"sprs" => {
                let pairs = self.vector(8)?;
                if pairs.len % 16 != 0 {
                    return Err(self.corrupt(format!("{} numbers do not make pairs", pairs.len / 8)));
                }
                Sizes::Sparse(pairs)
            }
            _ => return Err(self.corrupt(format!("{form} stands where the lists' sizes belong"))),
        };
        let lists = Rc::new(Lists::Array { count, sizes, data: self.rest(), tail_bytes });
        let mut walk = Walk::new(&lists, packing);
        while walk.next()?.is_some() {}
        let bytes = walk.position();
        drop(walk);
        self.reader.skip(bytes)?;
        Rc::try_unwrap(lists).map_err(|_| self.corrupt("lists are still in use"))
    }

    /// u64 n_per_block, u64 block_size; for every list vec<i64> ids, vec<u8> codes.
    fn blocks(&mut self, count: u64, packing: Packing) -> Result<Lists> {
        self.reader.skip(16)?;
        self.reader.need(count.saturating_mul(16))?;
        let lists = Rc::new(Lists::Blocks { count, data: self.rest() });
        let mut walk = Walk::new(&lists, packing);
        while walk.next()?.is_some() {}
        let bytes = walk.position();
        drop(walk);
        self.reader.skip(bytes)?;
        Rc::try_unwrap(lists).map_err(|_| self.corrupt("lists are still in use"))
    }

    /// vec<entry>, vec<slot> of what is free, vec<char> file name, u64 size of that file.
    fn on_disk(&mut self, count: u64) -> Result<Lists> {
        let table = self.vector_of("lists", Some(count), ON_DISK_ENTRY)?;
        self.vector(16)?;
        let length = self.reader.u64()?;
        if length > MAX_NAME {
            return Err(self.corrupt(format!("a file name of {length} bytes")));
        }
        let name = self.reader.bytes(length)?;
        self.reader.skip(8)?;
        // The name is as the writer's program saw it, relative to its folder or absolute: only its last part is
        // believed, and the file looked for beside the index.
        let name = String::from_utf8_lossy(&name);
        let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
        if base.is_empty() || base == "." || base == ".." {
            return Err(self.corrupt(format!("the lists are in a file named {name:?}")));
        }
        let file = (self.sibling)(base)
            .map_err(|error| error.hint(format!("the index keeps its lists in {base:?}: put that file beside it")))?;
        let data = crate::extent::Extent::new(&file, 0, file.size())?;
        Ok(Lists::OnDisk { count, table, data })
    }

    /// Passes over lists whose codes nobody will read.
    pub(super) fn skip_lists(&mut self, count: u64) -> Result<()> {
        let start = self.reader.position();
        let fourcc = FourCc(self.reader.array()?);
        if fourcc.0 == *b"il00" {
            return Ok(());
        }
        let have = self.reader.u64()?;
        let code_size = self.reader.u64()?;
        if have != count {
            return Err(self.corrupt_at(start, format!("{have} lists, where {count} belong")));
        }
        match &fourcc.0 {
            b"ilar" => {
                let code_bytes = usize::try_from(code_size).unwrap_or(usize::MAX);
                self.array(count, Packing::Rows { code_bytes }, 0).map(|_| ())
            }
            b"ilbl" => {
                self.reader.skip(16)?;
                self.reader.need(count.saturating_mul(16))?;
                for _ in 0..count {
                    self.vector(8)?;
                    self.vector(1)?;
                }
                Ok(())
            }
            _ => Err(self.unsupported_at(
                start,
                "faiss/unsupported-lists",
                format!("{fourcc} lists of codes that cannot be decoded"),
            )),
        }
    }
}
