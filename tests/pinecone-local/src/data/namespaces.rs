/*!
Namespaces as things of their own: listed, created empty, described, deleted with all their records.
*/

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::read::from;
use super::{Pagination, Request, skip_past, token};
use crate::answer::{Answer, Code, Outcome, Refusal};
use crate::limits::{self, DEFAULT_NAMESPACE, PAGE};
use crate::lock;
use crate::store::Space;

#[derive(Serialize)]
struct Described<'a> {
    name: &'a str,
    record_count: usize,
}

#[derive(Serialize)]
struct Listed<'a> {
    namespaces: Vec<Described<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination: Option<Pagination>,
    total_count: usize,
}

pub(super) fn list(request: &Request) -> Outcome {
    let limit = request.limit(PAGE)?;
    let prefix = request.parameter("prefix").unwrap_or_default();
    let after = skip_past(request.parameter("paginationToken"))?;
    let mut index = lock(request.index);
    // Under the names that are shown, which is the order of the pages too.
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, space) in &mut index.spaces {
        let name = limits::shown(name);
        if name.starts_with(prefix) {
            counts.insert(name, space.read(request.now).0.len());
        }
    }
    let total_count = counts.len();
    let mut pagination = None;
    let mut namespaces: Vec<Described> = Vec::new();
    for (name, record_count) in counts.range::<str, _>(from(after.as_deref())) {
        if namespaces.len() == limit {
            pagination = namespaces.last().and_then(|last| token(last.name));
            break;
        }
        namespaces.push(Described { name, record_count: *record_count });
    }
    Ok(Answer::json(200, &Listed { namespaces, pagination, total_count }))
}

#[derive(Deserialize)]
struct Create {
    name: String,
    #[serde(default)]
    schema: Option<Value>,
}

pub(super) fn create(request: &Request) -> Outcome {
    let wanted: Create = request.parse()?;
    if wanted.name.is_empty() || wanted.name == DEFAULT_NAMESPACE {
        return Err(Refusal::invalid(format!("The namespace '{}' cannot be created", wanted.name)));
    }
    if wanted.schema.is_some() {
        return Err(Refusal::new(Code::Unimplemented, "all metadata is filterable here: a schema cannot be given"));
    }
    let name = limits::namespace(&wanted.name)?;
    let mut index = lock(request.index);
    if index.spaces.contains_key(name) {
        return Err(Refusal::new(Code::AlreadyExists, format!("Namespace {name} already exists")));
    }
    index.spaces.insert(name.to_owned(), Space::default());
    Ok(Answer::json(200, &Described { name, record_count: 0 }))
}

pub(super) fn describe(request: &Request) -> Outcome {
    let name = limits::namespace(request.name)?;
    let mut index = lock(request.index);
    let space = index.spaces.get_mut(name).ok_or_else(missing)?;
    let record_count = space.read(request.now).0.len();
    Ok(Answer::json(200, &Described { name: limits::shown(name), record_count }))
}

pub(super) fn delete(request: &Request) -> Outcome {
    let name = limits::namespace(request.name)?;
    lock(request.index).spaces.remove(name).ok_or_else(missing)?;
    Ok(Answer::json(200, &json!({})))
}

fn missing() -> Refusal {
    Refusal::new(Code::NotFound, "Namespace not found")
}
