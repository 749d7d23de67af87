/*! An index, parsed: a tree of nodes that hold numbers, codebooks and extents, never the vectors. */

use std::rc::Rc;

use crate::codec::{Codec, Product};
use crate::extent::Extent;
use crate::fourcc::FourCc;
use crate::header::Header;
use crate::lists::Lists;
use crate::packing::Packing;
use crate::transform::Transform;

/// One index.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) fourcc: FourCc,
    pub(crate) class: &'static str,
    pub(crate) header: Header,
    /// Records that a scan yields.
    pub(crate) rows: u64,
    pub(crate) kind: Kind,
}

/// What an index holds.
#[derive(Debug)]
pub(crate) enum Kind {
    /// One code per row, by position.
    Codes(Codes),
    /// A list number (little endian, `key_bytes`) and a code of what that list's centroid leaves, by position.
    TwoLayer { quantizer: Box<Node>, codec: Rc<Codec>, codes: Extent, key_bytes: usize },
    /// An index whose positions (or ids) have other ids: one i64 per row.
    IdMap { inner: Box<Node>, ids: Extent },
    /// A graph over vectors that another index stores.
    Graph { storage: Box<Node> },
    /// Inverted lists.
    Ivf(Ivf),
    /// An index of transformed vectors.
    Transformed { chain: Rc<[Transform]>, inner: Box<Node> },
    /// Two indexes of the same vectors, the second one better.
    Refined { base_class: &'static str, refine: Box<Node> },
    /// A grid of centroids, computed: row r is made of r's bits as a code.
    Grid(Rc<Codec>),
    /// Something whose vectors cannot be decoded here, and why.
    Opaque(&'static str),
}

/// Codes by position.
#[derive(Debug)]
pub(crate) struct Codes {
    pub(crate) codec: Rc<Codec>,
    pub(crate) packing: Packing,
    pub(crate) codes: Extent,
}

/// Codes in lists, with ids.
#[derive(Debug)]
pub(crate) struct Ivf {
    /// Holds the lists' centroids; a file may lack it.
    pub(crate) quantizer: Option<Box<Node>>,
    pub(crate) codec: Rc<Codec>,
    pub(crate) packing: Packing,
    /// Whether a code is of the difference to the list's centroid.
    pub(crate) by_residual: bool,
    pub(crate) lists: Rc<Lists>,
    /// IVFPQR: a second code per record, in the row that its id names.
    pub(crate) refine: Option<(Rc<Product>, Extent)>,
    /// IVFFlatDedup: pairs of i64, the id of a record in the lists and of one with the same vector.
    pub(crate) duplicates: Option<Extent>,
}

impl Node {
    /// Whether records carry ids that the index keeps; otherwise an id is a position.
    pub(crate) fn own_ids(&self) -> bool {
        match &self.kind {
            Kind::IdMap { .. } | Kind::Ivf(_) => true,
            Kind::Graph { storage: inner } | Kind::Transformed { inner, .. } | Kind::Refined { refine: inner, .. } => {
                inner.own_ids()
            }
            Kind::Codes(_) | Kind::TwoLayer { .. } | Kind::Grid(_) | Kind::Opaque(_) => false,
        }
    }

    /// Bytes that the largest form of one record takes on its way out.
    pub(crate) fn row_bytes(&self) -> usize {
        let values = self.header.dimension.saturating_mul(4);
        let below = match &self.kind {
            Kind::Codes(codes) => codes.codec.code_bytes(),
            Kind::TwoLayer { codec, key_bytes, .. } => codec.code_bytes().saturating_add(*key_bytes),
            Kind::Ivf(ivf) => ivf.codec.code_bytes(),
            Kind::IdMap { inner, .. }
            | Kind::Graph { storage: inner }
            | Kind::Transformed { inner, .. }
            | Kind::Refined { refine: inner, .. } => inner.row_bytes(),
            Kind::Grid(_) | Kind::Opaque(_) => 0,
        };
        values.max(below).max(8)
    }
}
