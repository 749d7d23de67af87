/*! Reading a run, also while another process works on it. */

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rusqlite::{OptionalExtension, Row, params};
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use vecferry_core::engine::{Altered, Rejected, SplitName};
use vecferry_core::report::Counts;
use vecferry_core::{Batch, Error, Result};

use crate::database::{Database, from_sql, to_sql};
use crate::fault::{Doing, damaged};
use crate::lease::{self, Holder};
use crate::moment::Moment;

/// Bytes of payload after which a page of rejected records ends.
const PAGE_BYTES: usize = 4 << 20;

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Made; nothing was done yet.
    Planned,
    /// At work, or its process died.
    Running,
    /// Stopped so that it can go on: by the user, or since the other side was away for too long.
    Paused,
    /// Everything arrived.
    Complete,
    /// Everything was read, and some records were rejected.
    Partial,
    /// Everything was written, and reading back showed differences.
    Unverified,
    /// Ended by an error. It can go on once its cause is gone.
    Failed,
}

impl Status {
    const ALL: [Status; 7] = [
        Status::Planned,
        Status::Running,
        Status::Paused,
        Status::Complete,
        Status::Partial,
        Status::Unverified,
        Status::Failed,
    ];

    /// As users, JSON and the database see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Planned => "planned",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Complete => "complete",
            Status::Partial => "partial",
            Status::Unverified => "unverified",
            Status::Failed => "failed",
        }
    }

    /// Whether all of the source was read, so that there is nothing to resume.
    pub fn is_finished(self) -> bool {
        matches!(self, Status::Complete | Status::Partial | Status::Unverified)
    }
}

impl FromStr for Status {
    type Err = ();
    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        Status::ALL.into_iter().find(|status| status.as_str() == text).ok_or(())
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A run at a glance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSummary {
    /// `20261122-214803-k3f9`.
    pub name: String,
    /// When it was made.
    pub created: Moment,
    /// When something was last kept.
    pub updated: Moment,
    /// Where it is. [`Status::Running`] without a holder: its process died, and it can be resumed.
    pub status: Status,
    /// What was done, all collections together.
    pub counts: Counts,
    /// Why it failed or paused.
    pub error: Option<Error>,
    /// Whether a process works on it.
    pub alive: bool,
    /// The process that works on it.
    pub holder: Option<Holder>,
    /// How often it was opened for work.
    pub attempts: u64,
    /// How often that was after a process that had died at work.
    pub takeovers: u64,
    /// SHA-256 of the plan, in hexadecimal.
    pub plan_sha256: String,
}

/// What was done of one collection. Records that a retry brought to their destination count as migrated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CollectionState {
    /// The store's name.
    pub store: String,
    /// The collection's name.
    pub collection: String,
    /// Its records so far.
    pub counts: Counts,
}

/// What was done of one split, retries not included.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitState {
    /// Which.
    pub name: SplitName,
    /// Up to where it is done.
    pub cursor: Vec<u8>,
    /// Pages that were committed.
    pub pages: u64,
    /// Its records so far.
    pub counts: Counts,
}

/// Names a rejected or an altered record within its run, in the order in which they were kept, from 1.
pub type RecordNumber = u64;

/// A record that did not arrive.
#[derive(Clone, Debug, PartialEq)]
pub struct RejectedRecord {
    /// Names it within the run.
    pub number: RecordNumber,
    /// The store's name.
    pub store: String,
    /// The collection's name.
    pub collection: String,
    /// What the engine said of it.
    pub rejected: Rejected,
}

/// A part of a record that the destination holds otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlteredRecord {
    /// Names it within the run.
    pub number: RecordNumber,
    /// The store's name.
    pub store: String,
    /// The collection's name.
    pub collection: String,
    /// What the engine said of it.
    pub altered: Altered,
}

/// A run, to be read.
#[derive(Debug)]
pub struct RunView {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) database: Database,
}

impl RunView {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder with all that it keeps.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The plan, as it was handed over.
    ///
    /// # Errors
    /// `state/plan-changed` (config) when it is another one; `state/damaged` (corrupt) when it is gone or unreadable.
    pub fn plan_json(&self) -> Result<String> {
        let path = self.folder.join(PLAN);
        let bytes = fs::read(&path).map_err(|error| damaged(&path, format!("cannot read the run's plan: {error}")))?;
        let expected: String = self
            .database
            .connection
            .query_row("SELECT plan_sha256 FROM run", [], |row| row.get(0))
            .doing("read the run", &self.database.path)?;
        if sha256(&bytes) != expected {
            return Err(Error::config("state/plan-changed", "the run's plan is not the one it was begun with")
                .hint("put the plan back as it was, or begin a new run")
                .at("file", path.display()));
        }
        String::from_utf8(bytes).map_err(|_| damaged(&path, "the run's plan is no UTF-8 text"))
    }

