/*! Forward through JSON: members, strings, and everything else unseen. */

use vecferry_sdk::{Error, ErrorKind, Reader, Result};

use super::escape::{Dialect, escape};

/// Arrays and objects inside each other: Python's parser takes about as many.
const MAX_DEPTH: usize = 1000;
/// Bytes of one value that is read.
const MAX_VALUE_BYTES: u64 = 64 << 20;
/// Bytes of a member's name, and of an id.
const MAX_NAME_BYTES: u64 = 64 << 10;
/// Digits of a 64-bit number, and its sign.
const MAX_DIGITS: usize = 20;

/// Where a scanner's bytes come from.
pub(crate) trait Bytes {
    /// Those from here on that are in memory; none only at the end.
    fn ahead(&mut self) -> Result<&[u8]>;
    /// Goes on; never further than what is ahead.
    fn pass(&mut self, bytes: usize);
    /// Bytes from the file's start; where they are unescaped on the way, at most one piece off.
    fn offset(&self) -> u64;
    /// The file's name.
    fn file(&self) -> &str;
}

impl Bytes for Reader {
    fn ahead(&mut self) -> Result<&[u8]> {
        Reader::ahead(self)
    }

    fn pass(&mut self, bytes: usize) {
        self.seek(self.position() + bytes as u64);
    }

    fn offset(&self) -> u64 {
        self.position()
    }

    fn file(&self) -> &str {
        Reader::file(self).name()
    }
}

/// An error of kind `corrupt` in a JSON file.
pub(crate) fn corrupt(file: &str, offset: u64, message: &str) -> Error {
    Error::corrupt("llamaindex/json", message).at("file", file).at("offset", offset)
}

/// A string that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) string: String,
    /// A surrogate without its other half became U+FFFD.
    pub(crate) replaced: bool,
}

/// How far through an object its reader is.
pub(crate) struct Members {
    first: bool,
}

/// Goes forward through one JSON text.
pub(crate) struct Scanner<B> {
    bytes: B,
}

/// A scanner over a file, which can also go elsewhere.
pub(crate) type FileScanner = Scanner<Reader>;

impl<B: Bytes> Scanner<B> {
    pub(crate) fn new(bytes: B) -> Self {
        Scanner { bytes }
    }

    pub(crate) fn bytes(&mut self) -> &mut B {
        &mut self.bytes
    }

    pub(crate) fn offset(&self) -> u64 {
        self.bytes.offset()
    }

    pub(crate) fn corrupt(&self, message: &str) -> Error {
        corrupt(self.bytes.file(), self.offset(), message)
    }

    fn too_long(&self, start: u64, max_bytes: u64) -> Error {
        let message = format!("a value is longer than the {max_bytes} bytes that are read of its kind");
        Error::new(ErrorKind::Unsupported, "llamaindex/value-size", message)
            .at("file", self.bytes.file())
            .at("offset", start)
    }

    /// The first byte of what comes next; it stays there.
    pub(crate) fn token(&mut self) -> Result<u8> {
        match self.token_or_end()? {
            Some(byte) => Ok(byte),
            None => Err(self.corrupt("the file ends where more is due")),
        }
    }

    fn token_or_end(&mut self) -> Result<Option<u8>> {
        loop {
            let ahead = self.bytes.ahead()?;
            let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
            let space = ahead.iter().take_while(|byte| blank(byte)).count();
            let found = ahead.get(space).copied();
            let ended = ahead.is_empty();
            self.bytes.pass(space);
            if found.is_some() || ended {
                return Ok(found);
            }
        }
    }

    /// Passes one byte, which must be this one.
    fn expect(&mut self, wanted: u8) -> Result<()> {
        let found = self.token()?;
        if found != wanted {
            let (wanted, found) = (char::from(wanted), char::from(found).escape_default());
            return Err(self.corrupt(&format!("'{wanted}' is due here, not '{found}'")));
        }
        self.bytes.pass(1);
        Ok(())
    }

    /// Enters the object that stands here.
    pub(crate) fn object(&mut self) -> Result<Members> {
        self.expect(b'{')?;
        Ok(Members { first: true })
    }

    /// Whether there is another member; then its name is next, and the caller reads name and value whole.
    pub(crate) fn next(&mut self, members: &mut Members) -> Result<bool> {
        if self.token()? == b'}' {
            self.bytes.pass(1);
            return Ok(false);
        }
        if !std::mem::replace(&mut members.first, false) {
            self.expect(b',')?;
            self.token()?;
        }
        Ok(true)
    }

