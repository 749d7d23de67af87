//! The judge is judged: a right sink passes every case, and each wrong one fails the case that is about its fault.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::*;
use crate::{Batch, Dense, Error, Hit, IdPage, Metric, Nearest, Receipt, Rejection, metadata_object};

/// What a sink can do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    Appends,
    KeepsOldVectors,
    FirstOfTwoStays,
    FoldsCase,
    EmptyDocumentIsNone,
    NoDocumentIsEmpty,
    FetchesWhatWasNotAsked,
    FetchesTwice,
    NamesTheWrongRow,
    StopsAtABadRow,
    TakesAnyMetadata,
    TakesAnyDimension,
    RoundsVectors,
    RoundsNumbers,
    FarthestFirst,
    IgnoresTheMetric,
    AnswersAnyQuery,
    OneForAll,
    ForgetsOnPrepare,
    PreparesAnything,
    MakesWhatMustExist,
    FillsMissingVectors,
    DropsFurtherColumns,
    ForgetsAtTheEnd,
    CountsRows,
    ListsTwice,
    ListsOnePage,
}

#[derive(Clone)]
struct Stored {
    target: Target,
    records: Vec<Batch>,
    written: u64,
}

type Store = Rc<RefCell<BTreeMap<String, Stored>>>;

struct Memory {
    store: Store,
    wrong: Wrong,
}

struct MemoryWriter {
    store: Store,
    name: String,
    wrong: Wrong,
}

impl Memory {
    fn name(&self, target: &Target) -> String {
        if self.wrong == Wrong::OneForAll { String::new() } else { target.collection.clone() }
    }
}

impl SinkUnderTest for Memory {
    fn check(&mut self) -> Result<()> {
        Ok(())
    }

    fn prepare(&mut self, target: &Target, mode: PrepareMode) -> Result<Limits> {
        let (name, mut store) = (self.name(target), self.store.borrow_mut());
        let differs = |has: &str, asks: &str| Err(Error::config("target/mismatch", format!("{has}, not {asks}")));
        match store.get_mut(&name) {
            None if mode == PrepareMode::MustExist && self.wrong != Wrong::MakesWhatMustExist => {
                return Err(Error::not_found("memory/missing", "missing"));
            }
            None => {
                store.insert(name, Stored { target: target.clone(), records: vec![], written: 0 });
            }
            Some(stored) if mode == PrepareMode::MustBeEmpty && !stored.records.is_empty() => {
                return Err(Error::config("memory/not-empty", "not empty"));
            }
            Some(_) if matches!(self.wrong, Wrong::PreparesAnything | Wrong::OneForAll) => {}
            Some(stored) => {
                let (has, asks) = (&stored.target, target);
                if has.dimension.is_some() && asks.dimension.is_some() && has.dimension != asks.dimension {
                    return differs(&format!("{:?}", has.dimension), &format!("{:?}", asks.dimension));
                }
                if asks.metric != Metric::Unknown && has.metric != asks.metric {
                    return differs(has.metric.as_str(), asks.metric.as_str());
                }
                if self.wrong == Wrong::ForgetsOnPrepare {
                    stored.records.clear();
                }
            }
        }
        Ok(Limits::default())
    }

    fn open<'a>(&'a mut self, target: &Target) -> Result<Box<dyn Writer + 'a>> {
        Ok(Box::new(MemoryWriter { store: self.store.clone(), name: self.name(target), wrong: self.wrong }))
    }

    fn finish(&mut self) -> Result<()> {
        if self.wrong == Wrong::ForgetsAtTheEnd {
            self.store.borrow_mut().values_mut().for_each(|stored| stored.records.clear());
        }
        Ok(())
    }
}

impl MemoryWriter {
    fn with<T>(&self, work: impl FnOnce(&mut Stored) -> T) -> T {
        work(self.store.borrow_mut().get_mut(&self.name).unwrap())
    }

    fn same(&self, a: &str, b: &str) -> bool {
        if self.wrong == Wrong::FoldsCase { a.eq_ignore_ascii_case(b) } else { a == b }
    }

    /// The record as this sink keeps it.
    fn kept(&self, mut record: Batch) -> Batch {
        let documents = record.documents.get_or_insert_with(|| vec![None]);
        match self.wrong {
            Wrong::EmptyDocumentIsNone if documents[0].as_deref() == Some("") => documents[0] = None,
            Wrong::NoDocumentIsEmpty => documents[0] = documents[0].take().or(Some(String::new())),
            Wrong::RoundsVectors => {
                record.dense.iter_mut().flat_map(|dense| &mut dense.values).for_each(|v| *v = (*v * 1e4).round() / 1e4);
            }
            Wrong::RoundsNumbers => {
                let metadata = record.metadata.get_or_insert_with(|| vec!["{}".into()]);
                metadata[0] = metadata[0].replace("9007199254740993", "9007199254740992");
            }
            Wrong::FillsMissingVectors => record.dense.iter_mut().for_each(|dense| dense.absent.clear()),
            Wrong::DropsFurtherColumns => {
                record.dense.truncate(1);
                record.sparse.clear();
            }
            _ => {}
        }
        record
    }
}

