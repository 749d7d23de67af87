/*! An index, parsed: a tree of nodes that hold numbers and extents, never the vectors. */

use crate::extent::Extent;
use crate::fourcc::FourCc;
use crate::header::Header;

/// One index.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) fourcc: FourCc,
    pub(crate) class: &'static str,
    pub(crate) header: Header,
    pub(crate) kind: Kind,
}

/// What an index holds.
#[derive(Debug)]
pub(crate) enum Kind {
    /// One vector per row, as f32, by position.
    Flat(Extent),
    /// An index whose positions have ids: one i64 per row.
    IdMap { inner: Box<Node>, ids: Extent },
}
