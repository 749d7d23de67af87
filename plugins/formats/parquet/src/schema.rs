/*! A file's schema: a tree in depth-first order, of which the leaves are columns. */

use vecferry_sdk::{Reader, Result};

use crate::thrift::{self, Fields, Kind};

/// Groups inside groups; real schemas have a handful.
const MAX_DEPTH: usize = 32;
/// Columns of one file; the widest known have some thousand.
const MAX_LEAVES: usize = 20_000;

/// How values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Physical {
    /// One bit.
    Boolean,
    /// Four bytes.
    Int32,
    /// Eight bytes.
    Int64,
    /// Twelve bytes: timestamps of old writers.
    Int96,
    /// Four bytes.
    Float,
    /// Eight bytes.
    Double,
    /// Bytes with a length.
    ByteArray,
    /// As many bytes as it says.
    Fixed(u32),
}

/// The unit of a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// 10⁻³ s
    Millis,
    /// 10⁻⁶ s
    Micros,
    /// 10⁻⁹ s
    Nanos,
}

/// What values mean beyond how they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing more.
    Plain,
    /// UTF-8.
    Text,
    /// An integer without sign.
    Unsigned,
    /// A floating-point number of 16 bits.
    Half,
    /// Days since 1970-01-01.
    Date,
    /// Time since 1970-01-01.
    Timestamp {
        /// Its unit.
        unit: Unit,
        /// Whether it is an instant (UTC); else a local time of nowhere.
        utc: bool,
    },
    /// Something that is not read: a decimal, a time of day, an interval, …
    Other,
}

/// How many values a row has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One.
    Scalar,
    /// A list of scalars, of any length.
    List,
    /// A part of a struct, of a map, or of a list of such or of lists.
    Nested,
}

/// A column that holds values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The name of the column at the top: `embedding` of `embedding.list.element`.
    pub name: String,
    /// How many values a row has.
    pub shape: Shape,
    /// How values are stored.
    pub physical: Physical,
    /// What they mean.
    pub meaning: Meaning,
    pub(crate) levels: LevelsOf,
}

/// The levels of a leaf (`README.md`, "Nested Encoding").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LevelsOf {
    /// Definition level of a value that is there.
    pub(crate) max_definition: u32,
    /// 0 for one value per row, 1 for a list.
    pub(crate) max_repetition: u32,
    /// Definition level of a list that has an element, be it null; 0 where there is no list.
    pub(crate) element_definition: u32,
}

/// An element as it stands in the footer.
#[derive(Default)]
struct Element {
    physical: Option<i64>,
    width: i64,
    repetition: i64,
    name: String,
    children: u64,
    converted: Option<i64>,
    logical: Option<Meaning>,
}

/// A group that is open.
struct Group {
    /// Children that are still to come.
    left: u64,
    levels: LevelsOf,
}

/// Reads the schema: its leaves, in the order in which row groups hold them.
pub(crate) fn read(reader: &mut Reader) -> Result<Vec<Leaf>> {
    let (count, kind) = thrift::list(reader)?;
    if kind != Kind::Struct || count == 0 {
        return Err(reader.corrupt("the schema is empty"));
    }
    let root = read_element(reader)?;
    let mut leaves: Vec<Leaf> = Vec::new();
    let mut top = String::new();
    // How many leaves the column at the top has so far.
    let mut of_top = 0;
    let mut open = vec![Group { left: root.children, levels: LevelsOf::default() }];
    for _ in 1..count {
        while open.last().is_some_and(|group| group.left == 0) {
            open.pop();
        }
        let depth = open.len();
        let Some(group) = open.last_mut() else {
            return Err(reader.corrupt("the schema has more elements than its groups hold"));
        };
        group.left -= 1;
        let mut levels = group.levels;
        let element = read_element(reader)?;
        if depth == 1 {
            top.clone_from(&element.name);
            of_top = 0;
        }
        // 0 required, 1 optional, 2 repeated.
        levels.max_definition += u32::from(element.repetition != 0);
        if element.repetition == 2 {
            levels.max_repetition += 1;
            levels.element_definition = levels.max_definition;
        }
        let Some(physical) = physical(reader, &element)? else {
            if depth >= MAX_DEPTH {
                return Err(reader.corrupt("the schema is nested too deeply"));
            }
            open.push(Group { left: element.children, levels });
            continue;
        };
        if leaves.len() >= MAX_LEAVES {
            return Err(reader.corrupt(format!("the schema has more than {MAX_LEAVES} columns")));
        }
        of_top += 1;
        // A list is `name.list.element`, or in old files `name.array` or `name` alone ("Lists", LogicalTypes.md).
        let shape = match (depth, levels.max_repetition) {
            (1, 0) => Shape::Scalar,
            (1..=3, 1) if of_top == 1 => Shape::List,
            _ => Shape::Nested,
        };
        if of_top == 2
            && let Some(first) = leaves.last_mut()
        {
            first.shape = Shape::Nested;
        }
        let meaning = element.logical.unwrap_or_else(|| converted(element.converted));
        leaves.push(Leaf { name: top.clone(), shape, physical, meaning, levels });
    }
    // Every group must have its children: a schema that ends early has none.
    if open.iter().any(|group| group.left > 0) {
        return Err(reader.corrupt("the schema ends before its groups are full"));
    }
    Ok(leaves)
}

