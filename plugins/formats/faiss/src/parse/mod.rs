/*!
From bytes to [`Node`]s, in the order of `faiss/impl/index_read.cpp`.

Everything that a number from the file decides is checked against what the file still holds before it is believed.
Nesting is capped as FAISS caps it; nothing else recurses.
*/

mod binary;
mod codes;
mod graph;
mod input;
mod ivf;
mod lists;
mod quantizers;
mod transforms;
mod wrappers;

use vecferry_sdk::{Error, File, Result};

use crate::fourcc::{FourCc, class};
use crate::header::Header;
use crate::node::{Kind, Node};

pub(crate) use input::Parser;

/// Indexes within indexes that are followed; the cap of FAISS itself.
const MAX_NESTING: u32 = 50;

/// What stands for an index that is not there.
const ABSENT: &[u8; 4] = b"null";

/// What to do about vectors that cannot be decoded.
pub(crate) const HINT: &str = "the optional plugin faiss-native (cargo xtask build faiss-native) reads \
    LSH indexes through the FAISS library; otherwise embed the original texts again";

impl Parser<'_> {
    /// Reads one index and everything in it; `None` for one that is marked absent.
    pub(crate) fn index(&mut self) -> Result<Option<Node>> {
        let start = self.reader.position();
        if self.depth > MAX_NESTING {
            return Err(self.corrupt(format!("indexes are nested more than {MAX_NESTING} deep")));
        }
        let fourcc = FourCc(self.reader.array()?);
        if fourcc.0 == *ABSENT {
            return Ok(None);
        }
        let class = class(fourcc).ok_or_else(|| unknown(fourcc, self.reader.file(), start))?;
        self.depth += 1;
        let node = self.body(start, fourcc, class)?;
        self.depth -= 1;
        Ok(Some(node))
    }

    /// Reads an index that another one cannot do without.
    pub(crate) fn inner(&mut self) -> Result<Node> {
        let at = self.reader.position();
        self.index()?.ok_or_else(|| {
            self.unsupported_at(
                at,
                "faiss/no-storage",
                "the part of this index that holds its vectors was not saved with it",
            )
        })
    }

    fn body(&mut self, start: u64, fourcc: FourCc, class: &'static str) -> Result<Node> {
        let name = &fourcc.0;
        let (header, kind, class) = match name {
            b"IxF2" | b"IxFI" | b"IxFl" => self.flat()?,
            b"IxFP" | b"IxFp" => self.flat_panorama(name)?,
            b"IxSQ" => self.scalar()?,
            b"IxPq" | b"IxPQ" | b"IxPo" => self.product(name)?,
            b"IxRq" | b"IxRQ" | b"IxLS" | b"IxPR" | b"IxPL" => self.additive(name)?,
            b"IPfs" => self.product_fast_scan()?,
            b"IRfs" | b"ILfs" | b"IPRf" | b"IPLf" => self.additive_fast_scan(name)?,
            b"Ix2L" => self.two_layer()?,
            b"Ixrq" | b"Ixrr" => self.rabitq(name)?,
            b"Irfn" | b"Irfs" => self.rabitq_fast_scan(name)?,
            b"IxHe" | b"IxHE" => self.lsh()?,
            b"IxLa" => self.lattice()?,
            b"Imiq" | b"ImRQ" => self.grid(name)?,
            b"IxMp" | b"IxM2" => self.id_map()?,
            b"IxPT" => self.pre_transform()?,
            b"IxRF" | b"IxRP" => self.refine(class)?,
            b"IRMf" | b"IRMh" => self.rowwise()?,
            b"IHNf" | b"IHNs" | b"IHNp" | b"IHNr" | b"IHN2" | b"IHNc" | b"IHc2" | b"IHfP" | b"IH00" => {
                self.hnsw(name)?
            }
            b"INSf" | b"INSs" | b"INSp" => self.nsg()?,
            b"INNf" => self.nn_descent()?,
            b"IwIQ" => self.independent()?,
            b"ISVD" | b"ISVL" | b"ILVQ" | b"ISVF" | b"IxEe" | b"IwEe" => return Err(self.closed(start, fourcc, class)),
            _ if name.starts_with(b"IB") => return Err(self.binary(start, fourcc, class)),
            _ => self.ivf(name)?,
        }
        .named(class);
        let rows = match &kind {
            Kind::Ivf(ivf) => self.listed(&header, ivf)?,
            _ => header.rows,
        };
        if rows > 0 && !header.trained {
            return Err(self.corrupt(format!("an index that was never trained claims to hold {rows} vectors")));
        }
        if rows > 0 && header.dimension == 0 {
            return Err(self.corrupt(format!("{rows} vectors of no dimension")));
        }
        Ok(Node { fourcc, class, header, rows, kind })
    }

    /// Types whose body is not known well enough to pass over.
    fn closed(&self, start: u64, fourcc: FourCc, class: &str) -> Error {
        self.unsupported_at(
            start,
            "faiss/unsupported-type",
            format!("{fourcc} ({class}): vectors cannot be decoded from this type"),
        )
    }
}

/// What a type's function answers: its header and content, and a class more exact than the fourcc tells.
pub(crate) struct Body {
    pub(crate) header: Header,
    pub(crate) kind: Kind,
    pub(crate) class: Option<&'static str>,
}

impl Body {
    pub(crate) fn new(header: Header, kind: Kind) -> Body {
        Body { header, kind, class: None }
    }

    fn named(self, class: &'static str) -> (Header, Kind, &'static str) {
        (self.header, self.kind, self.class.unwrap_or(class))
    }
}

fn unknown(fourcc: FourCc, file: &File, at: u64) -> Error {
    let error = if fourcc.is_plausible() {
        Error::unsupported("faiss/unknown-fourcc", format!("{fourcc} is no index type that this version knows"))
            .hint("a newer FAISS may have written it, or the file is damaged")
    } else {
        Error::corrupt("faiss/unknown-fourcc", format!("a FAISS index starts with its type, here stands {fourcc}"))
    };
    error.at("file", file.name()).at("offset", at)
}
