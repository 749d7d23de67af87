/*! The entry: an index file, opened. */

use std::rc::Rc;

use vecferry_sdk::{File, Reader, Result};

use crate::info::{Fidelity, Info};
use crate::node::{Kind, Node};
use crate::parse;
use crate::scan::VectorScan;

/// An index whose structure was read and checked against the file's size.
#[derive(Clone)]
pub struct Index {
    root: Rc<Node>,
    info: Info,
}

impl Index {
    /// Reads an index's structure. `sibling` opens a file beside it, by its bare name: the data file of
    /// on-disk inverted lists.
    ///
    /// # Errors
    /// `corrupt` (with file and offset) for damage or something that is no index; `unsupported` for a type whose
    /// vectors cannot be decoded here.
    pub fn open(file: File, sibling: &dyn Fn(&str) -> Result<File>) -> Result<Index> {
        let _ = sibling;
        let root = parse::index(&mut Reader::with_block(file, 64 * 1024), 0)?;
        let info = Info {
            fourcc: root.fourcc.to_string(),
            class: root.class.to_owned(),
            dimension: u32::try_from(root.header.dimension).unwrap_or(u32::MAX),
            rows: root.header.rows,
            metric: root.header.contract_metric(),
            metric_name: root.header.metric_name().to_owned(),
            fidelity: Fidelity::Exact,
            own_ids: matches!(root.kind, Kind::IdMap { .. }),
            details: Vec::new(),
        };
        Ok(Index { root: Rc::new(root), info })
    }

    /// What it says about itself.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Its records from the first on.
    ///
    /// # Errors
    /// `corrupt` when the parts contradict each other.
    pub fn vectors(&self) -> Result<VectorScan> {
        VectorScan::new(&self.root)
    }

    /// Its records from the `position`-th on, in the order of [`Index::vectors`].
    ///
    /// # Errors
    /// As [`Index::vectors`].
    pub fn vectors_at(&self, position: u64) -> Result<VectorScan> {
        let mut scan = self.vectors()?;
        scan.seek(position)?;
        Ok(scan)
    }
}
