/*! Numbers of any width out of bytes, the lowest bit first (`faiss/utils/hamming.h`, `BitstringReader`). */

/// Reads forward; past the end come zeros.
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Bits { bytes, at: 0 }
    }

    /// The next `width` bits, at most 32.
    pub(crate) fn take(&mut self, width: u32) -> usize {
        let (byte, shift) = (self.at / 8, self.at % 8);
        let mut window = [0; 8];
        if let Some(rest) = self.bytes.get(byte..) {
            let len = rest.len().min(8);
            window[..len].copy_from_slice(&rest[..len]);
        }
        self.at += width as usize;
        let value = (u64::from_le_bytes(window) >> shift) & ((1u64 << width.min(32)) - 1);
        usize::try_from(value).unwrap_or(0)
    }
}
