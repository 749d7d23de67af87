/*! Writes to, and reads back from, one namespace. */

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use vecferry_sdk::{Batch, Dense, Error, ErrorKind, Hit, IdPage, Receipt, Rejection, Result, Writer};

use crate::answers::{Queried, Vector, parse};
use crate::client::is_success;
use crate::faults::is_about_records;
use crate::namespace::{LIST_PAGE, Namespace, lsn};
use crate::page::Cursor;
use crate::records::{Takes, records};
use crate::request::Records;
use crate::rows::Rows;
use crate::settings::{IndexMetric, VectorType};
use vecferry_pinecone_format::fit::Layout;
use vecferry_pinecone_format::ids::{self, Decoded};
use vecferry_pinecone_format::restore::Reader;

/// How long until the index is asked again whether it shows what was written.
const SETTLE_POLL_MS: u64 = 250;
/// So many records that are refused in the same words, and none taken yet: then it is not about records.
const REFUSED_ALIKE: u32 = 16;
/// The service answers no more neighbours than this.
const MAX_NEIGHBOURS: u32 = 10_000;

/// A batch being written.
struct Work {
    records: Records,
    /// Runs of records that are still to be sent, the next one last.
    runs: Vec<Range<usize>>,
    receipt: Receipt,
}

/// A writer to one namespace.
pub(crate) struct NamespaceWriter {
    namespace: Namespace,
    layout: Layout,
    takes: Takes,
    /// The last write that the service numbered: its number, and the stored id of one of its records.
    written: Option<(u64, String)>,
    /// A batch that failed on the way.
    unfinished: Option<Work>,
    /// Whether any record was taken.
    took: bool,
    /// The service's words about the last record that it refused, and how many in a row it refused in these words.
    refused: (String, u32),
}

impl NamespaceWriter {
    pub(crate) fn new(namespace: Namespace, layout: Layout, takes: Takes) -> Self {
        NamespaceWriter {
            namespace,
            layout,
            takes,
            written: None,
            unfinished: None,
            took: false,
            refused: (String::new(), 0),
        }
    }

    /// Sends the runs that are left; a run leaves the list once it is answered.
    fn store(&mut self, batch: &Batch, work: &mut Work) -> Result<()> {
        while let Some(run) = work.runs.last().cloned() {
            let response = self.namespace.upsert(&work.records, run.clone())?;
            let id = work.records.row(run.start).and_then(|row| batch.ids.get(row as usize));
            if is_success(&response) {
                self.took = true;
                work.runs.pop();
                // Numbers only grow; the last answer has the greatest.
                if let (Some(number), Some(id)) = (lsn(&response, "x-pinecone-request-lsn"), id) {
                    let number = self.written.as_ref().map_or(number, |(before, _)| number.max(*before));
                    self.written = Some((number, ids::encode(id).into_owned()));
                }
                continue;
            }
            let mut error = self.namespace.upsert_error(&response, run.len());
            if !is_about_records(response.status) {
                return Err(error);
            }
            work.runs.pop();
            if run.len() > 1 {
                let middle = run.start + run.len() / 2;
                work.runs.push(middle..run.end);
                work.runs.push(run.start..middle);
                continue;
            }
            if self.refuses_everything(&error) {
                return Err(error);
            }
            if let (Some(row), Some(id)) = (work.records.row(run.start), id) {
                error.kind = ErrorKind::Unsupported;
                let receipt = &mut work.receipt;
                receipt.accepted -= 1;
                receipt.altered.retain(|altered| altered.row != row);
                receipt.rejected.push(Rejection { row, reason: error.at("id", id) });
            }
        }
        Ok(())
    }

    /// Whether the refusal of one record is one of many alike, with nothing taken: a dead letter of all records would
    /// hide that the index does not fit them.
    fn refuses_everything(&mut self, error: &Error) -> bool {
        let (words, times) = &mut self.refused;
        if *words == error.message {
            *times += 1;
        } else {
            (*words, *times) = (error.message.clone(), 1);
        }
        error.kind == ErrorKind::Config && !self.took && *times >= REFUSED_ALIKE
    }

    /// The ids of stored records; those that only their metadata tells are looked up.
    fn own_ids(&self, stored: &HashSet<String>) -> Result<HashMap<String, String>> {
        let is_hashed = |id: &&String| ids::decode(id) == Decoded::InMetadata;
        let hashed: Vec<&str> = stored.iter().filter(is_hashed).map(String::as_str).collect();
        let mut own = HashMap::new();
        self.namespace.fetch(hashed, |response| {
            let fetched: crate::answers::Fetched<'_> = parse(response, "fetch records")?;
            for (id, record) in &fetched.vectors.0 {
                let vector: Vector<'_> = serde_json::from_str(record.get()).map_err(|e| {
                    Error::corrupt("pinecone/answer", format!("a record in Pinecone's answer cannot be read: {e}"))
                        .at("id", id)
                })?;
                own.insert(id.clone().into_owned(), self.layout.restore(id, vector.metadata, Reader::Sink)?.id);
            }
            Ok(())
        })?;
        for id in stored {
            if let Decoded::Id(decoded) = ids::decode(id) {
                own.insert(id.clone(), decoded.into_owned());
            }
        }
        Ok(own)
    }
}