impl Writer for MemoryWriter {
    fn write(&mut self, batch: &Batch) -> Result<Receipt> {
        batch.check()?;
        let mut receipt = Receipt::default();
        for (row, id) in batch.ids.iter().enumerate() {
            let record = batch.select(&[row]);
            let dimension = self.with(|stored| stored.target.dimension);
            let vector = record.vectors().and_then(|dense| dense.row(0)).map(<[f32]>::len);
            let fits = self.wrong == Wrong::TakesAnyDimension || vector.is_none_or(|len| Some(len as u32) == dimension);
            let metadata = match metadata_object(record.metadata(0)) {
                Err(_) if self.wrong == Wrong::TakesAnyMetadata => Ok("{}"),
                other => other,
            };
            let fault = metadata.err().or((!fits).then(|| Error::corrupt("vector/dimension", "another dimension")));
            if let Some(reason) = fault {
                if self.wrong == Wrong::StopsAtABadRow {
                    return Ok(Receipt { accepted: (batch.len() - 1) as u32, ..receipt_of(row, reason, id) });
                }
                let named = if self.wrong == Wrong::NamesTheWrongRow { row + 1 } else { row };
                receipt.rejected.extend(receipt_of(named, reason, id).rejected);
                continue;
            }
            receipt.accepted += 1;
            let record = self.kept(record);
            let same = |other: &Batch| self.same(&other.ids[0], id);
            self.with(|stored| {
                stored.written += 1;
                let at = stored.records.iter().position(same).filter(|_| self.wrong != Wrong::Appends);
                match at {
                    None => stored.records.push(record),
                    Some(_) if self.wrong == Wrong::FirstOfTwoStays => {}
                    Some(at) => {
                        let old = std::mem::replace(&mut stored.records[at], record);
                        if self.wrong == Wrong::KeepsOldVectors {
                            stored.records[at].dense = old.dense;
                        }
                    }
                }
            });
        }
        Ok(receipt)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn count(&mut self) -> Result<u64> {
        Ok(self
            .with(|stored| if self.wrong == Wrong::CountsRows { stored.written } else { stored.records.len() as u64 }))
    }

    fn list(&mut self, after: Option<&[u8]>, max: u32) -> Result<Option<IdPage>> {
        let from = after.map_or(0, |after| usize::from(after[0]));
        let mut ids: Vec<String> = self.with(|stored| stored.records.iter().map(|row| row.ids[0].clone()).collect());
        if self.wrong == Wrong::ListsTwice {
            ids.extend(ids.first().cloned());
        }
        if self.wrong == Wrong::ListsOnePage && from > 0 {
            return Ok(None);
        }
        let ids: Vec<String> = ids.into_iter().skip(from).take(max as usize).collect();
        let cursor = vec![u8::try_from(from + ids.len()).unwrap()];
        Ok((!ids.is_empty()).then_some(IdPage { ids, cursor }))
    }

    fn fetch(&mut self, ids: &[String]) -> Result<Batch> {
        let twice: &[String] = if self.wrong == Wrong::FetchesTwice { ids } else { &[] };
        let wanted = |record: &&Batch| {
            self.wrong == Wrong::FetchesWhatWasNotAsked || ids.iter().any(|id| self.same(id, &record.ids[0]))
        };
        let found: Vec<Batch> = self.with(|stored| {
            let first = stored.records.iter().filter(wanted);
            first.chain(stored.records.iter().filter(|record| twice.contains(&record.ids[0]))).cloned().collect()
        });
        let mut out = Batch { documents: Some(vec![]), metadata: Some(vec![]), ..Batch::default() };
        for (row, record) in found.into_iter().enumerate() {
            for dense in &record.dense {
                if !out.dense.iter().any(|column| column.name == dense.name) {
                    let zeros = vec![0.0; row * dense.dimension as usize];
                    let absent = (0..row as u32).collect();
                    out.dense.push(Dense {
                        name: dense.name.clone(),
                        dimension: dense.dimension,
                        values: zeros,
                        absent,
                    });
                }
            }
            for column in &mut out.dense {
                match record.dense.iter().find(|dense| dense.name == column.name).and_then(|dense| dense.row(0)) {
                    Some(values) => column.values.extend(values),
                    None => {
                        column.values.resize((row + 1) * column.dimension as usize, 0.0);
                        column.absent.push(row as u32);
                    }
                }
            }
            // Sparse vectors are asked for record by record.
            out.sparse.clone_from(&record.sparse);
            out.documents.as_mut().unwrap().push(record.document(0).map(str::to_owned));
            out.metadata.as_mut().unwrap().push(record.metadata(0).to_owned());
            out.ids.extend(record.ids);
        }
        if out.len() > 1 {
            out.sparse.clear();
        }
        Ok(out)
    }

    fn query(&mut self, vectors: &Dense, k: u32) -> Result<Vec<Vec<Hit>>> {
        self.with(|stored| {
            if stored.target.dimension != Some(vectors.dimension) && self.wrong != Wrong::AnswersAnyQuery {
                return Err(Error::config("query/dimension", "another dimension"));
            }
            let metric = if self.wrong == Wrong::IgnoresTheMetric { Metric::Cosine } else { stored.target.metric };
            let rows = vectors.values.len() / vectors.dimension as usize;
            let mut nearest = Nearest::new(metric, vectors, rows, k);
            for record in &stored.records {
                if let Some(vector) = record.vectors().and_then(|dense| dense.row(0)) {
                    nearest.offer(vector, || record.ids[0].clone());
                }
            }
            let hits = |row: Vec<(String, f32)>| -> Vec<Hit> {
                let mut hits: Vec<Hit> = row.into_iter().map(|(id, score)| Hit { id, score }).collect();
                if self.wrong == Wrong::FarthestFirst {
                    hits.reverse();
                }
                hits
            };
            Ok(nearest.finish().into_iter().map(hits).collect())
        })
    }
}

fn receipt_of(row: usize, reason: Error, id: &str) -> Receipt {
    let rejected = vec![Rejection { row: row as u32, reason: reason.at("id", id) }];
    Receipt { accepted: 0, rejected, altered: vec![] }
}

fn failures(wrong: Wrong) -> Vec<Failure> {
    let stores: RefCell<BTreeMap<String, Store>> = RefCell::default();
    let promises = Promises { reopens: true, every_column: true, without_vectors: true, max_dimension: u32::MAX };
    let (ran, failures) = run(promises, &|name| {
        let store = stores.borrow_mut().entry(name.to_owned()).or_default().clone();
        Box::new(Memory { store, wrong })
    });
    assert_eq!(ran, CASES.len());
    failures
}

#[test]
fn a_right_sink_passes() {
    assert_eq!(failures(Wrong::Nothing), []);
}

#[test]
fn each_wrong_sink_fails_where_it_is_wrong() {
    let cases = [
        (Wrong::Appends, "a batch written twice stands once"),
        (Wrong::KeepsOldVectors, "a record written again is replaced whole"),
        (Wrong::FirstOfTwoStays, "of two rows with one id the last stands"),
        (Wrong::FoldsCase, "ids of every script"),
        (Wrong::EmptyDocumentIsNone, "an empty document is not a missing one"),
        (Wrong::NoDocumentIsEmpty, "an empty document is not a missing one"),
        (Wrong::FetchesWhatWasNotAsked, "fetch leaves out what is not there"),
        (Wrong::FetchesTwice, "fetch leaves out what is not there"),
        (Wrong::NamesTheWrongRow, "rows at fault are named and the rest is stored"),
        (Wrong::StopsAtABadRow, "rows at fault are named and the rest is stored"),
        (Wrong::TakesAnyMetadata, "rows at fault are named and the rest is stored"),
        (Wrong::TakesAnyDimension, "a vector of another dimension is refused"),
        (Wrong::RoundsVectors, "what was written is read back exactly"),
        (Wrong::RoundsNumbers, "what was written is read back exactly"),
        (Wrong::FarthestFirst, "queries put the nearest first"),
        (Wrong::IgnoresTheMetric, "queries put the nearest first"),
        (Wrong::AnswersAnyQuery, "a query of another dimension is refused"),
        (Wrong::OneForAll, "collections are apart"),
        (Wrong::ForgetsOnPrepare, "preparing twice changes nothing"),
        (Wrong::PreparesAnything, "another dimension or metric stops in prepare"),
        (Wrong::MakesWhatMustExist, "a missing target is not made when it must exist"),
        (Wrong::FillsMissingVectors, "records without vectors"),
        (Wrong::DropsFurtherColumns, "named and sparse vectors"),
        (Wrong::ForgetsAtTheEnd, "a finished destination is read again"),
        (Wrong::CountsRows, "a batch written twice stands once"),
        (Wrong::ListsTwice, "the list names every id once"),
        (Wrong::ListsOnePage, "the list names every id once"),
    ];
    for (wrong, case) in cases {
        let failures = failures(wrong);
        assert!(failures.iter().any(|(name, _)| *name == case), "{wrong:?} passes '{case}'; it fails {failures:?}");
    }
}
