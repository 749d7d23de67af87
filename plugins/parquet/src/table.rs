/*!
One collection as the sink writes it: parts that stand under their names, one that is being written, and an index of
which row is a record's last.

**Durable.** A part is whole at each flush, so that what was acknowledged survives the process. A run that goes on reads
the ids of the parts that are there, and begins another.

**Upsert.** A record that is written again stands in two places; the later part, and in it the later row, counts. The
earlier rows stay until [`Table::finish`] writes the parts that hold such rows once more without them. Reads never give
them.
*/

use std::collections::{BTreeMap, BTreeSet, HashMap};

use vecferry_parquet_format::Footer;
use vecferry_pinecone_format::restore::Reader as Restorer;
use vecferry_sdk::{
    Batch, Dense, Error, File, Hit, Host, IdPage, Metric, Nearest, PrepareMode, Receipt, Result, Target,
};

use crate::columns::{
    self, Columns, NOTE_COLLECTION, NOTE_DIMENSION, NOTE_LAYOUT, NOTE_METRIC, NOTE_MODEL, NOTE_PROVIDER, NOTE_VECTORS,
    NOTE_VERSION,
};
use crate::committed;
use crate::fit;
use crate::index::{Index, Place};
use crate::mapping::Mapping;
use crate::names;
use crate::part::OpenPart;
use crate::rows::{GroupReader, Rows, View};
use crate::settings::{Form, SinkSettings};

/// Rows that are read back at a time.
const STEP: usize = 512;

pub(crate) struct Table {
    host: Host,
    settings: SinkSettings,
    collection: String,
    dimension: Option<u32>,
    metric: Metric,
    columns: Columns,
    /// Parts that stand under their names, by number, with their columns.
    parts: BTreeMap<u32, Columns>,
    open: Option<OpenPart>,
    index: Index,
    /// Rows whose record stands elsewhere by now.
    superseded: BTreeSet<Place>,
}

/// A part that is read.
struct Reading {
    file: File,
    footer: Footer,
    mapping: Mapping,
}

impl Table {
    /// The collection's table, made ready.
    ///
    /// # Errors
    /// `config` where the folder holds what must not be touched; `not-found` with [`PrepareMode::MustExist`].
    pub(crate) fn prepare(host: &Host, settings: &SinkSettings, target: &Target, mode: PrepareMode) -> Result<Table> {
        let found = Table::found(host, settings, &target.collection)?;
        let folder = format!("{}/{}", settings.location, names::folder(&target.collection));
        if let Some(first) = found.first() {
            let may_add = settings.add || settings.resume || mode == PrepareMode::MustExist;
            if !may_add {
                return Err(Error::config("parquet/exists", format!("{folder} holds Parquet files of an earlier run"))
                    .hint("name another folder, remove that one, or add to it by id: --set sink.existing=add")
                    .at("file", &first.1));
            }
        } else if mode == PrepareMode::MustExist {
            return Err(Error::not_found("parquet/not-found", format!("there is no collection in {folder}")));
        }
        let mut table = Table {
            host: host.clone(),
            settings: settings.clone(),
            collection: target.collection.clone(),
            dimension: target.dimension,
            metric: target.metric,
            columns: Columns::default(),
            parts: BTreeMap::new(),
            open: None,
            index: Index::new(),
            superseded: BTreeSet::new(),
        };
        table.load(&found)?;
        if let Some(first) = found.first() {
            table.take_over(&first.1, target)?;
        }
        table.check(target, mode)?;
        Ok(table)
    }