    /// What verification found, as it was handed over; `None` before.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn receipt(&self) -> Result<Option<String>> {
        let path = self.folder.join(RECEIPT);
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            other => other.map(Some).doing("read the run's receipt", &path),
        }
    }

    /// The run at a glance.
    ///
    /// # Errors
    /// `state/damaged` (corrupt), `state/locked` (transient).
    pub fn summary(&self) -> Result<RunSummary> {
        let alive = lease::is_held(&self.folder.join(LOCK));
        // One statement sees one state of the database.
        const SUMMARY: &str = "
            SELECT created, updated, status, error, fence, takeovers, process, since, plan_sha256,
                coalesce(found, 0), coalesce(duplicates, 0), coalesce(embedded, 0), coalesce(migrated, 0),
                coalesce(rejected, 0)
            FROM run, (
                SELECT sum(found) AS found, sum(duplicates) AS duplicates, sum(embedded) AS embedded,
                    sum(migrated) AS migrated, sum(rejected) AS rejected
                FROM collections)";
        let read = |row: &Row<'_>| {
            let process: Option<u32> = row.get(6)?;
            let since: Option<i64> = row.get(7)?;
            let since = since.map(|since| Moment(u64::try_from(since).unwrap_or_default()));
            let summary = RunSummary {
                name: self.name.clone(),
                created: Moment(from_sql(row, 0)?),
                updated: Moment(from_sql(row, 1)?),
                status: Status::Planned,
                counts: counts(row, 9)?,
                error: None,
                alive,
                holder: process.zip(since).filter(|_| alive).map(|(process, since)| Holder { process, since }),
                attempts: from_sql(row, 4)?,
                takeovers: from_sql(row, 5)?,
                plan_sha256: row.get(8)?,
            };
            Ok((summary, row.get::<_, String>(2)?, row.get::<_, Option<String>>(3)?))
        };
        let path = &self.database.path;
        let (mut summary, status, error) =
            self.database.connection.query_row(SUMMARY, [], read).doing("read the run", path)?;
        summary.status = status.parse().map_err(|()| damaged(path, format!("the run's status is {status:?}")))?;
        summary.error = error.map(|json| error_of(&json, path)).transpose()?;
        Ok(summary)
    }

    /// What was done of each collection, in the order in which they were begun.
    ///
    /// # Errors
    /// As [`RunView::summary`].
    pub fn collections(&self) -> Result<Vec<CollectionState>> {
        self.collect(
            "SELECT store, collection, found, duplicates, embedded, migrated, rejected FROM collections
             ORDER BY number",
            |row| Ok(CollectionState { store: row.get(0)?, collection: row.get(1)?, counts: counts(row, 2)? }),
        )
    }

    /// What was done of each split, in the order of collections and names.
    ///
    /// # Errors
    /// As [`RunView::summary`].
    pub fn splits(&self) -> Result<Vec<SplitState>> {
        self.collect(
            "SELECT c.store, c.collection, s.split, s.cursor, s.pages,
                 s.found, s.duplicates, s.embedded, s.migrated, s.rejected
             FROM splits AS s JOIN collections AS c ON c.number = s.collection ORDER BY s.collection, s.split",
            |row| {
                let name = SplitName { store: row.get(0)?, collection: row.get(1)?, split: row.get(2)? };
                Ok(SplitState { name, cursor: row.get(3)?, pages: from_sql(row, 4)?, counts: counts(row, 5)? })
            },
        )
    }

    /// What was made to fit, by code, in how many records.
    ///
    /// # Errors
    /// As [`RunView::summary`].
    pub fn changes(&self) -> Result<BTreeMap<String, u64>> {
        let rows = self.collect("SELECT code, records FROM changes", |row| Ok((row.get(0)?, from_sql(row, 1)?)))?;
        Ok(rows.into_iter().collect())
    }

    /// Records that each target held before the run.
    ///
    /// # Errors
    /// As [`RunView::summary`].
    pub fn records_before(&self) -> Result<BTreeMap<String, u64>> {
        let rows = self.collect("SELECT target, before FROM targets", |row| Ok((row.get(0)?, from_sql(row, 1)?)))?;
        Ok(rows.into_iter().collect())
    }

    /// Records that did not arrive: up to `max` of those behind number `after` (0: from the first), fewer where their
    /// payload is large, and none at the end. What a retry brought to its destination is no longer among them.
    ///
    /// # Errors
    /// As [`RunView::summary`].
    pub fn rejected(&self, after: RecordNumber, max: usize) -> Result<Vec<RejectedRecord>> {
        const DOING: &str = "read the rejected records";
        let path = &self.database.path;
        let mut statement = self
            .database
            .connection
            .prepare_cached(
                "SELECT r.number, c.store, c.collection, r.target, r.id, r.reason, r.at_destination, r.row
                 FROM rejected AS r JOIN collections AS c ON c.number = r.collection
                 WHERE r.number > ?1 ORDER BY r.number LIMIT ?2",
            )
            .doing(DOING, path)?;
        let limit = i64::try_from(max).unwrap_or(i64::MAX);
        let mut rows = statement.query(params![to_sql(after), limit]).doing(DOING, path)?;
        let mut page = Vec::new();
        let mut bytes = 0;
        while let Some(row) = rows.next().doing(DOING, path)? {
            let (number, [store, collection, target, id, reason], at_destination, payload) =
                rejected_row(row).doing(DOING, path)?;
            bytes += payload.as_ref().map_or(0, Vec::len);
            let row = payload.map(|payload| batch_of(&payload, number, path)).transpose()?;
            let rejected = Rejected { target, id, reason: error_of(&reason, path)?, at_destination, row };
            page.push(RejectedRecord { number, store, collection, rejected });
            if bytes >= PAGE_BYTES {
                break;
            }
        }
        Ok(page)
    }

    /// Parts of records that the destination holds otherwise: up to `max` of those behind number `after`.
    ///
    /// # Errors
    /// As [`RunView::summary`].
    pub fn altered(&self, after: RecordNumber, max: usize) -> Result<Vec<AlteredRecord>> {
        const DOING: &str = "read the altered records";
        let path = &self.database.path;
        let read = |row: &Row<'_>| {
            let altered = Altered { target: row.get(3)?, id: row.get(4)?, field: row.get(5)?, code: row.get(6)? };
            Ok(AlteredRecord { number: from_sql(row, 0)?, store: row.get(1)?, collection: row.get(2)?, altered })
        };
        let mut statement = self
            .database
            .connection
            .prepare_cached(
                "SELECT a.number, c.store, c.collection, a.target, a.id, a.field, a.code
                 FROM altered AS a JOIN collections AS c ON c.number = a.collection
                 WHERE a.number > ?1 ORDER BY a.number LIMIT ?2",
            )
            .doing(DOING, path)?;
        let limit = i64::try_from(max).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![to_sql(after), limit], read).doing(DOING, path)?;
        rows.collect::<rusqlite::Result<_>>().doing(DOING, path)
    }

    /// The process that last took the run, as far as anything can be read of it.
    pub(crate) fn last_holder(&self) -> Option<Holder> {
        let read = |row: &Row<'_>| Ok(Holder { process: row.get(0)?, since: Moment(from_sql(row, 1)?) });
        let holder = self.database.connection.query_row("SELECT process, since FROM run", [], read);
        holder.optional().ok().flatten()
    }

    pub(crate) fn collect<T>(&self, sql: &str, read: fn(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>> {
        let rows = || {
            let mut statement = self.database.connection.prepare_cached(sql)?;
            statement.query_map([], read)?.collect::<rusqlite::Result<Vec<T>>>()
        };
        rows().doing("read the run", &self.database.path)
    }
}

/// File names within a run's folder.
pub(crate) const PLAN: &str = "plan.json";
pub(crate) const DATABASE: &str = "state.db";
pub(crate) const LOCK: &str = "run.lock";
pub(crate) const RECEIPT: &str = "receipt.json";

/// In hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Five columns from `first` on.
pub(crate) fn counts(row: &Row<'_>, first: usize) -> rusqlite::Result<Counts> {
    Ok(Counts {
        found: from_sql(row, first)?,
        duplicates: from_sql(row, first + 1)?,
        embedded: from_sql(row, first + 2)?,
        migrated: from_sql(row, first + 3)?,
        rejected: from_sql(row, first + 4)?,
    })
}

/// A row of [`RunView::rejected`]'s statement.
type RejectedRow = (RecordNumber, [String; 5], bool, Option<Vec<u8>>);

fn rejected_row(row: &Row<'_>) -> rusqlite::Result<RejectedRow> {
    let texts = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
    Ok((from_sql(row, 0)?, texts, row.get(6)?, row.get(7)?))
}

fn error_of(json: &str, path: &Path) -> Result<Error> {
    serde_json::from_str(json).map_err(|error| damaged(path, format!("a kept error cannot be read: {error}")))
}

fn batch_of(bytes: &[u8], number: RecordNumber, path: &Path) -> Result<Batch> {
    let wrong = |what: String| damaged(path, format!("rejected record {number} cannot be read: {what}"));
    let batch: Batch = postcard::from_bytes(bytes).map_err(|error| wrong(error.to_string()))?;
    match batch.check() {
        Ok(shape) if shape.rows == 1 => Ok(batch),
        Ok(shape) => Err(wrong(format!("it has {} rows", shape.rows))),
        Err(error) => Err(wrong(error.message)),
    }
}
