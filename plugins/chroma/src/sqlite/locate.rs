/*!
Where each record of a collection has its vector, found out before the first record is read.

The ids of the collection (from SQLite), the labels of its index (from the vector segment's files) and the rows of the
log that a segment has not taken up are joined into a list of 24 bytes per record, in the order in which the records
will be read. So a store that lost vectors is refused at once, with the number of records it concerns, and a scan needs
no map of ids.
*/

use std::collections::BTreeMap;
use std::ops::Range;

use vecferry_hnswlib_format::Wanted;
use vecferry_sdk::{Error, Result, Value};

use super::catalog::{Entry, Features};
use super::ids::{IdTable, Marks};
use super::log::{self, Change, Operation};
use super::salvage;
use super::segment::VectorSegment;
use super::table::{Tables, is_damage};

/// Ids named in a message.
const NAMED: usize = 5;

/// Where a vector is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the index.
    Slot(Wanted),
    /// In the log, at this sequence number.
    Log(i64),
    /// The index should have it, and does not.
    Lost,
    /// Nobody asked for vectors.
    Unread,
}

/// A record of the metadata segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    /// `embeddings.id`, not the user's id.
    pub(crate) row: i64,
    pub(crate) place: Place,
}

/// A record that is in the log only: the metadata segment has not taken it up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Added {
    pub(crate) id: String,
    pub(crate) place: Place,
    /// Rows of the log that make it, in order.
    pub(crate) changes: Vec<i64>,
}

/// All records of a collection.
#[derive(Default)]
pub(crate) struct LocatedRecords {
    /// Ascending by row.
    pub(crate) rows: Vec<Located>,
    /// Row → rows of the log that change its document or metadata, in order.
    pub(crate) changes: BTreeMap<i64, Vec<i64>>,
    /// In the order of their first row in the log.
    pub(crate) added: Vec<Added>,
    /// Records without a readable vector.
    pub(crate) lost: Sample,
    /// Ids with a vector but without a record; Chroma's `get` does not return them.
    pub(crate) strays: Sample,
    /// Why there may be more records than could be listed.
    pub(crate) incomplete: Option<Error>,
}

/// How many, and the first few ids.
#[derive(Default)]
pub(crate) struct Sample {
    pub(crate) count: usize,
    first: Vec<String>,
}

impl Sample {
    fn add(&mut self, id: &str) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(id.to_owned());
        }
    }

    /// "a, b, c, …"
    pub(crate) fn names(&self) -> String {
        let more = if self.count > self.first.len() { ", …" } else { "" };
        format!("{}{more}", self.first.join(", "))
    }
}

/// How a collection is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    /// Whether vectors are wanted.
    pub(crate) vectors: bool,
    /// Whether records that are whole are read although others are not.
    pub(crate) salvage: bool,
}

/// Finds every record of a collection and its vector.
///
/// # Errors
/// `corrupt` when SQLite's pages are damaged or contradict each other; lost vectors are no error here.
pub(crate) fn locate(
    tables: &Tables,
    features: &Features,
    entry: &Entry,
    vectors: &VectorSegment,
    mode: Mode,
) -> Result<LocatedRecords> {
    let Some(records) = &entry.metadata_segment else {
        return Err(Error::corrupt("chroma/segment", "the collection has no segment for its records")
            .at("collection", &entry.name)
            .at("file", tables.file()));
    };
    let recorded = records.applied.unwrap_or(i64::MIN);
    // A log that was never purged holds every vector that an index lost.
    let whole_log = mode.salvage && vectors.problem.is_some() && !features.log_is_purged;
    let indexed = match vectors.applied {
        _ if !mode.vectors => i64::MAX,
        _ if whole_log => i64::MIN,
        applied => applied.unwrap_or(i64::MAX),
    };
    let log = log::read(tables, &entry.topic, indexed.min(recorded))?;
    let mut join = Join {
        vectors,
        mode,
        recorded,
        indexed,
        whole_log,
        log,
        seen_labels: Marks::none(vectors.labels.len()),
        seen_log: Marks::none(0),
        out: LocatedRecords::default(),
    };
    join.seen_log = Marks::none(join.log.len());
    join.records(tables, &records.id)?;
    join.rest();
    Ok(join.out)
}

struct Join<'a> {
    vectors: &'a VectorSegment,
    mode: Mode,
    /// The metadata segment has the log up to here.
    recorded: i64,
    /// The vector segment has the log up to here.
    indexed: i64,
    whole_log: bool,
    log: IdTable<Change>,
    seen_labels: Marks,
    seen_log: Marks,
    out: LocatedRecords,
}

