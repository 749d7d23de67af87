/*!
The file of a run while it is written: all collections in one output, with an index of which line is a record's
last.

A line that a later one replaced stays in the output until the end; [`Lines::finish`] then writes the file
once more without such lines. That is rare: a batch that is only written again leaves the same bytes, which
is noticed and not written.
*/

use std::collections::HashMap;

use vecferry_sdk::{
    Alteration, Batch, Dense, Error, ErrorKind, Hit, Host, IdPage, Metric, Nearest, Output, Receipt, Rejection, Result,
    Target,
};

use crate::index::{Index, Key};
use crate::line::{Line, Lost, render};

/// Bytes that are read back at a time; the first time fewer, since often one line is wanted.
const BLOCK: u32 = 256 * 1024;
const FIRST_BLOCK: u32 = 8 * 1024;

pub(crate) struct Lines {
    host: Host,
    name: String,
    output: Box<dyn Output>,
    /// Bytes of whole lines; the output must hold exactly these.
    length: u64,
    /// A write failed: what the output holds now is not known until it says so.
    doubtful: bool,
    /// It stands under its name: nothing can be added.
    is_finished: bool,
    index: Index,
    /// Where lines stand that a later one replaced.
    superseded: Vec<u64>,
    collections: HashMap<String, Stored>,
}

struct Stored {
    dimension: Option<u32>,
    metric: Metric,
    records: u64,
}

/// Rows that were rendered and wait for their one write.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    /// Where in `bytes` each record's line starts.
    starts: Vec<(Key, usize)>,
    last: HashMap<Key, std::ops::Range<usize>>,
}

impl Lines {
    pub(crate) fn create(host: &Host, name: &str) -> Result<Self> {
        Ok(Lines {
            host: host.clone(),
            name: name.to_owned(),
            output: host.create_output(name)?,
            length: 0,
            doubtful: false,
            is_finished: false,
            index: Index::new(),
            superseded: Vec::new(),
            collections: HashMap::new(),
        })
    }

    /// The file that an interrupted run left, or finished just before it was interrupted. What stands behind the last
    /// whole line is taken back.
    pub(crate) fn reopen(host: &Host, name: &str) -> Result<Self> {
        match host.reopen_output(name)? {
            Some(output) => {
                let mut lines = Lines::read(host, name, output)?;
                lines.output.truncate(lines.length)?;
                Ok(lines)
            }
            None => Lines::finished(host, name),
        }
    }

    /// A file that stands under its name, to be read.
    pub(crate) fn finished(host: &Host, name: &str) -> Result<Self> {
        let output = host.open_output(name).map_err(|error| match error.kind {
            ErrorKind::NotFound => Error::not_found("jsonl/not-there", format!("{name} is not there"))
                .hint("begin a new migration: it writes the file anew"),
            _ => error,
        })?;
        Ok(Lines { is_finished: true, ..Lines::read(host, name, output)? })
    }

    fn read(host: &Host, name: &str, output: Box<dyn Output>) -> Result<Self> {
        let mut lines = Lines {
            host: host.clone(),
            name: name.to_owned(),
            length: output.size(),
            output,
            doubtful: false,
            is_finished: false,
            index: Index::new(),
            superseded: Vec::new(),
            collections: HashMap::new(),
        };
        let mut walk = Walk::new(0, lines.length);
        let mut whole = 0;
        while let Some((offset, bytes)) = walk.next(&*lines.output)? {
            // A torn write can leave a gap of zeros before bytes that arrived: nothing behind it counts.
            let Ok(line) = Line::parse(bytes) else { break };
            let stored = lines.collections.entry(line.collection.clone().into_owned());
            let stored = stored.or_insert(Stored { dimension: None, metric: Metric::Unknown, records: 0 });
            match lines.index.insert(Key::new(&line.collection, &line.id), offset) {
                Some(earlier) => lines.superseded.push(earlier),
                None => stored.records += 1,
            }
            whole = offset + bytes.len() as u64;
        }
        lines.length = whole;
        Ok(lines)
    }

