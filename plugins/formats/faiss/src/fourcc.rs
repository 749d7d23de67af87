/*! The four characters that every index and every part of one starts with, and what they name. */

use std::fmt;

/// Four bytes that name a type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FourCc(pub(crate) [u8; 4]);

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in &self.0 {
            match byte {
                0x20..=0x7e => write!(f, "{}", char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What is known of an index type, whether or not it can be decoded.
pub(crate) struct Known {
    pub(crate) fourcc: [u8; 4],
    /// Class of the C++ library.
    pub(crate) class: &'static str,
}

const KNOWN: &[Known] = &[
    Known { fourcc: *b"IxF2", class: "IndexFlatL2" },
    Known { fourcc: *b"IxFI", class: "IndexFlatIP" },
    Known { fourcc: *b"IxFl", class: "IndexFlat" },
    Known { fourcc: *b"IxMp", class: "IndexIDMap" },
    Known { fourcc: *b"IxM2", class: "IndexIDMap2" },
];

/// What is known of a fourcc.
pub(crate) fn known(fourcc: FourCc) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.fourcc == fourcc.0)
}

/// Whether a file that starts with these bytes is a FAISS index of a type that is known, decodable or not.
pub fn is_index(start: &[u8]) -> bool {
    start.first_chunk::<4>().is_some_and(|first| known(FourCc(*first)).is_some())
}
