/*! An index's records as pages. The cursor is the number of records before the next one. */

use vecferry_faiss_format::{Index, VectorScan};
use vecferry_sdk::{Batch, Dense, Error, Page, Result, Scan};

pub(crate) struct VectorPages {
    vectors: VectorScan,
    dimension: u32,
    yielded: u64,
}

impl VectorPages {
    pub(crate) fn new(index: &Index, after: Option<&[u8]>) -> Result<Self> {
        let yielded = match after {
            None => 0,
            Some(cursor) => <[u8; 8]>::try_from(cursor)
                .map(u64::from_le_bytes)
                .map_err(|_| Error::config("faiss/cursor", "this cursor is not one of this plugin's version"))?,
        };
        let vectors = index.vectors_at(yielded)?;
        Ok(VectorPages { vectors, dimension: index.info().dimension, yielded })
    }
}

impl Scan for VectorPages {
    fn next(&mut self, max_rows: u32, max_bytes: u64) -> Result<Option<Page>> {
        let fit = max_bytes / (u64::from(self.dimension) * 4).max(1);
        let rows = u64::from(max_rows).min(fit).max(1);
        let Some(chunk) = self.vectors.next(usize::try_from(rows).unwrap_or(1))? else { return Ok(None) };
        self.yielded += chunk.ids.len() as u64;
        let rows = Batch {
            ids: chunk.ids.iter().map(ToString::to_string).collect(),
            dense: vec![Dense::new(self.dimension, chunk.values)],
            ..Batch::default()
        };
        Ok(Some(Page { rows, cursor: self.yielded.to_le_bytes().to_vec(), ..Page::default() }))
    }
}
