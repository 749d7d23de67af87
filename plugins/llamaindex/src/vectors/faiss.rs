/*! `FaissVectorStore` and `FaissMapVectorStore`: vectors in a FAISS index, in its order, each with its node. */

use vecferry_faiss_format::{Chunk, Index, Info, VectorScan};
use vecferry_sdk::{Error, File, Result, Unreadable};

use crate::docstore::Docstore;
use crate::settings::DOCUMENTS_HINT;
use crate::vectors::labels::Fate;
use crate::vectors::{Labels, Record, Sources, Step};

/// Vectors that are read ahead, in bytes.
const AHEAD: usize = 1 << 20;

pub(crate) struct FaissStore {
    file: File,
    index: Index,
    docstore: Docstore,
    labels: Labels,
    reading: Option<ReadingVectors>,
}

/// Where a scan is.
struct ReadingVectors {
    vectors: VectorScan,
    /// Rows passed.
    row: u64,
    /// Vectors that were read and not yet yielded, from `taken` on.
    chunk: Chunk,
    taken: usize,
    /// Labels that came, of a scan from the start: an index that names one twice names another never.
    seen: Option<Vec<bool>>,
}

impl FaissStore {
    /// Joins an index with its map and the docstore.
    ///
    /// # Errors
    /// `corrupt`: nodes are missing or ids shared (with `whole_ones` such records are unreadable one by one), or the
    /// files are of different states.
    pub(crate) fn open(
        file: File,
        index: Index,
        mut docstore: Docstore,
        sources: &Sources,
        whole_ones: bool,
    ) -> Result<FaissStore> {
        let info = index.info();
        let labels = Labels::read(sources, info.own_ids, &mut docstore, whole_ones)?;
        if labels.rows() != info.rows {
            let message = format!("the index holds {} vectors, but its map names {}", info.rows, labels.rows());
            return Err(Error::corrupt("llamaindex/counts", message)
                .at("file", labels.file().name())
                .hint(format!("the files belong to different states of the store; {DOCUMENTS_HINT}")));
        }
        if !whole_ones && labels.count(Fate::Shared) > 0 {
            return Err(labels.shared_ids());
        }
        if !whole_ones && labels.missing() > 0 {
            return Err(labels.missing_documents());
        }
        Ok(FaissStore { file, index, docstore, labels, reading: None })
    }

    pub(crate) fn files(&self) -> [&File; 3] {
        [&self.file, self.docstore.file(), self.labels.file()]
    }

    pub(crate) fn info(&self) -> &Info {
        self.index.info()
    }

    pub(crate) fn docstore(&self) -> &Docstore {
        &self.docstore
    }

    pub(crate) fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Records: vectors that were not replaced.
    pub(crate) fn len(&self) -> u64 {
        self.labels.rows() - self.labels.count(Fate::Replaced) as u64
    }

    /// The record of row `row`, its vector appended; `None` past the end. Rows are asked for in order, `wanted` of them.
    pub(crate) fn record(&mut self, row: u64, wanted: usize, vector: &mut Vec<f32>) -> Result<Option<Step>> {
        let mut reading = match self.reading.take() {
            Some(reading) if reading.row == row => reading,
            _ => ReadingVectors {
                vectors: self.index.vectors_at(row.min(self.info().rows))?,
                row,
                chunk: Chunk::default(),
                taken: 0,
                seen: (row == 0).then(|| vec![false; self.labels.len()]),
            },
        };
        let step = self.step(&mut reading, wanted, vector);
        self.reading = Some(reading);
        step
    }

    fn step(&mut self, reading: &mut ReadingVectors, wanted: usize, vector: &mut Vec<f32>) -> Result<Option<Step>> {
        let dimension = self.info().dimension as usize;
        if reading.taken >= reading.chunk.ids.len() {
            let fit = AHEAD / dimension.saturating_mul(4).max(1);
            match reading.vectors.next(wanted.min(fit).max(1))? {
                Some(chunk) => (reading.chunk, reading.taken) = (chunk, 0),
                None => return self.end(reading).map(|()| None),
            }
        }
        let label = reading.chunk.ids.get(reading.taken).copied().unwrap_or(-1);
        let start = reading.taken * dimension;
        let values = reading.chunk.values.get(start..start + dimension).unwrap_or_default();
        let row = reading.row;
        reading.taken += 1;
        reading.row += 1;
        let (at, fate) = self
            .labels
            .find(label, row)
            .ok_or_else(|| self.wrong(format!("the index names vector {label}, which its map does not name")))?;
        let seen = reading.seen.as_mut().and_then(|seen| seen.get_mut(at));
        if seen.is_some_and(|seen| std::mem::replace(seen, true)) && fate != Fate::Shared {
            return Err(self.wrong(format!("the index holds two vectors with id {label}")));
        }
        Ok(Some(match fate {
            Fate::Node(offset) => {
                vector.extend_from_slice(values);
                let node = self.docstore.node(offset)?;
                Step::Record(Record { id: node.id, document: node.text, metadata: node.metadata, notes: node.notes })
            }
            Fate::Replaced => Step::Replaced,
            Fate::Missing => {
                let id = self.labels.missing_id(label).to_owned();
                let message = "the docstore does not have this node";
                let reason = Error::corrupt("llamaindex/missing-document", message).at("id", &id);
                Step::Unreadable(Unreadable { id, reason })
            }
            Fate::Shared => {
                let message = "the map gives this vector's id to several nodes";
                let reason = Error::corrupt("llamaindex/shared-ids", message).at("id", label);
                Step::Unreadable(Unreadable { id: label.to_string(), reason })
            }
        }))
    }

    /// At the end every vector that the map names must have come.
    fn end(&self, reading: &ReadingVectors) -> Result<()> {
        let missed = reading.seen.as_ref().and_then(|seen| seen.iter().position(|seen| !seen));
        match missed.and_then(|at| self.labels.label(at)) {
            Some((label, _)) => Err(self.wrong(format!("the index holds no vector {label}, which its map names"))),
            None => Ok(()),
        }
    }

    fn wrong(&self, message: String) -> Error {
        Error::corrupt("llamaindex/positions", message).at("file", self.file.name()).hint(DOCUMENTS_HINT)
    }
}
