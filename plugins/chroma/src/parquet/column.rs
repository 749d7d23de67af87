/*! One column of one row group: a value per row, read forward through its pages. */

use vecferry_sdk::{Error, File, Result};

use super::footer::{Chunk, Leaf, Physical};
use super::levels::{Bytes, Hybrid};
use super::page::{Encoding, PageBytes, PageKind, Pages};

/// Bytes of a dictionary, which is held in memory; DuckDB writes ones of less than a megabyte.
const MAX_DICTIONARY: u64 = 32 << 20;

/// Elements of a list: a few bytes can claim billions of nulls.
const MAX_ELEMENTS: u32 = 1 << 20;

/// A column being read.
pub(super) struct Column {
    leaf: Leaf,
    pages: Pages,
    dictionary: Dictionary,
    page: Option<Page>,
    /// The levels of the next value, where they had to be looked at already.
    peeked: Option<Levels>,
    values_left: u64,
}

/// The texts of a dictionary, one after the other.
#[derive(Default)]
struct Dictionary {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Dictionary {
    fn get(&self, position: u32) -> Option<&[u8]> {
        let position = position as usize;
        let end = *self.ends.get(position)?;
        let start = if position == 0 { 0 } else { *self.ends.get(position - 1)? };
        self.bytes.get(start..end)
    }
}

struct Page {
    values_left: u64,
    repetition: LevelStream,
    definition: LevelStream,
    bytes: PageBytes,
    /// For values that are positions in the dictionary.
    positions: Option<Hybrid>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Levels {
    repetition: u32,
    definition: u32,
}

/// The levels of a page.
struct LevelStream {
    hybrid: Hybrid,
    bytes: Vec<u8>,
    at: usize,
    max: u32,
}

impl Bytes for (&[u8], &mut usize) {
    fn byte(&mut self) -> Result<u8> {
        let byte = self.0.get(*self.1).copied().ok_or_else(|| self.wrong("a page has too few levels"))?;
        *self.1 += 1;
        Ok(byte)
    }
    fn wrong(&self, message: &str) -> Error {
        Error::corrupt("parquet/levels", message)
    }
}

impl LevelStream {
    /// Takes a page's levels, which stand in front of its values with their length.
    fn read(page: &mut PageBytes, max: u32) -> Result<LevelStream> {
        let bytes = match max {
            0 => Vec::new(),
            _ => {
                let len = page.u32()?;
                page.bytes(u64::from(len))?
            }
        };
        Ok(LevelStream { hybrid: Hybrid::new(u32::BITS - max.leading_zeros()), bytes, at: 0, max })
    }

    fn next(&mut self) -> Result<u32> {
        if self.max == 0 {
            return Ok(0);
        }
        let level = self.hybrid.next(&mut (self.bytes.as_slice(), &mut self.at))?;
        if level > self.max {
            return Err(Error::corrupt("parquet/levels", format!("level {level} is above {}", self.max)));
        }
        Ok(level)
    }
}

impl Column {
    pub(super) fn open(file: &File, leaf: &Leaf, chunk: &Chunk) -> Column {
        Column {
            leaf: leaf.clone(),
            pages: Pages::new(file, chunk),
            dictionary: Dictionary::default(),
            page: None,
            peeked: None,
            values_left: chunk.values,
        }
    }

    /// The next row's text; the inner `None` is a null.
    ///
    /// # Errors
    /// `corrupt` with file and offset.
    pub(super) fn text(&mut self) -> Result<Option<Vec<u8>>> {
        match self.levels()? {
            Some(levels) if levels.definition == self.leaf.max_definition => self.text_value().map(Some),
            Some(_) => Ok(None),
            None => Err(self.ended()),
        }
    }

    /// Moves over the next row of a text column; whether it had a value.
    ///
    /// # Errors
    /// As [`Column::text`].
    pub(super) fn skip_text(&mut self) -> Result<bool> {
        let levels = self.levels()?.ok_or_else(|| self.ended())?;
        let is_there = levels.definition == self.leaf.max_definition;
        if is_there {
            let page = self.page.as_mut().ok_or_else(|| self.pages.corrupt("no page"))?;
            match &mut page.positions {
                Some(positions) => drop(positions.next(&mut page.bytes)?),
                None => {
                    let len = page.bytes.u32()?;
                    page.bytes.skip(u64::from(len))?;
                }
            }
        }
        Ok(is_there)
    }

    /// The next row's list of numbers into `out`, null elements as NaN; whether the row has a list.
    ///
    /// # Errors
    /// As [`Column::text`].
    pub(super) fn numbers(&mut self, out: &mut Vec<f64>) -> Result<bool> {
        out.clear();
        self.list(|number| out.push(number))
    }

    /// Moves over the next row of a list column.
    ///
    /// # Errors
    /// As [`Column::text`].
    pub(super) fn skip_numbers(&mut self) -> Result<()> {
        self.list(drop).map(drop)
    }