    /// The parts of a collection, by number and name.
    fn found(host: &Host, settings: &SinkSettings, collection: &str) -> Result<Vec<(u32, String)>> {
        let folder = format!("{}/{}/", settings.location, names::folder(collection));
        let mut found = Vec::new();
        for entry in host.list_outputs()? {
            let Some(file) = entry.name.strip_prefix(&folder) else { continue };
            match names::part_number(file) {
                Some(number) => found.push((number, entry.name)),
                None if file.ends_with(".parquet") => {
                    let message = format!("{folder} holds Parquet files that vecferry did not write");
                    return Err(Error::config("parquet/exists", message)
                        .hint("name another folder: who reads this one would take all of its files")
                        .at("file", entry.name));
                }
                None => {}
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Reads footers and ids of the parts that stand.
    fn load(&mut self, found: &[(u32, String)]) -> Result<()> {
        (self.index, self.columns) = (Index::new(), Columns::default());
        (self.parts, self.superseded) = (BTreeMap::new(), BTreeSet::new());
        for (number, name) in found {
            let reading = self.reading(name)?;
            let columns = match self.settings.form {
                Form::General => Columns::noted(&reading.footer).map_err(|e| e.at("file", name))?,
                Form::Pinecone => Columns::of_dimension(noted_dimension(&reading.footer)),
            };
            self.columns.add(&columns);
            self.parts.insert(*number, columns);
            let ids = self.ids_of(&reading);
            let (index, superseded) = (&mut self.index, &mut self.superseded);
            let view = view(&self.settings, &self.collection);
            walk(&reading, &ids, &view, |batch, first| {
                for (row, id) in (first..).zip(&batch.ids) {
                    superseded.extend(index.insert(id, Place { part: *number, row }));
                }
                Ok(())
            })
            .map_err(|error| error.at("file", name))?;
        }
        Ok(())
    }

    /// What the files note of the collection becomes this table's, where the target does not say.
    fn take_over(&mut self, name: &str, target: &Target) -> Result<()> {
        let reading = self.reading(name)?;
        let (dimension, metric) = (noted_dimension(&reading.footer), columns::noted_metric(&reading.footer));
        let noted = reading.footer.note(NOTE_COLLECTION).unwrap_or_default();
        if noted != target.collection {
            let message = format!("the folder holds the collection '{noted}', not '{}'", target.collection);
            return Err(Error::config("parquet/collection", message).at("file", name));
        }
        (self.dimension, self.metric) = (dimension, metric);
        Ok(())
    }

    /// Whether a target is this table.
    ///
    /// # Errors
    /// `config`, saying both, where dimension or metric differ, or where it must be empty and is not.
    pub(crate) fn check(&mut self, target: &Target, mode: PrepareMode) -> Result<()> {
        let exists = |what: &str, has: &str, wanted: &str| {
            let message = format!(
                "the collection '{}' has {what} {has}, the records to be written have {wanted}",
                self.collection
            );
            Error::config("target/mismatch", message).hint("write into another folder or collection")
        };
        if let (Some(has), Some(wanted)) = (self.dimension, target.dimension)
            && has != wanted
        {
            return Err(exists("dimension", &has.to_string(), &wanted.to_string()));
        }
        let known = |metric| metric != Metric::Unknown;
        if known(self.metric) && known(target.metric) && self.metric != target.metric {
            return Err(exists("metric", self.metric.as_str(), target.metric.as_str()));
        }
        if mode == PrepareMode::MustBeEmpty && self.index.len() > 0 {
            let message = format!("the collection '{}' holds {} records", self.collection, self.index.len());
            return Err(Error::config("target/not-empty", message).hint("write into another folder or collection"));
        }
        // Vectors may come later than texts; then the dimension is known.
        self.dimension = self.dimension.or(target.dimension);
        if !known(self.metric) {
            self.metric = target.metric;
        }
        Ok(())
    }

    pub(crate) fn write(&mut self, batch: &Batch) -> Result<Receipt> {
        batch.check()?;
        let namespace = self.settings.pinecone(&self.collection);
        let columns = &mut self.columns;
        let fitted = fit::fit(batch, self.settings.form, &namespace, self.dimension, columns);
        if fitted.rows.is_empty() {
            return Ok(fitted.receipt);
        }
        let is_other = |open: &OpenPart| {
            open.columns != self.columns || open.bytes() >= self.settings.max_file_bytes || open.rows > u32::MAX / 2
        };
        if self.open.as_ref().is_some_and(is_other) {
            self.flush()?;
        }
        if self.open.is_none() {
            self.open = Some(self.create(self.parts.last_key_value().map_or(0, |(number, _)| number + 1))?);
        }
        let Some(open) = &mut self.open else { return Ok(fitted.receipt) };
        let encoded = open.encode(fitted.rows)?;
        // From here on the rows count as written, even where the output fails: written again they replace these.
        for (row, id) in (open.rows..).zip(&fitted.ids) {
            self.superseded.extend(self.index.insert(id, Place { part: open.number, row }));
        }
        open.write(&encoded)?;
        Ok(fitted.receipt)
    }

    fn create(&self, number: u32) -> Result<OpenPart> {
        let name = self.name_of(number);
        OpenPart::create(&self.host, &name, number, &self.columns, self.settings.form, &self.notes())
    }

    fn name_of(&self, number: u32) -> String {
        format!("{}/{}/{}", self.settings.location, names::folder(&self.collection), names::part(number))
    }

    fn notes(&self) -> HashMap<&'static str, String> {
        let mut notes = HashMap::from([
            (NOTE_LAYOUT, self.settings.form.as_str().to_owned()),
            (NOTE_VERSION, env!("CARGO_PKG_VERSION").to_owned()),
            (NOTE_COLLECTION, self.collection.clone()),
            (NOTE_METRIC, self.metric.as_str().to_owned()),
        ]);
        notes.extend(self.dimension.map(|dimension| (NOTE_DIMENSION, dimension.to_string())));
        if self.settings.form == Form::General {
            notes.insert(NOTE_VECTORS, serde_json::to_string(&self.columns.vectors).unwrap_or_default());
        }
        if let Some(embedding) = &self.settings.embedding {
            notes.insert(NOTE_PROVIDER, embedding.provider.clone());
            notes.extend(embedding.model.clone().map(|model| (NOTE_MODEL, model)));
        }
        notes
    }

    /// Ends the part that is being written.
    pub(crate) fn flush(&mut self) -> Result<()> {
        if let Some(open) = &mut self.open {
            open.finish().map_err(|error| error.at("collection", &self.collection))?;
            self.parts.insert(open.number, open.columns.clone());
            self.open = None;
        }
        Ok(())
    }

    pub(crate) fn count(&self) -> u64 {
        self.index.len()
    }

    fn reading(&self, name: &str) -> Result<Reading> {
        let file = committed::open(&self.host, name)?;
        let footer = Footer::read(&file)?;
        let noted = footer.note(NOTE_LAYOUT).unwrap_or("another program's");
        if noted != self.settings.form.as_str() {
            let message = format!("the folder holds files of the layout {noted}");
            return Err(Error::config("parquet/layout", message)
                .hint(format!("--set sink.layout={noted} adds to them; else name another folder"))
                .at("file", name));
        }
        let mapping = Mapping::ours(&footer, self.settings.form).map_err(|error| error.at("file", name))?;
        Ok(Reading { file, footer, mapping })
    }

    /// The columns from which a part's ids are read.
    fn ids_of(&self, reading: &Reading) -> Mapping {
        let mapping = &reading.mapping;
        Mapping {
            vectors: Vec::new(),
            sparse: Vec::new(),
            document: None,
            // It may hold the id that Pinecone does not take.
            metadata: mapping.metadata.filter(|_| self.settings.form == Form::Pinecone),
            ..mapping.clone()
        }
    }

    /// Ids in the order of their rows; the cursor is the place after them.
    pub(crate) fn list(&mut self, after: Option<&[u8]>, max: u32) -> Result<Option<IdPage>> {
        self.flush()?;
        let (mut part, mut row) = match after.map(<[u8; 8]>::try_from) {
            None => (0, 0),
            Some(Ok([a, b, c, d, e, f, g, h])) => (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])),
            Some(Err(_)) => return Err(Error::internal("parquet/cursor", "this is no cursor of a list of ids")),
        };
        let mut page = IdPage::default();
        let max = max.max(1) as usize;
        let numbers: Vec<u32> = self.parts.range(part..).map(|(number, _)| *number).collect();
        for number in numbers {
            if number != part {
                (part, row) = (number, 0);
            }
            let reading = self.reading(&self.name_of(number))?;
            let ids = self.ids_of(&reading);
            let view = view(&self.settings, &self.collection);
            let (mut at, mut first) = (u64::from(row), 0);
            for group in 0..reading.footer.groups.len() {
                let mut reader = GroupReader::open(&reading.file, &reading.footer, group, &ids, view.clone())?;
                let end = first + reader.left;
                reader.skip(at.saturating_sub(first))?;
                while reader.left > 0 && page.ids.len() < max {
                    let mut rows = Rows::new(&ids, None);
                    for _ in 0..reader.left.min((max - page.ids.len()) as u64) {
                        reader.next(at, &mut rows)?;
                    }
                    for id in whole(rows)?.ids {
                        let place = Place { part: number, row: u32::try_from(at).unwrap_or(u32::MAX) };
                        at += 1;
                        if !self.superseded.contains(&place) {
                            page.ids.push(id);
                        }
                    }
                }
                first = end;
            }
            row = u32::try_from(at).unwrap_or(u32::MAX);
            if page.ids.len() >= max {
                break;
            }
        }
        page.cursor = [part.to_le_bytes(), row.to_le_bytes()].concat();
        Ok((!page.ids.is_empty()).then_some(page))
    }

