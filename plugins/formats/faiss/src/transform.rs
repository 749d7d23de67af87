/*! Vector transforms, turned back (`reverse_transform` of `faiss/VectorTransform.cpp`). */

use std::fmt;

/// Random vectors that a matrix is tried with; one that is not orthonormal passes all with no real chance.
const TRIALS: u64 = 4;
/// How far a tried vector may come back from where it was. FAISS allows 4e-5 per element of A·Aᵀ; this is the sum
/// of many of those with random signs.
const ORTHONORMAL: f32 = 1e-3;

/// One transform of a chain, from `input` values to `output` values.
#[derive(Debug)]
pub(crate) struct Transform {
    pub(crate) input: usize,
    pub(crate) output: usize,
    pub(crate) kind: TransformKind,
}

/// What a transform does.
pub(crate) enum TransformKind {
    /// y = A·x + b, A being `output × input`; b may be empty.
    Linear { matrix: Vec<f32>, bias: Vec<f32> },
    /// y[j] = x[map[j]], or 0 where the map says nothing.
    Remap(Vec<Option<usize>>),
    /// y = x / ‖x‖: what is stored are unit vectors, and those are given back.
    Normalize,
    /// y = x − mean.
    Centre(Vec<f32>),
    /// Three rounds of sign flips and a Walsh–Hadamard transform.
    Hadamard { signs: [Vec<f32>; 3] },
}

impl fmt::Debug for TransformKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TransformKind::Linear { .. } => "Linear",
            TransformKind::Remap(_) => "Remap",
            TransformKind::Normalize => "Normalize",
            TransformKind::Centre(_) => "Centre",
            TransformKind::Hadamard { .. } => "Hadamard",
        })
    }
}

impl Transform {
    /// Appends x for y. `y` has `output` values.
    pub(crate) fn reverse(&self, y: &[f32], x: &mut Vec<f32>) {
        let start = x.len();
        match &self.kind {
            TransformKind::Linear { matrix, bias } => {
                x.resize(start + self.input, 0.0);
                let x = &mut x[start..];
                for (j, (row, &value)) in matrix.chunks_exact(self.input.max(1)).zip(y).enumerate() {
                    let value = value - bias.get(j).copied().unwrap_or_default();
                    x.iter_mut().zip(row).for_each(|(sum, a)| *sum += a * value);
                }
            }
            TransformKind::Remap(map) => {
                x.resize(start + self.input, 0.0);
                for (from, &value) in map.iter().zip(y) {
                    if let Some(slot) = from.and_then(|from| x.get_mut(start + from)) {
                        *slot = value;
                    }
                }
            }
            TransformKind::Normalize => x.extend_from_slice(y),
            TransformKind::Centre(mean) => x.extend(y.iter().zip(mean).map(|(value, mean)| value + mean)),
            TransformKind::Hadamard { signs } => {
                let mut values = y.to_vec();
                for round in signs.iter().rev() {
                    walsh_hadamard(&mut values);
                    values.iter_mut().zip(round).for_each(|(value, sign)| *value *= sign);
                }
                let size = values.len() as f32;
                let scale = 1.0 / (size * size.sqrt());
                x.extend(values.iter().take(self.input).map(|value| value * scale));
            }
        }
    }

    /// What turning back cannot restore; `None` when it restores all (of a normalized vector: its direction).
    pub(crate) fn loss(&self) -> Option<String> {
        let lost = match &self.kind {
            TransformKind::Linear { .. } => self.output < self.input,
            TransformKind::Remap(map) => {
                let mut kept = vec![false; self.input];
                map.iter().flatten().for_each(|&from| kept[from] = true);
                kept.contains(&false)
            }
            TransformKind::Normalize | TransformKind::Centre(_) | TransformKind::Hadamard { .. } => false,
        };
        lost.then(|| format!("{} of {} dimensions were kept", self.output, self.input))
    }

    /// For people.
    pub(crate) fn describe(&self) -> String {
        let what = match &self.kind {
            TransformKind::Linear { .. } => "linear",
            TransformKind::Remap(_) => "remapped dimensions",
            TransformKind::Normalize => return "normalized".to_owned(),
            TransformKind::Centre(_) => return "centred".to_owned(),
            TransformKind::Hadamard { .. } => "Hadamard rotation",
        };
        format!("{what} {} → {}", self.input, self.output)
    }

    /// Whether turning back with the transposed matrix is right: the rows are orthonormal, or, where there are
    /// more rows than columns, the columns.
    pub(crate) fn is_reversible(&self) -> bool {
        let TransformKind::Linear { matrix, .. } = &self.kind else { return true };
        let columns = self.input.max(1);
        (0..TRIALS).all(|trial| {
            let mut state = trial.wrapping_mul(0x9e37_79b9) + 1;
            let mut sign = || if split_mix(&mut state) & 1 == 0 { 1.0f32 } else { -1.0 };
            let tried: Vec<f32> = (0..self.output.min(self.input)).map(|_| sign()).collect();
            let back = if self.output <= self.input {
                multiply(matrix, columns, &transpose_multiply(matrix, columns, &tried))
            } else {
                transpose_multiply(matrix, columns, &multiply(matrix, columns, &tried))
            };
            back.iter().zip(&tried).all(|(back, tried)| (back - tried).abs() <= ORTHONORMAL)
        })
    }
}

fn multiply(matrix: &[f32], columns: usize, x: &[f32]) -> Vec<f32> {
    matrix.chunks_exact(columns).map(|row| row.iter().zip(x).map(|(a, x)| a * x).sum()).collect()
}

fn transpose_multiply(matrix: &[f32], columns: usize, y: &[f32]) -> Vec<f32> {
    let mut x = vec![0.0; columns];
    for (row, y) in matrix.chunks_exact(columns).zip(y) {
        x.iter_mut().zip(row).for_each(|(sum, a)| *sum += a * y);
    }
    x
}

/// The signs of a `HadamardRotation`: three times `size` of them, from its seed.
pub(crate) fn hadamard_signs(seed: u32, size: usize) -> [Vec<f32>; 3] {
    let mut state = u64::from(seed);
    std::array::from_fn(|_| (0..size).map(|_| if split_mix(&mut state) & 1 == 0 { -1.0 } else { 1.0 }).collect())
}

/// `SplitMix64RandomGenerator::next` of `faiss/utils/random.cpp`.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// In place, without normalization; the length is a power of two.
fn walsh_hadamard(values: &mut [f32]) {
    let mut half = 1;
    while half < values.len() {
        for block in values.chunks_exact_mut(half * 2) {
            let (low, high) = block.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        half *= 2;
    }
}
