/*! Additive quantizers (residual, local search, and their products): a sum of codebook entries. */

use super::bits::Bits;

/// An additive quantizer (`faiss/impl/AdditiveQuantizer.cpp`, `ProductAdditiveQuantizer.cpp`).
#[derive(Debug)]
pub(crate) struct Additive {
    /// Codebooks of each group of `width` values: a plain quantizer has one group, a product several.
    groups: Vec<usize>,
    /// Values of a group.
    width: usize,
    /// Bits of each codebook's entry number, over all groups.
    bits: Vec<u32>,
    /// The codebooks one after the other, each `2^bits × width`.
    codebooks: Vec<f32>,
}

impl Additive {
    /// A quantizer whose `groups` add up to `bits.len()`. `codebooks` is large enough, or empty when the index is.
    pub(crate) fn new(groups: Vec<usize>, width: usize, bits: Vec<u32>, codebooks: Vec<f32>) -> Self {
        Additive { groups, width, bits, codebooks }
    }

    pub(crate) fn dimension(&self) -> usize {
        self.groups.len().saturating_mul(self.width)
    }

    pub(crate) fn code_bytes(&self) -> usize {
        self.total_bits().div_ceil(8)
    }

    pub(crate) fn is_four_bit(&self) -> bool {
        self.bits.iter().all(|bits| *bits == 4)
    }

    fn total_bits(&self) -> usize {
        self.bits.iter().map(|bits| *bits as usize).sum()
    }

    /// Entries in all, as far as they can be numbered.
    pub(crate) fn combinations(&self) -> u64 {
        u32::try_from(self.total_bits()).ok().and_then(|bits| 1u64.checked_shl(bits)).unwrap_or(u64::MAX)
    }

    pub(crate) fn describe(&self) -> String {
        format!("additive quantizer, {} codebooks, {} bits a vector", self.bits.len(), self.total_bits())
    }

    pub(crate) fn decode_one(&self, code: &[u8], vector: &mut [f32]) {
        let mut codes = Bits::new(code);
        let mut books = self.bits.iter();
        let mut start = 0;
        for (group, values) in self.groups.iter().zip(vector.chunks_exact_mut(self.width.max(1))) {
            values.fill(0.0);
            for &bits in books.by_ref().take(*group) {
                let at = start + codes.take(bits) * self.width;
                let entry = self.codebooks.get(at..at + self.width).unwrap_or_default();
                values.iter_mut().zip(entry).for_each(|(value, part)| *value += part);
                start += self.width << bits;
            }
        }
    }
}
