/*!
One store: the documents of the pickle in the order of the index's positions, and the index.

Memory: the pickle's graph (texts stay in the file), and 16 bytes a record.
*/

use std::collections::HashMap;

use vecferry_faiss_format::Index;
use vecferry_pickle_format::{Handle, Kind, Limits, Node, Pickle};
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
}

impl Store {
    pub(crate) fn open(host: &Host, stem: &str, settings: &Settings) -> Result<Store> {
        let pickle = Pickle::load(host.open_file(&pickle_name(stem))?, &Limits::default())?;
        let (docstore, positions) = parts(pickle.root())?;
        let docstore_class = docstore.class().map_or_else(|| docstore.describe(), |class| class.to_string());
        let documents = documents_of(docstore)?;
        let ids = in_order(positions)?;
        let slots = join(&ids, documents)?;
        let missing = slots.iter().filter(|slot| slot.document.is_none()).count();
        if missing > 0 && !settings.skip_unreadable {
            return Err(missing_documents(&pickle, &slots, missing, docstore));
        }
        let (index, index_file) = match open_index(host, stem, settings)? {
            Some((index, file)) => (Some(index), Some(file)),
            None => (None, None),
        };
        let store = Store { slots, missing, docstore_class, index, index_file, pickle };
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
    match (root.kind(), items.next(), items.next(), items.next()) {
        (Kind::Tuple | Kind::List, Some(docstore), Some(positions), None) if positions.kind() == Kind::Dict => {
            Ok((docstore, positions))
        }
        _ => Err(root.error(
            ErrorKind::Corrupt,
            "langchain/shape",
            format!("expected a tuple of a docstore and a dict of positions, found {}", root.describe()),
        )),
    }
}

/// The dict from ids to documents that the docstore keeps as `_dict`.
fn documents_of(docstore: Node<'_>) -> Result<Node<'_>> {
    match docstore.attribute("_dict")? {
        Some(documents) if documents.kind() == Kind::Dict => Ok(documents),
        _ => Err(docstore.error(
            ErrorKind::Unsupported,
            "langchain/docstore",
            format!("the docstore is {}, not an InMemoryDocstore with its documents", docstore.describe()),
        )),
    }
}

/// The ids by position. The keys must be 0, 1, 2, … without holes: LangChain renumbers them on every delete.
fn in_order(positions: Node<'_>) -> Result<Vec<Node<'_>>> {
    let wrong = |node: Node<'_>, what: String| node.error(ErrorKind::Corrupt, "langchain/positions", what);
    let entries: Vec<(Node<'_>, Node<'_>)> = positions.entries().collect();
    let mut ids: Vec<Option<Node<'_>>> = vec![None; entries.len()];
    for (position, id) in entries {
        let slot = position
            .as_i64()?
            .and_then(|position| usize::try_from(position).ok())
            .and_then(|position| ids.get_mut(position))
            .ok_or_else(|| wrong(position, format!("{} is no position of an index", position.describe())))?;
        if slot.replace(id).is_some() {
            return Err(wrong(position, "a position comes twice".to_owned()));
        }
    }
    ids.into_iter().map(|id| id.ok_or_else(|| wrong(positions, "a position is missing".to_owned()))).collect()
}

/// Finds each id's document. Ids are usually the very same values in both dicts, so their texts need not be read.
fn join(ids: &[Node<'_>], documents: Node<'_>) -> Result<Vec<Slot>> {
    let same: HashMap<Handle, Handle> = documents.entries().map(|(id, doc)| (id.handle(), doc.handle())).collect();
    let mut by_text: Option<HashMap<String, Handle>> = None;
    let mut slots = Vec::with_capacity(ids.len());
    for id in ids {
        let mut document = same.get(&id.handle()).copied();
        if document.is_none() {
            let texts = match &mut by_text {
                Some(texts) => texts,
                none => none.insert(texts_of(documents)?),
            };
            document = texts.get(&id_text(*id)?).copied();
        }
        slots.push(Slot { id: id.handle(), document });
    }
    Ok(slots)
}

fn texts_of(documents: Node<'_>) -> Result<HashMap<String, Handle>> {
    documents.entries().map(|(id, document)| Ok((id_text(id)?, document.handle()))).collect()
}

/// A docstore id as text: a `str`, or the number that some programs put there.
pub(crate) fn id_text(id: Node<'_>) -> Result<String> {
    if let Some(text) = id.text()? {
        return Ok(text.string);
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
