/*! The quantizers of coded indexes: scalar, product, additive. */

use vecferry_sdk::{Reader, Result};

use super::Parser;
use crate::codec::{Additive, Codec, Product, RaBit, Scalar, ScalarKind};
use crate::header::{Header, metric_name};

/// Widest entry number of a codebook.
const MAX_BITS: u64 = 24;

/// How an additive quantizer was trained, which decides what its body looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Training {
    Residual,
    /// Residual, as FAISS wrote it before 1.7.2.
    OldResidual,
    LocalSearch,
}

impl Parser<'_> {
    /// u64 d, u64 M, u64 nbits, vec<f32> centroids.
    pub(super) fn product_quantizer(&mut self, header: &Header) -> Result<Product> {
        let dimension = header.dimension;
        self.same_dimension(dimension)?;
        let parts = self.size("number of parts of a product quantizer", dimension as u64)?;
        if parts == 0 || !dimension.is_multiple_of(parts) {
            return Err(self.corrupt(format!("{dimension} values do not fall into {parts} parts")));
        }
        let bits = self.bits()?;
        let count = dimension.checked_mul(1 << bits);
        let centroids = self.table_of("codebook values", count, header)?;
        Ok(Product::new(parts, bits, dimension / parts, centroids))
    }

    fn bits(&mut self) -> Result<u32> {
        let bits = self.reader.u64()?;
        match u32::try_from(bits) {
            Ok(bits) if bits > 0 && u64::from(bits) <= MAX_BITS => Ok(bits),
            _ => Err(self.corrupt(format!("{bits} is no number of bits of a code"))),
        }
    }

    /// i32 qtype, i32 rangestat, f32 rangestat_arg, u64 d, u64 code_size, vec<f32> trained.
    pub(super) fn scalar_quantizer(&mut self, header: &Header) -> Result<Codec> {
        let at = self.reader.position();
        let form = self.reader.i32()?;
        self.reader.skip(8)?;
        self.same_dimension(header.dimension)?;
        let code_size = self.reader.u64()?;
        let dimension = header.dimension;
        let kind = match form {
            0 | 1 | 6 => {
                let mut low = self.table_of("bounds", dimension.checked_mul(2), header)?;
                let span = low.split_off(low.len() / 2);
                let bits = match form {
                    0 => 8,
                    1 => 4,
                    _ => 6,
                };
                ScalarKind::Range { bits, uniform: false, low, span }
            }
            2 | 3 => {
                let mut low = self.table_of("bounds", Some(2), header)?;
                let span = low.split_off(low.len() / 2);
                ScalarKind::Range { bits: if form == 2 { 8 } else { 4 }, uniform: true, low, span }
            }
            4 | 5 | 7 | 8 => {
                self.table_of("bounds", Some(0), header)?;
                match form {
                    4 => ScalarKind::Half,
                    5 => ScalarKind::Byte,
                    7 => ScalarKind::BFloat,
                    _ => ScalarKind::SignedByte,
                }
            }
            10..=14 => {
                let bits = [1, 2, 3, 4, 8][usize::try_from(form - 10).unwrap_or(0)];
                // The values, and the 2^bits − 1 borders between them.
                let entries = 1usize << bits;
                let mut values = self.table_of("values", Some(2 * entries - 1), header)?;
                values.truncate(entries);
                ScalarKind::Table { bits, values }
            }
            9 | 15..=26 => {
                let what = match form {
                    9 => "0 bits a value: only the list of a vector is known",
                    15..=18 => "TurboQuant with residual signs",
                    _ => "EDEN",
                };
                let message = format!("scalar quantizer type {form} ({what}): vectors cannot be decoded from it");
                return Err(self.unsupported_at(at, "faiss/unsupported-type", message));
            }
            _ => return Err(self.corrupt_at(at, format!("{form} is no type of scalar quantizer"))),
        };
        let codec = Codec::Scalar(Scalar::new(dimension, kind));
        if code_size != codec.code_bytes() as u64 {
            return Err(self.corrupt(format!("codes of {code_size} bytes, where {} belong", codec.code_bytes())));
        }
        Ok(codec)
    }

    /// An additive quantizer, or a product of them.
    pub(super) fn additive_quantizer(
        &mut self,
        header: &Header,
        training: Training,
        product: bool,
    ) -> Result<Additive> {
        let (bits, codebooks) = self.additive_base(header.dimension, training)?;
        let mut groups = vec![bits.len()];
        let mut width = header.dimension;
        if product {
            let splits = self.size("number of parts of a product quantizer", header.dimension as u64)?;
            if splits == 0 || !header.dimension.is_multiple_of(splits) {
                return Err(self.corrupt(format!("{} values do not fall into {splits} parts", header.dimension)));
            }
            width = header.dimension / splits;
            groups.clear();
            for _ in 0..splits {
                groups.push(self.additive_base(width, training)?.0.len());
                self.additive_training(training)?;
            }
            if groups.iter().sum::<usize>() != bits.len() {
                return Err(self.corrupt(format!("the parts of a product quantizer do not add up to {}", bits.len())));
            }
        } else {
            self.additive_training(training)?;
        }
        let need = bits
            .iter()
            .try_fold(0usize, |sum, bits| sum.checked_add(width.checked_mul(1 << bits)?))
            .filter(|need| *need <= codebooks.len());
        if header.trained && need.is_none() {
            return Err(self.corrupt(format!("{} codebook values are too few", codebooks.len())));
        }
        Ok(Additive::new(groups, width, bits, codebooks))
    }

    /// What all additive quantizers start with: each codebook's bits, and the codebooks.
    fn additive_base(&mut self, dimension: usize, training: Training) -> Result<(Vec<u32>, Vec<f32>)> {
        self.same_dimension(dimension)?;
        let count = self.reader.u64()?;
        let widths = self.vector_of("codebooks", Some(count), 8)?;
        let mut reader = Reader::with_block(widths.file.clone(), 4096);
        reader.seek(widths.offset);
        let mut bits = Vec::new();
        for _ in 0..count {
            let width = reader.u64()?;
            match u32::try_from(width) {
                Ok(width) if u64::from(width) <= MAX_BITS => bits.push(width),
                _ => return Err(reader.corrupt(format!("{width} is no number of bits of a code"))),
            }
        }
        self.flag()?;
        if training == Training::OldResidual {
            self.reader.skip(8)?;
        }
        let codebooks = self.table()?;
        let search = self.reader.i32()?;
        self.reader.skip(8)?;
        // How norms are coded, for searching (`AdditiveQuantizer::Search_type_t`): 6 to 9 keep a table of them.
        if training != Training::OldResidual && (6..=9).contains(&search) {
            self.vector(4)?;
            if search >= 8 {
                self.vector(4)?;
            }
        }
        Ok((bits, codebooks))
    }

    /// What follows, by the way of training.
    fn additive_training(&mut self, training: Training) -> Result<()> {
        match training {
            // i32 train_type, i32 max_beam_size.
            Training::Residual => self.reader.skip(8),
            Training::OldResidual => Ok(()),
            // u64 K, four u64 of iterations, f32 p, f32 lambd, u64 chunk_size, i32 random_seed, u64 nperts, u8.
            Training::LocalSearch => self.reader.skip(5 * 8 + 8 + 8 + 4 + 8 + 1),
        }
    }

    /// u64 d, u64 code_size, i32 metric, and u64 bits a value unless that is 1. Answers the bytes of a code.
    pub(super) fn rabit_quantizer(&mut self, header: &Header, multi_bit: bool) -> Result<(RaBit, u64)> {
        self.same_dimension(header.dimension)?;
        let code_size = self.reader.u64()?;
        let metric = self.reader.i32()?;
        if metric_name(metric).is_none() {
            return Err(self.corrupt(format!("{metric} is no metric")));
        }
        if multi_bit {
            self.size("number of bits of a RaBitQ code", 9)?;
        }
        Ok((RaBit::new(header.dimension, Vec::new()), code_size))
    }

    /// The same in FastScan types. FAISS 1.13.0 wrote their old fourccs (`old`) without the bits a value; what follows
    /// there is a vector of the dimension's size, or two fields that make a larger number. Answers the bytes of an
    /// entry of the vector of factors that the old forms have.
    pub(super) fn rabit_fast_scan_quantizer(&mut self, header: &Header, old: bool) -> Result<u64> {
        self.rabit_quantizer(header, false)?;
        let start = self.reader.position();
        let bits = self.reader.u64()?;
        let behind = self.reader.u64()?;
        let written = (1..=9).contains(&bits) && (behind == header.dimension as u64 || bits != header.dimension as u64);
        self.reader.seek(if written { start + 8 } else { start });
        if !written && !old {
            return Err(self.corrupt(format!("{bits} is no number of bits of a RaBitQ code")));
        }
        Ok(if written { 1 } else { 8 })
    }
}
