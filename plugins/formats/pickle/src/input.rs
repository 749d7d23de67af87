/*!
Forward reading in blocks, with jumps: what the machine reads opcodes with, and what decodes a value at
its place later. Unlike the SDK's `Reader` it lends slices of its block, since a pickle is mostly
arguments of a few bytes.
*/

use vecferry_sdk::{Error, File, Result};

pub(crate) struct Input {
    file: File,
    size: u64,
    block: Vec<u8>,
    /// Offset of the block's first byte.
    start: u64,
    /// Next byte, in the block.
    next: usize,
    block_bytes: u32,
}

/// A text argument: the bytes up to a newline.
pub(crate) struct Line {
    /// Of its first byte.
    pub(crate) offset: u64,
    /// Without the newline.
    pub(crate) len: u64,
}

impl Input {
    pub(crate) fn new(file: File, block_bytes: u32) -> Self {
        let size = file.size();
        Input { file, size, block: Vec::new(), start: 0, next: 0, block_bytes: block_bytes.max(64) }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    #[inline]
    pub(crate) fn offset(&self) -> u64 {
        self.start + self.next as u64
    }

    /// Whether what stands there is in memory: its first byte, at least.
    #[inline]
    pub(crate) fn holds(&self, offset: u64) -> bool {
        offset >= self.start && offset - self.start < self.block.len() as u64
    }

    /// Bytes between the end of what is in memory and `offset`; `None` for what stands before that end.
    pub(crate) fn gap_before(&self, offset: u64) -> Option<u64> {
        offset.checked_sub(self.start + self.block.len() as u64)
    }

    /// Bytes of the next blocks.
    pub(crate) fn block_bytes(&self) -> u32 {
        self.block_bytes
    }

    pub(crate) fn set_block_bytes(&mut self, bytes: u32) {
        self.block_bytes = bytes.max(64);
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn seek(&mut self, offset: u64) {
        let inside = offset.checked_sub(self.start).and_then(|d| usize::try_from(d).ok());
        match inside {
            Some(next) if next <= self.block.len() => self.next = next,
            _ => {
                self.block.clear();
                self.start = offset;
                self.next = 0;
            }
        }
    }

    pub(crate) fn remaining(&self) -> u64 {
        self.size.saturating_sub(self.offset())
    }

    pub(crate) fn corrupt(&self, message: impl Into<String>) -> Error {
        Error::corrupt("pickle/corrupt", message).at("file", self.file.name()).at("offset", self.offset())
    }

    /// Checks that `bytes` more are there.
    pub(crate) fn need(&self, bytes: u64) -> Result<()> {
        if bytes > self.remaining() {
            return Err(Error::corrupt(
                "pickle/truncated",
                format!("the pickle ends too early: {bytes} bytes are needed here, {} are left", self.remaining()),
            )
            .at("file", self.file.name())
            .at("offset", self.offset())
            .hint("the file is damaged or was not written to its end; write it again, or restore it"));
        }
        Ok(())
    }

    /// Moves forward without reading.
    #[inline]
    pub(crate) fn skip(&mut self, bytes: u64) -> Result<()> {
        match usize::try_from(bytes) {
            Ok(near) if near <= self.block.len() - self.next => {
                self.next += near;
                Ok(())
            }
            _ => self.skip_far(bytes),
        }
    }

    #[cold]
    fn skip_far(&mut self, bytes: u64) -> Result<()> {
        self.need(bytes)?;
        self.seek(self.offset() + bytes);
        Ok(())
    }

    /// The next `len` bytes, at most a block.
    #[inline]
    pub(crate) fn slice(&mut self, len: usize) -> Result<&[u8]> {
        if self.block.len() - self.next < len {
            self.need(len as u64)?;
            self.load(len)?;
        }
        let from = self.next;
        self.next += len;
        self.block.get(from..from + len).ok_or_else(|| Error::internal("pickle/input", "a slice longer than a block"))
    }

    #[cold]
    fn load(&mut self, at_least: usize) -> Result<()> {
        let offset = self.offset();
        let want = self.block_bytes.max(u32::try_from(at_least).unwrap_or(u32::MAX));
        self.block = self.file.read_at(offset, want)?;
        self.start = offset;
        self.next = 0;
        if self.block.len() < at_least {
            return Err(self.corrupt("the file became shorter while it was read"));
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        if let Some(near) = self.block.get(self.next..).and_then(<[u8]>::first_chunk) {
            self.next += N;
            return Ok(*near);
        }
        self.array_across()
    }

    /// Over the end of the block.
    #[cold]
    fn array_across<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.slice(N)?);
        Ok(out)
    }

    /// The next byte, where it is in memory.
    #[inline]
    pub(crate) fn near(&mut self) -> Option<u8> {
        let byte = self.block.get(self.next).copied();
        self.next += usize::from(byte.is_some());
        byte
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// The next `len` bytes, however many; checked against the file before anything is allocated.
    pub(crate) fn bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        self.need(len)?;
        let in_block = usize::try_from(len).ok().filter(|&len| len <= self.block_bytes as usize);
        if let Some(len) = in_block {
            return Ok(self.slice(len)?.to_vec());
        }
        let mut out = Vec::new();
        out.try_reserve_exact(usize::try_from(len).unwrap_or(usize::MAX)).map_err(|_| {
            Error::unsupported("pickle/too-large", format!("a piece of {len} bytes does not fit into memory"))
                .at("file", self.file.name())
                .at("offset", self.offset())
        })?;
        while (out.len() as u64) < len {
            let left = len - out.len() as u64;
            let piece = self.file.read_at(self.offset() + out.len() as u64, u32::try_from(left).unwrap_or(1 << 30))?;
            if piece.is_empty() {
                return Err(self.corrupt("the file became shorter while it was read"));
            }
            out.extend_from_slice(&piece);
        }
        self.seek(self.offset() + len);
        Ok(out)
    }

    /// A text argument; afterwards the position is behind its newline.
    pub(crate) fn line(&mut self) -> Result<Line> {
        let offset = self.offset();
        loop {
            let rest = self.block.get(self.next..).unwrap_or_default();
            if let Some(found) = rest.iter().position(|&byte| byte == b'\n') {
                let len = self.offset() + found as u64 - offset;
                self.next += found + 1;
                return Ok(Line { offset, len });
            }
            self.next = self.block.len();
            if self.remaining() == 0 {
                let end = self.corrupt("the pickle ends inside a line of text");
                return Err(end);
            }
            self.load(1)?;
        }
    }

    /// A text argument's bytes, where they are at most `max`.
    pub(crate) fn short_line(&mut self, max: u64) -> Result<Vec<u8>> {
        let line = self.line()?;
        if line.len > max {
            self.seek(line.offset);
            return Err(self.corrupt(format!("a text argument of {} bytes; at most {max} make sense", line.len)));
        }
        let end = self.offset();
        self.seek(line.offset);
        let bytes = self.bytes(line.len)?;
        self.seek(end);
        Ok(bytes)
    }
}
