/*! The records of a store: in the order of the index, each with its document. */

use std::rc::Rc;

use vecferry_faiss_format::{Chunk, VectorScan};
use vecferry_pickle_format::{Json, Limits, Node, Notes, Tally, notes};
use vecferry_sdk::{Batch, Dense, Error, Page, Result, Scan, Unreadable};

use crate::store::{Slot, Store, document, id_text};

/// Vectors that are read ahead, in bytes: below the 128 KiB from which allocators commonly ask the system for every
/// block anew.
const AHEAD: usize = 120 << 10;

pub(crate) struct RecordScan {
    store: Rc<Store>,
    vectors: Option<VectorScan>,
    dimension: usize,
    /// Vectors that were read and not yet yielded, from `taken` on.
    chunk: Chunk,
    taken: usize,
    /// Records yielded so far: the cursor.
    yielded: u64,
    /// Positions that came, of a scan from the start: an index that names one twice names another never.
    seen: Option<Vec<bool>>,
    json: Json,
}

impl RecordScan {
    pub(crate) fn new(store: Rc<Store>, after: Option<&[u8]>) -> Result<Self> {
        let yielded = match after {
            None => 0,
            Some(cursor) => <[u8; 8]>::try_from(cursor)
                .map(u64::from_le_bytes)
                .map_err(|_| Error::config("langchain/cursor", "this cursor is not one of this plugin's version"))?,
        };
        let (vectors, dimension) = match store.index() {
            Some(index) => {
                let width = usize::try_from(index.info().dimension).unwrap_or(usize::MAX);
                (Some(index.vectors_at(yielded)?), width)
            }
            None => (None, 0),
        };
        let seen = (yielded == 0).then(|| vec![false; store.len()]);
        let json = Json::new(&Limits::default(), store.pickle().file().size());
        Ok(RecordScan { vectors, dimension, chunk: Chunk::default(), taken: 0, yielded, seen, json, store })
    }

    /// The next position, and where its vector starts in the chunk.
    fn advance(&mut self, wanted: usize) -> Result<Option<(usize, usize)>> {
        let Some(vectors) = &mut self.vectors else {
            let position = usize::try_from(self.yielded).unwrap_or(usize::MAX);
            return Ok((position < self.store.len()).then_some((position, 0)));
        };
        if self.taken >= self.chunk.ids.len() {
            let fit = AHEAD / self.dimension.saturating_mul(4).max(1);
            match vectors.next(wanted.min(fit).max(1))? {
                Some(chunk) => (self.chunk, self.taken) = (chunk, 0),
                None => return Ok(None),
            }
        }
        let id = self.chunk.ids.get(self.taken).copied().unwrap_or(-1);
        let position = usize::try_from(id).ok().filter(|position| *position < self.store.len());
        let position = position
            .ok_or_else(|| self.wrong(format!("the index names position {id}, which the pickle does not map")))?;
        let start = self.taken * self.dimension;
        self.taken += 1;
        Ok(Some((position, start)))
    }

    fn see(&mut self, position: usize) -> Result<()> {
        match self.seen.as_mut().and_then(|seen| seen.get_mut(position)) {
            Some(seen) if *seen => Err(self.wrong(format!("the index holds two vectors of position {position}"))),
            Some(seen) => {
                *seen = true;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn wrong(&self, message: String) -> Error {
        let file = self.store.files().last().map(|file| file.name().to_owned()).unwrap_or_default();
        Error::corrupt("langchain/positions", message).at("file", file)
    }

    /// At the end every position must have come.
    fn end(&self) -> Result<()> {
        match self.seen.as_ref().and_then(|seen| seen.iter().position(|seen| !seen)) {
            Some(position) => Err(self.wrong(format!("the index holds no vector of position {position}"))),
            None => Ok(()),
        }
    }
}

/// A document, as a batch holds it.
struct Record {
    id: String,
    document: String,
    metadata: String,
    notes: Notes,
}

impl Scan for RecordScan {
    fn next(&mut self, max_rows: u32, max_bytes: u64) -> Result<Option<Page>> {
        let max_rows = (max_rows as usize).max(1);
        let mut page = Page::default();
        let (mut documents, mut metadata, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let (mut rows, mut bytes) = (0, 0u64);
        let mut tally = Tally::default();
        while rows < max_rows && (rows == 0 || bytes < max_bytes) {
            let Some((position, start)) = self.advance(max_rows - rows)? else { break };
            self.see(position)?;
            rows += 1;
            self.yielded += 1;
            let Some(slot) = self.store.slot(position) else { continue };
            match record(&self.store, slot, &mut self.json)? {
                Ok(record) => {
                    bytes +=
                        (record.id.len() + record.document.len() + record.metadata.len() + self.dimension * 4) as u64;
                    tally.add(&record.notes);
                    page.rows.ids.push(record.id);
                    documents.push(Some(record.document));
                    metadata.push(record.metadata);
                    values.extend_from_slice(self.chunk.values.get(start..start + self.dimension).unwrap_or_default());
                }
                Err(unreadable) => page.unreadable.push(unreadable),
            }
        }
        if rows == 0 {
            self.end()?;
            return Ok(None);
        }
        let dense = match (&self.vectors, u32::try_from(self.dimension)) {
            (Some(_), Ok(dimension)) => vec![Dense::new(dimension, values)],
            _ => Vec::new(),
        };
        page.rows = Batch { dense, documents: Some(documents), metadata: Some(metadata), ..page.rows };
        page.changes = tally.changes();
        page.cursor = self.yielded.to_le_bytes().to_vec();
        Ok(Some(page))
    }
}

/// A slot's record, or why there is none and that does not end the scan.
fn record(store: &Store, slot: Slot, json: &mut Json) -> Result<Result<Record, Unreadable>> {
    let pickle = store.pickle();
    let id = id_text(pickle.node(slot.id))?;
    let Some(handle) = slot.document else {
        let reason =
            Error::corrupt("langchain/missing-document", "the docstore does not have this document").at("id", &id);
        return Ok(Err(Unreadable { id, reason }));
    };
    match whole(pickle.node(handle), json) {
        Ok((document, metadata, notes)) => Ok(Ok(Record { id, document, metadata, notes })),
        Err(reason) if store.skips_unreadable() && !reason.kind.is_retryable() => Ok(Err(Unreadable { id, reason })),
        Err(reason) => Err(reason.at("id", &id)),
    }
}

/// A document's text, its metadata, and what was made to fit.
fn whole(node: Node<'_>, json: &mut Json) -> Result<(String, String, Notes)> {
    let document = document(node)?;
    let mut notes = Notes::default();
    json.spend(document.page_content.text_bytes()?, document.page_content)?;
    let text = document.page_content.string(&mut notes)?.unwrap_or_default();
    let metadata = metadata(document.metadata, json, &mut notes)?;
    Ok((text, metadata, notes))
}

fn metadata(node: Option<Node<'_>>, json: &mut Json, notes: &mut Notes) -> Result<String> {
    match node {
        None => Ok("{}".to_owned()),
        Some(node) if node.kind() == vecferry_pickle_format::Kind::Dict => json.value(node, notes),
        Some(node) => {
            notes.add(notes::WRAPPED);
            let member = ("metadata".into(), vecferry_pickle_format::Member::Node(node));
            json.object(vec![member], notes)
        }
    }
}
