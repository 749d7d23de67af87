/*! An index's records as pages. The cursor is the number of records before the next one. */

use vecferry_sdk::{Batch, Dense, Error, Page, Result, Scan};

use crate::helper::Helper;

pub(crate) struct VectorPages {
    helper: Helper,
    yielded: u64,
}

impl VectorPages {
    pub(crate) fn new(helper: Helper, after: Option<&[u8]>) -> Result<Self> {
        let yielded = match after {
            None => 0,
            Some(cursor) => <[u8; 8]>::try_from(cursor)
                .map(u64::from_le_bytes)
                .map_err(|_| Error::config("faiss-native/cursor", "this cursor is not one of this plugin's version"))?,
        };
        Ok(VectorPages { helper, yielded })
    }
}

impl Scan for VectorPages {
    fn next(&mut self, max_rows: u32, max_bytes: u64) -> Result<Option<Page>> {
        if self.yielded >= self.helper.about().rows {
            return Ok(None);
        }
        let dimension = self.helper.about().dimension;
        let fit = max_bytes / (u64::from(dimension) * 4).max(1);
        let count = u32::try_from(fit).unwrap_or(u32::MAX).min(max_rows).max(1);
        let (ids, values) = self.helper.rows(self.yielded, count)?;
        self.yielded = self.yielded.saturating_add(ids.len() as u64);
        let rows = Batch {
            ids: ids.iter().map(ToString::to_string).collect(),
            dense: vec![Dense::new(dimension, values)],
            ..Batch::default()
        };
        Ok(Some(Page { rows, cursor: self.yielded.to_le_bytes().to_vec(), ..Page::default() }))
    }
}