impl Writer for NamespaceWriter {
    /// A batch that failed on the way and comes again goes on where it stood: what it takes several requests for must get
    /// ahead even where every third of them fails.
    fn write(&mut self, batch: &Batch) -> Result<Receipt> {
        let (records, receipt) = records(&self.layout, self.takes, batch)?;
        let mut work = match self.unfinished.take() {
            Some(before) if before.records == records => before,
            _ => {
                let mut runs = records.cut(&self.namespace.name);
                runs.reverse();
                Work { records, runs, receipt }
            }
        };
        match self.store(batch, &mut work) {
            Ok(()) => Ok(work.receipt),
            Err(error) => {
                self.unfinished = Some(work).filter(|_| error.kind.is_retryable());
                Err(error)
            }
        }
    }

    /// What the service acknowledged is on its disks.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// A write is numbered in its answer, and a query says up to which number it sees. A service that numbers nothing
    /// shows writes at once.
    fn settle(&mut self) -> Result<()> {
        let Some((written, id)) = &self.written else { return Ok(()) };
        match self.namespace.indexed(id)? {
            Some(seen) if seen < *written => {
                let message = format!("the index shows writes up to {seen}, and {written} was the last");
                let mut error = Error::transient("pinecone/not-indexed-yet", message);
                error.retry_after_ms = Some(SETTLE_POLL_MS);
                Err(error)
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self) -> Result<u64> {
        self.namespace.count()
    }

    fn list(&mut self, after: Option<&[u8]>, max: u32) -> Result<Option<IdPage>> {
        let mut cursor = Cursor::read(after)?;
        let mut stored = Vec::new();
        let want = max.max(1) as usize;
        while let Cursor::Start | Cursor::At(_) = cursor
            && stored.len() < want
        {
            let left = u32::try_from(want - stored.len()).unwrap_or(LIST_PAGE);
            let (ids, next) = self.namespace.list(cursor.token(), left)?;
            stored.extend(ids);
            cursor = Cursor::after(next);
        }
        if stored.is_empty() {
            return Ok(None);
        }
        let own = self.own_ids(&stored.iter().cloned().collect())?;
        // A record that was deleted in between is not there.
        let ids = stored.iter().filter_map(|id| own.get(id).cloned()).collect();
        Ok(Some(IdPage { ids, cursor: cursor.bytes() }))
    }

    fn fetch(&mut self, ids: &[String]) -> Result<Batch> {
        let mut asked = HashSet::new();
        let stored: Vec<_> = ids.iter().filter(|id| asked.insert(id.as_str())).map(|id| ids::encode(id)).collect();
        let mut rows = Rows::new(&self.layout, Reader::Sink, self.takes.dimension);
        self.namespace.fetch(stored.iter().map(|id| &**id), |response| rows.push_all(response))?;
        Ok(rows.into_batch())
    }

    fn query(&mut self, vectors: &Dense, k: u32) -> Result<Vec<Vec<Hit>>> {
        if self.takes.vector_type == VectorType::Sparse {
            let message = format!("the index '{}' holds sparse vectors alone", self.namespace.index.name);
            return Err(Error::unsupported("query/sparse", message));
        }
        if let Some(dimension) = self.takes.dimension.filter(|&dimension| dimension != vectors.dimension) {
            let message = format!(
                "the index '{}' has dimension {dimension}, the query has {} values",
                self.namespace.index.name, vectors.dimension
            );
            return Err(Error::config("query/dimension", message));
        }
        let rows = vectors.values.len().checked_div(vectors.dimension as usize).unwrap_or(0);
        let mut answers: Vec<Queried> = Vec::with_capacity(rows);
        for row in 0..rows {
            answers.push(match vectors.row(row) {
                Some(vector) if k > 0 => self.namespace.query(vector, k.min(MAX_NEIGHBOURS))?,
                _ => Queried { matches: Vec::new() },
            });
        }
        let stored = answers.iter().flat_map(|answer| &answer.matches).map(|hit| hit.id.clone()).collect();
        let own = self.own_ids(&stored)?;
        // The service gives squared distances for this metric: there, smaller is nearer.
        let sign = if self.takes.metric == Some(IndexMetric::Euclidean) { -1.0 } else { 1.0 };
        let hits = |answer: Queried| {
            let hit = |found: crate::answers::Match| {
                Some(Hit { id: own.get(&found.id)?.clone(), score: sign * found.score.unwrap_or(f32::NEG_INFINITY) })
            };
            answer.matches.into_iter().filter_map(hit).collect()
        };
        Ok(answers.into_iter().map(hits).collect())
    }
}
