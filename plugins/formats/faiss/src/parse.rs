/*! From bytes to [`Node`]s: one function per type, in the order of `read_index`. */

use vecferry_sdk::{Error, Reader, Result};

use crate::extent::Extent;
use crate::fourcc::{FourCc, known};
use crate::header::Header;
use crate::node::{Kind, Node};

/// Indexes within indexes that are followed; the cap of FAISS itself.
const MAX_NESTING: u32 = 50;

/// Reads one index and everything in it.
pub(crate) fn index(reader: &mut Reader, depth: u32) -> Result<Node> {
    let start = reader.position();
    if depth > MAX_NESTING {
        return Err(reader.corrupt(format!("indexes are nested more than {MAX_NESTING} deep")));
    }
    let fourcc = FourCc(reader.array()?);
    let Some(known) = known(fourcc) else {
        return Err(Error::corrupt("faiss/unknown-fourcc", format!("this is no FAISS index: it starts with {fourcc}"))
            .at("file", reader.file().name())
            .at("offset", start));
    };
    let header = Header::read(reader)?;
    let kind = match &fourcc.0 {
        b"IxF2" | b"IxFI" | b"IxFl" => flat(reader, &header)?,
        _ => id_map(reader, &header, depth)?,
    };
    Ok(Node { fourcc, class: known.class, header, kind })
}

/// `xbvec`: u64 count of 4-byte units, then the rows.
fn flat(reader: &mut Reader, header: &Header) -> Result<Kind> {
    let units = reader.u64()?;
    if Some(units) != header.rows.checked_mul(header.dimension as u64) {
        return Err(reader.corrupt(format!(
            "{units} values are promised, {} vectors of {} values need another number",
            header.rows, header.dimension
        )));
    }
    Ok(Kind::Flat(extent(reader, units, 4)?))
}

fn id_map(reader: &mut Reader, header: &Header, depth: u32) -> Result<Kind> {
    let inner = Box::new(index(reader, depth + 1)?);
    let count = reader.u64()?;
    if count != header.rows {
        return Err(reader.corrupt(format!("{count} ids are promised for {} vectors", header.rows)));
    }
    Ok(Kind::IdMap { inner, ids: extent(reader, count, 8)? })
}

/// Passes over `count` items of `width` bytes and keeps their place.
fn extent(reader: &mut Reader, count: u64, width: u64) -> Result<Extent> {
    let len = count
        .checked_mul(width)
        .ok_or_else(|| reader.corrupt(format!("{count} items of {width} bytes are impossible")))?;
    let offset = reader.position();
    reader.skip(len)?;
    Ok(Extent { file: reader.file().clone(), offset, len })
}
