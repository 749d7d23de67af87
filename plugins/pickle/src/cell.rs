/*! One value of a column as what it is meant to be: a text, an id, a vector. */

use vecferry_pickle_format::{Element, Json, Kind, Node, Notes};
use vecferry_sdk::{Error, ErrorKind, Result};

use crate::sequence::Cell;

/// Vectors were given in 64 bits and became 32, which changed them.
pub(crate) const ROUNDED: &str = "vector/rounded-to-32-bits";

/// A longer text is no id.
const ID_BYTES: u64 = 16 << 10;
/// Longer bytes that are a text are refused.
const TEXT_BYTES: u64 = 64 << 20;

impl<'p> Cell<'p> {
    /// What it is, in words.
    pub(crate) fn describe(&self) -> String {
        match self {
            Cell::Node(node) => node.describe(),
            Cell::Element(element) => match element {
                Element::Text(_) => "a text".to_owned(),
                Element::Bytes(_) => "bytes".to_owned(),
                Element::Bool(_) => "a bool".to_owned(),
                Element::None => "nothing".to_owned(),
                _ => "a number".to_owned(),
            },
        }
    }

    /// An error about it.
    pub(crate) fn error(&self, kind: ErrorKind, code: &str, message: String) -> Error {
        match self {
            Cell::Node(node) => node.error(kind, code, message),
            Cell::Element(_) => Error::new(kind, code, message),
        }
    }

    /// Whether it is a text, or bytes that may be one.
    pub(crate) fn is_text(&self) -> bool {
        match self {
            Cell::Node(node) => is_text(*node),
            Cell::Element(element) => matches!(element, Element::Text(_) | Element::Bytes(_)),
        }
    }

    /// Whether it can be an id: a text or a number.
    pub(crate) fn is_id(&self) -> bool {
        match self {
            Cell::Node(node) => is_id(*node),
            Cell::Element(element) => matches!(element, Element::Text(_) | Element::Int(_) | Element::UInt(_)),
        }
    }

    /// The text; `None` for nothing.
    pub(crate) fn text(&self, found: &mut Notes) -> Result<Option<String>> {
        match self {
            Cell::Node(node) => text(*node, found),
            Cell::Element(Element::None) => Ok(None),
            Cell::Element(Element::Text(text)) => {
                text.note(found);
                Ok(Some(text.string.clone()))
            }
            Cell::Element(Element::Bytes(bytes)) => match String::from_utf8(bytes.clone()) {
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(Error::corrupt("pickle/shape", "bytes that should be a text are not valid UTF-8")),
            },
            Cell::Element(_) => Err(Error::unsupported("pickle/shape", format!("{} is no text", self.describe()))),
        }
    }

    /// The id; `None` for nothing.
    pub(crate) fn id(&self, json: &Json) -> Result<Option<String>> {
        match self {
            Cell::Node(node) => id(*node, json),
            Cell::Element(Element::Text(text)) => Ok(Some(text.string.clone())),
            Cell::Element(Element::Int(number)) => Ok(Some(number.to_string())),
            Cell::Element(Element::UInt(number)) => Ok(Some(number.to_string())),
            Cell::Element(_) => Ok(None),
        }
    }
}

/// Whether it is a text, or bytes that may be one.
pub(crate) fn is_text(node: Node<'_>) -> bool {
    matches!(node.kind(), Kind::Str | Kind::Bytes) || matches!(node.numpy_scalar(), Ok(Some(Element::Text(_))))
}

/// Whether it can be an id: a text, a whole number, a UUID.
pub(crate) fn is_id(node: Node<'_>) -> bool {
    match node.kind() {
        Kind::Str | Kind::Int => true,
        Kind::Object => {
            node.class().is_some_and(|class| class.name == "UUID")
                || matches!(node.numpy_scalar(), Ok(Some(Element::Text(_) | Element::Int(_) | Element::UInt(_))))
        }
        _ => false,
    }
}

