/*! Writes to, and reads back from, one collection. */

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::value::RawValue;
use vecferry_sdk::{Batch, Dense, Error, ErrorKind, Hit, IdPage, Metric, Receipt, Result, Writer};

use crate::api::{Checklist, Collection, Found, Neighbour, PAGE};
use crate::client::{error_of, is_success};
use crate::records::{Record, Takes, body, records};

/// A writer to one collection.
pub(crate) struct CollectionWriter {
    collection: Collection,
    checklist: Checklist,
    takes: Takes,
}

impl CollectionWriter {
    pub(crate) fn new(collection: Collection, checklist: Checklist, takes: Takes) -> Self {
        CollectionWriter { collection, checklist, takes }
    }

    /// Makes an upsert of these records replace what is there: fields that are gone are set to `null`, and records whose
    /// document is gone are deleted.
    fn make_way(&self, records: &mut [Record<'_>]) -> Result<()> {
        let ids: Vec<&str> = records.iter().map(|record| record.id).collect();
        let mut there = HashMap::new();
        for page in ids.chunks(PAGE) {
            let found = self.collection.get(page, &["documents", "metadatas"])?;
            let documents = column(found.documents, found.ids.len());
            let metadatas = column(found.metadatas, found.ids.len());
            for ((id, document), metadata) in found.ids.into_iter().zip(documents).zip(metadatas) {
                there.insert(id, (document.is_some(), metadata));
            }
        }
        let mut deleted = Vec::new();
        for record in records {
            let Some((has_document, metadata)) = there.get(record.id) else { continue };
            if *has_document && record.document.is_none() {
                deleted.push(record.id);
                continue;
            }
            for key in keys(metadata.as_deref())? {
                record.metadata.entry(key).or_insert_with(|| "null".to_owned());
            }
        }
        deleted.chunks(PAGE).try_for_each(|page| self.collection.delete(page))
    }
}

/// A column of an answer; where it is missing, nothing per row.
fn column<T>(column: Option<Vec<Option<T>>>, rows: usize) -> Vec<Option<T>> {
    let mut column = column.unwrap_or_default();
    column.resize_with(rows, || None);
    column
}

/// The names of a record's fields.
fn keys(metadata: Option<&RawValue>) -> Result<Vec<String>> {
    let Some(metadata) = metadata else { return Ok(Vec::new()) };
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(metadata.get()).map_err(|e| {
        Error::internal("chroma-server/answer", format!("the metadata in an answer cannot be read: {e}"))
    })?;
    Ok(fields.into_keys().collect())
}

impl Writer for CollectionWriter {
    fn write(&mut self, batch: &Batch) -> Result<Receipt> {
        let (mut records, receipt) = records(self.takes, batch)?;
        if records.is_empty() {
            return Ok(receipt);
        }
        self.make_way(&mut records)?;
        let rows = usize::try_from(self.checklist.max_batch_size).unwrap_or(usize::MAX).max(1);
        for part in records.chunks(rows) {
            let response = self.collection.upsert(body(part, self.checklist.supports_base64_encoding))?;
            if is_success(&response) {
                continue;
            }
            let mut error =
                error_of(&response, &format!("take {} records into '{}'", part.len(), self.collection.name));
            if matches!(response.status, 400 | 413 | 422) {
                // About what the records hold: fewer of them may pass.
                error.kind = ErrorKind::Corrupt;
                if response.status == 422 {
                    error = error.hint("a server that takes no lists in metadata needs --set sink.lists=json");
                }
            }
            return Err(error);
        }
        Ok(receipt)
    }

    /// What the server acknowledged is in its log, on disk.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn count(&mut self) -> Result<u64> {
        self.collection.count()
    }

    /// In the order in which the server numbered the records; an upsert of a record that is there keeps its number.
    fn list(&mut self, after: Option<&[u8]>, max: u32) -> Result<Option<IdPage>> {
        let offset = match after.map(<[u8; 4]>::try_from) {
            None => 0,
            Some(Ok(offset)) => u32::from_le_bytes(offset),
            Some(Err(_)) => return Err(Error::internal("chroma-server/cursor", "this is no cursor of a list of ids")),
        };
        let limit = usize::try_from(max).unwrap_or(PAGE).clamp(1, PAGE);
        let ids = self.collection.ids(offset, limit)?;
        let next = offset.saturating_add(u32::try_from(ids.len()).unwrap_or(u32::MAX));
        Ok((!ids.is_empty()).then(|| IdPage { ids, cursor: next.to_le_bytes().to_vec() }))
    }