    /// Makes the target known, or compares it with what is known of it.
    pub(crate) fn prepare(&mut self, target: &Target) -> Result<()> {
        let Some(known) = self.collections.get_mut(&target.collection) else {
            let stored = Stored { dimension: target.dimension, metric: target.metric, records: 0 };
            self.collections.insert(target.collection.clone(), stored);
            return Ok(());
        };
        let differs = |what: &str, known: &dyn std::fmt::Display, asked: &dyn std::fmt::Display| {
            let message =
                format!("the collection '{}' has {what} {known}, the run asks for {asked}", target.collection);
            Error::config("target/mismatch", message).at("collection", &target.collection)
        };
        match (known.dimension, target.dimension) {
            (Some(a), Some(b)) if a != b => return Err(differs("dimension", &a, &b)),
            (None, Some(_)) => known.dimension = target.dimension,
            _ => {}
        }
        match (known.metric, target.metric) {
            (_, Metric::Unknown) => {}
            (Metric::Unknown, metric) => known.metric = metric,
            (a, b) if a != b => return Err(differs("metric", &a.as_str(), &b.as_str())),
            _ => {}
        }
        Ok(())
    }

    fn stored(&self, collection: &str) -> Result<&Stored> {
        self.collections.get(collection).ok_or_else(|| {
            Error::internal("jsonl/not-prepared", format!("the collection '{collection}' was not prepared"))
        })
    }

    pub(crate) fn is_prepared(&self, collection: &str) -> Result<()> {
        self.stored(collection).map(drop)
    }

    pub(crate) fn write(&mut self, collection: &str, batch: &Batch) -> Result<Receipt> {
        let dimension = self.stored(collection)?.dimension;
        batch.check()?;
        self.settle()?;
        let mut pending = Pending::default();
        let mut receipt = Receipt::default();
        for (row, id) in batch.ids.iter().enumerate() {
            let start = pending.bytes.len();
            let rendered = fits(batch, row, dimension)
                .and_then(|()| render(batch, row, id, collection, &mut pending.bytes))
                .map_err(|e| e.at("id", id));
            match rendered {
                Ok(lost) => {
                    self.stage(&mut pending, Key::new(collection, id), start)?;
                    receipt.accepted += 1;
                    receipt.altered.extend(alterations(row, lost));
                }
                Err(reason) => receipt.rejected.push(Rejection { row: u32::try_from(row).unwrap_or(u32::MAX), reason }),
            }
        }
        self.append(collection, &pending)?;
        Ok(receipt)
    }

    /// Keeps the line that starts at `start`, unless the very same one stands already.
    fn stage(&self, pending: &mut Pending, key: Key, start: usize) -> Result<()> {
        let range = start..pending.bytes.len();
        let line = &pending.bytes[range.clone()];
        let stands = match pending.last.get(&key) {
            Some(earlier) => pending.bytes.get(earlier.clone()) == Some(line),
            None => match self.index.get(key) {
                Some(offset) => self.holds(offset, line)?,
                None => false,
            },
        };
        if stands {
            pending.bytes.truncate(start);
        } else {
            pending.starts.push((key, start));
            pending.last.insert(key, range);
        }
        Ok(())
    }

    /// Whether exactly this line stands there. It ends in its line end, so a longer one is another.
    fn holds(&self, mut offset: u64, line: &[u8]) -> Result<bool> {
        for piece in line.chunks(BLOCK as usize) {
            if self.output.read_at(offset, u32::try_from(piece.len()).unwrap_or(BLOCK))? != piece {
                return Ok(false);
            }
            offset += piece.len() as u64;
        }
        Ok(true)
    }

    /// One write, and only then the index: a failed write changes nothing that is known.
    fn append(&mut self, collection: &str, pending: &Pending) -> Result<()> {
        if pending.bytes.is_empty() {
            return Ok(());
        }
        self.doubtful = true;
        self.output.write(&pending.bytes)?;
        self.doubtful = false;
        let mut new = 0;
        for &(key, start) in &pending.starts {
            match self.index.insert(key, self.length + start as u64) {
                Some(earlier) => self.superseded.push(earlier),
                None => new += 1,
            }
        }
        self.length += pending.bytes.len() as u64;
        if let Some(stored) = self.collections.get_mut(collection) {
            stored.records += new;
        }
        Ok(())
    }

    /// After a failed write: goes on if the output says that nothing of it arrived.
    fn settle(&mut self) -> Result<()> {
        if self.doubtful {
            let there = self.output.sync()?;
            if there != self.length {
                let message = format!(
                    "{} holds {there} bytes after a failed write, {} of them whole lines",
                    self.name, self.length
                );
                return Err(
                    Error::internal("jsonl/torn", message).hint("run the migration again: it starts a new file")
                );
            }
            self.doubtful = false;
        }
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        if self.is_finished {
            return Ok(());
        }
        self.settle()?;
        self.output.sync().map(drop)
    }