/// A text; `None` for `None`.
pub(crate) fn text(node: Node<'_>, found: &mut Notes) -> Result<Option<String>> {
    if node.is_none() {
        return Ok(None);
    }
    if let Some(text) = node.string(found)? {
        return Ok(Some(text));
    }
    if let Some(blob) = node.blob()? {
        return match String::from_utf8(blob.read_all(TEXT_BYTES)?) {
            Ok(text) => Ok(Some(text)),
            Err(_) => {
                let message = "bytes that should be a text are not valid UTF-8";
                Err(node.error(ErrorKind::Corrupt, "pickle/shape", message))
            }
        };
    }
    if let Some(Element::Text(text)) = node.numpy_scalar()? {
        text.note(found);
        return Ok(Some(text.string));
    }
    node.check_data()?;
    Err(node.error(
        ErrorKind::Unsupported,
        "pickle/shape",
        format!("a text is needed here, and this is {}", node.describe()),
    ))
}

/// An id; `None` for what can be none.
pub(crate) fn id(node: Node<'_>, json: &Json) -> Result<Option<String>> {
    if !is_id(node) || node.text_bytes()? > ID_BYTES {
        return Ok(None);
    }
    json.key(node, &mut Notes::default()).map(|id| Some(id.as_ref().to_owned()))
}

/// Whether it looks like a vector: numbers, in a list, tuple or array.
pub(crate) fn is_vector(node: Node<'_>) -> Result<bool> {
    match node.kind() {
        Kind::List | Kind::Tuple => {
            // A record (7, 'text') starts with a number too.
            for item in node.items().take(8) {
                if !is_number(item)? {
                    return Ok(false);
                }
            }
            Ok(!node.is_empty())
        }
        Kind::Object => Ok(node.array()?.is_some_and(|array| array.is_numeric() && flat(array.shape()))),
        _ => Ok(false),
    }
}

/// One dimension, or one row of two: what an encoder gives for a single text.
fn flat(shape: &[u64]) -> bool {
    matches!(shape, [_] | [1, _])
}

fn is_number(node: Node<'_>) -> Result<bool> {
    Ok(match node.kind() {
        Kind::Int | Kind::Float => true,
        Kind::Object => matches!(node.numpy_scalar()?, Some(Element::Int(_) | Element::UInt(_) | Element::Float(_))),
        _ => false,
    })
}

/// Values of a vector, without reading it; `None` for nothing.
pub(crate) fn vector_len(node: Node<'_>) -> Result<Option<u64>> {
    match node.kind() {
        Kind::None => Ok(None),
        Kind::List | Kind::Tuple => Ok(Some(node.len() as u64)),
        _ => match node.array()?.filter(|array| array.is_numeric() && flat(array.shape())) {
            Some(array) => Ok(Some(array.elements())),
            None => Err(no_vector(node)),
        },
    }
}

/// A vector's values; `None` for nothing.
pub(crate) fn vector(node: Node<'_>, found: &mut Notes) -> Result<Option<Vec<f32>>> {
    match node.kind() {
        Kind::None => Ok(None),
        Kind::List | Kind::Tuple => {
            let mut values = Vec::with_capacity(node.len());
            for item in node.items() {
                let value = match item.as_f64()? {
                    Some(value) => value,
                    None => match item.numpy_scalar()? {
                        Some(Element::Float(value)) => value,
                        Some(Element::Int(value)) => value as f64,
                        Some(Element::UInt(value)) => value as f64,
                        _ => return Err(no_vector(item)),
                    },
                };
                let narrow = value as f32;
                if f64::from(narrow) != value && !value.is_nan() {
                    found.add(ROUNDED);
                }
                values.push(narrow);
            }
            Ok(Some(values))
        }
        _ => match node.array()?.filter(|array| array.is_numeric() && flat(array.shape())) {
            Some(array) => {
                if array.is_wider_than_f32() {
                    found.add(ROUNDED);
                }
                array.rows(0, 1).map(Some)
            }
            None => Err(no_vector(node)),
        },
    }
}

fn no_vector(node: Node<'_>) -> Error {
    if let Err(error) = node.check_data() {
        return error;
    }
    let message = format!("a vector of numbers is needed here, and this is {}", node.describe());
    node.error(ErrorKind::Unsupported, "pickle/shape", message)
}
