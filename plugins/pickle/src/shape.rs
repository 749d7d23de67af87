/*!
What a pickle holds: which of the common shapes its value has, as columns of one length. Anything else is refused,
with the place and what stands there.
*/

use std::rc::Rc;

use vecferry_pickle_format::{Array, Audit, Kind, Limits, Node, Pickle};
use vecferry_sdk::{ErrorKind, Result};

use crate::cell;
use crate::record::Fields;
use crate::sequence::{Cell, Sequence};
use crate::settings::Settings;
use crate::words::Role;

/// How the values of a column are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Documents.
    Text,
    /// Metadata: a dict each.
    Metadata,
    /// One key of the metadata.
    Field(Rc<str>),
    /// Vectors, one value each.
    Vector,
    /// Ids.
    Id,
    /// Whole records.
    Record(Fields),
}

/// A column and how it is read.
#[derive(Clone)]
pub(crate) struct Column {
    pub(crate) values: Sequence,
    pub(crate) reading: Reading,
}

/// A matrix of vectors.
#[derive(Clone)]
pub(crate) struct Matrix {
    pub(crate) array: Rc<Array>,
    pub(crate) file: String,
}

/// What one pickle holds.
#[derive(Default)]
pub(crate) struct Shape {
    pub(crate) columns: Vec<Column>,
    pub(crate) matrix: Option<Matrix>,
    /// For people.
    pub(crate) details: Vec<(String, String)>,
}

impl Column {
    fn new(values: Sequence, reading: Reading) -> Column {
        Column { values, reading }
    }

    /// What its values are called in messages.
    pub(crate) fn noun(&self) -> String {
        match &self.reading {
            Reading::Text => "texts".to_owned(),
            Reading::Metadata => "metadata".to_owned(),
            Reading::Field(name) => format!("values of '{name}'"),
            Reading::Vector => "vectors".to_owned(),
            Reading::Id => "ids".to_owned(),
            Reading::Record(_) => "records".to_owned(),
        }
    }
}

/// Reads a pickle's shape. `role` is what its file's name promises; `texts_elsewhere` says that another file holds
/// the texts, so that dicts are metadata.
///
/// # Errors
/// `pickle/shape` (unsupported), `pickle/ambiguous` (config), and those of [`Audit`] where they are the reason.
pub(crate) fn of(pickle: &Rc<Pickle>, role: Option<Role>, texts_elsewhere: bool, settings: &Settings) -> Result<Shape> {
    let reader = ShapeReader { pickle, settings, texts_elsewhere };
    let mut shape = reader.read(role)?;
    if pickle.trailing_bytes() > 0 {
        let what = format!("{} bytes behind the pickle's end in {}", pickle.trailing_bytes(), pickle.file().name());
        shape.details.push(("not read".to_owned(), what));
    }
    Ok(shape)
}

struct ShapeReader<'a> {
    pickle: &'a Rc<Pickle>,
    settings: &'a Settings,
    texts_elsewhere: bool,
}

/// Records that are looked at to tell fields.
const SAMPLES: usize = 100;
/// Names of columns, and bytes of one.
const NAMES: usize = 64;
const NAME_BYTES: u64 = 256;
/// Columns of a store that is a list or tuple of columns.
const COLUMNS: usize = 6;

