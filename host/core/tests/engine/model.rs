/*! A source and a sink in memory, with faults on demand: what the engine is held against. */

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use vecferry_core::engine::{
    Checkpoint, CollectionJob, Digest, Letter, Resumed, Seen, Settled, SinkFactory, SplitName, StoreJob, Vectors,
};
use vecferry_core::ids::IdTemplate;
use vecferry_core::report::{Event, Observer};
use vecferry_core::{
    Alteration, Batch, Claim, Collection, Dense, Embedder, Error, Hit, IdOrigin, IdPage, Limits, Metric, Page,
    PrepareMode, Receipt, Rejection, Result, Scan, Sink, Source, Split, Target, Unreadable, Writer,
};

pub(crate) type Record = (String, Option<String>, String, Option<Vec<f32>>);

/// `count` records "0", "1", … with a document, metadata and a vector of two values.
pub(crate) fn records(prefix: &str, count: usize) -> Vec<Record> {
    (0..count)
        .map(|i| {
            let metadata = format!("{{\"source\":\"{prefix}.pdf\"}}");
            (i.to_string(), Some(format!("{prefix} {i}")), metadata, Some(vec![i as f32, 1.0]))
        })
        .collect()
}

/// Yields its records; the calls named in `faults` (counted from 0 over all `next` calls) fail first.
pub(crate) struct MemorySource {
    pub(crate) records: Vec<Record>,
    pub(crate) unreadable: Vec<usize>,
    pub(crate) faults: VecDeque<(usize, Error)>,
    pub(crate) calls: usize,
}

impl MemorySource {
    pub(crate) fn new(records: Vec<Record>) -> Self {
        MemorySource { records, unreadable: Vec::new(), faults: VecDeque::new(), calls: 0 }
    }

    pub(crate) fn store(self, name: &str, vectors: Vectors, id: Option<&str>) -> StoreJob {
        let collection = Collection {
            name: name.to_owned(),
            rows: Some(self.records.len() as u64),
            dimension: Some(2),
            metric: Metric::L2,
            has_documents: true,
            has_vectors: true,
            id_origin: IdOrigin::Position,
            ..Collection::default()
        };
        let id = id.map_or_else(|| IdTemplate::default_for(IdOrigin::Position), |id| IdTemplate::parse(id).unwrap());
        let target = Target { collection: "target".to_owned(), dimension: Some(2), metric: Metric::L2 };
        let job = CollectionJob { collection, target, vectors, id, splits: None };
        StoreJob { name: name.to_owned(), source: Box::new(self), another: None, collections: vec![job] }
    }
}

impl Source for MemorySource {
    fn detect(&mut self) -> Result<Vec<Claim>> {
        Ok(Vec::new())
    }
    fn discover(&mut self) -> Result<Vec<Collection>> {
        Ok(Vec::new())
    }
    fn plan(&mut self, _collection: &str, _desired: u32) -> Result<Vec<Split>> {
        // Two splits, so that split boundaries are crossed.
        let half = self.records.len() / 2;
        let split = |id: &str, from: usize, to: usize| Split {
            id: id.to_owned(),
            payload: format!("{from} {to}").into_bytes(),
            rows: None,
        };
        Ok(vec![split("a", 0, half), split("b", half, self.records.len())])
    }
    fn open<'a>(&'a mut self, split: &Split, after: Option<&[u8]>) -> Result<Box<dyn Scan + 'a>> {
        let bounds = String::from_utf8(split.payload.clone()).unwrap();
        let (from, to) = bounds.split_once(' ').unwrap();
        let from =
            after.map_or_else(|| from.parse().unwrap(), |cursor| usize::from_le_bytes(cursor.try_into().unwrap()));
        Ok(Box::new(MemoryScan { at: from, to: to.parse().unwrap(), source: self }))
    }
}

struct MemoryScan<'a> {
    source: &'a mut MemorySource,
    at: usize,
    to: usize,
}

