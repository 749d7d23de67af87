/*! A scan over some row groups of a collection. */

use vecferry_sdk::{Error, Page, Result, Scan};

use crate::rows::{GroupReader, Rows};
use crate::settings::SourceSettings;
use crate::source::Range;
use crate::store::{Stored, view};

pub(crate) struct ParquetScan {
    stored: Stored,
    settings: SourceSettings,
    /// Row groups that are still to come: which table's, which of its.
    groups: std::vec::IntoIter<(usize, usize)>,
    current: Option<Current>,
    dimension: Option<u32>,
}

/// A row group being read.
struct Current {
    table: usize,
    group: usize,
    reader: GroupReader,
    /// The next row's place in the row group, and in the collection.
    row: u64,
    position: u64,
}

/// Where a scan goes on: table, row group, row, and the vectors' dimension (0 = not known yet).
struct Cursor {
    table: u32,
    group: u32,
    row: u64,
    dimension: u32,
}

impl Cursor {
    fn bytes(&self) -> Vec<u8> {
        [
            self.table.to_le_bytes().as_slice(),
            &self.group.to_le_bytes(),
            &self.row.to_le_bytes(),
            &self.dimension.to_le_bytes(),
        ]
        .concat()
    }

    fn read(bytes: &[u8]) -> Option<Cursor> {
        let (table, bytes) = bytes.split_first_chunk()?;
        let (group, bytes) = bytes.split_first_chunk()?;
        let (row, bytes) = bytes.split_first_chunk()?;
        Some(Cursor {
            table: u32::from_le_bytes(*table),
            group: u32::from_le_bytes(*group),
            row: u64::from_le_bytes(*row),
            dimension: u32::from_le_bytes(bytes.try_into().ok()?),
        })
    }
}

impl ParquetScan {
    /// A scan of the row groups of `range`.
    ///
    /// # Errors
    /// `corrupt` with file and offset; `config` for a cursor that is none.
    pub(crate) fn open(stored: Stored, range: &Range, settings: &SourceSettings, after: Option<&[u8]>) -> Result<Self> {
        let all = stored.tables.iter().enumerate();
        let all = all.flat_map(|(table, it)| (0..it.footer.groups.len()).map(move |group| (table, group)));
        let from = usize::try_from(range.from).unwrap_or(usize::MAX);
        let count = usize::try_from(range.to.saturating_sub(range.from)).unwrap_or(usize::MAX);
        let groups: Vec<(usize, usize)> = all.skip(from).take(count).collect();
        let dimension = stored.dimension()?;
        let mut scan =
            ParquetScan { stored, settings: settings.clone(), groups: groups.into_iter(), current: None, dimension };
        if let Some(cursor) = after {
            let cursor = Cursor::read(cursor).ok_or_else(|| {
                Error::config("parquet/cursor", "this cursor was made by another version of the plugin")
            })?;
            scan.go_on(&cursor)?;
        }
        Ok(scan)
    }

    fn go_on(&mut self, cursor: &Cursor) -> Result<()> {
        self.dimension = Some(cursor.dimension).filter(|dimension| *dimension > 0).or(self.dimension);
        let place = (cursor.table as usize, cursor.group as usize);
        while self.enter()? {
            let Some(current) = &mut self.current else { break };
            if (current.table, current.group) == place {
                current.reader.skip(cursor.row)?;
                current.row += cursor.row;
                current.position += cursor.row;
                return Ok(());
            }
            self.current = None;
        }
        Err(Error::config("parquet/cursor", "the cursor points to a row group that is not in this part"))
    }

    /// Makes sure that there is a row group with rows left.
    fn enter(&mut self) -> Result<bool> {
        while self.current.as_ref().is_none_or(|current| current.reader.left == 0) {
            let Some((number, group)) = self.groups.next() else { return Ok(false) };
            let Some(table) = self.stored.tables.get(number) else { return Ok(false) };
            let view = view(table, &self.settings);
            let reader = GroupReader::open(&table.file, &table.footer, group, &table.mapping, view)?;
            let before: u64 = table.footer.groups.iter().take(group).map(|group| group.rows).sum();
            let position = table.first_row + before;
            self.current = Some(Current { table: number, group, reader, row: 0, position });
        }
        Ok(true)
    }
}

impl Scan for ParquetScan {
    fn next(&mut self, max_rows: u32, max_bytes: u64) -> Result<Option<Page>> {
        // A page ends with its file: another one may have other columns.
        if !self.enter()? {
            return Ok(None);
        }
        let Some(current) = &mut self.current else { return Ok(None) };
        let Some(table) = self.stored.tables.get(current.table) else { return Ok(None) };
        let mut rows = Rows::new(&table.mapping, self.dimension);
        while current.reader.left > 0
            && rows.len() < max_rows.max(1) as usize
            && (rows.len() == 0 || rows.bytes < max_bytes)
        {
            let read = current.reader.next(current.position, &mut rows);
            read.map_err(|error| error.at("file", table.file.name()).at("row", current.position))?;
            current.row += 1;
            current.position += 1;
        }
        self.dimension = self.dimension.or(rows.dimension());
        let cursor = Cursor {
            table: u32::try_from(current.table).unwrap_or(u32::MAX),
            group: u32::try_from(current.group).unwrap_or(u32::MAX),
            row: current.row,
            dimension: self.dimension.unwrap_or(0),
        };
        let changes = rows.changes();
        let (rows, unreadable) = rows.finish();
        Ok(Some(Page { rows, cursor: cursor.bytes(), changes, unreadable }))
    }
}