impl ShapeReader<'_> {
    fn read(&self, role: Option<Role>) -> Result<Shape> {
        let root = self.pickle.root();
        if let Some(matrix) = self.matrix(root)? {
            return Ok(Shape { matrix: Some(matrix), ..Shape::default() });
        }
        if root.kind() == Kind::Dict {
            return self.dict(root, role);
        }
        if let Some(shape) = self.columns_in_order(root)? {
            return Ok(shape);
        }
        match Sequence::items(self.pickle, root)? {
            Some(values) => {
                let mut shape = Shape::default();
                self.add(&mut shape, values, role)?;
                Ok(shape)
            }
            None => Err(self.refuse(root)),
        }
    }

    /// Two-dimensional numbers.
    fn matrix(&self, node: Node<'_>) -> Result<Option<Matrix>> {
        if node.kind() != Kind::Object {
            return Ok(None);
        }
        let array = node.array()?.filter(|array| array.is_numeric() && array.shape().len() == 2);
        Ok(array.map(|array| Matrix { array: Rc::new(array), file: self.pickle.file().name().to_owned() }))
    }

    /// Adds a column, by what its first values are.
    fn add(&self, shape: &mut Shape, values: Sequence, role: Option<Role>) -> Result<()> {
        let reading = self.reading(&values, role)?;
        shape.columns.push(Column::new(values, reading));
        Ok(())
    }

    fn reading(&self, values: &Sequence, role: Option<Role>) -> Result<Reading> {
        let samples = values.samples(SAMPLES)?;
        let Some(first) = samples.first() else {
            // Nothing, or nothing but None.
            return Ok(match role {
                Some(Role::Metadata) => Reading::Metadata,
                Some(Role::Vectors) => Reading::Vector,
                Some(Role::Ids) => Reading::Id,
                Some(Role::Texts) | None => Reading::Text,
            });
        };
        let promised = match role {
            Some(Role::Metadata) if self.texts_elsewhere => Some(Reading::Metadata),
            Some(Role::Ids) if first.is_id() => Some(Reading::Id),
            Some(Role::Metadata) if !matches!(first, Cell::Node(node) if is_record(*node, self.settings)?) => {
                Some(Reading::Metadata)
            }
            _ => None,
        };
        if let Some(reading) = promised {
            return Ok(reading);
        }
        match first {
            _ if first.is_text() && matches!(role, Some(Role::Texts) | None) => Ok(Reading::Text),
            Cell::Node(node) if cell::is_vector(*node)? && matches!(role, Some(Role::Vectors) | None) => {
                Ok(Reading::Vector)
            }
            Cell::Node(_) if role != Some(Role::Vectors) && role != Some(Role::Ids) => {
                let nodes: Vec<Node<'_>> = samples
                    .iter()
                    .filter_map(|cell| match cell {
                        Cell::Node(node) => Some(*node),
                        Cell::Element(_) => None,
                    })
                    .collect();
                match Fields::of(&nodes, self.settings)? {
                    Some(fields) if role == Some(Role::Texts) && !fields.has(Role::Texts) => Err(self.no_text(first)),
                    Some(fields) => Ok(Reading::Record(fields)),
                    None => Err(self.refuse_in(values.node(), first, role)),
                }
            }
            _ => Err(self.refuse_in(values.node(), first, role)),
        }
    }

    /// A list or tuple of columns: `(texts, metadatas, embeddings)`.
    fn columns_in_order(&self, root: Node<'_>) -> Result<Option<Shape>> {
        if !matches!(root.kind(), Kind::List | Kind::Tuple) || !(2..=COLUMNS).contains(&root.len()) {
            return Ok(None);
        }
        let mut shape = Shape::default();
        for part in root.items() {
            if let Some(matrix) = self.matrix(part)? {
                if shape.matrix.replace(matrix).is_some() {
                    return Ok(None);
                }
                continue;
            }
            if matches!(part.kind(), Kind::Set) {
                return Ok(None);
            }
            let Some(values) = Sequence::items(self.pickle, part)? else { return Ok(None) };
            let samples = values.samples(2)?;
            let reading = match samples.first() {
                Some(cell) if cell.is_text() && samples.iter().all(Cell::is_text) => Reading::Text,
                Some(_) if all_vectors(&samples)? => Reading::Vector,
                Some(_) if samples.iter().all(is_dict) => Reading::Metadata,
                Some(Cell::Node(node)) if node.document()?.is_some() => Reading::Record(Fields::Document),
                _ => return Ok(None),
            };
            if shape.columns.iter().any(|column| column.reading == reading) {
                return Ok(None);
            }
            shape.columns.push(Column::new(values, reading));
        }
        let rows = shape.rows();
        let one_length = rows.windows(2).all(|pair| pair.first().map(|(_, n)| n) == pair.last().map(|(_, n)| n));
        // Rows of two values each, with two rows, look alike; columns have one kind of value each.
        Ok((one_length && shape.columns.len() + usize::from(shape.matrix.is_some()) >= 2).then_some(shape))
    }

    /// A dict of columns, or a dict of records by id.
    fn dict(&self, root: Node<'_>, role: Option<Role>) -> Result<Shape> {
        let mut named = Vec::new();
        let mut named_text = false;
        for (key, value) in root.entries() {
            if named.len() >= NAMES {
                break;
            }
            let name = if key.text_bytes()? > NAME_BYTES { None } else { key.text()? };
            let Some(name) = name.map(|key| key.string) else { continue };
            let role = self.settings.column(&name);
            named_text |= role == Some(Role::Texts) && value.kind() == Kind::Str;
            let column = match self.matrix(value)? {
                Some(matrix) => Part::Matrix(matrix),
                None => match Sequence::items(self.pickle, value)? {
                    Some(values) => Part::Values(values),
                    None => Part::Other,
                },
            };
            named.push((name, role, value, column));
        }
        let is_column = |role: &Option<Role>, part: &Part| role.is_some() && !matches!(part, Part::Other);
        let few = root.len() == named.len();
        if few && named.iter().any(|(_, role, _, part)| is_column(role, part)) && !named_text {
            return self.dict_of_columns(named);
        }
        let all_columns =
            |length: u64| named.iter().all(|(.., part)| matches!(part, Part::Values(values) if values.len == length));
        let first_length = named.iter().find_map(|(.., part)| match part {
            Part::Values(values) => Some(values.len),
            _ => None,
        });
        if few && role == Some(Role::Metadata) && first_length.is_some_and(all_columns) {
            return self.dict_of_columns(named);
        }
        if named_text {
            let message = "one dict with a text is one record; lists of them are read, and dicts of lists";
            return Err(root.error(ErrorKind::Unsupported, "pickle/shape", message));
        }
        self.dict_by_id(root, role)
    }

    fn dict_of_columns(&self, named: Vec<(String, Option<Role>, Node<'_>, Part)>) -> Result<Shape> {
        let mut shape = Shape::default();
        let has_texts =
            named.iter().any(|(_, role, _, part)| *role == Some(Role::Texts) && matches!(part, Part::Values(_)));
        let inner = ShapeReader { texts_elsewhere: self.texts_elsewhere || has_texts, ..*self };
        let mut other = Vec::new();
        for (name, role, value, part) in named {
            match (role, part) {
                (Some(role), Part::Values(values)) if !shape.has(role) => inner.add(&mut shape, values, Some(role))?,
                (Some(Role::Vectors), Part::Matrix(matrix)) if shape.matrix.is_none() => shape.matrix = Some(matrix),
                (Some(_), Part::Other) => {
                    // A column by its name, and by its value no data.
                    value.check_data()?;
                    other.push((name, value, Part::Other));
                }
                (_, part) => other.push((name, value, part)),
            }
        }
        let rows = shape.rows().first().map(|(_, rows)| *rows);
        for (name, value, part) in other {
            match part {
                // Chroma's `get` says there which columns it was asked for.
                Part::Values(values) if rows.is_none_or(|rows| values.len == rows) && name != "included" => {
                    shape.columns.push(Column::new(values, Reading::Field(name.into())));
                }
                _ if value.is_none() => {}
                _ => match (value.text_bytes()?, value.text()?) {
                    (1..=200, Some(text)) => shape.details.push((name, text.string)),
                    _ => match value.as_i64()? {
                        Some(number) => shape.details.push((name, number.to_string())),
                        None => shape.details.push(("not read".to_owned(), format!("'{name}': {}", value.describe()))),
                    },
                },
            }
        }
        Ok(shape)
    }

    /// `{id: text}`, `{id: record}`, `{id: vector}`.
    fn dict_by_id(&self, root: Node<'_>, role: Option<Role>) -> Result<Shape> {
        let values = Sequence::values(self.pickle, root);
        let keys = Sequence::keys(self.pickle, root);
        let ids = keys.samples(2)?.iter().all(Cell::is_id);
        let fits = match values.samples(1)?.first() {
            Some(cell) if cell.is_text() => true,
            Some(Cell::Node(node)) => {
                is_record(*node, self.settings)? || node.kind() == Kind::Dict || cell::is_vector(*node)?
            }
            _ => root.is_empty(),
        };
        if !ids || !fits {
            return Err(self.refuse(root));
        }
        let mut shape = Shape::default();
        self.add(&mut shape, values, role.filter(|role| *role != Role::Ids))?;
        shape.columns.push(Column::new(keys, Reading::Id));
        Ok(shape)
    }

    fn no_text(&self, first: &Cell<'_>) -> vecferry_sdk::Error {
        let message = format!("texts are needed, and this is {} without one that could be told", first.describe());
        first.error(ErrorKind::Config, "pickle/no-text", message).hint("name the key: --set text=KEY")
    }

    fn refuse(&self, node: Node<'_>) -> vecferry_sdk::Error {
        // A value that could not be data at all is the better reason.
        if let Err(error) = Audit::new(self.pickle, &Limits::default()).check(self.pickle.root()) {
            return error;
        }
        let message = format!("this pickle is {}, which is none of the shapes that are read", node.describe());
        node.error(ErrorKind::Unsupported, "pickle/shape", message).hint(SHAPES)
    }

    fn refuse_in(&self, column: Node<'_>, first: &Cell<'_>, role: Option<Role>) -> vecferry_sdk::Error {
        if let Err(error) = Audit::new(self.pickle, &Limits::default()).check(column) {
            return error;
        }
        let wanted = match role {
            Some(Role::Texts) => "texts",
            Some(Role::Metadata) => "metadata",
            Some(Role::Vectors) => "vectors",
            Some(Role::Ids) => "ids",
            None => "records",
        };
        let message = format!("{wanted} are needed, and this is {}", first.describe());
        let error = first.error(ErrorKind::Unsupported, "pickle/shape", message);
        error.at("file", self.pickle.file().name()).hint(SHAPES)
    }
}