impl Join<'_> {
    fn records(&mut self, tables: &Tables, segment: &str) -> Result<()> {
        // Along the index that makes ids unique in a segment: it covers both columns, and its order is the tables'.
        let sql = "SELECT id, embedding_id FROM embeddings WHERE segment_id = ?1 ORDER BY embedding_id";
        let mut hints = (0, 0);
        let read = tables.each(sql, &[Value::Text(segment.to_owned())], |mut row| {
            let number = row.integer(0, "embeddings.id")?;
            self.record(number, &row.text(1, "embeddings.embedding_id")?, &mut hints);
            Ok(())
        });
        match read {
            Err(error) if self.mode.salvage && is_damage(&error) => {
                self.out = LocatedRecords { incomplete: Some(error), ..LocatedRecords::default() };
                for (number, id) in salvage::record_ids(tables, segment)? {
                    self.record(number, &id, &mut hints);
                }
            }
            other => other?,
        }
        self.out.rows.sort_unstable_by_key(|located| located.row);
        if let Some(twice) = self.out.rows.windows(2).find(|pair| pair[0].row == pair[1].row) {
            return Err(Error::corrupt(
                "chroma/embeddings",
                format!("record {} of the table embeddings is listed twice by its index", twice[0].row),
            )
            .at("file", tables.file()));
        }
        Ok(())
    }

    fn record(&mut self, number: i64, id: &str, hints: &mut (usize, usize)) {
        let labels = self.vectors.labels.find(id, &mut hints.0);
        let changes = self.log.find(id, &mut hints.1);
        self.seen_labels.set_all(labels.clone());
        self.seen_log.set_all(changes.clone());
        let (is_there, pending) = self.replay_record(changes.clone(), true);
        if !is_there {
            return;
        }
        let place = self.replay_vector(labels, changes).unwrap_or(Place::Lost);
        if place == Place::Lost {
            self.out.lost.add(id);
        }
        if !pending.is_empty() {
            self.out.changes.insert(number, pending);
        }
        self.out.rows.push(Located { row: number, place });
    }

    /// What the log and the index have and the table of records has not.
    fn rest(&mut self) {
        let mut added = Vec::new();
        for (id, changes) in self.log.groups() {
            if self.seen_log.has(changes.start) {
                continue;
            }
            let labels = self.vectors.labels.find(id, &mut 0);
            self.seen_labels.set_all(labels.clone());
            let (is_there, pending) = self.replay_record(changes.clone(), false);
            let place = self.replay_vector(labels, changes);
            match (is_there, place) {
                (true, place) => {
                    let place = place.unwrap_or(Place::Lost);
                    if place == Place::Lost {
                        self.out.lost.add(id);
                    }
                    added.push(Added { id: id.to_owned(), place, changes: pending });
                }
                (false, Some(_)) if self.mode.vectors => self.out.strays.add(id),
                (false, _) => {}
            }
        }
        for (id, labels) in self.vectors.labels.groups() {
            if !self.seen_labels.has(labels.start) {
                self.out.strays.add(id);
            }
        }
        added.sort_by_key(|record| record.changes.first().copied());
        self.out.added = added;
    }

    /// Whether the record is there in the end, and which rows of the log change it on the way.
    fn replay_record(&self, changes: Range<usize>, was_there: bool) -> (bool, Vec<i64>) {
        let mut is_there = was_there;
        let mut pending = Vec::new();
        for change in self.log.values(changes).filter(|change| change.sequence > self.recorded) {
            if change.operation.applies(is_there) {
                pending.push(change.sequence);
            }
            is_there = change.operation.leaves(is_there);
        }
        (is_there, pending)
    }

    /// Where the vector is in the end; `None` when there is none.
    fn replay_vector(&self, labels: Range<usize>, changes: Range<usize>) -> Option<Place> {
        if !self.mode.vectors {
            return Some(Place::Unread);
        }
        let label = self.vectors.labels.values(labels).last();
        let in_index = label.map(|label| self.vectors.slot(label).map_or(Place::Lost, Place::Slot));
        let mut place = if self.whole_log { None } else { in_index };
        for change in self.log.values(changes).filter(|change| change.sequence > self.indexed) {
            match change.operation {
                Operation::Add if place.is_some() => {}
                Operation::Update if place.is_none() && !self.whole_log => {}
                Operation::Delete => place = None,
                _ if change.has_vector => place = Some(Place::Log(change.sequence)),
                _ => {}
            }
        }
        place.or(if self.whole_log { in_index } else { None })
    }
}
