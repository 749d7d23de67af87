/*! JSON that was written into a string of JSON, without a copy of the whole string. */

use vecferry_sdk::{Reader, Result};

use super::escape::{Dialect, LONGEST, escape};
use super::scanner::{Bytes, corrupt};

/// Bytes that are unescaped at a time.
const PIECE: usize = 64 * 1024;

/// The inside of a JSON string, its escapes undone.
pub(crate) struct Unescaped<'a> {
    outer: &'a mut Reader,
    piece: Vec<u8>,
    taken: usize,
    /// Where the piece begins in the file.
    start: u64,
    ended: bool,
}

impl<'a> Unescaped<'a> {
    /// Of the string whose opening quote was just passed. At its end the closing one is passed too.
    pub(crate) fn new(outer: &'a mut Reader) -> Self {
        let start = outer.position();
        Unescaped { outer, piece: Vec::new(), taken: 0, start, ended: false }
    }

    fn refill(&mut self) -> Result<()> {
        self.piece.clear();
        self.taken = 0;
        self.start = self.outer.position();
        while self.piece.len() < PIECE && !self.ended {
            let ahead = self.outer.ahead()?;
            let plain = ahead.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(ahead.len());
            self.piece.extend_from_slice(ahead.get(..plain).unwrap_or_default());
            let stop = ahead.get(plain).copied();
            let nothing = ahead.is_empty();
            self.outer.pass(plain);
            match stop {
                Some(b'"') => {
                    self.outer.pass(1);
                    self.ended = true;
                }
                Some(_) => self.escape()?,
                None if nothing => {
                    return Err(corrupt(self.file(), self.outer.position(), "the file ends inside a string"));
                }
                None => {}
            }
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<()> {
        let here = self.outer.position();
        let bytes = self.outer.bytes(self.outer.remaining().min(LONGEST as u64))?;
        let escape = escape(&bytes, Dialect::Json)
            .ok_or_else(|| corrupt(self.file(), here, "a string holds an escape that does not exist"))?;
        self.outer.seek(here + escape.length as u64);
        self.piece.extend_from_slice(escape.character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }
}

impl Bytes for Unescaped<'_> {
    fn ahead(&mut self) -> Result<&[u8]> {
        if self.taken >= self.piece.len() && !self.ended {
            self.refill()?;
        }
        Ok(self.piece.get(self.taken..).unwrap_or_default())
    }

    fn pass(&mut self, bytes: usize) {
        self.taken += bytes;
    }

    fn offset(&self) -> u64 {
        self.start + self.taken as u64
    }

    fn file(&self) -> &str {
        Bytes::file(self.outer)
    }
}
