/*!
A store put together: the columns of its pickles and its index, checked to be of one length, one dimension and
nothing but data.
*/

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use vecferry_faiss_format::Index;
use vecferry_pickle_format::{Audit, Json, Kind, Limits, Node, Notes, Pickle};
use vecferry_sdk::{Collection, Error, ErrorKind, Fingerprint, Host, IdOrigin, Metric, Result};

use crate::cell;
use crate::detect::Files;
use crate::record::Fields;
use crate::sequence::Cell;
use crate::settings::Settings;
use crate::shape::{self, Column, Matrix, Reading, SHAPES};
use crate::words::Role;

/// A store whose shape is known.
pub(crate) struct Layout {
    pub(crate) columns: Vec<Column>,
    pub(crate) matrix: Option<Matrix>,
    pub(crate) index: Option<Index>,
    pub(crate) rows: u64,
    pub(crate) dimension: Option<u32>,
    /// Which column the ids come from; `None` = the position.
    pub(crate) ids: Option<usize>,
    pub(crate) details: Vec<(String, String)>,
    pub(crate) file_bytes: u64,
    pickles: Vec<Rc<Pickle>>,
    fingerprint: Fingerprint,
}

/// How closely a store is looked at when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Enough to scan it.
    AtItsShape,
    /// So closely that a scan cannot fail but for what texts alone tell.
    AtEveryValue,
}

impl Layout {
    /// Reads the shape of a store's files; `look` says whether every value is looked at too.
    ///
    /// # Errors
    /// `corrupt` and `unsupported`, each with file and place.
    pub(crate) fn open(host: &Host, files: &Files, settings: &Settings, look: Look) -> Result<Layout> {
        let mut layout = Layout {
            columns: Vec::new(),
            matrix: None,
            index: None,
            rows: 0,
            dimension: None,
            ids: None,
            details: Vec::new(),
            file_bytes: 0,
            pickles: Vec::new(),
            fingerprint: Fingerprint::default(),
        };
        let texts_elsewhere = files.texts.is_some();
        let mut counts = Vec::new();
        let mut shapes = Vec::new();
        for (role, name) in files.pickles() {
            let file = host.open_file(name)?;
            layout.file_bytes += file.size();
            layout.fingerprint.add_file(&*file)?;
            let pickle = Rc::new(Pickle::load(file, &Limits::default())?);
            let shape = shape::of(&pickle, role, texts_elsewhere, settings)?;
            counts.extend(shape.rows());
            shapes.push(format!("{name}: {}", shape.describe()));
            layout.pickles.push(pickle);
            layout.columns.extend(shape.columns);
            layout.details.extend(shape.details);
            if let Some(matrix) = shape.matrix
                && layout.matrix.replace(matrix).is_some()
            {
                return Err(Error::unsupported("pickle/shape", "two files hold vectors; which are the records'?"));
            }
        }
        if let Some(name) = &files.index {
            layout.join_index(host, name, &mut counts)?;
        }
        if look == Look::AtEveryValue {
            layout.audit()?;
        }
        layout.rows = agree(&counts)?;
        layout.check_roles(files)?;
        layout.dimension = layout.find_dimension()?;
        layout.ids = layout.find_ids()?;
        layout.details.insert(0, ("files".to_owned(), shapes.join("; ")));
        let protocols: Vec<String> = layout.pickles.iter().map(|pickle| pickle.protocol().to_string()).collect();
        layout.details.insert(1, ("pickle protocol".to_owned(), protocols.join(", ")));
        Ok(layout)
    }

    /// Takes an index's vectors, unless the pickles have some.
    fn join_index(&mut self, host: &Host, name: &str, counts: &mut Vec<(String, u64)>) -> Result<()> {
        let file = host.open_file(name)?;
        self.fingerprint.add_file(&*file)?;
        let folder = name.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let index = Index::open(file, &|sibling| host.open_file(&format!("{folder}{sibling}")))?;
        if self.has(Role::Vectors) {
            self.details.push(("not read".to_owned(), format!("{name}: the pickle holds the vectors")));
            return Ok(());
        }
        counts.push((format!("vectors in {name}"), index.info().rows));
        self.details.push(("index".to_owned(), format!("{name}: {}", index.info().class)));
        self.index = Some(index);
        Ok(())
    }

    pub(crate) fn has(&self, role: Role) -> bool {
        let vectors = role == Role::Vectors && (self.matrix.is_some() || self.index.is_some());
        vectors
            || self.columns.iter().any(|column| match (&column.reading, role) {
                (Reading::Text, Role::Texts)
                | (Reading::Metadata | Reading::Field(_), Role::Metadata)
                | (Reading::Vector, Role::Vectors)
                | (Reading::Id, Role::Ids) => true,
                (Reading::Record(fields), role) => fields.has(role),
                _ => false,
            })
    }

