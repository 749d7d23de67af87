/*!
A run that this process works on.

Every change is a transaction that begins with comparing the fence: the number that the run had when this process
opened it. Whoever opens it later raises the number, and from then on nothing of this process is kept, though it may
believe to hold the lock (which a network's disk can lose, and somebody can remove).
*/

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::ops::Deref;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use vecferry_core::engine::{Altered, Checkpoint, Digest, Letter, Rejected, Resumed, Seen, Settled, SplitName};
use vecferry_core::report::Counts;
use vecferry_core::{Alteration, Error, Result};

use crate::database::to_sql;
use crate::fault::{Doing, damaged};
use crate::files::Replacement;
use crate::moment::Moment;
use crate::view::{RECEIPT, RecordNumber, RunView, Status};

/// A run that this process works on, until it is dropped. Everything that can be read of it is on [`RunView`].
#[derive(Debug)]
pub struct Run {
    // Dropped in this order: the database is closed before another process may open it.
    view: RunView,
    fence: i64,
    _lease: File,
}

/// What became of a rejected record that was tried again. One that was rejected anew keeps its place, its record, and
/// whether it was the destination that refused it.
#[derive(Clone, Debug, PartialEq)]
pub struct Retried {
    /// Which.
    pub number: RecordNumber,
    /// Whether a model gave it its vector now.
    pub embedded: bool,
    /// It arrived, with these parts made to fit (their `row` means nothing here); or why it did not, again.
    pub outcome: Result<Vec<Alteration>>,
}

impl Deref for Run {
    type Target = RunView;
    fn deref(&self) -> &RunView {
        &self.view
    }
}

impl Run {
    /// Raises the fence.
    pub(crate) fn begin(view: RunView, lease: File) -> Result<Self> {
        let path = &view.database.path;
        let fence = view
            .database
            .connection
            .query_row(
                "UPDATE run SET fence = fence + 1, takeovers = takeovers + (process IS NOT NULL),
                     process = ?1, since = ?2
                 RETURNING fence",
                params![std::process::id(), to_sql(Moment::now().0)],
                |row| row.get(0),
            )
            .doing("take the run", path)?;
        Ok(Run { view, fence, _lease: lease })
    }

    /// Says where the run is. An error that was kept before is no longer true then.
    ///
    /// # Errors
    /// As [`Checkpoint::commit`].
    pub fn set_status(&mut self, status: Status) -> Result<()> {
        self.end_with(status, None, None)
    }

    /// Says how the run ended. `receipt` is kept as `receipt.json`.
    ///
    /// # Errors
    /// As [`Checkpoint::commit`].
    pub fn finish(&mut self, status: Status, error: Option<&Error>, receipt: Option<&str>) -> Result<()> {
        self.end_with(status, error, receipt)?;
        // So that the file alone holds everything. Readers may be in the way; the log is read then.
        let _ = self.view.database.connection.pragma_update(None, "wal_checkpoint", "TRUNCATE");
        Ok(())
    }

    fn end_with(&mut self, status: Status, error: Option<&Error>, receipt: Option<&str>) -> Result<()> {
        const DOING: &str = "keep the run's status";
        let error = error.map(json).transpose()?;
        let receipt_path = self.view.folder.join(RECEIPT);
        let path = self.view.database.path.clone();
        self.change(DOING, |transaction| {
            transaction
                .prepare_cached("UPDATE run SET status = ?1, error = ?2")
                .and_then(|mut update| update.execute(params![status.as_str(), error]))
                .doing(DOING, &path)?;
            // Within the transaction, so that a process without the run replaces no receipt.
            if let Some(receipt) = receipt {
                let mut file = Replacement::begin(&receipt_path).doing("keep the receipt", &receipt_path)?;
                file.write_all(receipt.as_bytes()).doing("keep the receipt", &receipt_path)?;
                file.finish().doing("keep the receipt", &receipt_path)?;
            }
            Ok(())
        })
    }

    /// Keeps what became of rejected records that were tried again: those that arrived are no longer rejected.
    /// All of it is kept, or nothing.
    ///
    /// # Errors
    /// `state/no-record` (internal) for a number that is not, or no longer, that of a rejected record; as
    /// [`Checkpoint::commit`].
    pub fn resolve(&mut self, retried: &[Retried]) -> Result<()> {
        const DOING: &str = "keep what became of rejected records";
        let path = self.view.database.path.clone();
        self.change(DOING, |transaction| {
            for record in retried {
                let found = match &record.outcome {
                    Ok(alterations) => arrived(transaction, record, alterations).doing(DOING, &path)?,
                    Err(reason) => {
                        let reason = json(reason)?;
                        transaction
                            .prepare_cached("UPDATE rejected SET reason = ?2 WHERE number = ?1")
                            .and_then(|mut update| update.execute(params![to_sql(record.number), reason]))
                            .doing(DOING, &path)?
                            > 0
                    }
                };
                if !found {
                    let message = format!("record {} is not among the rejected ones", record.number);
                    return Err(Error::internal("state/no-record", message).at("file", path.display()));
                }
            }
            Ok(())
        })
    }