    pub(crate) fn count(&self, collection: &str) -> Result<u64> {
        Ok(self.stored(collection)?.records)
    }

    /// Ids of a collection in the order of their lines; the cursor is where the next line begins.
    pub(crate) fn list(&mut self, collection: &str, after: Option<&[u8]>, max: u32) -> Result<Option<IdPage>> {
        self.stored(collection)?;
        let from = match after.map(<[u8; 8]>::try_from) {
            None => 0,
            Some(Ok(offset)) => u64::from_le_bytes(offset),
            Some(Err(_)) => return Err(Error::internal("jsonl/cursor", "this is no cursor of a list of ids")),
        };
        self.superseded.sort_unstable();
        let mut page = IdPage::default();
        let mut walk = Walk::new(from, self.length);
        while page.ids.len() < max.max(1) as usize
            && let Some((offset, bytes)) = walk.next(&*self.output)?
        {
            if self.superseded.binary_search(&offset).is_err() {
                let line = Line::parse(bytes)?;
                if line.collection == collection {
                    page.ids.push(line.id.into_owned());
                }
            }
        }
        page.cursor = walk.offset.to_le_bytes().to_vec();
        Ok((!page.ids.is_empty()).then_some(page))
    }

    pub(crate) fn fetch(&self, collection: &str, ids: &[String]) -> Result<Batch> {
        let width = self.stored(collection)?.dimension.unwrap_or(0);
        let (mut dense, mut documents, mut metadata) = (Dense::new(width, Vec::new()), Vec::new(), Vec::new());
        let mut batch = Batch::default();
        let mut seen = std::collections::HashSet::new();
        let mut vector = Vec::new();
        for id in ids {
            let Some(offset) = self.index.get(Key::new(collection, id)).filter(|_| seen.insert(id)) else { continue };
            let mut walk = Walk::new(offset, self.length);
            let Some((_, bytes)) = walk.next(&*self.output)? else { continue };
            let line = Line::parse(bytes)?;
            if !line.vector(&mut vector)? {
                dense.absent.extend(u32::try_from(batch.ids.len()));
                vector.resize(width as usize, 0.0);
            }
            dense.values.append(&mut vector);
            documents.push(line.document.map(|text| text.into_owned()));
            metadata.push(line.metadata.get().to_owned());
            batch.ids.push(line.id.into_owned());
        }
        batch.dense.extend((width > 0).then_some(dense));
        Ok(Batch { documents: Some(documents), metadata: Some(metadata), ..batch })
    }

    pub(crate) fn query(&mut self, collection: &str, vectors: &Dense, k: u32) -> Result<Vec<Vec<Hit>>> {
        let Stored { dimension, metric, .. } = *self.stored(collection)?;
        if dimension != Some(vectors.dimension) {
            let has = dimension.map_or("no vectors".to_owned(), |dimension| format!("vectors of {dimension} values"));
            let message =
                format!("the collection '{collection}' has {has}, the query has {} values", vectors.dimension);
            return Err(Error::config("query/dimension", message));
        }
        let rows = vectors.values.len().checked_div(vectors.dimension as usize).unwrap_or(0);
        let mut nearest = Nearest::new(metric, vectors, rows, k);
        let mut vector = Vec::new();
        self.superseded.sort_unstable();
        let mut walk = Walk::new(0, self.length);
        while let Some((offset, bytes)) = walk.next(&*self.output)? {
            if self.superseded.binary_search(&offset).is_ok() {
                continue;
            }
            let line = Line::parse(bytes)?;
            if line.collection == collection && line.vector(&mut vector)? {
                nearest.offer(&vector, || line.id.clone().into_owned());
            }
        }
        let hits = |row: Vec<(String, f32)>| row.into_iter().map(|(id, score)| Hit { id, score }).collect();
        Ok(nearest.finish().into_iter().map(hits).collect())
    }