    fn list(&mut self, mut each: impl FnMut(f64)) -> Result<bool> {
        let mut levels = self.levels()?.ok_or_else(|| self.ended())?;
        if levels.repetition != 0 {
            return Err(self.pages.corrupt("a row begins in the middle of a list"));
        }
        if levels.definition < self.leaf.element_definition {
            return Ok(false);
        }
        for _ in 0..MAX_ELEMENTS {
            each(if levels.definition == self.leaf.max_definition { self.number()? } else { f64::NAN });
            match self.levels()? {
                Some(next) if next.repetition > 0 => levels = next,
                next => {
                    self.peeked = next;
                    return Ok(true);
                }
            }
        }
        Err(self.pages.corrupt("a list of more than a million elements, which no vector has"))
    }

    /// The levels of the next value; `None` at the chunk's end.
    fn levels(&mut self) -> Result<Option<Levels>> {
        if let Some(levels) = self.peeked.take() {
            return Ok(Some(levels));
        }
        while self.page.as_ref().is_none_or(|page| page.values_left == 0) {
            if self.values_left == 0 || !self.next_page()? {
                return Ok(None);
            }
        }
        let Some(page) = &mut self.page else { return Ok(None) };
        page.values_left -= 1;
        self.values_left = self.values_left.saturating_sub(1);
        let levels = page
            .repetition
            .next()
            .and_then(|repetition| Ok(Levels { repetition, definition: page.definition.next()? }));
        levels.map(Some).map_err(|error| self.pages.corrupt(&error.message))
    }

    fn next_page(&mut self) -> Result<bool> {
        let Some(header) = self.pages.next()? else { return Ok(false) };
        match header.kind {
            PageKind::Other => {}
            PageKind::Dictionary => {
                let mut bytes = self.pages.open(&header)?;
                if bytes.remaining() > MAX_DICTIONARY {
                    return Err(Error::unsupported("parquet/dictionary", "a dictionary of more than 32 MiB"));
                }
                self.dictionary = Dictionary::default();
                for _ in 0..header.values {
                    let len = match self.leaf.physical {
                        Physical::Float => 4,
                        Physical::Double => 8,
                        _ => bytes.u32()?,
                    };
                    self.dictionary.bytes.extend(bytes.bytes(u64::from(len))?);
                    self.dictionary.ends.push(self.dictionary.bytes.len());
                }
            }
            PageKind::Data => {
                let mut bytes = self.pages.open(&header)?;
                let repetition = LevelStream::read(&mut bytes, self.leaf.max_repetition)?;
                let definition = LevelStream::read(&mut bytes, self.leaf.max_definition)?;
                let positions = match header.encoding {
                    Encoding::Plain => None,
                    // A page of nulls alone may leave out the width.
                    Encoding::Dictionary if bytes.remaining() == 0 => Some(Hybrid::new(0)),
                    Encoding::Dictionary => match bytes.byte()? {
                        width @ 0..=32 => Some(Hybrid::new(u32::from(width))),
                        width => return Err(bytes.corrupt(&format!("positions of {width} bits"))),
                    },
                };
                self.page = Some(Page { values_left: header.values, repetition, definition, bytes, positions });
            }
        }
        Ok(true)
    }

    fn text_value(&mut self) -> Result<Vec<u8>> {
        let Some(page) = &mut self.page else { return Err(self.ended()) };
        match &mut page.positions {
            None => {
                let len = page.bytes.u32()?;
                page.bytes.bytes(u64::from(len))
            }
            Some(positions) => {
                let position = positions.next(&mut page.bytes)?;
                let text = self.dictionary.get(position).map(<[u8]>::to_vec);
                text.ok_or_else(|| page.bytes.corrupt(&beyond(position)))
            }
        }
    }

    fn number(&mut self) -> Result<f64> {
        let Some(page) = &mut self.page else { return Err(self.ended()) };
        let mut bytes = [0; 8];
        let bytes = match self.leaf.physical {
            Physical::Double => &mut bytes[..8],
            Physical::Float => &mut bytes[..4],
            _ => return Err(page.bytes.corrupt("a column of numbers holds something else")),
        };
        match &mut page.positions {
            None => page.bytes.fill(bytes)?,
            Some(positions) => {
                let position = positions.next(&mut page.bytes)?;
                let value = self.dictionary.get(position).filter(|value| value.len() == bytes.len());
                let value = value.ok_or_else(|| page.bytes.corrupt(&beyond(position)))?;
                bytes.copy_from_slice(value);
            }
        }
        Ok(match *bytes {
            [a, b, c, d] => f64::from(f32::from_le_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => 0.0,
        })
    }

    fn ended(&self) -> Error {
        self.pages.corrupt("a column has fewer values than its row group has rows")
    }
}

fn beyond(position: u32) -> String {
    format!("position {position} is beyond the dictionary")
}
