/*!
One store: the documents of the pickle in the order of the index's positions, and the index.

Memory: the pickle's graph (texts stay in the file), and 16 bytes a record.
*/

use std::collections::{HashMap, HashSet};

use vecferry_faiss_format::Index;
use vecferry_pickle_format::{Audit, Document, Handle, Kind, Limits, Node, Notes, Pickle};
use vecferry_sdk::{Error, ErrorKind, File, Host, Result};

use crate::detect::{index_name, pickle_name};
use crate::settings::Settings;

/// A position of the index: its id, and the document if the docstore has it.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) id: Handle,
    pub(crate) document: Option<Handle>,
}

pub(crate) struct Store {
    pickle: Pickle,
    index: Option<Index>,
    index_file: Option<File>,
    slots: Vec<Slot>,
    missing: usize,
    docstore_class: String,
    skip_unreadable: bool,
}

impl Store {
    pub(crate) fn open(host: &Host, stem: &str, settings: &Settings) -> Result<Store> {
        let pickle = Pickle::load(host.open_file(&pickle_name(stem))?, &Limits::default())?;
        let (docstore, positions) = parts(pickle.root())?;
        let docstore_class = docstore.class().map_or_else(|| docstore.describe(), |class| class.to_string());
        let documents = documents_of(docstore)?;
        let slots = join(positions, documents)?;
        let missing = slots.iter().filter(|slot| slot.document.is_none()).count();
        if missing > 0 && !settings.skip_unreadable {
            return Err(missing_documents(&pickle, &slots, missing, docstore));
        }
        let (index, index_file) = match open_index(host, stem, settings)? {
            Some((index, file)) => (Some(index), Some(file)),
            None => (None, None),
        };
        let skip_unreadable = settings.skip_unreadable;
        let store = Store { slots, missing, docstore_class, index, index_file, skip_unreadable, pickle };
        store.check_counts()?;
        Ok(store)
    }

    pub(crate) fn pickle(&self) -> &Pickle {
        &self.pickle
    }

    pub(crate) fn index(&self) -> Option<&Index> {
        self.index.as_ref()
    }