    fn check_roles(&self, files: &Files) -> Result<()> {
        let file = files.pickles().next().map_or("", |(_, name)| name);
        let count = |role: Role| {
            let columns = self.columns.iter().filter(|column| match (&column.reading, role) {
                (Reading::Text, Role::Texts) | (Reading::Vector, Role::Vectors) => true,
                (Reading::Record(fields), role) => fields.has(role),
                _ => false,
            });
            columns.count() + usize::from(role == Role::Vectors && self.matrix.is_some())
        };
        for (role, what) in [(Role::Texts, "texts"), (Role::Vectors, "vectors")] {
            if count(role) > 1 {
                let message = format!("the records' {what} come twice, and it is not clear which are meant");
                return Err(Error::unsupported("pickle/shape", message).at("file", file).hint(SHAPES));
            }
        }
        if self.rows > 0 && !self.has(Role::Texts) && !self.has(Role::Vectors) {
            let message = "there are neither texts nor vectors here: nothing that could be moved";
            let hint = format!("{SHAPES}; --set text=KEY names the key of the texts");
            return Err(Error::unsupported("pickle/shape", message).at("file", file).hint(hint));
        }
        Ok(())
    }

    fn find_dimension(&self) -> Result<Option<u32>> {
        let mut dimension = None;
        if let Some(index) = &self.index {
            return Ok(Some(index.info().dimension));
        }
        if let Some(matrix) = &self.matrix {
            dimension = shape::matrix_dimension(matrix);
        }
        for column in &self.columns {
            if matches!(&column.reading, Reading::Vector)
                || matches!(&column.reading, Reading::Record(fields) if fields.has(Role::Vectors))
            {
                dimension = self.one_dimension(column)?;
            }
        }
        match dimension {
            None => Ok(None),
            Some(0) => Err(Error::unsupported("pickle/shape", "the vectors have no values")),
            Some(dimension) => match u32::try_from(dimension) {
                Ok(dimension) => Ok(Some(dimension)),
                Err(_) => Err(Error::unsupported("pickle/shape", format!("vectors of {dimension} values"))),
            },
        }
    }

    /// The length of every vector of a column.
    fn one_dimension(&self, column: &Column) -> Result<Option<u64>> {
        let mut json = Json::new(&Limits::default(), self.file_bytes);
        let mut first: Option<u64> = None;
        let mut walk = column.values.walk(0);
        let mut row = 0_u64;
        while let Some(cell) = walk.next(&column.values)? {
            let vector = match (&cell, &column.reading) {
                (Cell::Node(record), Reading::Record(fields)) if !record.is_none() => {
                    fields.parts(*record, &mut json, &mut Notes::default())?.vector
                }
                (Cell::Node(vector), Reading::Vector) => Some(*vector),
                (Cell::Element(_), _) => {
                    let message = format!("vectors are needed, and row {row} is {}", cell.describe());
                    return Err(cell.error(ErrorKind::Unsupported, "pickle/shape", message));
                }
                _ => None,
            };
            if let Some(vector) = vector
                && let Some(len) = cell::vector_len(vector)?
            {
                match first {
                    Some(first) if first != len => {
                        let message = format!("the vector of row {row} has {len} values, the ones before it {first}");
                        return Err(vector.error(ErrorKind::Corrupt, "pickle/dimension", message));
                    }
                    _ => first = Some(len),
                }
            }
            row += 1;
        }
        Ok(first)
    }

    /// The column of the store's own ids. A column of ids must be one; fields called `id` are ids only where every
    /// record has one and no two are alike.
    fn find_ids(&mut self) -> Result<Option<usize>> {
        let columns = self.columns.iter().enumerate();
        let explicit = columns.clone().find(|(_, column)| column.reading == Reading::Id).map(|(index, _)| index);
        let fields = columns
            .filter(|(_, column)| matches!(&column.reading, Reading::Record(fields) if fields.has(Role::Ids)))
            .map(|(index, _)| index)
            .next();
        let Some(index) = explicit.or(fields) else { return Ok(None) };
        let Some(column) = self.columns.get(index) else { return Ok(None) };
        match self.check_ids(column)? {
            None => Ok(Some(index)),
            Some(problem) if explicit.is_some() => Err(problem),
            // Documents usually have no ids.
            Some(_) if matches!(column.reading, Reading::Record(Fields::Document)) => Ok(None),
            Some(problem) => {
                self.details.push(("ids".to_owned(), format!("positions are used: {}", problem.message)));
                Ok(None)
            }
        }
    }

