/*! Backslash escapes of strings: JSON's, and those of a Python `repr` beside them. */

/// The longest escape: a pair of surrogates.
pub(crate) const LONGEST: usize = 12;

/// Whose escapes are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// RFC 8259.
    Json,
    /// Those, and `\'`, `\xhh` and `\Uhhhhhhhh`, as `repr` of a Python `str` writes them.
    Python,
}

/// One escape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Escape {
    /// Bytes from the backslash on.
    pub(crate) length: usize,
    /// What it stands for: U+FFFD for a surrogate without its other half.
    pub(crate) character: char,
    pub(crate) lone_surrogate: bool,
}

/// The escape at the start of `bytes`, which begin with a backslash; [`LONGEST`] of them suffice.
pub(crate) fn escape(bytes: &[u8], dialect: Dialect) -> Option<Escape> {
    let plain = |length, character| Some(Escape { length, character, lone_surrogate: false });
    let hex = |from: usize, digits: usize| {
        let text = std::str::from_utf8(bytes.get(from..from + digits)?).ok()?;
        // `from_str_radix` takes a sign, too.
        text.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(text, 16).ok())?
    };
    match *bytes.get(1)? {
        byte @ (b'"' | b'\\' | b'/') => plain(2, char::from(byte)),
        b'b' => plain(2, '\u{8}'),
        b'f' => plain(2, '\u{c}'),
        b'n' => plain(2, '\n'),
        b'r' => plain(2, '\r'),
        b't' => plain(2, '\t'),
        b'\'' if dialect == Dialect::Python => plain(2, '\''),
        b'x' if dialect == Dialect::Python => plain(4, char::from_u32(hex(2, 2)?)?),
        b'U' if dialect == Dialect::Python => plain(10, char::from_u32(hex(2, 8)?)?),
        b'u' => {
            let unit = hex(2, 4)?;
            if let Some(character) = char::from_u32(unit) {
                return plain(6, character);
            }
            let low = || bytes.get(6..)?.starts_with(b"\\u").then(|| hex(8, 4))?;
            match low() {
                Some(low @ 0xDC00..=0xDFFF) if unit < 0xDC00 => {
                    plain(12, char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))?)
                }
                _ => Some(Escape { length: 6, character: char::REPLACEMENT_CHARACTER, lone_surrogate: true }),
            }
        }
        _ => None,
    }
}
