/*!
The ids of a collection's records when pages of the table or of its index are damaged: whatever either of them still
gives.

The index is read from both ends up to the damage. The table is read along its row numbers; where a page cannot be
read, the next number that can is searched for by doubling and halving steps.
*/

use std::collections::BTreeMap;

use vecferry_sdk::{Result, Value};

use super::table::{Tables, is_damage};

/// Rows asked for at a time.
const STEP: i64 = 256;
/// Searches for a readable row, at most: every one costs some hundred queries.
const MAX_GAPS: u32 = 256;

/// Row number → id, as far as they can be found.
///
/// # Errors
/// When the file cannot be read for another reason than damage.
pub(super) fn record_ids(tables: &Tables, segment: &str) -> Result<BTreeMap<i64, String>> {
    let mut found = BTreeMap::new();
    for order in ["ASC", "DESC"] {
        let sql =
            format!("SELECT id, embedding_id FROM embeddings WHERE segment_id = ?1 ORDER BY embedding_id {order}");
        let read = tables.each_singly(&sql, &[Value::Text(segment.to_owned())], |mut row| {
            found.insert(row.integer(0, "embeddings.id")?, row.text(1, "embeddings.embedding_id")?);
            Ok(())
        });
        match read {
            Ok(()) => return Ok(found),
            Err(error) if is_damage(&error) => {}
            Err(error) => return Err(error),
        }
    }
    let mut table = Table { tables, segment, found };
    table.walk()?;
    Ok(table.found)
}

struct Table<'a> {
    tables: &'a Tables,
    segment: &'a str,
    found: BTreeMap<i64, String>,
}

impl Table<'_> {
    fn walk(&mut self) -> Result<()> {
        let (mut next, mut step, mut gaps) = (0, STEP, 0);
        loop {
            match self.read(next, step) {
                Ok(None) => return Ok(()),
                Ok(Some(last)) => {
                    next = last.saturating_add(1);
                    step = (step * 2).min(STEP);
                }
                Err(error) if !is_damage(&error) => return Err(error),
                Err(_) if step > 1 => step = 1,
                Err(_) => {
                    gaps += 1;
                    match self.next_readable(next)? {
                        Some(readable) if gaps < MAX_GAPS => next = readable,
                        _ => return Ok(()),
                    }
                }
            }
        }
    }

    /// Reads `count` rows from number `from` on; the last one's number.
    fn read(&mut self, from: i64, count: i64) -> Result<Option<i64>> {
        let sql = "SELECT id, embedding_id, segment_id FROM embeddings WHERE id >= ?1 ORDER BY id LIMIT ?2";
        let (segment, found) = (self.segment, &mut self.found);
        let mut last = None;
        self.tables.each(sql, &[Value::Integer(from), Value::Integer(count)], |mut row| {
            let number = row.integer(0, "embeddings.id")?;
            last = Some(number);
            if row.optional_text(2).as_deref() == Some(segment)
                && let Some(id) = row.optional_text(1)
            {
                found.insert(number, id);
            }
            Ok(())
        })?;
        Ok(last)
    }

    /// The smallest number above `damaged` from which rows can be read.
    fn next_readable(&mut self, damaged: i64) -> Result<Option<i64>> {
        let mut reads = |from: i64| match self.read(from, 1) {
            Ok(row) => Ok(Some(row.is_some())),
            Err(error) if is_damage(&error) => Ok(None),
            Err(error) => Err(error),
        };
        let (mut below, mut step) = (damaged, 1i64);
        let mut above = loop {
            let Some(probe) = damaged.checked_add(step) else { return Ok(None) };
            match reads(probe)? {
                Some(true) => break probe,
                Some(false) => return Ok(None),
                None => below = probe,
            }
            let Some(double) = step.checked_mul(2) else { return Ok(None) };
            step = double;
        };
        while above - below > 1 {
            let middle = below + (above - below) / 2;
            match reads(middle)? {
                Some(_) => above = middle,
                None => below = middle,
            }
        }
        Ok(Some(above))
    }
}