    /// A member's name, and past the colon.
    pub(crate) fn name(&mut self) -> Result<String> {
        let name = self.short_string()?;
        self.expect(b':')?;
        Ok(name)
    }

    /// The string that stands here; it must be short: an id.
    pub(crate) fn short_string(&mut self) -> Result<String> {
        Ok(self.quoted(b'"', Dialect::Json, MAX_NAME_BYTES)?.string)
    }

    /// As [`Scanner::name`], of what Python's `repr` makes of a dict.
    pub(crate) fn python_name(&mut self) -> Result<String> {
        let name = self.python_scalar()?;
        self.expect(b':')?;
        Ok(name)
    }

    /// A string in either quotes with either language's escapes, or a whole number as its text.
    pub(crate) fn python_scalar(&mut self) -> Result<String> {
        match self.token()? {
            quote @ (b'"' | b'\'') => Ok(self.quoted(quote, Dialect::Python, MAX_NAME_BYTES)?.string),
            _ => self.digits(),
        }
    }

    fn digits(&mut self) -> Result<String> {
        let mut text = String::new();
        loop {
            let ahead = self.bytes.ahead()?;
            let length = ahead.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count();
            let length = length.min(MAX_DIGITS + 1);
            text.extend(ahead.iter().take(length).map(|byte| char::from(*byte)));
            let more = length == ahead.len() && length > 0;
            self.bytes.pass(length);
            if text.len() > MAX_DIGITS || (text.is_empty() && !more) {
                return Err(self.corrupt("a string or a whole number is due here"));
            }
            if !more {
                return Ok(text);
            }
        }
    }

    fn quoted(&mut self, quote: u8, dialect: Dialect, max_bytes: u64) -> Result<Text> {
        self.expect(quote)?;
        let start = self.offset();
        let mut raw = Vec::new();
        let mut escaped = false;
        loop {
            let ahead = self.bytes.ahead()?;
            if ahead.is_empty() {
                return Err(self.corrupt("the file ends inside a string"));
            }
            // What a backslash protects is part of the string, whatever it is.
            let protected = usize::from(std::mem::take(&mut escaped));
            let rest = ahead.get(protected..).unwrap_or_default();
            let stop = rest.iter().position(|byte| *byte == quote || *byte == b'\\');
            let plain = protected + stop.unwrap_or(rest.len());
            raw.extend_from_slice(ahead.get(..plain).unwrap_or_default());
            let ended = match stop.and_then(|stop| rest.get(stop)) {
                Some(b'\\') => {
                    raw.push(b'\\');
                    escaped = true;
                    false
                }
                stop => stop.is_some(),
            };
            self.bytes.pass(plain + usize::from(stop.is_some()));
            if raw.len() as u64 > max_bytes {
                return Err(self.too_long(start, max_bytes));
            }
            if ended {
                let text = unescape(&raw, dialect);
                return text.map_err(|what| self.corrupt(&format!("the string that begins at {start} {what}")));
            }
        }
    }

    /// Passes one value, whatever it is; of an array, how many values it holds. Only brackets and quotes are looked at.
    pub(crate) fn skip(&mut self) -> Result<u64> {
        let token = self.token()?;
        let start = self.offset();
        match token {
            b'"' => {
                self.bytes.pass(1);
                self.skip_string().map(|()| 0)
            }
            b'{' | b'[' => {
                self.bytes.pass(1);
                self.skip_nested(token == b'{', start)
            }
            _ => self.skip_word().map(|()| 0),
        }
    }

    /// Past the end of a string whose opening quote was passed.
    fn skip_string(&mut self) -> Result<()> {
        let mut escaped = false;
        loop {
            let ahead = self.bytes.ahead()?;
            if ahead.is_empty() {
                return Err(self.corrupt("the file ends inside a string"));
            }
            let protected = usize::from(std::mem::take(&mut escaped));
            let rest = ahead.get(protected..).unwrap_or_default();
            let stop = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            let ended = stop.is_some_and(|stop| rest.get(stop) == Some(&b'"'));
            escaped = stop.is_some() && !ended;
            let passed = protected + stop.map_or(rest.len(), |stop| stop + 1);
            self.bytes.pass(passed);
            if ended {
                return Ok(());
            }
        }
    }