    /// Does `work` in a transaction of its own, if the run is still this process's.
    fn change<T>(&mut self, doing: &str, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let RunView { name, database, .. } = &mut self.view;
        let path = &database.path;
        let transaction =
            database.connection.transaction_with_behavior(TransactionBehavior::Immediate).doing(doing, path)?;
        let held = transaction
            .prepare_cached("UPDATE run SET updated = ?1 WHERE fence = ?2")
            .and_then(|mut update| update.execute(params![to_sql(Moment::now().0), self.fence]))
            .doing(doing, path)?;
        if held == 0 {
            return Err(Error::denied("state/fenced", format!("another process took run {name} over"))
                .hint(format!("nothing is lost: that process goes on; `vecferry status {name}` shows how far it is"))
                .at("file", path.display()));
        }
        // Dropped on the way out, a transaction is rolled back.
        let value = work(&transaction)?;
        transaction.commit().doing(doing, path)?;
        Ok(value)
    }
}

impl Drop for Run {
    /// Leaves the run properly: whoever opens it next takes nothing over.
    fn drop(&mut self) {
        let sql = "UPDATE run SET process = NULL, since = NULL WHERE fence = ?1";
        let _ = self.view.database.connection.execute(sql, params![self.fence]);
    }
}

impl Checkpoint for Run {
    fn resumed(&self) -> Result<Resumed> {
        let cursors = self.splits()?.into_iter().map(|split| (split.name, split.cursor)).collect();
        let collections = self.collections()?.into_iter();
        Ok(Resumed {
            cursors,
            counts: collections.map(|state| ((state.store, state.collection), state.counts)).collect(),
            changes: self.changes()?,
            before: self.records_before()?,
            refused: self
                .view
                .collect("SELECT target, id FROM rejected WHERE at_destination ORDER BY number", |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?,
        })
    }

    fn digests(&self, each: &mut dyn FnMut(Seen<'_>) -> Result<()>) -> Result<()> {
        const DOING: &str = "read the digests of what was done";
        let path = &self.view.database.path;
        let connection = &self.view.database.connection;
        let tables = [
            "SELECT digests, NULL FROM ids ORDER BY page",
            "SELECT d.digests, c.store FROM documents AS d JOIN collections AS c ON c.number = d.collection
             ORDER BY d.page",
        ];
        for sql in tables {
            let mut statement = connection.prepare_cached(sql).doing(DOING, path)?;
            let mut rows = statement.query([]).doing(DOING, path)?;
            while let Some(row) = rows.next().doing(DOING, path)? {
                let wrong = |_| damaged(path, "digests are kept as something else than bytes");
                let blob = row.get_ref(0).doing(DOING, path)?.as_blob().map_err(wrong)?;
                let (digests, []) = blob.as_chunks() else {
                    return Err(damaged(path, format!("{} bytes are no digests of 16 bytes each", blob.len())));
                };
                match row.get_ref(1).doing(DOING, path)?.as_str_or_null().map_err(wrong)? {
                    None => each(Seen::Ids(digests))?,
                    Some(store) => each(Seen::Documents(store, digests))?,
                }
            }
        }
        Ok(())
    }

    fn before(&mut self, target: &str, records: u64) -> Result<()> {
        const DOING: &str = "keep what a target held";
        let path = self.view.database.path.clone();
        self.change(DOING, |transaction| {
            transaction
                .prepare_cached("INSERT INTO targets VALUES (?1, ?2) ON CONFLICT DO NOTHING")
                .and_then(|mut insert| insert.execute(params![target, to_sql(records)]))
                .doing(DOING, &path)?;
            Ok(())
        })
    }

    /// # Errors
    /// - `state/fenced` (denied): another process took the run over.
    /// - `state/locked`, `state/disk-full`, `state/io` (transient).
    /// - `state/unwritable` (config), `state/damaged` (corrupt).
    fn commit(&mut self, split: &SplitName, cursor: &[u8], pages: Vec<Settled>) -> Result<()> {
        const DOING: &str = "keep a checkpoint";
        let path = self.view.database.path.clone();
        let payloads = Payloads::of(&pages)?;
        self.change(DOING, |transaction| settle(transaction, split, cursor, &pages, payloads).doing(DOING, &path))
    }
}

/// What of a commit is kept in formats of its own, in the order of the rejected records.
struct Payloads(Vec<(String, Option<Vec<u8>>)>);

impl Payloads {
    fn of(pages: &[Settled]) -> Result<Self> {
        let letters = pages.iter().flat_map(|page| &page.letters);
        let rejected = letters.filter_map(|letter| match letter {
            Letter::Rejected(rejected) => Some(rejected),
            Letter::Altered(_) => None,
        });
        let keep = |Rejected { reason, row, .. }: &Rejected| {
            let row = row.as_ref().map(postcard::to_stdvec).transpose().map_err(unkept)?;
            Ok((json(reason)?, row))
        };
        Ok(Payloads(rejected.map(keep).collect::<Result<_>>()?))
    }
}

fn settle(
    transaction: &Connection,
    split: &SplitName,
    cursor: &[u8],
    pages: &[Settled],
    payloads: Payloads,
) -> rusqlite::Result<()> {
    let mut sum = Counts::default();
    pages.iter().for_each(|page| sum.add(&page.counts));
    let Counts { found, duplicates, embedded, migrated, rejected } = sum;
    let [found, duplicates, embedded, migrated, rejected] =
        [found, duplicates, embedded, migrated, rejected].map(to_sql);

    let collection: i64 = transaction
        .prepare_cached(
            "INSERT INTO collections (store, collection, found, duplicates, embedded, migrated, rejected)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (store, collection) DO UPDATE SET
                 found = found + excluded.found, duplicates = duplicates + excluded.duplicates,
                 embedded = embedded + excluded.embedded, migrated = migrated + excluded.migrated,
                 rejected = rejected + excluded.rejected
             RETURNING number",
        )?
        .query_row(params![split.store, split.collection, found, duplicates, embedded, migrated, rejected], |row| {
            row.get(0)
        })?;
    transaction
        .prepare_cached(
            "INSERT INTO splits VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (collection, split) DO UPDATE SET
                 cursor = excluded.cursor, pages = pages + excluded.pages,
                 found = found + excluded.found, duplicates = duplicates + excluded.duplicates,
                 embedded = embedded + excluded.embedded, migrated = migrated + excluded.migrated,
                 rejected = rejected + excluded.rejected",
        )?
        .execute(params![
            collection,
            split.split,
            cursor,
            to_sql(pages.len() as u64),
            found,
            duplicates,
            embedded,
            migrated,
            rejected
        ])?;

    let mut payloads = payloads.0.into_iter();
    for page in pages {
        for change in &page.changes {
            count_change(transaction, &change.code, i64::from(change.records))?;
        }
        for letter in &page.letters {
            match letter {
                Letter::Rejected(rejected) => {
                    if let Some((reason, row)) = payloads.next() {
                        transaction
                            .prepare_cached("INSERT INTO rejected VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6)")?
                            .execute(params![
                                collection,
                                rejected.target,
                                rejected.id,
                                reason,
                                rejected.at_destination,
                                row
                            ])?;
                    }
                }
                Letter::Altered(Altered { target, id, field, code }) => {
                    alter(transaction, collection, [target, id, field, code])?;
                }
            }
        }
        if !page.ids.is_empty() {
            transaction.prepare_cached("INSERT INTO ids VALUES (NULL, ?1)")?.execute(params![flat(&page.ids)])?;
        }
        if !page.documents.is_empty() {
            transaction
                .prepare_cached("INSERT INTO documents VALUES (NULL, ?1, ?2)")?
                .execute(params![collection, flat(&page.documents)])?;
        }
    }
    Ok(())
}

/// A rejected record is at its destination after all; false where there is none of this number.
fn arrived(transaction: &Connection, record: &Retried, alterations: &[Alteration]) -> rusqlite::Result<bool> {
    let taken = transaction
        .prepare_cached("DELETE FROM rejected WHERE number = ?1 RETURNING collection, target, id")?
        .query_row(params![to_sql(record.number)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
        })
        .optional()?;
    let Some((collection, target, id)) = taken else {
        return Ok(false);
    };
    transaction
        .prepare_cached(
            "UPDATE collections SET migrated = migrated + 1, rejected = rejected - 1, embedded = embedded + ?2
             WHERE number = ?1",
        )?
        .execute(params![collection, record.embedded])?;
    for Alteration { field, code, row: _ } in alterations {
        alter(transaction, collection, [&target, &id, field, code])?;
    }
    // A change counts the records it happened in.
    let codes: BTreeSet<&str> = alterations.iter().map(|alteration| alteration.code.as_str()).collect();
    for code in codes {
        count_change(transaction, code, 1)?;
    }
    Ok(true)
}

fn alter(transaction: &Connection, collection: i64, [target, id, field, code]: [&String; 4]) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO altered VALUES (NULL, ?1, ?2, ?3, ?4, ?5)")?
        .execute(params![collection, target, id, field, code])?;
    Ok(())
}

fn count_change(transaction: &Connection, code: &str, records: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO changes VALUES (?1, ?2) ON CONFLICT DO UPDATE SET records = records + excluded.records",
        )?
        .execute(params![code, records])?;
    Ok(())
}

fn flat(digests: &[Digest]) -> &[u8] {
    digests.as_flattened()
}

fn json(error: &Error) -> Result<String> {
    serde_json::to_string(error).map_err(unkept)
}

fn unkept(error: impl std::fmt::Display) -> Error {
    Error::internal("state/format", format!("what is known of a record cannot be kept: {error}"))
}

#[cfg(test)]
mod tests;
