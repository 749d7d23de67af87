/*! Inverted-file indexes: a header with the lists' centroids, a codec, the lists. */

use std::rc::Rc;

use vecferry_sdk::Result;

use super::quantizers::Training;
use super::{Body, Parser};
use crate::codec::{Codec, Product};
use crate::extent::Extent;
use crate::header::Header;
use crate::lists::{Lists, Walk};
use crate::node::{Ivf, Kind, Node};
use crate::packing::Packing;

/// Panorama's batch where a file does not say it (`Panorama::kDefaultBatchSize`).
const DEFAULT_BATCH: u64 = 128;

/// `read_ivf_header`.
pub(super) struct IvfHeader {
    pub(super) header: Header,
    pub(super) lists: u64,
    quantizer: Option<Box<Node>>,
    /// The legacy types keep ids here, a vector of them for every list.
    ids: Option<Extent>,
}

impl Parser<'_> {
    /// Every type that starts with an IVF header.
    pub(super) fn ivf(&mut self, name: &[u8; 4]) -> Result<Body> {
        match name {
            b"IwFl" | b"IwFd" | b"IwPn" | b"IwP2" | b"IvFl" | b"IvFL" => self.ivf_flat(name),
            b"IwSq" | b"IwSQ" | b"IvSQ" => self.ivf_scalar(name),
            b"IwPQ" | b"IwQR" | b"IvPQ" | b"IvQR" => self.ivf_product(name),
            b"IwPf" => self.ivf_product_fast_scan(),
            b"IwRQ" | b"IwLS" | b"IwPR" | b"IwPL" => self.ivf_additive(name),
            b"IVRf" | b"IVLf" | b"NPRf" | b"NPLf" => self.ivf_additive_fast_scan(name),
            b"Iwrq" | b"Iwrr" => self.ivf_rabitq(name),
            b"Iwrn" | b"Iwrf" => self.ivf_rabitq_fast_scan(name),
            _ => self.ivf_spectral_hash(),
        }
    }

    /// HDR, u64 nlist, u64 nprobe, index, in the legacy types the ids, direct map.
    fn ivf_header(&mut self, legacy: bool) -> Result<IvfHeader> {
        let header = self.header()?;
        let lists = self.reader.u64()?;
        self.reader.skip(8)?;
        let quantizer = self.index()?.map(Box::new);
        if let Some(quantizer) = &quantizer {
            self.same_width(&header, quantizer)?;
        }
        let ids = if legacy { Some(self.vectors(lists, 8)?) } else { None };
        self.direct_map()?;
        Ok(IvfHeader { header, lists, quantizer, ids })
    }

    /// u8 type, vec<i64> by id, and in a hash map u64 n, n pairs of i64.
    fn direct_map(&mut self) -> Result<()> {
        let kind = self.reader.u8()?;
        self.vector(8)?;
        match kind {
            0 | 1 => Ok(()),
            2 => self.vector(16).map(|_| ()),
            _ => Err(self.corrupt(format!("{kind} is no type of direct map"))),
        }
    }

    /// Passes over `count` vectors of items of `width` bytes.
    fn vectors(&mut self, count: u64, width: u64) -> Result<Extent> {
        self.reader.need(count.saturating_mul(8))?;
        let mut extent = self.rest();
        for _ in 0..count {
            self.vector(width)?;
        }
        extent.len = self.reader.position().saturating_sub(extent.offset);
        Ok(extent)
    }

    /// IVFH; for duplicates vec<i64> pairs, for Panorama u64 levels and in its second form u64 batch; IL.
    fn ivf_flat(&mut self, name: &[u8; 4]) -> Result<Body> {
        let head = self.ivf_header(name.starts_with(b"Iv"))?;
        let dimension = head.header.dimension;
        let mut packing = Packing::Rows { code_bytes: dimension * 4 };
        let mut duplicates = None;
        match name {
            b"IwFd" => {
                let pairs = self.vector(8)?;
                if pairs.len % 16 != 0 {
                    return Err(self.corrupt(format!("{} ids do not make pairs", pairs.len / 8)));
                }
                duplicates = Some(pairs);
            }
            b"IwPn" | b"IwP2" => {
                let levels = self.reader.u64()?;
                let batch = if name == b"IwP2" { self.reader.u64()? } else { DEFAULT_BATCH };
                if name == b"IwPn" && !(dimension as u64).is_multiple_of(levels.max(1)) {
                    // 1.13.0 wrote such levels over each other, and nothing tells its files from later ones.
                    let message = format!(
                        "{dimension} dimensions in {levels} levels of unequal width: the first \
                        version of this type wrote them over each other"
                    );
                    return Err(self.unsupported("faiss/unsupported-type", message));
                }
                packing = self.levels(dimension, levels, batch)?;
            }
            _ => {}
        }
        // IvFl counts floats where IvFL counts bytes.
        let unit = if name == b"IvFl" { 4 } else { 1 };
        let mut ivf = self.listed_codes(head, Codec::Float { dimension }, packing, false, unit)?;
        if let Kind::Ivf(ivf) = &mut ivf.kind {
            ivf.duplicates = duplicates;
        }
        Ok(ivf)
    }

    /// IVFH, SQ, u64 code_size, in the newest form u8 by_residual, IL.
    fn ivf_scalar(&mut self, name: &[u8; 4]) -> Result<Body> {
        let head = self.ivf_header(name == b"IvSQ")?;
        let codec = self.scalar_quantizer(&head.header)?;
        let code_size = self.reader.u64()?;
        let by_residual = if name == b"IwSq" { self.flag()? } else { true };
        self.rows_of_codes(head, codec, code_size, by_residual)
    }

    /// IVFH, u8 by_residual, u64 code_size, PQ, IL; and in a refined one, once trained, PQ, vec<u8> codes, f32.
    fn ivf_product(&mut self, name: &[u8; 4]) -> Result<Body> {
        let head = self.ivf_header(name.starts_with(b"Iv"))?;
        let header = head.header;
        let by_residual = self.flag()?;
        let code_size = self.reader.u64()?;
        let codec = Codec::Product(self.product_quantizer(&header)?);
        let mut body = self.rows_of_codes(head, codec, code_size, by_residual)?;
        if name.ends_with(b"QR") && header.trained {
            let refine = self.refinement(&header)?;
            self.reader.skip(4)?;
            if let Kind::Ivf(ivf) = &mut body.kind {
                ivf.refine = Some(refine);
            }
        }
        Ok(body)
    }

    fn refinement(&mut self, header: &Header) -> Result<(Rc<Product>, Extent)> {
        let product = self.product_quantizer(header)?;
        let codes = self.vector(1)?;
        let size = product.code_bytes() as u64;
        if size == 0 || codes.len % size != 0 {
            return Err(self.corrupt(format!("{} bytes do not make codes of {size} bytes", codes.len)));
        }
        Ok((Rc::new(product), codes))
    }

    /// IVFH, u8 by_residual, u64 code_size, i32 bbs, u64 M2, i32 implem, u64 qbs2, PQ, IL.
    fn ivf_product_fast_scan(&mut self) -> Result<Body> {
        let head = self.ivf_header(false)?;
        let by_residual = self.flag()?;
        self.reader.skip(8)?;
        let batch = self.reader.i32()?;
        let parts = self.reader.u64()?;
        self.reader.skip(4 + 8)?;
        let codec = Codec::Product(self.product_quantizer(&head.header)?);
        let packing = self.nibbles(batch, parts)?;
        self.fits_nibbles(&head.header, &codec, packing)?;
        self.listed_codes(head, codec, packing, by_residual, 1)
    }

    /// IVFH, u64 code_size, AQ, u8 by_residual, i32 use_precomputed_table, IL.
    fn ivf_additive(&mut self, name: &[u8; 4]) -> Result<Body> {
        let head = self.ivf_header(false)?;
        let code_size = self.reader.u64()?;
        let training = if matches!(name, b"IwLS" | b"IwPL") { Training::LocalSearch } else { Training::Residual };
        let product = matches!(name, b"IwPR" | b"IwPL");
        let codec = Codec::Additive(self.additive_quantizer(&head.header, training, product)?);
        let by_residual = self.flag()?;
        self.reader.skip(4)?;
        self.rows_of_codes(head, codec, code_size, by_residual)
    }

    /// IVFH, AQ, u8 by_residual, i32 implem, i32 bbs, i32 qbs, u64 M, u64 nbits, u64 ksub, u64 code_size, u64 qbs2,
    /// u64 M2, u8 rescale_norm, i32 norm_scale, u64 max_train_points, IL.
    fn ivf_additive_fast_scan(&mut self, name: &[u8; 4]) -> Result<Body> {
        let head = self.ivf_header(false)?;
        let training = if matches!(name, b"IVLf" | b"NPLf") { Training::LocalSearch } else { Training::Residual };
        let product = matches!(name, b"NPRf" | b"NPLf");
        let codec = Codec::Additive(self.additive_quantizer(&head.header, training, product)?);
        let by_residual = self.flag()?;
        self.reader.skip(4)?;
        let batch = self.reader.i32()?;
        self.reader.skip(4 + 5 * 8)?;
        let parts = self.reader.u64()?;
        self.reader.skip(1 + 4 + 8)?;
        let packing = self.nibbles(batch, parts)?;
        self.fits_nibbles(&head.header, &codec, packing)?;
        self.listed_codes(head, codec, packing, by_residual, 1)
    }

    /// IVFH, RaBitQ, u64 code_size, u8 by_residual, u8 qb, IL. Codes are around the list's centroid.
    fn ivf_rabitq(&mut self, name: &[u8; 4]) -> Result<Body> {
        let head = self.ivf_header(false)?;
        let (codec, code_size) = self.rabit_quantizer(&head.header, name == b"Iwrr")?;
        self.reader.skip(8 + 1 + 1)?;
        self.rows_of_codes(head, Codec::RaBit(codec), code_size, true)
    }

    /// IVFH, RaBitQ, u8 by_residual, u64 code_size, i32 bbs, u64 qbs2, u64 M2, i32 implem, u8 qb, u8 centered, in the
    /// old form vec<u8>, IL.
    fn ivf_rabitq_fast_scan(&mut self, name: &[u8; 4]) -> Result<Body> {
        let head = self.ivf_header(false)?;
        let factor = self.rabit_fast_scan_quantizer(&head.header, name == b"Iwrf")?;
        self.reader.skip(1 + 8 + 4 + 8 + 8 + 4 + 1 + 1)?;
        if name == b"Iwrf" {
            self.vector(factor)?;
        }
        self.skip_lists(head.lists)?;
        Ok(Body::new(head.header, Kind::Opaque("RaBitQ codes in FastScan blocks")))
    }

    /// IVFH, VT, i32 nbit, f32 period, i32 threshold_type, vec<f32> trained, IL.
    fn ivf_spectral_hash(&mut self) -> Result<Body> {
        let head = self.ivf_header(false)?;
        self.skip_transform()?;
        self.reader.skip(12)?;
        self.vector(4)?;
        self.skip_lists(head.lists)?;
        Ok(Body::new(head.header, Kind::Opaque("only a spectral hash is kept")))
    }

    fn rows_of_codes(&mut self, head: IvfHeader, codec: Codec, code_size: u64, by_residual: bool) -> Result<Body> {
        let code_bytes = self.fits(&head.header, &codec, code_size)?;
        self.listed_codes(head, codec, Packing::Rows { code_bytes }, by_residual, 1)
    }

    fn listed_codes(
        &mut self,
        head: IvfHeader,
        codec: Codec,
        packing: Packing,
        by_residual: bool,
        unit: u64,
    ) -> Result<Body> {
        let lists = match head.ids {
            None => self.lists(head.lists, packing)?,
            Some(ids) => {
                let codes = self.vectors(head.lists, unit)?;
                Lists::Legacy { count: head.lists, ids, codes, unit_bytes: unit }
            }
        };
        let ivf = Ivf {
            quantizer: head.quantizer,
            codec: Rc::new(codec),
            packing,
            by_residual,
            lists: Rc::new(lists),
            refine: None,
            duplicates: None,
        };
        Ok(Body::new(head.header, Kind::Ivf(ivf)))
    }

    /// How many records the lists hold, and the duplicates beside them.
    pub(super) fn listed(&self, header: &Header, ivf: &Ivf) -> Result<u64> {
        let mut rows = ivf.duplicates.as_ref().map_or(0, |pairs| pairs.len / 16);
        let mut codes = 0u64;
        let mut walk = Walk::new(&ivf.lists, ivf.packing);
        while let Some(list) = walk.next()? {
            rows = rows.saturating_add(list.rows);
            codes = codes.saturating_add(list.codes.len);
            if let Lists::OnDisk { data, .. } = &*ivf.lists
                && codes > data.len
            {
                return Err(data.corrupt(0, "lists lie over each other"));
            }
        }
        if header.rows > 0 && matches!(&*ivf.lists, Lists::Empty) {
            let message = format!("the lists of {} vectors were not saved with the index", header.rows);
            return Err(self.unsupported("faiss/no-lists", message).hint("use the file that holds the lists"));
        }
        // An index whose lists were put in by hand may say 0; one that says more than it has lost some. Not so lists of
        // blocks (FastScan): there the library forgets to count what is removed (`BlockInvertedLists::remove_ids`).
        if rows < header.rows && !matches!(ivf.packing, Packing::Nibbles { .. }) {
            return Err(self.corrupt(format!("{} vectors are promised, the lists hold {rows}", header.rows)));
        }
        Ok(rows)
    }
}