    /// Puts the file under its name, without the lines that were replaced. May be called again after an error.
    pub(crate) fn finish(&mut self) -> Result<()> {
        if self.is_finished {
            return Ok(());
        }
        self.settle()?;
        if self.superseded.is_empty() {
            return self.output.commit();
        }
        self.superseded.sort_unstable();
        let mut kept = self.host.create_output(&self.name)?;
        let mut lines = Vec::new();
        let mut walk = Walk::new(0, self.length);
        while let Some((offset, bytes)) = walk.next(&*self.output)? {
            if self.superseded.binary_search(&offset).is_err() {
                lines.extend_from_slice(bytes);
                if lines.len() >= BLOCK as usize {
                    kept.write(&lines)?;
                    lines.clear();
                }
            }
        }
        kept.write(&lines)?;
        kept.commit()
    }
}

/// What a line has no place for, said of one row.
fn alterations(row: usize, lost: Lost) -> impl Iterator<Item = Alteration> {
    let Lost { non_finite, dense, sparse } = lost;
    let codes = [
        (non_finite, "vector", "vector/non-finite-to-null"),
        (dense, "vector", "vector/further-column-left-out"),
        (sparse, "sparse", "vector/sparse-left-out"),
    ];
    codes.into_iter().filter(|(is, ..)| *is).map(move |(_, field, code)| Alteration {
        row: u32::try_from(row).unwrap_or(u32::MAX),
        field: field.to_owned(),
        code: code.to_owned(),
    })
}

/// What a write of this batch would answer.
pub(crate) fn rehearse(collection: &str, dimension: Option<u32>, batch: &Batch) -> Result<Receipt> {
    batch.check()?;
    let mut receipt = Receipt::default();
    let mut line = Vec::new();
    for (row, id) in batch.ids.iter().enumerate() {
        line.clear();
        let rendered = fits(batch, row, dimension).and_then(|()| render(batch, row, id, collection, &mut line));
        match rendered.map_err(|e| e.at("id", id)) {
            Ok(lost) => {
                receipt.accepted += 1;
                receipt.altered.extend(alterations(row, lost));
            }
            Err(reason) => receipt.rejected.push(Rejection { row: u32::try_from(row).unwrap_or(u32::MAX), reason }),
        }
    }
    Ok(receipt)
}

fn fits(batch: &Batch, row: usize, dimension: Option<u32>) -> Result<()> {
    let Some(vector) = batch.vectors().and_then(|dense| dense.row(row)) else { return Ok(()) };
    match dimension {
        Some(dimension) if dimension as usize == vector.len() => Ok(()),
        Some(dimension) => {
            let message = format!("the vector has {} values, the collection {dimension}", vector.len());
            Err(Error::corrupt("vector/dimension", message))
        }
        None => {
            let message =
                format!("the record has a vector of {} values, the collection was made without", vector.len());
            Err(Error::corrupt("vector/dimension", message))
        }
    }
}

/// The lines of an output from one place on, read in blocks: memory for one block and one line.
struct Walk {
    /// Where the line begins that comes next.
    offset: u64,
    end: u64,
    /// Bytes of the output from `offset` on begin here in `block`.
    start: usize,
    block: Vec<u8>,
    next_block: u32,
}

impl Walk {
    fn new(offset: u64, end: u64) -> Self {
        Walk { offset, end, start: 0, block: Vec::new(), next_block: FIRST_BLOCK }
    }

    /// The next line with where it stands; `None` at the end.
    fn next(&mut self, output: &dyn Output) -> Result<Option<(u64, &[u8])>> {
        let mut searched = self.start;
        loop {
            let ahead = self.block.get(searched..).unwrap_or_default();
            if let Some(length) = ahead.iter().position(|&byte| byte == b'\n') {
                let line = self.start..searched + length + 1;
                let offset = self.offset;
                self.start = line.end;
                self.offset += line.len() as u64;
                return Ok(self.block.get(line).map(|line| (offset, line)));
            }
            self.block.drain(..self.start);
            self.start = 0;
            searched = self.block.len();
            let from = self.offset + searched as u64;
            let left = u32::try_from(self.end.saturating_sub(from)).unwrap_or(BLOCK).min(self.next_block);
            self.next_block = (self.next_block * 2).min(BLOCK);
            if left == 0 {
                return Ok(None);
            }
            let more = output.read_at(from, left)?;
            if more.is_empty() {
                return Err(Error::transient("jsonl/read-back", "the output became shorter while it was written"));
            }
            self.block.extend_from_slice(&more);
        }
    }
}
