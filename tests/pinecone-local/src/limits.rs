/*!
Pinecone's limits, as its documentation states them, and the checks of names and ids.

Sources: <https://docs.pinecone.io/reference/api/database-limits> and the OpenAPI files in `../api`. The wording of the
refusals is the service's where it is known from what its clients report.
*/

use crate::answer::{Outcome, Refusal};

/// Bytes of a request's body: 2 MB.
pub(crate) const REQUEST_BYTES: u64 = 2 * 1024 * 1024;
/// What is above this is refused by the proxy in front of the service, with a bare 413.
pub(crate) const PROXY_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes of a request's target. The service publishes no figure; a load balancer's usual one.
pub(crate) const URI_BYTES: usize = 16 * 1024;
/// Records of one upsert.
pub(crate) const UPSERT_RECORDS: usize = 1000;
/// Ids of one fetch or one delete.
pub(crate) const IDS_PER_REQUEST: usize = 1000;
/// Characters of an id.
pub(crate) const ID_CHARACTERS: usize = 512;
/// Characters of a namespace's name.
pub(crate) const NAMESPACE_CHARACTERS: usize = 512;
pub(crate) const MAX_DIMENSION: u32 = 20_000;
/// Non-zero values of a sparse vector.
pub(crate) const SPARSE_VALUES: usize = 1000;
/// Bytes of a record's metadata, as compact JSON.
pub(crate) const METADATA_BYTES: usize = 40 * 1024;
/// Characters of an index's name.
pub(crate) const INDEX_NAME_CHARACTERS: usize = 45;
pub(crate) const TOP_K: u64 = 10_000;
/// Bytes of a query's answer: 4 MB.
pub(crate) const RESULT_BYTES: usize = 4 * 1024 * 1024;
/// Ids, or namespaces, of one page of a list.
pub(crate) const PAGE: u64 = 100;
/// Records of one page of a fetch by metadata.
pub(crate) const METADATA_PAGE: u64 = 10_000;
/// Values of one `$in` or `$nin`.
pub(crate) const FILTER_VALUES: usize = 10_000;

/// Checks an index's name: 1 to 45 lower-case letters, digits and hyphens, alphanumeric at both ends.
pub(crate) fn index_name(name: &str) -> Outcome<()> {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if name.is_empty() || name.len() > INDEX_NAME_CHARACTERS {
        return Err(Refusal::invalid(format!(
            "Index name must be 1-{INDEX_NAME_CHARACTERS} characters long, got {}",
            name.chars().count()
        )));
    }
    if !name.chars().all(|c| alphanumeric(c) || c == '-') || name.starts_with('-') || name.ends_with('-') {
        return Err(Refusal::invalid(
            "Index name must contain only lowercase alphanumeric characters or hyphens, and must not begin or end \
             with a hyphen.",
        ));
    }
    Ok(())
}

/// Checks a record's id: 1 to 512 ASCII characters, none of them NUL.
pub(crate) fn id(id: &str) -> Outcome<()> {
    if id.is_empty() {
        return Err(Refusal::invalid("Vector ID must not be empty"));
    }
    if !id.is_ascii() {
        return Err(Refusal::invalid(format!("Vector ID must be ASCII, but got '{id}'")));
    }
    if id.len() > ID_CHARACTERS {
        return Err(Refusal::invalid(format!(
            "Vector ID must be at most {ID_CHARACTERS} characters long, got {}",
            id.len()
        )));
    }
    if id.contains('\0') {
        return Err(Refusal::invalid("Vector ID must not contain NUL characters"));
    }
    Ok(())
}

/// Checks a namespace's name and gives the one form under which it is kept: the default one has the empty name.
pub(crate) fn namespace(name: &str) -> Outcome<&str> {
    if name == DEFAULT_NAMESPACE {
        return Ok("");
    }
    if !name.is_ascii() || name.contains('\0') {
        return Err(Refusal::invalid("Namespace must contain only ASCII characters, and no NUL"));
    }
    if name.len() > NAMESPACE_CHARACTERS {
        return Err(Refusal::invalid(format!(
            "Namespace must be at most {NAMESPACE_CHARACTERS} characters long, got {}",
            name.len()
        )));
    }
    Ok(name)
}

/// The default namespace's name in statistics and lists; requests may use it, or the empty name, or none.
pub(crate) const DEFAULT_NAMESPACE: &str = "__default__";

/// A namespace's name as statistics and lists show it.
pub(crate) fn shown(namespace: &str) -> &str {
    if namespace.is_empty() { DEFAULT_NAMESPACE } else { namespace }
}
