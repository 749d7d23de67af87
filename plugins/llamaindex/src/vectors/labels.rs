/*!
Which node a vector of a FAISS index belongs to.

`FaissVectorStore` numbers vectors by position, and index_store.json maps positions to nodes. `FaissMapVectorStore` gives
ids of its own and keeps its maps, in both directions, in id_map.json: as JSON, or as Python's `repr` of a dict before
llama-index-vector-stores-faiss 0.6. (That version ran `eval` on it; here nothing is executed.) Sources:
llama_index/vector_stores/faiss/base.py and map_store.py, `IndexDict` of llama_index/core/data_structs.

Memory: 24 bytes a vector; 24 more while a map is read.
*/

use vecferry_sdk::{Error, File, Reader, Result};

use crate::docstore::Docstore;
use crate::entries::digest;
use crate::folder::ID_MAP;
use crate::json::{Bytes, FileScanner, Scanner, Unescaped};
use crate::settings::DOCUMENTS_HINT;
use crate::vectors::{NAMED, naming};

/// Whose vector it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// That of the node that stands there in the docstore.
    Node(u64),
    /// That of a node that the docstore does not have.
    Missing,
    /// That of a node that was given another one later, or that was deleted.
    Replaced,
    /// One of several vectors that `FaissMapVectorStore` gave the same id: the number of vectors, also after deletions.
    Shared,
}

/// A map's line: an id or position, and the node.
#[derive(Clone, Copy)]
struct Line {
    label: i64,
    digest: u64,
    node: Option<u64>,
}

/// The files that may say whose a vector is.
pub(crate) struct Sources {
    pub(crate) index_store: Option<File>,
    pub(crate) id_map: Option<File>,
}

/// Fates by the vectors' ids or positions.
pub(crate) struct Labels {
    file: File,
    /// Sorted by label.
    fates: Vec<(i64, Fate)>,
    /// Sorted by label: all of them, or where they lead to an error the first few.
    missing_ids: Vec<(i64, String)>,
    missing: usize,
    /// Vectors that the index must hold.
    rows: u64,
}

/// Reads lines and finds their nodes.
struct Reading<'a> {
    docstore: &'a mut Docstore,
    keep_all: bool,
    missing_ids: Vec<(i64, String)>,
}

impl Labels {
    /// Reads the map of an index, which keeps ids of its own or does not. With `keep_all` every missing node's id is
    /// kept.
    ///
    /// # Errors
    /// `corrupt`: a map is missing, damaged, or contradicts itself.
    pub(crate) fn read(sources: &Sources, own_ids: bool, docstore: &mut Docstore, keep_all: bool) -> Result<Labels> {
        docstore.sort();
        let mut reading = Reading { docstore, keep_all, missing_ids: Vec::new() };
        let mut labels = match (&sources.id_map, &sources.index_store) {
            (Some(map), _) if own_ids => id_map(map, &mut reading)?,
            (_, Some(store)) => {
                let labels = positions(store, &mut reading)?;
                if own_ids && labels.fates.is_empty() {
                    return Err(no_map(ID_MAP, store));
                }
                labels
            }
            _ => return Err(no_source()),
        };
        labels.missing = labels.fates.iter().filter(|(_, fate)| *fate == Fate::Missing).count();
        labels.missing_ids.sort_unstable();
        Ok(labels)
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn len(&self) -> usize {
        self.fates.len()
    }

    /// Vectors that the index must hold.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Vectors of nodes that the docstore does not have.
    pub(crate) fn missing(&self) -> usize {
        self.missing
    }

    pub(crate) fn count(&self, wanted: Fate) -> usize {
        self.fates.iter().filter(|(_, fate)| *fate == wanted).count()
    }

    /// Where in the order of labels this one stands, and whose its vector is. `expected` is where it probably stands.
    pub(crate) fn find(&self, label: i64, expected: u64) -> Option<(usize, Fate)> {
        let expected = usize::try_from(expected).ok();
        let guess = expected.and_then(|at| Some((at, self.fates.get(at).filter(|(found, _)| *found == label)?.1)));
        guess.or_else(|| {
            let at = self.fates.binary_search_by_key(&label, |(label, _)| *label).ok()?;
            Some((at, self.fates.get(at)?.1))
        })
    }

    /// Nodes of the docstore that have a vector.
    pub(crate) fn nodes(&self) -> usize {
        self.fates.iter().filter(|(_, fate)| matches!(fate, Fate::Node(_))).count()
    }

    pub(crate) fn label(&self, at: usize) -> Option<(i64, Fate)> {
        self.fates.get(at).copied()
    }

    /// The id of a missing node, as far as it was kept.
    pub(crate) fn missing_id(&self, label: i64) -> &str {
        let at = self.missing_ids.binary_search_by_key(&label, |(label, _)| *label).ok();
        at.and_then(|at| self.missing_ids.get(at)).map_or("", |(_, id)| id)
    }

    pub(crate) fn missing_documents(&self) -> Error {
        let names: Vec<String> =
            self.missing_ids.iter().take(NAMED).map(|(label, id)| format!("{id} (vector {label})")).collect();
        let message = format!(
            "{} of {} vectors belong to nodes that the docstore does not have: {}",
            self.missing,
            self.rows,
            naming(&names, self.missing)
        );
        Error::corrupt("llamaindex/missing-documents", message)
            .at("file", self.file.name())
            .at("id", self.missing_ids.first().map_or("", |(_, id)| id))
            .hint("--skip-unreadable moves the others and puts these into the dead letter")
    }

    pub(crate) fn shared_ids(&self) -> Error {
        let shared = self.fates.iter().filter(|(_, fate)| *fate == Fate::Shared);
        let names: Vec<String> = shared.take(NAMED).map(|(label, _)| label.to_string()).collect();
        let count = self.count(Fate::Shared);
        let message = format!(
            "{count} ids of the index were given to several nodes each, so that whose their vectors are cannot be told: {}",
            naming(&names, count)
        );
        Error::corrupt("llamaindex/shared-ids", message)
            .at("file", self.file.name())
            .hint(format!("FaissMapVectorStore does so when nodes are added after others were deleted; --skip-unreadable moves the other records; {DOCUMENTS_HINT}"))
    }
}

impl Reading<'_> {
    fn line(&mut self, label: i64, id: &str) -> Result<Line> {
        let digest = digest(id);
        let node = self.docstore.find(digest, || Ok(id.to_owned()))?;
        if node.is_none() && (self.keep_all || self.missing_ids.len() < NAMED) {
            self.missing_ids.push((label, id.to_owned()));
        }
        Ok(Line { label, digest, node })
    }
}

