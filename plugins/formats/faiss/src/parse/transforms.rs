/*! Vector transforms (`read_VectorTransform`). */

use vecferry_sdk::{Reader, Result};

use super::Parser;
use crate::fourcc::FourCc;
use crate::transform::{Transform, TransformKind, hadamard_signs};

/// A transform's body, before its dimensions are known.
enum Raw {
    Linear {
        matrix: Vec<f32>,
        bias: Vec<f32>,
    },
    Remap(crate::extent::Extent),
    Normalize,
    Centre(Vec<f32>),
    Hadamard {
        seed: u32,
    },
    /// Iterative quantization: FAISS itself has no way back.
    Itq,
}

impl Parser<'_> {
    /// A transform that vectors must be taken back through.
    pub(super) fn transform(&mut self) -> Result<Transform> {
        let start = self.reader.position();
        let (fourcc, raw, input, output) = self.raw_transform()?;
        let kind = self.checked(raw, input, output).map_err(|error| error.at("transform", fourcc))?;
        let transform = Transform { input, output, kind };
        if !transform.is_reversible() {
            let message = format!("the transform {fourcc} (whitening?) cannot be turned back: it is no rotation");
            return Err(self.unsupported_at(start, "faiss/transform", message));
        }
        Ok(transform)
    }

    /// Passes over a transform.
    pub(super) fn skip_transform(&mut self) -> Result<()> {
        self.raw_transform().map(|_| ())
    }

    /// A fourcc, its body, and i32 d_in, i32 d_out, u8 is_trained.
    fn raw_transform(&mut self) -> Result<(FourCc, Raw, usize, usize)> {
        let start = self.reader.position();
        let fourcc = FourCc(self.reader.array()?);
        let raw = match &fourcc.0 {
            b"rrot" | b"LTra" => self.linear()?,
            b"Pcam" => self.pca(4 + 4 + 1 + 4)?,
            b"PcAm" => self.pca(4 + 1 + 4)?,
            b"PCAm" => self.pca(4 + 1)?,
            b"Viqm" => {
                self.reader.skip(8)?;
                self.linear()?
            }
            b"RmDT" => Raw::Remap(self.vector(4)?),
            b"VNrm" => {
                self.reader.skip(4)?;
                Raw::Normalize
            }
            b"VCnt" => Raw::Centre(self.table()?),
            b"HRot" => Raw::Hadamard { seed: self.reader.u32()? },
            b"Viqt" => {
                self.table()?;
                self.reader.skip(1)?;
                // Two matrices, each with a fourcc and an end of its own.
                for _ in 0..2 {
                    let inner = FourCc(self.reader.array()?);
                    match &inner.0 {
                        b"Viqm" => self.reader.skip(8)?,
                        b"LTra" => {}
                        _ => return Err(self.corrupt(format!("{inner} stands where a matrix belongs"))),
                    }
                    self.linear()?;
                    self.reader.skip(9)?;
                }
                Raw::Itq
            }
            _ => return Err(self.corrupt_at(start, format!("{fourcc} is no vector transform"))),
        };
        let input = self.dimension()?;
        let output = self.dimension()?;
        self.flag()?;
        Ok((fourcc, raw, input, output))
    }

    /// `head` bytes of parameters, vec<f32> mean, vec<f32> eigenvalues, vec<f32> the whole PCA, then the matrix.
    fn pca(&mut self, head: u64) -> Result<Raw> {
        self.reader.skip(head)?;
        for _ in 0..3 {
            self.vector(4)?;
        }
        self.linear()
    }

    /// u8 have_bias, vec<f32> A, vec<f32> b.
    fn linear(&mut self) -> Result<Raw> {
        let biased = self.flag()?;
        let matrix = self.table()?;
        let bias = self.table()?;
        Ok(Raw::Linear { matrix, bias: if biased { bias } else { Vec::new() } })
    }

    fn checked(&self, raw: Raw, input: usize, output: usize) -> Result<TransformKind> {
        let wrong = |what: &str| Err(self.corrupt(format!("a transform from {input} to {output} values has {what}")));
        Ok(match raw {
            Raw::Linear { mut matrix, bias } => {
                let size = input.saturating_mul(output);
                if matrix.len() < size || (!bias.is_empty() && bias.len() < output) {
                    return wrong(&format!("a matrix of {} values and {} beside it", matrix.len(), bias.len()));
                }
                matrix.truncate(size);
                TransformKind::Linear { matrix, bias }
            }
            Raw::Remap(map) => {
                if map.len / 4 < output as u64 {
                    return wrong(&format!("a map of {} values", map.len / 4));
                }
                let mut reader = Reader::with_block(map.file.clone(), 4096);
                reader.seek(map.offset);
                let mut from = Vec::new();
                for _ in 0..output {
                    let index = reader.i32()?;
                    from.push(match usize::try_from(index) {
                        Ok(index) if index < input => Some(index),
                        Err(_) => None,
                        Ok(_) => return wrong(&format!("{index} in its map")),
                    });
                }
                TransformKind::Remap(from)
            }
            Raw::Normalize | Raw::Centre(_) if input != output => return wrong("two different dimensions"),
            Raw::Normalize => TransformKind::Normalize,
            Raw::Centre(mean) if mean.len() < input => return wrong(&format!("a mean of {} values", mean.len())),
            Raw::Centre(mean) => TransformKind::Centre(mean),
            Raw::Hadamard { seed } => {
                if input == 0 || output != input.next_power_of_two() {
                    return wrong("no power of two");
                }
                TransformKind::Hadamard { signs: hadamard_signs(seed, output) }
            }
            Raw::Itq => {
                let message = "iterative quantization (ITQ) cannot be turned back into vectors";
                return Err(self.unsupported("faiss/transform", message));
            }
        })
    }
}
