/*!
Records that are one value each: a dict with a text and more, a tuple, a LangChain `Document`. Which field is
what is decided once for a column, from its first records.
*/

use std::rc::Rc;

use vecferry_pickle_format::{Json, Kind, Member, Node, Notes};
use vecferry_sdk::{Error, ErrorKind, Result};

use crate::cell;
use crate::settings::Settings;
use crate::words::{self, Role};

/// How the records of a column are built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fields {
    /// LangChain's `Document`.
    Document,
    /// A dict: the keys of its parts. What is left is metadata.
    Dict { text: Option<String>, metadata: Option<String>, vector: Option<String>, id: Option<String> },
    /// A tuple or list: what stands at each place. What has no role is metadata.
    Tuple(Vec<Option<Role>>),
}

/// The parts of one record.
#[derive(Default)]
pub(crate) struct Parts<'p> {
    pub(crate) text: Option<Node<'p>>,
    pub(crate) vector: Option<Node<'p>>,
    pub(crate) id: Option<Node<'p>>,
    /// A dict that is metadata as it is.
    pub(crate) metadata: Option<Node<'p>>,
    /// Further metadata, which yields to the dict's where keys are the same.
    pub(crate) rest: Vec<(Rc<str>, Node<'p>)>,
}

/// Fields of a dict whose text is looked for, and parts of a tuple.
const FIELDS: usize = 512;
const PARTS: usize = 32;

