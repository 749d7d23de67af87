/*! The entry: an index file, opened. */

use std::rc::Rc;

use vecferry_sdk::{File, Result};

use crate::fidelity::{details, fidelity};
use crate::header::metric_name;
use crate::info::Info;
use crate::node::Node;
use crate::parse::Parser;
use crate::scan::VectorScan;

/// An index whose structure was read and checked against the file's size. Cheap to clone.
#[derive(Clone)]
pub struct Index {
    root: Rc<Node>,
    info: Rc<Info>,
}

impl Index {
    /// Reads an index's structure. `sibling` opens a file beside it, by its bare name: the data file of
    /// on-disk inverted lists.
    ///
    /// # Errors
    /// `corrupt` (with file and offset) for damage or something that is no index; `unsupported` for a type whose
    /// vectors cannot be decoded here, named; what `sibling` says.
    pub fn open(file: File, sibling: &dyn Fn(&str) -> Result<File>) -> Result<Index> {
        let name = file.name().to_owned();
        let mut parser = Parser::new(file, sibling);
        let root = parser.inner()?;
        let fidelity = fidelity(&root).map_err(|error| error.at("file", &name))?;
        let mut details = details(&root);
        let metric = metric_name(root.header.metric).unwrap_or("unknown");
        details.push(("faiss metric".to_owned(), metric.to_owned()));
        let info = Info {
            fourcc: root.fourcc.to_string(),
            class: root.class.to_owned(),
            dimension: u32::try_from(root.header.dimension).unwrap_or(u32::MAX),
            rows: root.rows,
            metric: root.header.contract_metric(),
            metric_name: metric.to_owned(),
            fidelity,
            own_ids: root.own_ids(),
            details,
        };
        Ok(Index { root: Rc::new(root), info: Rc::new(info) })
    }

    /// What it says about itself.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Its records from the first on.
    ///
    /// # Errors
    /// `corrupt` when parts contradict each other; `unsupported` when a part is too large for memory.
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