    /// Past the end of an object or array that began at `start` and whose bracket was passed.
    fn skip_nested(&mut self, object: bool, start: u64) -> Result<u64> {
        if self.token()? == if object { b'}' } else { b']' } {
            self.bytes.pass(1);
            return Ok(0);
        }
        let mut nesting = Nesting::default();
        nesting.enter(object).map_err(|fault| self.corrupt(fault))?;
        let mut commas = 0;
        loop {
            let ahead = self.bytes.ahead()?;
            if ahead.is_empty() {
                return Err(self.corrupt(&format!("the file ends inside a value that began at {start}")));
            }
            let mut passed = 0;
            let mut string = false;
            let mut fault = None;
            for &byte in ahead {
                passed += 1;
                match byte {
                    b'"' => string = true,
                    b'{' | b'[' => fault = nesting.enter(byte == b'{').err(),
                    b'}' | b']' => fault = nesting.leave(byte == b'}').err(),
                    b',' => commas += u64::from(nesting.depth == 1),
                    _ => continue,
                }
                if string || fault.is_some() || nesting.depth == 0 {
                    break;
                }
            }
            self.bytes.pass(passed);
            if let Some(fault) = fault {
                return Err(self.corrupt(fault));
            }
            if string {
                self.skip_string()?;
            } else if nesting.depth == 0 {
                return Ok(commas + 1);
            }
        }
    }

    /// A number or a word.
    fn skip_word(&mut self) -> Result<()> {
        let mut length = 0;
        loop {
            let ahead = self.bytes.ahead()?;
            let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
            let found = ahead.iter().take_while(|byte| word(byte)).count();
            let more = found == ahead.len() && found > 0;
            length += found;
            self.bytes.pass(found);
            if !more {
                return if length > 0 { Ok(()) } else { Err(self.corrupt("a value is due here")) };
            }
        }
    }

    /// Only space may follow.
    pub(crate) fn end(&mut self) -> Result<()> {
        match self.token_or_end()? {
            None => Ok(()),
            Some(_) => Err(self.corrupt("something follows the end of the JSON text")),
        }
    }
}

impl Scanner<Reader> {
    /// Continues at another place.
    pub(crate) fn seek(&mut self, offset: u64) {
        self.bytes.seek(offset);
    }

    /// The string that stands here.
    pub(crate) fn string(&mut self) -> Result<Text> {
        self.quoted(b'"', Dialect::Json, MAX_VALUE_BYTES)
    }

    /// The bytes of the value that stands here, as they are; nothing but its brackets and quotes was checked.
    pub(crate) fn raw(&mut self) -> Result<Vec<u8>> {
        self.token()?;
        let start = self.offset();
        self.skip()?;
        self.between(start, self.offset())
    }

    /// The bytes from one place to another, where the scanner is afterwards.
    pub(crate) fn between(&mut self, start: u64, end: u64) -> Result<Vec<u8>> {
        let length = end.saturating_sub(start);
        if length > MAX_VALUE_BYTES {
            return Err(self.too_long(start, MAX_VALUE_BYTES));
        }
        self.seek(start);
        self.bytes.bytes(length)
    }
}

fn unescape(raw: &[u8], dialect: Dialect) -> Result<Text, &'static str> {
    let text = std::str::from_utf8(raw).map_err(|_| "is not UTF-8")?;
    if text.bytes().any(|byte| byte < 0x20) {
        return Err("holds a control character");
    }
    let mut string = String::with_capacity(text.len());
    let mut replaced = false;
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (plain, from) = rest.split_at(at);
        string.push_str(plain);
        let escape = escape(from.as_bytes(), dialect).ok_or("holds an escape that does not exist")?;
        string.push(escape.character);
        replaced |= escape.lone_surrogate;
        rest = from.get(escape.length..).unwrap_or_default();
    }
    string.push_str(rest);
    Ok(Text { string, replaced })
}

/// Which brackets are open: one bit each, set for objects.
#[derive(Default)]
struct Nesting {
    bits: [u64; MAX_DEPTH.div_ceil(64)],
    depth: usize,
}

impl Nesting {
    fn enter(&mut self, object: bool) -> Result<(), &'static str> {
        let word = self.bits.get_mut(self.depth / 64).filter(|_| self.depth < MAX_DEPTH);
        let word = word.ok_or("values are nested too deeply here")?;
        let bit = 1 << (self.depth % 64);
        *word = if object { *word | bit } else { *word & !bit };
        self.depth += 1;
        Ok(())
    }

    fn leave(&mut self, object: bool) -> Result<(), &'static str> {
        self.depth = self.depth.saturating_sub(1);
        let word = self.bits.get(self.depth / 64).copied().unwrap_or(0);
        let opened = word >> (self.depth % 64) & 1 == 1;
        if opened == object { Ok(()) } else { Err("a bracket closes what it did not open") }
    }
}