fn physical(reader: &Reader, element: &Element) -> Result<Option<Physical>> {
    if element.children > 0 {
        return Ok(None);
    }
    Ok(Some(match element.physical {
        None => return Ok(None),
        Some(0) => Physical::Boolean,
        Some(1) => Physical::Int32,
        Some(2) => Physical::Int64,
        Some(3) => Physical::Int96,
        Some(4) => Physical::Float,
        Some(5) => Physical::Double,
        Some(6) => Physical::ByteArray,
        Some(7) => match u32::try_from(element.width) {
            Ok(width @ 1..=0x10_0000) => Physical::Fixed(width),
            _ => return Err(reader.corrupt(format!("values of {} bytes", element.width))),
        },
        Some(other) => return Err(reader.corrupt(format!("a column has the unknown type {other}"))),
    }))
}

/// `ConvertedType` of `parquet.thrift`, which came before `LogicalType`.
fn converted(number: Option<i64>) -> Meaning {
    match number {
        None | Some(15..=18) => Meaning::Plain,
        Some(0 | 4 | 19) => Meaning::Text,
        Some(6) => Meaning::Date,
        Some(9) => Meaning::Timestamp { unit: Unit::Millis, utc: true },
        Some(10) => Meaning::Timestamp { unit: Unit::Micros, utc: true },
        Some(11..=14) => Meaning::Unsigned,
        Some(_) => Meaning::Other,
    }
}

fn read_element(reader: &mut Reader) -> Result<Element> {
    let mut element = Element::default();
    let mut fields = Fields::new();
    while let Some((number, kind)) = fields.next(reader)? {
        match (number, kind) {
            (1, Kind::Integer) => element.physical = Some(thrift::integer(reader)?),
            (2, Kind::Integer) => element.width = thrift::integer(reader)?,
            (3, Kind::Integer) => element.repetition = thrift::integer(reader)?,
            (4, Kind::Binary) => element.name = thrift::text(reader)?,
            (5, Kind::Integer) => element.children = thrift::count(reader, "children")?,
            (6, Kind::Integer) => element.converted = Some(thrift::integer(reader)?),
            (10, Kind::Struct) => element.logical = read_logical(reader)?,
            _ => thrift::skip(reader, kind)?,
        }
    }
    Ok(element)
}

/// `LogicalType`: a union, that is a struct of which one field is there.
fn read_logical(reader: &mut Reader) -> Result<Option<Meaning>> {
    let mut meaning = None;
    let mut fields = Fields::new();
    while let Some((number, kind)) = fields.next(reader)? {
        match (number, kind) {
            (8, Kind::Struct) => meaning = Some(read_timestamp(reader)?),
            (10, Kind::Struct) => meaning = Some(read_integer_type(reader)?),
            _ => {
                thrift::skip(reader, kind)?;
                meaning = Some(match number {
                    1 | 4 | 12 => Meaning::Text,
                    6 => Meaning::Date,
                    15 => Meaning::Half,
                    // A column of nothing but nulls.
                    11 => Meaning::Plain,
                    _ => Meaning::Other,
                });
            }
        }
    }
    Ok(meaning)
}

fn read_timestamp(reader: &mut Reader) -> Result<Meaning> {
    let (mut unit, mut utc) = (None, false);
    let mut fields = Fields::new();
    while let Some((number, kind)) = fields.next(reader)? {
        match (number, kind) {
            (1, Kind::Boolean) => utc = fields.truth(),
            (2, Kind::Struct) => {
                let mut inner = Fields::new();
                while let Some((number, kind)) = inner.next(reader)? {
                    thrift::skip(reader, kind)?;
                    unit = match number {
                        1 => Some(Unit::Millis),
                        2 => Some(Unit::Micros),
                        3 => Some(Unit::Nanos),
                        _ => None,
                    };
                }
            }
            _ => thrift::skip(reader, kind)?,
        }
    }
    Ok(unit.map_or(Meaning::Other, |unit| Meaning::Timestamp { unit, utc }))
}

fn read_integer_type(reader: &mut Reader) -> Result<Meaning> {
    let mut signed = true;
    let mut fields = Fields::new();
    while let Some((number, kind)) = fields.next(reader)? {
        match (number, kind) {
            (2, Kind::Boolean) => signed = fields.truth(),
            _ => thrift::skip(reader, kind)?,
        }
    }
    Ok(if signed { Meaning::Plain } else { Meaning::Unsigned })
}
