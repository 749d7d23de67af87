/*!
Rows in the binary form of `COPY` (PostgreSQL's manual, "COPY", "Binary Format"): a signature, flags and an empty
extension; per row the number of fields and each field's length (-1 for NULL) and bytes; -1 at the end. Numbers are
big-endian.
*/

use crate::fit::Row;
use crate::settings::VectorType;
use crate::values::{put_dense, put_sparse};

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// `jsonb` in binary is this, then the text (`jsonb_recv`).
const JSONB_VERSION: u8 = 1;

/// Which columns the rows have beside id, document and metadata, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fields {
    pub(crate) vector: Option<VectorType>,
    pub(crate) sparse: bool,
}

/// All rows, ready to be sent.
pub(crate) fn encode(rows: &[Row<'_>], fields: Fields) -> Vec<u8> {
    let mut out = Vec::with_capacity(rows.iter().map(Row::bytes).sum::<usize>() + 64);
    out.extend_from_slice(SIGNATURE);
    out.extend_from_slice(&[0; 8]);
    let count = 3 + i16::from(fields.vector.is_some()) + i16::from(fields.sparse);
    for row in rows {
        out.extend_from_slice(&count.to_be_bytes());
        field(&mut out, |out| out.extend_from_slice(row.id.as_bytes()));
        match &row.document {
            Some(document) => field(&mut out, |out| out.extend_from_slice(document.as_bytes())),
            None => null(&mut out),
        }
        field(&mut out, |out| {
            out.push(JSONB_VERSION);
            out.extend_from_slice(row.metadata.as_bytes());
        });
        match (fields.vector, row.vector) {
            (Some(kind), Some(values)) => field(&mut out, |out| put_dense(out, kind, values)),
            (Some(_), None) => null(&mut out),
            (None, _) => {}
        }
        match (fields.sparse, &row.sparse) {
            (true, Some(entries)) => field(&mut out, |out| put_sparse(out, entries)),
            (true, None) => null(&mut out),
            (false, _) => {}
        }
    }
    out.extend_from_slice(&(-1_i16).to_be_bytes());
    out
}

fn null(out: &mut Vec<u8>) {
    out.extend_from_slice(&(-1_i32).to_be_bytes());
}

/// A field whose length is known once it is written. No field is near the 2 GiB that a length can say: a batch is not.
fn field(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = i32::try_from(out.len() - start - 4).unwrap_or(i32::MAX);
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}