    pub(crate) fn files(&self) -> Vec<&File> {
        std::iter::once(self.pickle.file()).chain(&self.index_file).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn slot(&self, position: usize) -> Option<Slot> {
        self.slots.get(position).copied()
    }

    /// Whether documents that cannot be read are set aside.
    pub(crate) fn skips_unreadable(&self) -> bool {
        self.skip_unreadable
    }

    /// Looks at every document before any is moved: that it is one, and that its metadata is nothing but data. Texts
    /// are not read.
    ///
    /// # Errors
    /// The first document's, with its place in the pickle: `pickle/opaque`, `pickle/cycle`, `pickle/too-deep`,
    /// `pickle/too-large`, `langchain/document`.
    pub(crate) fn audit(&self) -> Result<()> {
        let mut audit = Audit::new(&self.pickle, &Limits::default());
        for handle in self.slots.iter().filter_map(|slot| slot.document) {
            let node = self.pickle.node(handle);
            let look = document(node).and_then(|document| match document.metadata {
                Some(metadata) => audit.check(metadata),
                None => Ok(()),
            });
            look.map_err(|error| {
                error.hint("nothing was executed; --skip-unreadable moves the other documents and sets these aside")
            })?;
        }
        Ok(())
    }

    /// Positions whose document the docstore does not have.
    pub(crate) fn missing(&self) -> usize {
        self.missing
    }

    pub(crate) fn docstore_class(&self) -> &str {
        &self.docstore_class
    }

    fn check_counts(&self) -> Result<()> {
        let rows = self.index.as_ref().map(|index| index.info().rows);
        match rows {
            Some(rows) if rows != self.slots.len() as u64 => {
                let message =
                    format!("the index holds {rows} vectors, but the pickle maps {} positions", self.slots.len());
                Err(Error::corrupt("langchain/counts", message)
                    .at("file", self.pickle.file().name())
                    .hint("the two files belong to different states of the store; --set documents_only=true reads the documents alone"))
            }
            _ => Ok(()),
        }
    }
}

/// The docstore and the dict of positions.
fn parts(root: Node<'_>) -> Result<(Node<'_>, Node<'_>)> {
    let mut items = root.items();
    let (Kind::Tuple | Kind::List, Some(docstore), Some(positions), None) =
        (root.kind(), items.next(), items.next(), items.next())
    else {
        root.check_data()?;
        return Err(root.error(
            ErrorKind::Corrupt,
            "langchain/shape",
            format!("expected a tuple of a docstore and a dict of positions, found {}", root.describe()),
        ));
    };
    if positions.kind() != Kind::Dict {
        positions.check_data()?;
        let message = format!("expected a dict of positions, found {}", positions.describe());
        return Err(positions.error(ErrorKind::Corrupt, "langchain/shape", message));
    }
    Ok((docstore, positions))
}

/// The dict from ids to documents that the docstore keeps as `_dict`.
fn documents_of(docstore: Node<'_>) -> Result<Node<'_>> {
    let class = docstore.class().filter(|_| docstore.kind() == Kind::Object);
    let is_docstore = class.is_some_and(|class| {
        class.name == "InMemoryDocstore"
            && class.module.split('.').next().is_some_and(|top| top.starts_with("langchain"))
    });
    match docstore.attribute("_dict")? {
        Some(documents) if is_docstore && documents.kind() == Kind::Dict => Ok(documents),
        _ => {
            // What is no data at all is the better reason.
            if !is_docstore {
                docstore.check_data()?;
            }
            let message =
                format!("the docstore is {}, not an InMemoryDocstore with its documents", docstore.describe());
            Err(docstore.error(ErrorKind::Unsupported, "langchain/docstore", message))
        }
    }
}

/// A node's document.
pub(crate) fn document(node: Node<'_>) -> Result<Document<'_>> {
    match node.document()? {
        Some(document) => Ok(document),
        None => {
            node.check_data()?;
            let message = format!("expected a Document, found {}", node.describe());
            Err(node.error(ErrorKind::Unsupported, "langchain/document", message))
        }
    }
}

/// Finds each position's document.
fn join(positions: Node<'_>, documents: Node<'_>) -> Result<Vec<Slot>> {
    match join_in_order(positions, documents)? {
        Some(slots) => Ok(slots),
        None => join_by_id(positions, documents),
    }
}

/// As LangChain saves nearly every store: positions 0, 1, 2, …, and the documents in their order, each with an id of its
/// own. `None` for any other.
fn join_in_order(positions: Node<'_>, documents: Node<'_>) -> Result<Option<Vec<Slot>>> {
    if positions.len() != documents.len() {
        return Ok(None);
    }
    let mut slots = Vec::with_capacity(positions.len());
    let mut digests = Vec::with_capacity(positions.len());
    for ((position, id), (key, document)) in positions.entries().zip(documents.entries()) {
        let in_order = position.as_i64()?.is_some_and(|position| usize::try_from(position) == Ok(slots.len()));
        match key.same_text(id)?.filter(|_| in_order) {
            Some(digest) => digests.push(digest),
            None => return Ok(None),
        }
        slots.push(Slot { id: id.handle(), document: Some(document.handle()) });
    }
    digests.sort_unstable();
    let twice = digests.windows(2).any(|pair| pair.first() == pair.last());
    Ok(Some(slots).filter(|_| !twice))
}

/// The positions must be 0, 1, 2, … without holes, in any order: LangChain renumbers them on every delete.
fn join_by_id(positions: Node<'_>, documents: Node<'_>) -> Result<Vec<Slot>> {
    let wrong = |node: Node<'_>, what: String| node.error(ErrorKind::Corrupt, "langchain/positions", what);
    let mut by_id: HashMap<String, Handle> = HashMap::new();
    for (id, document) in documents.entries() {
        by_id.insert(id_text(id)?, document.handle());
    }
    let mut taken = HashSet::new();
    let mut slots: Vec<Option<Slot>> = vec![None; positions.len()];
    for (position, id) in positions.entries() {
        let slot = position
            .as_i64()?
            .and_then(|position| usize::try_from(position).ok())
            .and_then(|position| slots.get_mut(position))
            .ok_or_else(|| wrong(position, format!("{} is no position of an index", position.describe())))?;
        let text = id_text(id)?;
        let document = by_id.get(&text).copied();
        if document.is_some_and(|document| !taken.insert(document)) {
            let message = format!("two positions of the index have the document '{text}'");
            return Err(id.error(ErrorKind::Corrupt, "langchain/duplicate-id", message));
        }
        if slot.replace(Slot { id: id.handle(), document }).is_some() {
            return Err(wrong(position, "a position comes twice".to_owned()));
        }
    }
    slots.into_iter().map(|slot| slot.ok_or_else(|| wrong(positions, "a position is missing".to_owned()))).collect()
}

/// Bytes of an id.
const ID_BYTES: u64 = 16 << 10;

/// A docstore id as text: a `str`, or the number that some programs put there.
pub(crate) fn id_text(id: Node<'_>) -> Result<String> {
    if id.text_bytes()? > ID_BYTES {
        return Err(id.error(ErrorKind::Unsupported, "langchain/id", "a document id of more than 16 KiB"));
    }
    if let Some(text) = id.string(&mut Notes::default())? {
        return Ok(text);
    }
    match id.integer()?.and_then(|number| number.decimal()) {
        Some(digits) => Ok(digits),
        None => Err(id.error(ErrorKind::Unsupported, "langchain/id", format!("{} is no document id", id.describe()))),
    }
}

fn missing_documents(pickle: &Pickle, slots: &[Slot], missing: usize, docstore: Node<'_>) -> Error {
    let without = slots.iter().zip(0..).filter(|(slot, _)| slot.document.is_none());
    let named: Vec<String> = without
        .take(5)
        .map(|(slot, position)| format!("{} (position {position})", id_text(pickle.node(slot.id)).unwrap_or_default()))
        .collect();
    let more = if missing > named.len() { ", …" } else { "" };
    let message = format!(
        "{missing} of {} positions name documents that the docstore does not have: {}{more}",
        slots.len(),
        named.join(", ")
    );
    docstore
        .error(ErrorKind::Corrupt, "langchain/missing-documents", message)
        .hint("--skip-unreadable moves the others and puts these into the dead letter")
}

/// The index beside the pickle. A pickle without its index still has its documents.
fn open_index(host: &Host, stem: &str, settings: &Settings) -> Result<Option<(Index, File)>> {
    let name = index_name(stem);
    let there = host.list_files()?.iter().any(|entry| entry.name == name);
    if settings.documents_only || !there {
        return Ok(None);
    }
    let file = host.open_file(&name)?;
    let folder = name.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let sibling = |sibling: &str| host.open_file(&format!("{folder}{sibling}"));
    let index = Index::open(file.clone(), &sibling).map_err(|error| match error.kind {
        ErrorKind::Unsupported => {
            let hint = "--set documents_only=true reads the documents alone, to embed them anew";
            error.hint(hint)
        }
        _ => error,
    })?;
    Ok(Some((index, file)))
}
