/*! One column of one row group: a value or a list per row, read forward through its pages. */

use vecferry_sdk::{Error, File, Result};

use crate::bytes::PageBytes;
use crate::footer::Chunk;
use crate::levels::{Bytes, Hybrid};
use crate::page::{PageKind, Pages};
use crate::schema::{Leaf, LevelsOf, Physical};
use crate::values::{Dictionary, Value, Values};

/// Elements of a list: a few bytes can claim billions of nulls.
const MAX_ELEMENTS: usize = 1 << 20;
/// Bytes of a page's levels, which are held in memory. A gigabyte of vectors has fewer.
const MAX_LEVEL_BYTES: u32 = 64 << 20;
/// Bytes of a list's elements.
const MAX_LIST_BYTES: usize = 16 << 20;

/// What a row of a list column has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// Elements that are null.
    pub nulls: usize,
    /// A 64-bit number was not one of 32 bits and was rounded.
    pub rounded: bool,
}

/// A column being read.
pub struct Column {
    leaf: Leaf,
    pages: Pages,
    dictionary: Dictionary,
    page: Option<Page>,
    /// The levels of the next value, where they had to be looked at already.
    peeked: Option<Levels>,
    values_left: u64,
    scratch: Vec<u8>,
}

struct Page {
    values_left: u64,
    repetition: LevelStream,
    definition: LevelStream,
    bytes: PageBytes,
    values: Values,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Levels {
    repetition: u32,
    definition: u32,
}

/// How the list of a row begins.
enum Start {
    Null,
    Empty,
    Element(Levels),
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
    fn new(bytes: Vec<u8>, max: u32) -> LevelStream {
        LevelStream { hybrid: Hybrid::new(u32::BITS - max.leading_zeros()), bytes, at: 0, max }
    }

    /// Takes a page's levels from in front of its values, where they stand with their length.
    fn read(page: &mut PageBytes, max: u32) -> Result<LevelStream> {
        let bytes = match max {
            0 => Vec::new(),
            _ => {
                let len = page.u32()?;
                if len > MAX_LEVEL_BYTES {
                    return Err(page.corrupt(&format!("a page with {len} bytes of levels")));
                }
                page.bytes(u64::from(len))?
            }
        };
        Ok(LevelStream::new(bytes, max))
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
    /// A column of `file`, before its first row.
    pub fn open(file: &File, leaf: &Leaf, chunk: &Chunk) -> Column {
        Column {
            leaf: leaf.clone(),
            pages: Pages::new(file, chunk),
            dictionary: Dictionary::default(),
            page: None,
            peeked: None,
            values_left: chunk.values,
            scratch: Vec::new(),
        }
    }

    /// The next row's value as bytes, behind `out`; whether there is one.
    ///
    /// # Errors
    /// `corrupt` with file and offset.
    pub fn bytes(&mut self, out: &mut Vec<u8>) -> Result<bool> {
        let levels = self.levels()?.ok_or_else(|| self.ended())?;
        let is_there = levels.definition == self.leaf.levels.max_definition;
        if is_there {
            self.raw(out)?;
        }
        Ok(is_there)
    }

    /// The next row's value; `None` is a null.
    ///
    /// # Errors
    /// As [`Column::bytes`].
    pub fn value(&mut self) -> Result<Option<Value>> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let found = self.bytes(&mut scratch);
        let value = found.map(|is_there| is_there.then(|| self.leaf.value(&scratch)));
        self.scratch = scratch;
        value
    }