impl Scan for MemoryScan<'_> {
    fn next(&mut self, max_rows: u32, _max_bytes: u64) -> Result<Option<Page>> {
        let call = self.source.calls;
        self.source.calls += 1;
        if self.source.faults.front().is_some_and(|(at, _)| *at <= call) {
            return Err(self.source.faults.pop_front().unwrap().1);
        }
        if self.at >= self.to {
            return Ok(None);
        }
        let end = (self.at + max_rows as usize).min(self.to);
        let mut unreadable = Vec::new();
        let mut rows = Vec::new();
        for position in self.at..end {
            if self.source.unreadable.contains(&position) {
                let reason = Error::corrupt("memory/unreadable", "torn");
                unreadable.push(Unreadable { id: position.to_string(), reason });
            } else {
                rows.push(self.source.records[position].clone());
            }
        }
        self.at = end;
        Ok(Some(Page { rows: batch(&rows), cursor: end.to_le_bytes().to_vec(), changes: Vec::new(), unreadable }))
    }
}

pub(crate) fn batch(rows: &[Record]) -> Batch {
    let width = rows.iter().filter_map(|row| row.3.as_ref()).map(Vec::len).max().unwrap_or(0);
    let absent = rows.iter().zip(0..).filter(|(row, _)| row.3.is_none()).map(|(_, i)| i).collect();
    let values = rows.iter().flat_map(|row| row.3.clone().unwrap_or_else(|| vec![0.0; width])).collect();
    Batch {
        ids: rows.iter().map(|row| row.0.clone()).collect(),
        dense: vec![Dense { name: String::new(), dimension: width as u32, values, absent }],
        sparse: Vec::new(),
        documents: Some(rows.iter().map(|row| row.1.clone()).collect()),
        metadata: Some(rows.iter().map(|row| row.2.clone()).collect()),
    }
}

/// What the destination holds and how it behaves.
#[derive(Default)]
pub(crate) struct Destination {
    pub(crate) records: BTreeMap<String, Record>,
    /// Written, but not yet flushed: lost when a test says so.
    pub(crate) writes: usize,
    pub(crate) finished: usize,
    pub(crate) limits: Limits,
    /// Errors for the next writes, in order.
    pub(crate) faults: VecDeque<Error>,
    /// Documents refused row by row.
    pub(crate) refused: Vec<String>,
    /// Documents that make the whole batch fail.
    pub(crate) poison: Vec<String>,
    /// Ids that are acknowledged and thrown away.
    pub(crate) lost: Vec<String>,
    pub(crate) prepare_error: Option<Error>,
    /// Calls that still work before the process that makes them is dead.
    pub(crate) life: Option<usize>,
}

/// What a dead process answers to itself.
fn dead() -> Error {
    Error::internal("memory/dead", "the process is dead")
}

/// One more call of a process that has so many left.
fn spend(life: &mut Option<usize>) -> Result<()> {
    match life {
        Some(0) => Err(dead()),
        Some(left) => {
            *left -= 1;
            Ok(())
        }
        None => Ok(()),
    }
}

impl Destination {
    fn spend(&mut self) -> Result<()> {
        spend(&mut self.life)
    }

    /// Every accepted row is marked as altered.
    fn receipt(&self, batch: &Batch) -> Receipt {
        let mut receipt = Receipt::default();
        for row in 0..batch.len() {
            if self.refused.iter().any(|refused| Some(refused.as_str()) == batch.document(row)) {
                let reason = Error::corrupt("memory/refused", "not this one");
                receipt.rejected.push(Rejection { row: row as u32, reason });
            } else {
                receipt.accepted += 1;
                let (field, code) = ("metadata/written".to_owned(), "memory/written".to_owned());
                receipt.altered.push(Alteration { row: row as u32, field, code });
            }
        }
        receipt
    }
}

#[derive(Clone, Default)]
pub(crate) struct MemorySink(pub Arc<Mutex<Destination>>);

