/*!
pgvector's types in binary, as its `*_send` functions write them and its `*_recv` functions read them; numbers are
big-endian:

- `vector` (`vector.c`): int16 dimension, int16 0, then 32-bit floats
- `halfvec` (`halfvec.c`): int16 dimension, int16 0, then 16-bit floats
- `sparsevec` (`sparsevec.c`): int32 dimension, int32 values, int32 0, then 0-based int32 indices, ascending, then 32-bit
  floats, none of them zero
*/

use std::error::Error as StdError;

use bytes::BytesMut;
use half::f16;

use postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::settings::VectorType;

/// The dimension of the column of sparse vectors: the most that the type takes (`SPARSEVEC_MAX_DIM`).
pub(crate) const SPARSE_DIMENSION: u32 = 1_000_000_000;
/// The most values of one sparse vector (`SPARSEVEC_MAX_NNZ`).
pub(crate) const MAX_SPARSE: usize = 16_000;

/// A value of any type, as the server sends it or takes it.
#[derive(Debug)]
pub(crate) struct Raw(pub(crate) Vec<u8>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Raw(raw.to_vec()))
    }
    fn accepts(_: &Type) -> bool {
        true
    }
}

impl ToSql for Raw {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }
    fn accepts(_: &Type) -> bool {
        true
    }
    to_sql_checked!();
}

/// Appends a dense vector.
pub(crate) fn put_dense(out: &mut Vec<u8>, kind: VectorType, values: &[f32]) {
    // What is longer than the type takes was refused before.
    out.extend_from_slice(&i16::try_from(values.len()).unwrap_or(i16::MAX).to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    match kind {
        VectorType::Vector => out.extend(values.iter().flat_map(|value| value.to_be_bytes())),
        VectorType::Halfvec => out.extend(values.iter().flat_map(|value| f16::from_f32(*value).to_be_bytes())),
    }
}

/// Appends a sparse vector; `entries` ascend and none is zero.
pub(crate) fn put_sparse(out: &mut Vec<u8>, entries: &[(u32, f32)]) {
    for number in [SPARSE_DIMENSION, u32::try_from(entries.len()).unwrap_or(u32::MAX), 0] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.extend(entries.iter().flat_map(|(index, _)| index.to_be_bytes()));
    out.extend(entries.iter().flat_map(|(_, value)| value.to_be_bytes()));
}

/// The values of a dense vector; `None` where the bytes are no such vector.
pub(crate) fn dense(kind: VectorType, raw: &[u8]) -> Option<Vec<f32>> {
    let (head, body) = raw.split_at_checked(4)?;
    let dimension = usize::from(u16::from_be_bytes([head[0], head[1]]));
    let values: Vec<f32> = match kind {
        VectorType::Vector => whole(body)?.iter().map(|bytes| f32::from_be_bytes(*bytes)).collect(),
        VectorType::Halfvec => whole(body)?.iter().map(|bytes| f16::from_be_bytes(*bytes).to_f32()).collect(),
    };
    (values.len() == dimension).then_some(values)
}

/// Indices and values of a sparse vector; `None` where the bytes are no such vector.
pub(crate) fn sparse(raw: &[u8]) -> Option<(Vec<u32>, Vec<f32>)> {
    let (head, body) = raw.split_at_checked(12)?;
    let count = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
    let (indices, values) = body.split_at_checked(count.checked_mul(4)?)?;
    let indices = whole(indices)?.iter().map(|bytes| u32::from_be_bytes(*bytes)).collect();
    let values: Vec<f32> = whole(values)?.iter().map(|bytes| f32::from_be_bytes(*bytes)).collect();
    (values.len() == count).then_some((indices, values))
}

/// Bytes in pieces of one length.
fn whole<const N: usize>(bytes: &[u8]) -> Option<&[[u8; N]]> {
    let (pieces, rest) = bytes.as_chunks();
    rest.is_empty().then_some(pieces)
}