    fn fetch(&mut self, ids: &[String]) -> Result<Batch> {
        let mut asked = HashSet::new();
        // The server refuses to be asked for an id that cannot be.
        let ids: Vec<&str> = ids.iter().map(String::as_str).filter(|id| !id.is_empty() && asked.insert(*id)).collect();
        let mut read = Read::default();
        for page in ids.chunks(PAGE) {
            read.push(self.collection.get(page, &["documents", "metadatas", "embeddings"])?)?;
        }
        Ok(read.batch())
    }

    fn query(&mut self, vectors: &Dense, k: u32) -> Result<Vec<Vec<Hit>>> {
        if let Some(dimension) = self.takes.dimension.filter(|&dimension| dimension != vectors.dimension) {
            let message = format!(
                "the collection '{}' has dimension {dimension}, the query has {} values",
                self.collection.name, vectors.dimension
            );
            return Err(Error::config("query/dimension", message));
        }
        let rows = vectors.values.len().checked_div(vectors.dimension as usize).unwrap_or(0);
        let queries: Vec<&[f32]> = (0..rows).filter_map(|row| vectors.row(row)).collect();
        if queries.is_empty() || k == 0 {
            return Ok(vec![Vec::new(); rows]);
        }
        let mut answers = self.collection.query(&queries, k)?.into_iter();
        let metric = self.collection.metric;
        let hit = |(id, distance): Neighbour| Hit { id, score: score(metric, distance) };
        let answer = |row| match vectors.row(row).and_then(|_| answers.next()) {
            Some(hits) => hits.into_iter().map(hit).collect(),
            None => Vec::new(),
        };
        Ok((0..rows).map(answer).collect())
    }
}

/// Chroma answers distances, of which less is nearer: squared ones for l2, one less the product for ip and cosine.
fn score(metric: Metric, distance: Option<f32>) -> f32 {
    let score = match (metric, distance) {
        (_, None) => f32::NEG_INFINITY,
        (Metric::L2 | Metric::Unknown, Some(distance)) => -distance.max(0.0).sqrt(),
        (Metric::Cosine | Metric::Dot, Some(distance)) => 1.0 - distance,
    };
    if score.is_finite() { score } else { f32::NEG_INFINITY }
}

/// Records as they are read.
#[derive(Default)]
struct Read {
    ids: Vec<String>,
    documents: Vec<Option<String>>,
    metadata: Vec<String>,
    dense: Dense,
}

impl Read {
    fn push(&mut self, found: Found) -> Result<()> {
        let rows = found.ids.len();
        let documents = column(found.documents, rows);
        let metadatas = column(found.metadatas, rows);
        let vectors = column(found.embeddings, rows);
        let rows = found.ids.into_iter().zip(documents).zip(metadatas).zip(vectors);
        for (((id, document), metadata), vector) in rows {
            let number = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
            let width = self.dense.dimension as usize;
            match vector {
                Some(values) if self.dense.values.is_empty() => {
                    self.dense.dimension = u32::try_from(values.len()).unwrap_or(u32::MAX);
                    self.dense.values = vec![0.0; values.len() * self.ids.len()];
                    self.dense.values.extend(values);
                }
                Some(values) if values.len() == width => self.dense.values.extend(values),
                Some(values) => {
                    let message = format!("a vector of {} values came back beside one of {width}", values.len());
                    return Err(Error::corrupt("chroma-server/answer", message).at("id", &id));
                }
                None => {
                    self.dense.absent.push(number);
                    self.dense.values.resize(self.dense.values.len() + width, 0.0);
                }
            }
            self.documents.push(document);
            self.metadata.push(metadata.map_or_else(|| "{}".to_owned(), |json| json.get().to_owned()));
            self.ids.push(id);
        }
        Ok(())
    }

    fn batch(self) -> Batch {
        Batch {
            ids: self.ids,
            dense: if self.dense.values.is_empty() { Vec::new() } else { vec![self.dense] },
            sparse: Vec::new(),
            documents: Some(self.documents),
            metadata: Some(self.metadata),
        }
    }
}