impl Line {
    fn fate(&self) -> Fate {
        self.node.map_or(Fate::Missing, Fate::Node)
    }

    /// Equal for lines of one node.
    fn identity(&self) -> (Option<u64>, u64) {
        (self.node, if self.node.is_some() { 0 } else { self.digest })
    }
}

/// The maps of every index in index_store.json, joined: their numbers are positions.
fn positions(file: &File, reading: &mut Reading<'_>) -> Result<Labels> {
    let mut lines: Vec<Line> = Vec::new();
    let mut scanner = Scanner::new(Reader::new(file.clone()));
    nodes_dicts(&mut scanner, &mut |key, id| {
        // Other keys are ids of nodes in vector stores of the other form.
        if let Ok(label) = key.parse() {
            lines.push(reading.line(label, id)?);
        }
        Ok(())
    })?;
    lines.sort_by_key(|line| line.label);
    lines.dedup_by(|a, b| a.label == b.label && a.identity() == b.identity());
    if let Some(twice) = lines.windows(2).find(|pair| pair.first().map(|a| a.label) == pair.get(1).map(|b| b.label)) {
        let label = twice.first().map_or(0, |line| line.label);
        let message = format!("two indexes give position {label} to different nodes");
        return Err(Error::corrupt("llamaindex/positions", message).at("file", file.name()).hint(DOCUMENTS_HINT));
    }
    let mut fates: Vec<(i64, Fate)> = lines.iter().map(|line| (line.label, line.fate())).collect();
    // Of several vectors of one node the last is that of its present text.
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_unstable_by_key(|at| (lines.get(*at).map(Line::identity), *at));
    let identity = |at: usize| lines.get(at).map(Line::identity);
    for pair in order.windows(2) {
        let [earlier, later] = *pair else { continue };
        if identity(earlier) == identity(later)
            && let Some(fate) = fates.get_mut(earlier)
        {
            fate.1 = Fate::Replaced;
        }
    }
    Ok(Labels { rows: fates.len() as u64, file: file.clone(), fates, missing_ids: take(reading), missing: 0 })
}

fn take(reading: &mut Reading<'_>) -> Vec<(i64, String)> {
    std::mem::take(&mut reading.missing_ids)
}