    /// Why a column's ids are none; `None` = they are.
    fn check_ids(&self, column: &Column) -> Result<Option<Error>> {
        let mut json = Json::new(&Limits::default(), self.file_bytes);
        let mut seen: HashMap<u128, u32> = HashMap::new();
        let mut walk = column.values.walk(0);
        let mut row = 0_u64;
        while let Some(cell) = walk.next(&column.values)? {
            let id = match (&cell, &column.reading) {
                (Cell::Node(record), Reading::Record(fields)) => {
                    match fields.parts(*record, &mut json, &mut Notes::default())?.id {
                        Some(id) => cell::id(id, &json)?,
                        None => None,
                    }
                }
                _ => cell.id(&json)?,
            };
            let Some(id) = id.filter(|id| !id.is_empty()) else {
                let message = format!("row {row} has no id ({})", cell.describe());
                return Ok(Some(cell.error(ErrorKind::Corrupt, "pickle/id", message)));
            };
            if let Some(before) = seen.insert(digest(&id), u32::try_from(row).unwrap_or(u32::MAX)) {
                let message = format!("rows {before} and {row} have the same id '{id}'");
                return Ok(Some(cell.error(ErrorKind::Corrupt, "pickle/id", message)));
            }
            row += 1;
        }
        Ok(None)
    }

    /// Checks every value that a scan will convert, so that a store with values that are no data, or with a bomb,
    /// is refused before anything of it is moved.
    ///
    /// # Errors
    /// The first value's that cannot be converted, with its path.
    fn audit(&self) -> Result<()> {
        let mut json = Json::new(&Limits::default(), self.file_bytes);
        for pickle in &self.pickles {
            let mut audit = Audit::new(pickle, &Limits::default());
            for column in self.columns.iter().filter(|column| Rc::ptr_eq(&column.values.pickle, pickle)) {
                let mut walk = column.values.walk(0);
                while let Some(cell) = walk.next(&column.values)? {
                    let Cell::Node(node) = cell else {
                        if column.reading == Reading::Text && !cell.is_text() && !cell.is_none() {
                            cell.text(&mut Notes::default())?;
                        }
                        continue;
                    };
                    audit_value(node, &column.reading, &mut audit, &mut json).map_err(of_one_record)?;
                }
            }
        }
        Ok(())
    }

    /// As the host sees it.
    pub(crate) fn collection(&self, name: &str) -> Collection {
        let info = self.index.as_ref().map(Index::info);
        Collection {
            name: name.to_owned(),
            rows: Some(self.rows),
            dimension: self.dimension,
            metric: info.map_or(Metric::Unknown, |info| info.metric),
            has_documents: self.has(Role::Texts),
            has_vectors: self.dimension.is_some(),
            id_origin: if self.ids.is_some() { IdOrigin::Store } else { IdOrigin::Position },
            lossy_vectors: info.is_some_and(|info| info.fidelity.is_lossy()),
            fingerprint: self.fingerprint.finish(),
            details: self.details.clone(),
            ..Collection::default()
        }
    }
}

const SKIP: &str = "nothing was executed; --skip-unreadable moves the other records and sets these aside";

/// What to do about an error that concerns one record, not the whole pickle.
fn of_one_record(error: Error) -> Error {
    match error.context("node") {
        Some(node) if node.starts_with(['[', '{', '.']) => error.hint(SKIP),
        _ => error,
    }
}

fn audit_value<'p>(node: Node<'p>, reading: &Reading, audit: &mut Audit<'p>, json: &mut Json) -> Result<()> {
    let text = |node: Node<'p>| {
        if node.is_none() || cell::is_text(node) { Ok(()) } else { cell::text(node, &mut Notes::default()).map(|_| ()) }
    };
    match reading {
        Reading::Text => text(node),
        Reading::Metadata | Reading::Field(_) => audit.check(node),
        // Their length was looked at, and their values are when they are read.
        Reading::Vector | Reading::Id => Ok(()),
        Reading::Record(_) if node.is_none() => {
            let message = "a record is needed here, and this is None";
            Err(node.error(ErrorKind::Corrupt, "pickle/shape", message))
        }
        Reading::Record(fields) => {
            if node.kind() == Kind::Dict && node.len() as u64 > Limits::default().expanded {
                return audit.check(node);
            }
            let parts = fields.parts(node, json, &mut Notes::default())?;
            parts.text.map_or(Ok(()), text)?;
            for value in parts.metadata.into_iter().chain(parts.rest.iter().map(|(_, value)| *value)) {
                audit.check(value)?;
            }
            Ok(())
        }
    }
}

/// The rows of all columns.
fn agree(counts: &[(String, u64)]) -> Result<u64> {
    let Some((first, rows)) = counts.first() else { return Ok(0) };
    match counts.iter().find(|(_, other)| other != rows) {
        None => Ok(*rows),
        Some((what, other)) => {
            let message = format!("the parts of the store do not fit together: {rows} {first}, {other} {what}");
            Err(Error::corrupt("pickle/counts", message)
                .hint("they are joined by position, so a part that is missing would shift all others"))
        }
    }
}

fn digest(id: &str) -> u128 {
    let mut out = 0;
    for salt in [0_u8, 1] {
        let mut hasher = DefaultHasher::new();
        (salt, id).hash(&mut hasher);
        out = (out << 64) | u128::from(hasher.finish());
    }
    out
}