impl Fields {
    /// The fields of records like these.
    ///
    /// # Errors
    /// `pickle/ambiguous` (config): tuples whose parts cannot be told apart.
    pub(crate) fn of(samples: &[Node<'_>], settings: &Settings) -> Result<Option<Fields>> {
        let Some(&first) = samples.first() else { return Ok(None) };
        if first.document()?.is_some() {
            return Ok(Some(Fields::Document));
        }
        match first.kind() {
            Kind::Dict => Fields::of_dicts(samples, settings.text.as_deref()).map(Some),
            Kind::Tuple | Kind::List => match &settings.columns {
                Some(columns) => Ok(Some(Fields::Tuple(columns.clone()))),
                None => Fields::of_tuples(samples).map(Some),
            },
            _ => Ok(None),
        }
    }

    fn of_dicts(samples: &[Node<'_>], text: Option<&str>) -> Result<Fields> {
        let field = |role: Role, fits: &dyn Fn(Node<'_>) -> Result<bool>| -> Result<Option<String>> {
            for name in words::fields(role) {
                for sample in samples.iter().filter(|sample| sample.kind() == Kind::Dict && sample.len() <= FIELDS) {
                    match sample.get(name)? {
                        Some(value) if !value.is_none() && fits(value)? => return Ok(Some((*name).to_owned())),
                        _ => {}
                    }
                }
            }
            Ok(None)
        };
        let text = match text {
            Some(name) => Some(name.to_owned()),
            None => field(Role::Texts, &|node| Ok(cell::is_text(node)))?,
        };
        let vector = field(Role::Vectors, &cell::is_vector)?;
        Ok(Fields::Dict {
            metadata: field(Role::Metadata, &|node| Ok(node.kind() == Kind::Dict))?,
            // A vector's values where there is no text; beside one, some values or other.
            vector: vector.filter(|name| name != "values" || text.is_none()),
            text,
            id: field(Role::Ids, &|node| Ok(cell::is_id(node)))?,
        })
    }

    fn of_tuples(samples: &[Node<'_>]) -> Result<Fields> {
        let width = samples.iter().map(|sample| sample.len()).max().unwrap_or(0);
        if width > PARTS {
            return Err(ambiguous(samples));
        }
        let mut roles: Vec<Option<Role>> = vec![None; width];
        let mut texts = Vec::new();
        let mut numbers = Vec::new();
        for (place, role) in roles.iter_mut().enumerate() {
            let value = samples.iter().filter_map(|sample| sample.items().nth(place)).find(|value| !value.is_none());
            let Some(value) = value else { continue };
            if value.kind() == Kind::Dict {
                *role = Some(Role::Metadata);
            } else if cell::is_text(value) {
                texts.push(place);
            } else if cell::is_vector(value)? {
                *role = Some(Role::Vectors);
            } else if value.kind() == Kind::Int {
                numbers.push(place);
            }
        }
        // (id, text, …), (text, …), (number, text, …)
        let (id, text) = match texts.as_slice() {
            [] => (None, None),
            [only] => (numbers.first().filter(|&&number| number == 0).copied(), Some(*only)),
            [0, 1] if width > 2 => (Some(0), Some(1)),
            _ => return Err(ambiguous(samples)),
        };
        let twice = |role: Role| roles.iter().filter(|found| **found == Some(role)).count() > 1;
        if twice(Role::Metadata) || twice(Role::Vectors) {
            return Err(ambiguous(samples));
        }
        for (place, role) in [(id, Role::Ids), (text, Role::Texts)] {
            if let Some(slot) = place.and_then(|place| roles.get_mut(place)) {
                *slot = Some(role);
            }
        }
        Ok(Fields::Tuple(roles))
    }

    /// Whether records have this part.
    pub(crate) fn has(&self, role: Role) -> bool {
        match self {
            Fields::Document => role != Role::Vectors,
            Fields::Dict { text, vector, id, .. } => match role {
                Role::Texts => text.is_some(),
                Role::Vectors => vector.is_some(),
                Role::Ids => id.is_some(),
                Role::Metadata => true,
            },
            Fields::Tuple(roles) => roles.contains(&Some(role)) || role == Role::Metadata && roles.contains(&None),
        }
    }

    /// In words.
    pub(crate) fn describe(&self) -> String {
        match self {
            Fields::Document => "LangChain documents".to_owned(),
            Fields::Dict { text: Some(text), .. } => format!("dicts with the text in '{text}'"),
            Fields::Dict { .. } => "dicts".to_owned(),
            Fields::Tuple(_) => "tuples".to_owned(),
        }
    }

    /// Takes a record apart.
    ///
    /// # Errors
    /// `pickle/shape` (unsupported) when it is not built like the others.
    pub(crate) fn parts<'p>(&self, record: Node<'p>, json: &mut Json, notes: &mut Notes) -> Result<Parts<'p>> {
        match self {
            Fields::Document => {
                let document = record.document()?.ok_or_else(|| unlike(record, "a LangChain Document"))?;
                Ok(Parts {
                    text: Some(document.page_content),
                    metadata: document.metadata,
                    id: document.id,
                    ..Parts::default()
                })
            }
            Fields::Dict { text, metadata, vector, id } => {
                if record.kind() != Kind::Dict {
                    return Err(unlike(record, "a dict"));
                }
                let mut parts = Parts::default();
                let mut id_member = None;
                for (key, value) in json.members(record, notes)? {
                    let Member::Node(value) = value else { continue };
                    let is = |name: &Option<String>| name.as_deref() == Some(&*key);
                    if is(text) {
                        parts.text = Some(value);
                    } else if is(vector) {
                        parts.vector = Some(value);
                    } else if is(metadata) && (value.kind() == Kind::Dict || value.is_none()) {
                        parts.metadata = Some(value).filter(|value| !value.is_none());
                    } else if is(id) {
                        parts.id = Some(value);
                        id_member = Some((key, value));
                    } else {
                        parts.rest.push((key, value));
                    }
                }
                // Beside metadata of its own a record's id is not metadata; among its fields it is one of them.
                if metadata.is_none() {
                    parts.rest.extend(id_member);
                }
                Ok(parts)
            }
            Fields::Tuple(roles) => {
                if !matches!(record.kind(), Kind::Tuple | Kind::List) || record.len() > roles.len() {
                    return Err(unlike(record, &format!("a tuple of {} parts", roles.len())));
                }
                let mut parts = Parts::default();
                for (place, (value, role)) in record.items().zip(roles).enumerate() {
                    match role {
                        Some(Role::Texts) => parts.text = Some(value),
                        Some(Role::Vectors) => parts.vector = Some(value),
                        Some(Role::Ids) => parts.id = Some(value),
                        Some(Role::Metadata) if value.is_none() => {}
                        Some(Role::Metadata) if value.kind() == Kind::Dict => parts.metadata = Some(value),
                        _ if value.is_none() => {}
                        _ => parts.rest.push((format!("column_{place}").into(), value)),
                    }
                }
                Ok(parts)
            }
        }
    }
}

impl<'p> Parts<'p> {
    /// The metadata's members: the dict's, then the rest.
    pub(crate) fn members(&self, json: &mut Json, notes: &mut Notes) -> Result<Vec<(Rc<str>, Member<'p>)>> {
        let mut members = match self.metadata {
            Some(metadata) => json.members(metadata, notes)?,
            None => Vec::new(),
        };
        for (key, value) in &self.rest {
            if self.metadata.is_none() || !members.iter().any(|(name, _)| name == key) {
                members.push((key.clone(), Member::Node(*value)));
            } else {
                notes.add(vecferry_pickle_format::notes::KEY_COLLISION);
            }
        }
        Ok(members)
    }
}

fn unlike(record: Node<'_>, wanted: &str) -> Error {
    let message = format!("records that are not alike: {wanted} is needed here, and this is {}", record.describe());
    record.error(ErrorKind::Unsupported, "pickle/shape", message)
}

fn ambiguous(samples: &[Node<'_>]) -> Error {
    let hint = "say what each part is, in order: --set columns=text,metadata (also: id, embedding, other)";
    let message = "tuples whose parts cannot be told apart: which is the text?";
    match samples.first() {
        Some(node) => node.error(ErrorKind::Config, "pickle/ambiguous", message).hint(hint),
        None => Error::config("pickle/ambiguous", message).hint(hint),
    }
}