/// Calls back for every line of every `nodes_dict` in an index store.
fn nodes_dicts(scanner: &mut FileScanner, each: &mut dyn FnMut(&str, &str) -> Result<()>) -> Result<()> {
    let mut parts = scanner.object()?;
    while scanner.next(&mut parts)? {
        if !scanner.name()?.ends_with("/data") {
            scanner.skip()?;
            continue;
        }
        let mut indexes = scanner.object()?;
        while scanner.next(&mut indexes)? {
            scanner.name()?;
            let mut members = scanner.object()?;
            while scanner.next(&mut members)? {
                match (scanner.name()?.as_str(), scanner.token()?) {
                    // From 0.6.1 or so on: JSON in a string.
                    ("__data__", b'"') => {
                        scanner.bytes().pass(1);
                        let mut inside = Scanner::new(Unescaped::new(scanner.bytes()));
                        index_struct(&mut inside, each)?;
                        inside.end()?;
                    }
                    ("__data__", _) => index_struct(scanner, each)?,
                    _ => drop(scanner.skip()?),
                }
            }
        }
    }
    scanner.end()
}

fn index_struct<B: Bytes>(scanner: &mut Scanner<B>, each: &mut dyn FnMut(&str, &str) -> Result<()>) -> Result<()> {
    let mut members = scanner.object()?;
    while scanner.next(&mut members)? {
        if scanner.name()? != "nodes_dict" || scanner.token()? != b'{' {
            scanner.skip()?;
            continue;
        }
        let mut lines = scanner.object()?;
        while scanner.next(&mut lines)? {
            let key = scanner.name()?;
            each(&key, &scanner.short_string()?)?;
        }
    }
    Ok(())
}

/// Whether an index store names any node.
pub(crate) fn names_nodes(file: &File) -> Result<bool> {
    let mut found = false;
    nodes_dicts(&mut Scanner::new(Reader::new(file.clone())), &mut |_, _| {
        found = true;
        Ok(())
    })?;
    Ok(found)
}

/// id_map.json. Its maps contradict each other where a node was added again or deleted after that (the older vector
/// stays behind, and only the map from ids to nodes names it), and where an id was given twice (both vectors are there,
/// and the map from ids to nodes names the later node).
fn id_map(file: &File, reading: &mut Reading<'_>) -> Result<Labels> {
    let mut given: Vec<(i64, u64)> = Vec::new();
    let mut lines: Vec<Line> = Vec::new();
    let mut scanner = Scanner::new(Reader::new(file.clone()));
    let mut maps = scanner.object()?;
    while scanner.next(&mut maps)? {
        let name = scanner.python_name()?;
        let mut entries = scanner.object()?;
        while scanner.next(&mut entries)? {
            let key = scanner.python_name()?;
            let value = scanner.python_scalar()?;
            let id = |text: &str| text.parse::<i64>().map_err(|_| scanner.corrupt("this is no id of an index"));
            match name.as_str() {
                "node_id_to_faiss_id_map" => given.push((id(&value)?, digest(&key))),
                "faiss_id_to_node_id_map" => lines.push(reading.line(id(&key)?, &value)?),
                _ => {}
            }
        }
    }
    scanner.end()?;
    // Of a name that comes twice Python keeps the last.
    lines.reverse();
    lines.sort_by_key(|line| line.label);
    lines.dedup_by_key(|line| line.label);
    given.sort_unstable();
    given.dedup();
    let mut fates: Vec<(i64, Fate)> = Vec::with_capacity(lines.len());
    let mut rows = 0;
    for line in &lines {
        let from = given.partition_point(|(label, _)| *label < line.label);
        let claims = given.get(from..).unwrap_or_default().iter().take_while(|(label, _)| *label == line.label);
        let own = (line.label, line.digest);
        let (mut count, mut is_own) = (0, false);
        for claim in claims {
            count += 1;
            is_own |= *claim == own;
        }
        let fate = match (count, is_own) {
            (0, _) => Fate::Replaced,
            (1, true) => line.fate(),
            _ => Fate::Shared,
        };
        fates.push((line.label, fate));
        rows += count.max(1);
    }
    Ok(Labels { file: file.clone(), fates, missing_ids: take(reading), missing: 0, rows })
}

fn no_map(name: &str, beside: &File) -> Error {
    let message = format!("there is no {name}, which says whose vectors the ids of this index are");
    Error::corrupt("llamaindex/no-map", message).at("file", beside.name()).hint(DOCUMENTS_HINT)
}

fn no_source() -> Error {
    let message = "there is no index_store.json, which says whose the vectors of this FAISS index are";
    Error::corrupt("llamaindex/no-map", message).hint(format!(
        "{DOCUMENTS_HINT}; renamed to NAME.index the index can be read as one of FAISS, with positions for ids"
    ))
}
