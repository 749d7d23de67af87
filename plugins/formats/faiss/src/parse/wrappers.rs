/*! Indexes around other indexes: ids, transforms, refinement. */

use vecferry_sdk::Result;

use super::{Body, Parser};
use crate::header::Header;
use crate::node::{Kind, Node};
use crate::transform::Transform;

/// Transforms of one chain that are believed.
const MAX_CHAIN: i32 = 1000;

impl Parser<'_> {
    /// HDR, index, vec<i64> ids.
    pub(super) fn id_map(&mut self) -> Result<Body> {
        let header = self.header()?;
        let inner = Box::new(self.inner()?);
        self.same_width(&header, &inner)?;
        let ids = self.vector_of("ids", Some(header.rows), 8)?;
        self.same_rows(&header, &inner)?;
        Ok(Body::new(header, Kind::IdMap { inner, ids }))
    }

    /// HDR, i32 number of transforms, the transforms, index.
    pub(super) fn pre_transform(&mut self) -> Result<Body> {
        let mut header = self.header()?;
        let count = self.reader.i32()?;
        if !(0..=MAX_CHAIN).contains(&count) {
            return Err(self.corrupt(format!("a chain of {count} transforms")));
        }
        let mut chain = Vec::new();
        for _ in 0..count {
            chain.push(self.transform()?);
        }
        let inner = self.inner()?;
        self.same_rows(&header, &inner)?;
        header.rows = inner.rows;
        self.transformed(header, chain, inner)
    }

    /// HDR, index, u8 whether there is a transform, the transform, index, and behind an IVFPQ an i32.
    /// Its own count of vectors stays 0.
    pub(super) fn independent(&mut self) -> Result<Body> {
        let mut header = self.header()?;
        self.index()?;
        let mut chain = Vec::new();
        if self.flag()? {
            chain.push(self.transform()?);
        }
        let inner = self.inner()?;
        if matches!(&inner.fourcc.0, b"IwPQ" | b"IwQR" | b"IvPQ" | b"IvQR") {
            self.reader.skip(4)?;
        }
        header.rows = inner.rows;
        self.transformed(header, chain, inner)
    }

    fn transformed(&mut self, header: Header, chain: Vec<Transform>, inner: Node) -> Result<Body> {
        let mut dimension = header.dimension;
        for transform in &chain {
            if transform.input != dimension {
                return Err(self.corrupt(format!("a transform of {} values follows {dimension}", transform.input)));
            }
            dimension = transform.output;
        }
        if dimension != inner.header.dimension {
            let message = format!("an index of {} values stands behind {dimension}", inner.header.dimension);
            return Err(self.corrupt(message));
        }
        Ok(Body::new(header, Kind::Transformed { chain: chain.into(), inner: Box::new(inner) }))
    }

    /// HDR, base index, index of the same vectors in better quality, f32 k_factor.
    pub(super) fn refine(&mut self, class: &'static str) -> Result<Body> {
        let header = self.header()?;
        let base_class = self.index()?.map_or("none", |base| base.class);
        let refine = Box::new(self.inner()?);
        self.reader.skip(4)?;
        self.same_rows(&header, &refine)?;
        self.same_width(&header, &refine)?;
        let class = match (&refine.fourcc.0, class) {
            (b"IxF2" | b"IxFI" | b"IxFl", "IndexRefine") => "IndexRefineFlat",
            _ => class,
        };
        let mut body = Body::new(header, Kind::Refined { base_class, refine });
        body.class = Some(class);
        Ok(body)
    }

    /// HDR, index: a codec for one vector at a time, which nothing can be added to.
    pub(super) fn rowwise(&mut self) -> Result<Body> {
        let header = self.header()?;
        self.index()?;
        Ok(Body::new(header, Kind::Opaque("a codec only, vectors are not saved with it")))
    }

    /// Checks that an inner index holds as many vectors as the one around it says; or says, where its lists hold fewer
    /// for a good reason (see `listed`).
    pub(super) fn same_rows(&self, header: &Header, inner: &Node) -> Result<()> {
        if header.rows != inner.rows && header.rows != inner.header.rows {
            return Err(self.corrupt(format!(
                "{} vectors are promised, {} ({}) holds {}",
                header.rows, inner.fourcc, inner.class, inner.rows
            )));
        }
        Ok(())
    }

    /// Checks that an inner index has the dimension of the one around it.
    pub(super) fn same_width(&self, header: &Header, inner: &Node) -> Result<()> {
        if header.dimension != inner.header.dimension {
            return Err(self.corrupt(format!(
                "dimension {} around {} ({}) of dimension {}",
                header.dimension, inner.fourcc, inner.class, inner.header.dimension
            )));
        }
        Ok(())
    }
}
