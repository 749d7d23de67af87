/*! Scalar quantizer: every value on its own (`faiss/impl/ScalarQuantizer.cpp`). */

use half::{bf16, f16};

use super::bits::Bits;

/// How one value is coded.
#[derive(Debug)]
pub(crate) enum ScalarKind {
    /// `bits` (4, 6 or 8) bits a value: `low + (code + 0.5) / (2^bits − 1) · span`.
    Range { bits: u32, uniform: bool, low: Vec<f32>, span: Vec<f32> },
    /// `bits` bits that choose one of `2^bits` values (TurboQuant, MSE form).
    Table { bits: u32, values: Vec<f32> },
    /// IEEE 754 half precision.
    Half,
    /// The upper half of a 32-bit float.
    BFloat,
    /// A whole number, 0 to 255.
    Byte,
    /// A whole number, −128 to 127, stored plus 128.
    SignedByte,
}

/// A scalar quantizer over `dimension` values.
#[derive(Debug)]
pub(crate) struct Scalar {
    dimension: usize,
    kind: ScalarKind,
}

impl Scalar {
    /// A quantizer; `Range` holds one bound or `dimension` of them.
    pub(crate) fn new(dimension: usize, kind: ScalarKind) -> Self {
        Scalar { dimension, kind }
    }

    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    pub(crate) fn code_bytes(&self) -> usize {
        let bits = match &self.kind {
            ScalarKind::Range { bits, .. } | ScalarKind::Table { bits, .. } => *bits as usize,
            ScalarKind::Half | ScalarKind::BFloat => 16,
            ScalarKind::Byte | ScalarKind::SignedByte => 8,
        };
        self.dimension.saturating_mul(bits).div_ceil(8)
    }

    pub(crate) fn decode_one(&self, code: &[u8], vector: &mut [f32]) {
        match &self.kind {
            ScalarKind::Range { bits, low, span, .. } => {
                let top = ((1u32 << bits) - 1) as f32;
                let mut codes = Bits::new(code);
                let bounds = low.iter().zip(span).cycle();
                for (value, (low, span)) in vector.iter_mut().zip(bounds) {
                    *value = low + (codes.take(*bits) as f32 + 0.5) / top * span;
                }
            }
            ScalarKind::Table { bits, values } => {
                let mut codes = Bits::new(code);
                vector.iter_mut().for_each(|value| *value = values.get(codes.take(*bits)).copied().unwrap_or_default());
            }
            ScalarKind::Half => words(code, vector, |bits| f16::from_bits(bits).to_f32()),
            ScalarKind::BFloat => words(code, vector, |bits| bf16::from_bits(bits).to_f32()),
            ScalarKind::Byte => vector.iter_mut().zip(code).for_each(|(value, byte)| *value = f32::from(*byte)),
            ScalarKind::SignedByte => {
                vector.iter_mut().zip(code).for_each(|(value, byte)| *value = f32::from(*byte) - 128.0);
            }
        }
    }

    /// Whole-number codes lose nothing of what they are for: vectors of whole numbers.
    pub(crate) fn loss(&self) -> Option<String> {
        match self.kind {
            ScalarKind::Byte | ScalarKind::SignedByte => None,
            _ => Some(self.describe()),
        }
    }

    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            ScalarKind::Range { bits, uniform: false, .. } => format!("scalar quantizer, {bits} bits a value"),
            ScalarKind::Range { bits, .. } => format!("scalar quantizer, {bits} bits a value, one range"),
            ScalarKind::Table { bits, .. } => format!("TurboQuant, {bits} bits a value"),
            ScalarKind::Half => "16-bit floats".to_owned(),
            ScalarKind::BFloat => "bfloat16".to_owned(),
            ScalarKind::Byte => "whole numbers, 0 to 255".to_owned(),
            ScalarKind::SignedByte => "whole numbers, -128 to 127".to_owned(),
        }
    }
}

fn words(code: &[u8], vector: &mut [f32], float: impl Fn(u16) -> f32) {
    let words = code.as_chunks::<2>().0.iter();
    vector.iter_mut().zip(words).for_each(|(value, word)| *value = float(u16::from_le_bytes(*word)));
}