    /// The records of these ids.
    pub(crate) fn fetch(&mut self, ids: &[String]) -> Result<Batch> {
        self.flush()?;
        let places: BTreeSet<Place> = ids.iter().filter_map(|id| self.index.get(id)).collect();
        let mut out = self.nothing();
        let view = view(&self.settings, &self.collection);
        let numbers: BTreeSet<u32> = places.iter().map(|place| place.part).collect();
        for part in numbers {
            let reading = self.reading(&self.name_of(part))?;
            let wanted: Vec<u64> = places
                .range(Place { part, row: 0 }..=Place { part, row: u32::MAX })
                .map(|place| u64::from(place.row))
                .collect();
            let mut first = 0;
            for (group, rows) in reading.footer.groups.iter().map(|group| group.rows).enumerate() {
                let end = first + rows;
                let here = wanted.iter().filter(|row| (first..end).contains(*row));
                let mut reader = None;
                let mut at = first;
                let mut found = Rows::new(&reading.mapping, self.dimension);
                for row in here {
                    let reader = match &mut reader {
                        Some(reader) => reader,
                        None => reader.insert(GroupReader::open(
                            &reading.file,
                            &reading.footer,
                            group,
                            &reading.mapping,
                            view.clone(),
                        )?),
                    };
                    reader.skip(row - at)?;
                    reader.next(*row, &mut found)?;
                    at = row + 1;
                }
                append(&mut out, whole(found)?);
                first = end;
            }
        }
        Ok(out)
    }