impl MemorySink {
    pub(crate) fn factory(&self) -> SinkFactory {
        let sink = self.clone();
        Arc::new(move || Ok(Box::new(sink.clone())))
    }
    pub(crate) fn with(destination: Destination) -> Self {
        MemorySink(Arc::new(Mutex::new(destination)))
    }
    /// Of the process that writes now: after so many calls nothing it does has any effect.
    pub(crate) fn dies_after(&self, calls: usize) {
        self.0.lock().unwrap().life = Some(calls);
    }
    pub(crate) fn lives(&self) {
        self.0.lock().unwrap().life = None;
    }
    pub(crate) fn ids(&self) -> Vec<String> {
        self.0.lock().unwrap().records.keys().cloned().collect()
    }
}

impl Sink for MemorySink {
    fn check(&mut self) -> Result<()> {
        Ok(())
    }
    fn prepare(&mut self, _target: &Target, _mode: PrepareMode) -> Result<Limits> {
        let destination = self.0.lock().unwrap();
        destination.prepare_error.clone().map_or(Ok(destination.limits), Err)
    }
    fn rehearse(&mut self, _target: &Target, batch: Batch) -> Result<Receipt> {
        Ok(self.0.lock().unwrap().receipt(&batch))
    }
    fn open<'a>(&'a mut self, _target: &Target) -> Result<Box<dyn Writer + 'a>> {
        Ok(Box::new(MemoryWriter(self)))
    }
    fn finish(&mut self) -> Result<()> {
        self.0.lock().unwrap().finished += 1;
        Ok(())
    }
}

struct MemoryWriter<'a>(&'a MemorySink);

impl Writer for MemoryWriter<'_> {
    fn write(&mut self, batch: Batch) -> Result<Receipt> {
        let mut destination = self.0.0.lock().unwrap();
        destination.writes += 1;
        destination.spend()?;
        let max = destination.limits.max_rows as usize;
        assert!(max == 0 || batch.len() <= max, "the engine wrote {} rows, {max} are allowed", batch.len());
        if let Some(fault) = destination.faults.pop_front() {
            return Err(fault);
        }
        let document = |row: usize| batch.document(row).unwrap_or_default().to_owned();
        if (0..batch.len()).any(|row| destination.poison.contains(&document(row))) {
            return Err(Error::corrupt("memory/poison", "a record of this batch cannot be taken"));
        }
        let receipt = destination.receipt(&batch);
        let refused = |row: usize| receipt.rejected.iter().any(|rejection| rejection.row as usize == row);
        for row in (0..batch.len()).filter(|&row| !refused(row)) {
            let vector = batch.vectors().and_then(|dense| dense.row(row)).map(<[f32]>::to_vec);
            let id = batch.ids[row].clone();
            if !destination.lost.contains(&id) {
                let record =
                    (id.clone(), batch.document(row).map(str::to_owned), batch.metadata(row).to_owned(), vector);
                destination.records.insert(id, record);
            }
        }
        Ok(receipt)
    }
    fn flush(&mut self) -> Result<()> {
        self.0.0.lock().unwrap().spend()
    }
    fn settle(&mut self) -> Result<()> {
        Ok(())
    }
    fn list(&mut self, after: Option<&[u8]>, max: u32) -> Result<Option<IdPage>> {
        let destination = self.0.0.lock().unwrap();
        let after = after.map(|after| String::from_utf8(after.to_vec()).unwrap());
        let behind = destination.records.keys().filter(|id| after.as_ref().is_none_or(|after| *id > after));
        let ids: Vec<String> = behind.take(max as usize).cloned().collect();
        Ok(ids.last().cloned().map(|last| IdPage { ids, cursor: last.into_bytes() }))
    }
    fn count(&mut self) -> Result<u64> {
        Ok(self.0.0.lock().unwrap().records.len() as u64)
    }
    fn fetch(&mut self, ids: &[String]) -> Result<Batch> {
        let destination = self.0.0.lock().unwrap();
        let rows: Vec<Record> = ids.iter().filter_map(|id| destination.records.get(id).cloned()).collect();
        Ok(batch(&rows))
    }
    fn query(&mut self, vectors: Dense, k: u32) -> Result<Vec<Vec<Hit>>> {
        let destination = self.0.0.lock().unwrap();
        let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>();
        let nearest = |query: &[f32]| {
            let records = destination.records.iter();
            let with_vectors = records.filter_map(|(id, record)| Some((id, record.3.as_ref()?)));
            let hit = |(id, vector): (&String, &Vec<f32>)| Hit { id: id.clone(), score: -distance(query, vector) };
            let mut hits: Vec<Hit> = with_vectors.map(hit).collect();
            hits.sort_by(|a, b| b.score.total_cmp(&a.score));
            hits.truncate(k as usize);
            hits
        };
        Ok(vectors.values.chunks(vectors.dimension as usize).map(nearest).collect())
    }
}

