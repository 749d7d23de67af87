/*! From one code to one vector: the quantizers' own part of `sa_decode`. */

mod additive;
mod bits;
mod product;
mod rabit;
mod scalar;

pub(crate) use additive::Additive;
pub(crate) use product::Product;
pub(crate) use rabit::RaBit;
pub(crate) use scalar::{Scalar, ScalarKind};

use crate::extent::f32s;

/// How a vector is coded.
#[derive(Debug)]
pub(crate) enum Codec {
    /// As it is: `dimension` little-endian f32.
    Float { dimension: usize },
    /// Each value on its own.
    Scalar(Scalar),
    /// The values in groups, each group an entry of a codebook.
    Product(Product),
    /// A sum of entries of several codebooks.
    Additive(Additive),
    /// Signs and a length.
    RaBit(RaBit),
}

impl Codec {
    /// Values per vector.
    pub(crate) fn dimension(&self) -> usize {
        match self {
            Codec::Float { dimension } => *dimension,
            Codec::Scalar(codec) => codec.dimension(),
            Codec::Product(codec) => codec.dimension(),
            Codec::Additive(codec) => codec.dimension(),
            Codec::RaBit(codec) => codec.dimension(),
        }
    }

    /// Bytes of a code; a file's codes may be longer (norms for searching), never shorter.
    pub(crate) fn code_bytes(&self) -> usize {
        match self {
            Codec::Float { dimension } => dimension.saturating_mul(4),
            Codec::Scalar(codec) => codec.code_bytes(),
            Codec::Product(codec) => codec.code_bytes(),
            Codec::Additive(codec) => codec.code_bytes(),
            Codec::RaBit(codec) => codec.code_bytes(),
        }
    }

    /// Whether every part of a code has 4 bits.
    pub(crate) fn is_four_bit(&self) -> bool {
        match self {
            Codec::Product(codec) => codec.is_four_bit(),
            Codec::Additive(codec) => codec.is_four_bit(),
            Codec::Float { .. } | Codec::Scalar(_) | Codec::RaBit(_) => false,
        }
    }

    /// Appends the vectors of codes that are `stride` bytes apart.
    pub(crate) fn decode(&self, codes: &[u8], stride: usize, out: &mut Vec<f32>) {
        if let Codec::Float { dimension } = self
            && dimension.saturating_mul(4) == stride
        {
            out.extend(f32s(codes));
            return;
        }
        let dimension = self.dimension();
        let start = out.len();
        let codes = codes.chunks_exact(stride.max(1));
        out.resize(start + codes.len() * dimension, 0.0);
        for (code, vector) in codes.zip(out[start..].chunks_exact_mut(dimension.max(1))) {
            self.decode_one(code, vector);
        }
    }

    /// Writes one vector; `code` is at least [`Codec::code_bytes`] long.
    pub(crate) fn decode_one(&self, code: &[u8], vector: &mut [f32]) {
        match self {
            Codec::Float { .. } => vector.iter_mut().zip(f32s(code)).for_each(|(value, coded)| *value = coded),
            Codec::Scalar(codec) => codec.decode_one(code, vector),
            Codec::Product(codec) => codec.decode_one(code, vector),
            Codec::Additive(codec) => codec.decode_one(code, vector),
            Codec::RaBit(codec) => codec.decode_one(code, vector),
        }
    }

    /// What the code loses; `None` when it gives back what was added.
    pub(crate) fn loss(&self) -> Option<String> {
        match self {
            Codec::Float { .. } => None,
            Codec::Scalar(codec) => codec.loss(),
            Codec::Product(codec) => Some(codec.describe()),
            Codec::Additive(codec) => Some(codec.describe()),
            Codec::RaBit(_) => Some("RaBitQ, one sign a value".to_owned()),
        }
    }

    /// For people: the code's form.
    pub(crate) fn describe(&self) -> String {
        match self {
            Codec::Float { .. } => "32-bit floats".to_owned(),
            Codec::Scalar(codec) => codec.describe(),
            _ => self.loss().unwrap_or_default(),
        }
    }
}