    /// A batch of no records, with all the columns.
    fn nothing(&self) -> Batch {
        let dense = self
            .columns
            .vectors
            .iter()
            .map(|column| Dense { name: column.name.clone(), ..Dense::new(column.dimension, Vec::new()) });
        let sparse = self.columns.sparse.iter().map(|name| vecferry_sdk::Sparse {
            name: name.clone(),
            offsets: vec![0],
            ..vecferry_sdk::Sparse::default()
        });
        Batch {
            dense: dense.collect(),
            sparse: sparse.collect(),
            documents: Some(Vec::new()),
            metadata: Some(Vec::new()),
            ..Batch::default()
        }
    }

    /// The nearest of all vectors, by a scan.
    pub(crate) fn query(&mut self, vectors: &Dense, k: u32) -> Result<Vec<Vec<Hit>>> {
        self.flush()?;
        if self.dimension != Some(vectors.dimension) {
            let has = self.dimension.map_or("no vectors".to_owned(), |has| format!("vectors of {has} values"));
            let message =
                format!("the collection '{}' has {has}, the query has {} values", self.collection, vectors.dimension);
            return Err(Error::config("query/dimension", message));
        }
        let rows = vectors.values.len().checked_div(vectors.dimension as usize).unwrap_or(0);
        let mut nearest = Nearest::new(self.metric, vectors, rows, k);
        for &part in self.parts.keys() {
            let reading = self.reading(&self.name_of(part))?;
            let vectors = reading.mapping.vectors.iter().take(1).cloned().collect();
            let mapping = Mapping { vectors, ..self.ids_of(&reading) };
            let view = view(&self.settings, &self.collection);
            walk(&reading, &mapping, &view, |batch, first| {
                for (at, row) in (first..).enumerate().take(batch.len()) {
                    if let Some(vector) = batch.vectors().and_then(|dense| dense.row(at))
                        && !self.superseded.contains(&Place { part, row })
                    {
                        nearest.offer(vector, || batch.ids.get(at).cloned().unwrap_or_default());
                    }
                }
                Ok(())
            })?;
        }
        let hits = |row: Vec<(String, f32)>| row.into_iter().map(|(id, score)| Hit { id, score }).collect();
        Ok(nearest.finish().into_iter().map(hits).collect())
    }