enum Part {
    Matrix(Matrix),
    Values(Sequence),
    Other,
}

/// What is read, for people.
pub(crate) const SHAPES: &str = "read are: a list of texts; lists of dicts, tuples (text, metadata, …) or LangChain \
Documents; a dict of such lists (texts, metadatas, embeddings, ids) or by id; numpy arrays";

fn all_vectors(samples: &[Cell<'_>]) -> Result<bool> {
    for sample in samples {
        match sample {
            Cell::Node(node) if cell::is_vector(*node)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

fn is_dict(cell: &Cell<'_>) -> bool {
    matches!(cell, Cell::Node(node) if node.kind() == Kind::Dict)
}

/// Whether it is a record with more than metadata: a Document, a tuple, or a dict with a text or a vector.
fn is_record(node: Node<'_>, settings: &Settings) -> Result<bool> {
    match node.kind() {
        Kind::Dict => {
            let Some(fields) = Fields::of(&[node], settings)? else { return Ok(false) };
            Ok(fields.has(Role::Texts) || fields.has(Role::Vectors))
        }
        Kind::Object => Ok(node.document()?.is_some()),
        Kind::Tuple => Ok(!cell::is_vector(node)?),
        _ => Ok(false),
    }
}

impl Shape {
    /// Whether it has a column for this.
    pub(crate) fn has(&self, role: Role) -> bool {
        let vectors = role == Role::Vectors && self.matrix.is_some();
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

    /// What each column is called, and its rows.
    pub(crate) fn rows(&self) -> Vec<(String, u64)> {
        let columns = self
            .columns
            .iter()
            .map(|column| (format!("{} in {}", column.noun(), column.values.pickle.file().name()), column.values.len));
        let matrix = self
            .matrix
            .iter()
            .map(|matrix| (format!("vectors in {}", matrix.file), matrix.array.shape().first().copied().unwrap_or(0)));
        columns.chain(matrix).collect()
    }

    /// In words.
    pub(crate) fn describe(&self) -> String {
        let mut parts: Vec<String> = self
            .columns
            .iter()
            .map(|column| match &column.reading {
                Reading::Record(fields) => fields.describe(),
                _ => column.noun(),
            })
            .collect();
        if self.matrix.is_some() {
            parts.push("a matrix of vectors".to_owned());
        }
        parts.join(", ")
    }
}

/// The vectors' dimension; `None` where no row has one.
pub(crate) fn matrix_dimension(matrix: &Matrix) -> Option<u64> {
    matrix.array.shape().get(1).copied()
}