/// Keeps what was tried again.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) retries: Mutex<Vec<&'static str>>,
}

impl Observer for Notes {
    fn event(&self, event: Event<'_>) {
        if let Event::Retrying { stage, .. } = event {
            self.retries.lock().unwrap().push(stage);
        }
    }
}

/// A text's length and its number of spaces.
pub(crate) struct LengthModel;

impl Embedder for LengthModel {
    fn provider(&self) -> &str {
        "test"
    }
    fn model(&self) -> &str {
        "length"
    }
    fn dimension(&self) -> u32 {
        2
    }
    fn embed(&self, texts: &[&str]) -> Result<Dense> {
        let values = texts.iter().flat_map(|text| [text.len() as f32, text.matches(' ').count() as f32]).collect();
        Ok(Dense::new(2, values))
    }
}

/// What a run keeps, as a disk would: it outlives the processes that write to it.
#[derive(Default)]
pub(crate) struct Kept {
    resumed: Resumed,
    ids: Vec<Digest>,
    documents: Vec<(String, Vec<Digest>)>,
    pub(crate) letters: Vec<Letter>,
    life: Option<usize>,
}

impl Kept {
    pub(crate) fn dies_after(&mut self, commits: usize) {
        self.life = Some(commits);
    }
    pub(crate) fn lives(&mut self) {
        self.life = None;
    }
}

impl Checkpoint for Kept {
    fn resumed(&self) -> Result<Resumed> {
        Ok(self.resumed.clone())
    }
    fn digests(&self, each: &mut dyn FnMut(Seen<'_>) -> Result<()>) -> Result<()> {
        each(Seen::Ids(&self.ids))?;
        self.documents.iter().try_for_each(|(store, digests)| each(Seen::Documents(store, digests)))
    }
    fn before(&mut self, target: &str, records: u64) -> Result<()> {
        self.resumed.before.entry(target.to_owned()).or_insert(records);
        Ok(())
    }
    fn commit(&mut self, split: &SplitName, cursor: &[u8], pages: Vec<Settled>) -> Result<()> {
        spend(&mut self.life)?;
        self.resumed.cursors.insert(split.clone(), cursor.to_vec());
        for page in pages {
            let counts = self.resumed.counts.entry((split.store.clone(), split.collection.clone())).or_default();
            counts.add(&page.counts);
            for change in page.changes {
                *self.resumed.changes.entry(change.code).or_default() += u64::from(change.records);
            }
            self.ids.extend(page.ids);
            self.documents.push((split.store.clone(), page.documents));
            for letter in page.letters {
                if let Letter::Rejected(rejected) = &letter {
                    let is_refused = rejected.at_destination;
                    self.resumed.refused.extend(is_refused.then(|| (rejected.target.clone(), rejected.id.clone())));
                }
                self.letters.push(letter);
            }
        }
        Ok(())
    }
}
