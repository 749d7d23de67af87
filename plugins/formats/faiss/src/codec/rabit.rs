/*! RaBitQ: one sign a value and one length a vector, around a centre. */

use crate::extent::f32s;

/// The part of a RaBitQ code that `RaBitQuantizer::decode` uses: signs, and the factor behind them. What further
/// bits a code has serve distances only.
#[derive(Debug)]
pub(crate) struct RaBit {
    dimension: usize,
    /// What is added to every vector; empty where a list's centroid is.
    centre: Vec<f32>,
}

impl RaBit {
    pub(crate) fn new(dimension: usize, centre: Vec<f32>) -> Self {
        RaBit { dimension, centre }
    }

    pub(crate) fn dimension(&self) -> usize {
        self.dimension
    }

    /// Signs, then two f32: the squared length, and the factor that is wanted.
    pub(crate) fn code_bytes(&self) -> usize {
        self.dimension.div_ceil(8).saturating_add(8)
    }

    pub(crate) fn decode_one(&self, code: &[u8], vector: &mut [f32]) {
        let (signs, factors) = code.split_at(self.dimension.div_ceil(8).min(code.len()));
        let factor = f32s(factors).nth(1).unwrap_or_default();
        let scale = 1.0 / (self.dimension as f32).sqrt();
        for (i, value) in vector.iter_mut().enumerate() {
            let bit = signs.get(i / 8).is_some_and(|byte| byte >> (i % 8) & 1 == 1);
            let sign = if bit { 0.5 } else { -0.5 };
            *value = sign * factor * 2.0 * scale + self.centre.get(i).copied().unwrap_or_default();
        }
    }
}