    /// The run is complete: parts with rows that were replaced, or without columns that came later, are written once
    /// more. May be called again after an error.
    pub(crate) fn finish(&mut self) -> Result<()> {
        self.flush()?;
        if self.parts.is_empty() {
            self.columns.add(&Columns::of_dimension(self.dimension));
            self.open = Some(self.create(0)?);
            return self.flush();
        }
        let parts = self.parts.iter().filter(|(number, columns)| {
            **columns != self.columns || self.superseded.iter().any(|place| place.part == **number)
        });
        let anew: Vec<u32> = parts.map(|(number, _)| *number).collect();
        if anew.is_empty() {
            return Ok(());
        }
        for number in anew {
            self.write_anew(number)?;
        }
        let found: Vec<(u32, String)> = self.parts.keys().map(|number| (*number, self.name_of(*number))).collect();
        self.load(&found)
    }

    fn write_anew(&self, part: u32) -> Result<()> {
        let reading = self.reading(&self.name_of(part))?;
        let mut anew = self.create(part)?;
        walk(&reading, &reading.mapping, &View::Raw, |batch, first| {
            let rows = (first..).take(batch.len());
            let keep: Vec<bool> = rows.map(|row| !self.superseded.contains(&Place { part, row })).collect();
            let kept = batch.filter(&keep);
            if kept.is_empty() { Ok(()) } else { anew.write(&anew.encode(kept)?) }
        })?;
        anew.finish()
    }
}

fn noted_dimension(footer: &Footer) -> Option<u32> {
    footer.note(NOTE_DIMENSION).and_then(|dimension| dimension.parse().ok())
}

/// How the sink's own rows are read back.
fn view(settings: &SinkSettings, collection: &str) -> View {
    match settings.form {
        Form::General => View::Raw,
        Form::Pinecone => View::Pinecone(settings.pinecone(collection), Restorer::Sink),
    }
}

/// What the sink wrote reads back.
fn whole(rows: Rows) -> Result<Batch> {
    match rows.finish() {
        (batch, unreadable) if unreadable.is_empty() => Ok(batch),
        (_, mut unreadable) => Err(unreadable.swap_remove(0).reason),
    }
}

/// All rows of a part, some at a time, each time with the number of the first.
fn walk(
    reading: &Reading,
    mapping: &Mapping,
    view: &View,
    mut each: impl FnMut(Batch, u32) -> Result<()>,
) -> Result<()> {
    let mut at = 0u32;
    for group in 0..reading.footer.groups.len() {
        let mut reader = GroupReader::open(&reading.file, &reading.footer, group, mapping, view.clone())?;
        while reader.left > 0 {
            let mut rows = Rows::new(mapping, None);
            while reader.left > 0 && rows.len() < STEP && rows.bytes < 4 << 20 {
                reader.next(u64::from(at) + rows.len() as u64, &mut rows)?;
            }
            let batch = whole(rows)?;
            let len = u32::try_from(batch.len()).unwrap_or(u32::MAX);
            each(batch, at)?;
            at = at.saturating_add(len);
        }
    }
    Ok(())
}

/// Puts the records of `more` behind those of `out`, which has all the columns.
fn append(out: &mut Batch, more: Batch) {
    let (before, rows) = (out.len(), more.len());
    for column in &mut out.dense {
        let width = column.dimension as usize;
        match more.dense.iter().find(|dense| dense.name == column.name) {
            Some(dense) => {
                column.values.extend_from_slice(&dense.values);
                column.absent.extend(dense.absent.iter().filter_map(|row| u32::try_from(before + *row as usize).ok()));
            }
            None => {
                column.values.resize(column.values.len() + rows * width, 0.0);
                column.absent.extend((before..before + rows).filter_map(|row| u32::try_from(row).ok()));
            }
        }
    }
    for column in &mut out.sparse {
        let start = column.offsets.last().copied().unwrap_or(0);
        match more.sparse.iter().find(|sparse| sparse.name == column.name) {
            Some(sparse) => {
                column.offsets.extend(sparse.offsets.iter().skip(1).map(|offset| start + offset));
                column.indices.extend_from_slice(&sparse.indices);
                column.values.extend_from_slice(&sparse.values);
            }
            None => column.offsets.extend(std::iter::repeat_n(start, rows)),
        }
    }
    out.ids.extend(more.ids);
    out.documents.get_or_insert_default().extend(more.documents.unwrap_or_default());
    out.metadata.get_or_insert_default().extend(more.metadata.unwrap_or_default());
}
