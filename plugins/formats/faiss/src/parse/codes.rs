/*! Indexes that keep one code per row: flat, quantized, FastScan, Panorama. */

use std::rc::Rc;

use vecferry_sdk::Result;

use super::quantizers::Training;
use super::{Body, Parser};
use crate::codec::{Codec, RaBit};
use crate::extent::Extent;
use crate::header::Header;
use crate::node::{Codes, Kind};
use crate::packing::Packing;

/// Bytes of one packed block that are read at a time.
pub(super) const MAX_BLOCK_BYTES: u64 = 64 << 20;

impl Parser<'_> {
    /// HDR, xbvec.
    pub(super) fn flat(&mut self) -> Result<Body> {
        let header = self.header()?;
        let units = header.rows.checked_mul(header.dimension as u64);
        let codes = self.vector_of("values", units, 4)?;
        let codec = Codec::Float { dimension: header.dimension };
        self.coded(header, codec, (header.dimension * 4) as u64, codes)
    }

    /// i32 d, u64 levels, u64 batch, i64 ntotal, u8 is_trained, vec<u8> codes, vec<f32> sums.
    pub(super) fn flat_panorama(&mut self, name: &[u8; 4]) -> Result<Body> {
        let dimension = self.dimension()?;
        let levels = self.reader.u64()?;
        let batch = self.reader.u64()?;
        let rows = self.rows()?;
        let trained = self.flag()?;
        let header = Header { dimension, rows, trained, metric: i32::from(name == b"IxFP") };
        let packing = self.levels(dimension, levels, batch)?;
        let codes = self.vector_of("bytes of codes", packing.bytes(rows), 1)?;
        self.vector(4)?;
        let codec = Rc::new(Codec::Float { dimension });
        Ok(Body::new(header, Kind::Codes(Codes { codec, packing, codes })))
    }

    /// Panorama's layout of vectors of `dimension` floats.
    pub(super) fn levels(&self, dimension: usize, levels: u64, batch: u64) -> Result<Packing> {
        let code_bytes = dimension * 4;
        let block = batch.checked_mul(code_bytes as u64).filter(|bytes| *bytes <= MAX_BLOCK_BYTES);
        let (Ok(batch), Some(_), Some(width)) =
            (usize::try_from(batch), block, (dimension as u64).checked_next_multiple_of(levels.max(1)))
        else {
            return Err(self.corrupt(format!("batches of {batch} vectors in {levels} levels are impossible")));
        };
        if batch == 0 || levels == 0 {
            return Err(self.corrupt(format!("batches of {batch} vectors in {levels} levels are impossible")));
        }
        let level_bytes = usize::try_from(width / levels * 4).unwrap_or(code_bytes).max(4);
        Ok(Packing::Levels { code_bytes, level_bytes, batch })
    }

    /// HDR, SQ, vec<u8> codes.
    pub(super) fn scalar(&mut self) -> Result<Body> {
        let header = self.header()?;
        let codec = self.scalar_quantizer(&header)?;
        let code_size = codec.code_bytes() as u64;
        let codes = self.byte_codes(&header, code_size)?;
        self.coded(header, codec, code_size, codes)
    }

    /// HDR, PQ, vec<u8> codes, and in all but the oldest form i32 search_type, u8 encode_signs, i32 polysemous_ht.
    /// The two old forms say inner product where L2 is meant.
    pub(super) fn product(&mut self, name: &[u8; 4]) -> Result<Body> {
        let mut header = self.header()?;
        let codec = Codec::Product(self.product_quantizer(&header)?);
        let code_size = codec.code_bytes() as u64;
        let codes = self.byte_codes(&header, code_size)?;
        if name != b"IxPQ" {
            self.reader.skip(9)?;
        }
        if name != b"IxPq" {
            header.metric = 1;
        }
        self.coded(header, codec, code_size, codes)
    }

    /// HDR, AQ, u64 code_size, vec<u8> codes.
    pub(super) fn additive(&mut self, name: &[u8; 4]) -> Result<Body> {
        let header = self.header()?;
        let training = match name {
            b"IxRQ" => Training::OldResidual,
            b"IxRq" | b"IxPR" => Training::Residual,
            _ => Training::LocalSearch,
        };
        let product = matches!(name, b"IxPR" | b"IxPL");
        let codec = Codec::Additive(self.additive_quantizer(&header, training, product)?);
        let code_size = self.reader.u64()?;
        let codes = self.byte_codes(&header, code_size)?;
        self.coded(header, codec, code_size, codes)
    }

    /// HDR, PQ, i32 implem, i32 bbs, i32 qbs, u64 ntotal2, u64 M2, vec<u8> codes.
    pub(super) fn product_fast_scan(&mut self) -> Result<Body> {
        let header = self.header()?;
        let codec = Codec::Product(self.product_quantizer(&header)?);
        self.reader.skip(4)?;
        let batch = self.reader.i32()?;
        self.reader.skip(4)?;
        let padded = self.reader.u64()?;
        let parts = self.reader.u64()?;
        self.fast_scan(header, codec, batch, parts, padded)
    }

    /// HDR, AQ, i32 implem, i32 bbs, i32 qbs, u64 M, u64 nbits, u64 ksub, u64 code_size, u64 ntotal2, u64 M2,
    /// u8 rescale_norm, i32 norm_scale, u64 max_train_points, vec<u8> codes.
    pub(super) fn additive_fast_scan(&mut self, name: &[u8; 4]) -> Result<Body> {
        let header = self.header()?;
        let training = if matches!(name, b"ILfs" | b"IPLf") { Training::LocalSearch } else { Training::Residual };
        let product = matches!(name, b"IPRf" | b"IPLf");
        let codec = Codec::Additive(self.additive_quantizer(&header, training, product)?);
        self.reader.skip(4)?;
        let batch = self.reader.i32()?;
        self.reader.skip(4 + 4 * 8)?;
        let padded = self.reader.u64()?;
        let parts = self.reader.u64()?;
        self.reader.skip(1 + 4 + 8)?;
        self.fast_scan(header, codec, batch, parts, padded)
    }

    fn fast_scan(&mut self, header: Header, codec: Codec, batch: i32, parts: u64, padded: u64) -> Result<Body> {
        let packing = self.nibbles(batch, parts)?;
        let codes = self.vector_of("bytes of codes", packing.bytes(padded), 1)?;
        if padded < header.rows {
            return Err(self.corrupt(format!("codes of {padded} vectors, where {} belong", header.rows)));
        }
        self.fits_nibbles(&header, &codec, packing)?;
        Ok(Body::new(header, Kind::Codes(Codes { codec: Rc::new(codec), packing, codes })))
    }

    /// FastScan's layout of `parts` 4-bit codes a vector (an even number), in blocks of `batch` vectors.
    pub(super) fn nibbles(&self, batch: i32, parts: u64) -> Result<Packing> {
        let size = usize::try_from(batch).ok().filter(|batch| *batch > 0 && batch % 32 == 0);
        let pairs = usize::try_from(parts / 2).ok().filter(|_| parts > 0 && parts.is_multiple_of(2));
        let block = size.zip(pairs).and_then(|(batch, pairs)| batch.checked_mul(pairs));
        match (size, pairs, block) {
            (Some(batch), Some(pairs), Some(block_bytes)) if block_bytes as u64 <= MAX_BLOCK_BYTES => {
                Ok(Packing::Nibbles { pairs, batch, block_bytes })
            }
            _ => Err(self.corrupt(format!("blocks of {batch} vectors of {parts} codes are impossible"))),
        }
    }

    /// HDR, RaBitQ, vec<u8> codes, vec<f32> centre, u8 qb.
    pub(super) fn rabitq(&mut self, name: &[u8; 4]) -> Result<Body> {
        let header = self.header()?;
        let (_, code_size) = self.rabit_quantizer(&header, name == b"Ixrr")?;
        let codes = self.byte_codes(&header, code_size)?;
        let centre = self.table()?;
        if !centre.is_empty() && centre.len() != header.dimension {
            return Err(self.corrupt(format!("a centre of {} values", centre.len())));
        }
        self.reader.skip(1)?;
        let codec = Codec::RaBit(RaBit::new(header.dimension, centre));
        self.coded(header, codec, code_size, codes)
    }

    /// HDR, RaBitQ, vec<f32> centre, u8 qb, in the old form vec<u8>, i32 bbs, u64 ntotal2, u64 M2, u64 code_size,
    /// vec<u8> codes.
    pub(super) fn rabitq_fast_scan(&mut self, name: &[u8; 4]) -> Result<Body> {
        let header = self.header()?;
        let factor = self.rabit_fast_scan_quantizer(&header, name == b"Irfs")?;
        self.table()?;
        self.reader.skip(1)?;
        if name == b"Irfs" {
            self.vector(factor)?;
        }
        self.reader.skip(4 + 3 * 8)?;
        self.vector(1)?;
        Ok(Body::new(header, Kind::Opaque("RaBitQ codes in FastScan blocks")))
    }

    /// HDR, index, u64 nlist, u8, PQ, u64 code_size_1, u64 code_size_2, u64 code_size, vec<u8> codes.
    pub(super) fn two_layer(&mut self) -> Result<Body> {
        let header = self.header()?;
        let quantizer = Box::new(self.inner()?);
        self.same_width(&header, &quantizer)?;
        self.reader.skip(9)?;
        let codec = Codec::Product(self.product_quantizer(&header)?);
        let key_bytes = self.size("size of a list number", 8)?;
        let code_size = self.reader.u64()?;
        let stride = self.reader.u64()?;
        if code_size != codec.code_bytes() as u64 || Some(stride) != code_size.checked_add(key_bytes as u64) {
            return Err(self.corrupt(format!("codes of {key_bytes} and {code_size} bytes do not make {stride}")));
        }
        let codes = self.byte_codes(&header, stride)?;
        Ok(Body::new(header, Kind::TwoLayer { quantizer, codec: Rc::new(codec), codes, key_bytes }))
    }

    /// HDR, PQ; or HDR, RQ, f32 beam_factor. Rows are the combinations of codes, computed when asked for.
    pub(super) fn grid(&mut self, name: &[u8; 4]) -> Result<Body> {
        let header = self.header()?;
        let (codec, combinations) = if name == b"Imiq" {
            let product = self.product_quantizer(&header)?;
            let combinations = product.combinations();
            (Codec::Product(product), combinations)
        } else {
            let additive = self.additive_quantizer(&header, Training::Residual, false)?;
            self.reader.skip(4)?;
            let combinations = additive.combinations();
            (Codec::Additive(additive), combinations)
        };
        if header.rows > combinations {
            return Err(self.corrupt(format!("{} centroids out of {combinations} combinations", header.rows)));
        }
        Ok(Body::new(header, Kind::Grid(Rc::new(codec))))
    }

    /// HDR, i32 nbits, u8 rotate, u8 train_thresholds, vec<f32> thresholds, i32 code_size, VT, vec<u8> codes.
    pub(super) fn lsh(&mut self) -> Result<Body> {
        let header = self.header()?;
        self.reader.skip(6)?;
        self.vector(4)?;
        self.reader.skip(4)?;
        self.skip_transform()?;
        self.vector(1)?;
        Ok(Body::new(header, Kind::Opaque("only the signs of projections are kept")))
    }

    /// i32 d, i32 nsq, i32 scale_nbit, i32 r2, HDR, vec<f32> trained: a codec without codes.
    pub(super) fn lattice(&mut self) -> Result<Body> {
        self.reader.skip(16)?;
        let header = self.header()?;
        self.vector(4)?;
        Ok(Body::new(header, Kind::Opaque("lattice codes are not saved with the index")))
    }

    /// `vec<u8>` of codes of `code_size` bytes.
    fn byte_codes(&mut self, header: &Header, code_size: u64) -> Result<Extent> {
        self.vector_of("bytes of codes", header.rows.checked_mul(code_size), 1)
    }

    fn coded(&mut self, header: Header, codec: Codec, code_size: u64, codes: Extent) -> Result<Body> {
        let code_bytes = self.fits(&header, &codec, code_size)?;
        let packing = Packing::Rows { code_bytes };
        Ok(Body::new(header, Kind::Codes(Codes { codec: Rc::new(codec), packing, codes })))
    }

    /// Checks that a codec's codes can be packed by nibbles, and are.
    pub(super) fn fits_nibbles(&self, header: &Header, codec: &Codec, packing: Packing) -> Result<()> {
        if !codec.is_four_bit() {
            return Err(self.corrupt("FastScan packs codes of 4 bits, this quantizer has others"));
        }
        self.fits(header, codec, packing.code_bytes() as u64).map(|_| ())
    }

    /// Checks that codes of `code_size` bytes hold what the codec takes out of them.
    pub(super) fn fits(&self, header: &Header, codec: &Codec, code_size: u64) -> Result<usize> {
        let need = codec.code_bytes();
        let size = usize::try_from(code_size).ok().filter(|size| *size as u64 <= MAX_BLOCK_BYTES);
        match size {
            Some(size) if header.rows == 0 || (size >= need && size > 0) => Ok(size),
            _ => Err(self.corrupt(format!("codes of {code_size} bytes, where {need} are needed"))),
        }
    }
}