    /// The next row's list of numbers, behind `out`, null elements as NaN; `None` where the row has no list.
    ///
    /// # Errors
    /// As [`Column::bytes`]; `unsupported` for lists of something else.
    pub fn floats(&mut self, out: &mut Vec<f32>) -> Result<Option<List>> {
        if matches!(self.leaf.physical, Physical::Float | Physical::Double) {
            return self.run(Some(out));
        }
        let mut list = List::default();
        let leaf = self.leaf.clone();
        let has_list = self.elements(|element| {
            let number = match element.map(|bytes| leaf.value(bytes)) {
                None => {
                    list.nulls += 1;
                    f32::NAN
                }
                Some(Value::Float(value)) => value,
                Some(_) => {
                    let message = format!("the column {:?} does not hold lists of numbers", leaf.name);
                    return Err(Error::unsupported("parquet/column", message));
                }
            };
            out.push(number);
            Ok(())
        })?;
        Ok(has_list.then_some(list))
    }

    /// The next row's list, null elements as `None`; `None` where the row has no list.
    ///
    /// # Errors
    /// As [`Column::bytes`].
    pub fn list(&mut self) -> Result<Option<Vec<Option<Value>>>> {
        let leaf = self.leaf.clone();
        let (mut out, mut bytes) = (Vec::new(), 0);
        let has_list = self.elements(|element| {
            // A dictionary makes large elements cheap to claim.
            bytes += element.map_or(0, <[u8]>::len);
            if bytes > MAX_LIST_BYTES {
                let message = format!("a list of more than {MAX_LIST_BYTES} bytes in the column {:?}", leaf.name);
                return Err(Error::unsupported("parquet/list-size", message));
            }
            out.push(element.map(|bytes| leaf.value(bytes)));
            Ok(())
        })?;
        Ok(has_list.then_some(out))
    }

    /// Moves over some rows.
    ///
    /// # Errors
    /// As [`Column::bytes`].
    pub fn skip(&mut self, rows: u64) -> Result<()> {
        for _ in 0..rows {
            if self.leaf.levels.max_repetition == 0 {
                let mut scratch = std::mem::take(&mut self.scratch);
                scratch.clear();
                self.bytes(&mut scratch)?;
                self.scratch = scratch;
            } else if matches!(self.leaf.physical, Physical::Float | Physical::Double) {
                self.run(None)?;
            } else {
                self.elements(|_| Ok(()))?;
            }
        }
        Ok(())
    }

    /// Calls `each` with the elements of the next row's list; whether there is a list.
    fn elements(&mut self, mut each: impl FnMut(Option<&[u8]>) -> Result<()>) -> Result<bool> {
        let mut levels = match self.list_start()? {
            Start::Element(levels) => levels,
            Start::Empty => return Ok(true),
            Start::Null => return Ok(false),
        };
        let mut scratch = std::mem::take(&mut self.scratch);
        for _ in 0..MAX_ELEMENTS {
            if levels.definition == self.leaf.levels.max_definition {
                scratch.clear();
                self.raw(&mut scratch)?;
                each(Some(&scratch))?;
            } else {
                each(None)?;
            }
            match self.next_element()? {
                Some(next) => levels = next,
                None => {
                    self.scratch = scratch;
                    return Ok(true);
                }
            }
        }
        Err(self.too_long())
    }

    /// As [`Column::elements`], for numbers of 32 and 64 bits, which are taken (or, with `None`, passed) many at a time.
    fn run(&mut self, mut out: Option<&mut Vec<f32>>) -> Result<Option<List>> {
        let mut list = List::default();
        let mut levels = match self.list_start()? {
            Start::Element(levels) => levels,
            Start::Empty => return Ok(Some(list)),
            Start::Null => return Ok(None),
        };
        // Elements of the current page that are still to be taken.
        let mut pending = 0;
        for _ in 0..MAX_ELEMENTS {
            if levels.definition == self.leaf.levels.max_definition {
                pending += 1;
            } else {
                list.rounded |= self.take(std::mem::take(&mut pending), out.as_deref_mut())?;
                list.nulls += 1;
                out.iter_mut().for_each(|out| out.push(f32::NAN));
            }
            if self.page.as_ref().is_none_or(|page| page.values_left == 0) {
                list.rounded |= self.take(std::mem::take(&mut pending), out.as_deref_mut())?;
            }
            match self.next_element()? {
                Some(next) => levels = next,
                None => {
                    list.rounded |= self.take(pending, out)?;
                    return Ok(Some(list));
                }
            }
        }
        Err(self.too_long())
    }

