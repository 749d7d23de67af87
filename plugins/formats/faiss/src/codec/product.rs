/*! Product quantizer: a vector in `parts` pieces, each an entry of its own codebook. */

use super::bits::Bits;

/// A product quantizer (`faiss/impl/ProductQuantizer.cpp`).
#[derive(Debug)]
pub(crate) struct Product {
    parts: usize,
    bits: u32,
    width: usize,
    /// `parts × 2^bits × width`.
    centroids: Vec<f32>,
}

impl Product {
    /// A quantizer of `parts × width` values. `centroids` holds `parts × 2^bits × width` of them, or none when the
    /// index is empty.
    pub(crate) fn new(parts: usize, bits: u32, width: usize, centroids: Vec<f32>) -> Self {
        Product { parts, bits, width, centroids }
    }

    pub(crate) fn dimension(&self) -> usize {
        self.parts.saturating_mul(self.width)
    }

    pub(crate) fn code_bytes(&self) -> usize {
        self.parts.saturating_mul(self.bits as usize).div_ceil(8)
    }

    pub(crate) fn is_four_bit(&self) -> bool {
        self.bits == 4
    }

    pub(crate) fn describe(&self) -> String {
        format!("product quantizer, {} × {} bits", self.parts, self.bits)
    }

    /// Entries in all, as far as they can be numbered.
    pub(crate) fn combinations(&self) -> u64 {
        let bits = self.parts.saturating_mul(self.bits as usize);
        u32::try_from(bits).ok().and_then(|bits| 1u64.checked_shl(bits)).unwrap_or(u64::MAX)
    }

    pub(crate) fn decode_one(&self, code: &[u8], vector: &mut [f32]) {
        let mut codes = Bits::new(code);
        let book = self.width << self.bits;
        for (part, values) in vector.chunks_exact_mut(self.width.max(1)).enumerate() {
            let entry = codes.take(self.bits);
            let at = part * book + entry * self.width;
            if let Some(centroid) = self.centroids.get(at..at + self.width) {
                values.copy_from_slice(centroid);
            }
        }
    }
}