    /// Takes `count` numbers from the current page; whether one was rounded.
    fn take(&mut self, count: usize, out: Option<&mut Vec<f32>>) -> Result<bool> {
        if count == 0 {
            return Ok(false);
        }
        let width = u64::from(self.leaf.physical.width().unwrap_or(0));
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        match &mut self.page {
            Some(Page { values: Values::Plain, bytes, .. }) => match out {
                Some(_) => bytes.append(count as u64 * width, &mut scratch)?,
                None => bytes.skip(count as u64 * width)?,
            },
            _ => (0..count).try_for_each(|_| self.raw(&mut scratch))?,
        }
        let mut rounded = false;
        if let Some(out) = out {
            if self.leaf.physical == Physical::Double {
                out.extend(scratch.as_chunks().0.iter().map(|bytes| {
                    let value = f64::from_le_bytes(*bytes);
                    let narrowed = narrow(value);
                    rounded |= f64::from(narrowed) != value && !value.is_nan();
                    narrowed
                }));
            } else {
                out.extend(scratch.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
            }
        }
        self.scratch = scratch;
        Ok(rounded)
    }

    fn list_start(&mut self) -> Result<Start> {
        let element = self.leaf.levels.element_definition;
        let levels = self.levels()?.ok_or_else(|| self.ended())?;
        if levels.repetition != 0 {
            return Err(self.pages.corrupt("a row begins in the middle of a list"));
        }
        Ok(match levels.definition {
            definition if definition >= element => Start::Element(levels),
            // One level below an element is an empty list; an optional list that is not there is below that.
            definition if definition + 1 == element => Start::Empty,
            _ => Start::Null,
        })
    }

    /// The levels of the next element of a list; `None` behind the last.
    fn next_element(&mut self) -> Result<Option<Levels>> {
        let next = self.levels()?;
        if next.is_some_and(|levels| levels.repetition > 0) {
            return Ok(next);
        }
        self.peeked = next;
        Ok(None)
    }

    fn too_long(&self) -> Error {
        self.pages.corrupt("a list of more than a million elements, which no vector has")
    }

    /// The bytes of the value whose levels were just taken, behind `out`.
    fn raw(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let Some(page) = &mut self.page else { return Err(self.ended()) };
        page.values.next(&self.leaf, &mut page.bytes, &self.dictionary, out)
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
                let mut bytes = self.pages.open(&header)?.bytes;
                self.dictionary = Dictionary::read(&self.leaf, &header, &mut bytes)?;
            }
            PageKind::Data | PageKind::DataV2 { .. } => {
                let LevelsOf { max_definition, max_repetition, .. } = self.leaf.levels;
                let opened = self.pages.open(&header)?;
                let mut bytes = opened.bytes;
                let (repetition, definition) = match opened.levels {
                    Some((repetition, definition)) => {
                        (LevelStream::new(repetition, max_repetition), LevelStream::new(definition, max_definition))
                    }
                    None => {
                        let repetition = LevelStream::read(&mut bytes, max_repetition)?;
                        (repetition, LevelStream::read(&mut bytes, max_definition)?)
                    }
                };
                let values = Values::open(&self.leaf, &header, &mut bytes)?;
                self.page = Some(Page { values_left: header.values, repetition, definition, bytes, values });
            }
        }
        Ok(true)
    }

    fn ended(&self) -> Error {
        self.pages.corrupt("a column has fewer values than its row group has rows").at("column", &self.leaf.name)
    }
}

/// The nearest number of 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what is meant, and is told")]
fn narrow(value: f64) -> f32 {
    value as f32
}
