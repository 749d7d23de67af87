/*!
What a collection's name means: a vector store with its docstore, or the docstore alone.

A vector store that is empty is no collection; LlamaIndex always writes one for images. Where all are empty, or the user
wants it so, the docstore's nodes are the records.
*/

use vecferry_faiss_format::Index;
use vecferry_sdk::{Collection, Error, ErrorKind, File, Fingerprint, Host, IdOrigin, Metric, Result, Unreadable};

use crate::docstore::Docstore;
use crate::folder::{DEFAULT, DOCSTORE, Folder, VectorFile};
use crate::settings::{DOCUMENTS_HINT, Settings};
use crate::vectors::{FaissStore, Fate, Form, Record, SimpleStore, Sources, Step, names_nodes};

/// A collection, open.
pub(crate) enum Records {
    Simple(SimpleStore),
    Faiss(FaissStore),
    Documents(Docstore),
    /// Nothing is there.
    Empty,
}

/// The collections of a folder.
pub(crate) fn collections(host: &Host, folder: &Folder, settings: Settings) -> Result<Vec<Collection>> {
    let mut found = Vec::new();
    let stores = if settings.documents_only { &[] } else { folder.vectors.as_slice() };
    for store in stores {
        if let Some(records) = vectors(host, folder, store, settings)? {
            found.push((store.namespace.as_str(), records));
        }
    }
    if found.is_empty() {
        found.push((DEFAULT, documents(host, folder, settings)?));
    }
    let alone = found.len() == 1;
    found.iter().map(|(namespace, records)| records.describe(host, folder, namespace, alone)).collect()
}

/// The collection that [`collections`] calls so.
pub(crate) fn open(host: &Host, folder: &Folder, namespace: &str, settings: Settings) -> Result<Records> {
    let store = folder.vectors.iter().find(|store| store.namespace == namespace && !settings.documents_only);
    let records = match store {
        Some(store) => vectors(host, folder, store, settings)?,
        None => None,
    };
    records.map_or_else(|| documents(host, folder, settings), Ok)
}

/// A vector store with its documents; `None` where it is empty.
fn vectors(host: &Host, folder: &Folder, store: &VectorFile, settings: Settings) -> Result<Option<Records>> {
    let file = host.open_file(&store.file)?;
    let records = match Form::of(&file)? {
        Form::Simple => simple(host, folder, file, settings)?.map(Records::Simple),
        Form::Faiss => faiss(host, folder, file, settings)?.map(Records::Faiss),
    };
    Ok(records)
}

fn simple(host: &Host, folder: &Folder, file: File, settings: Settings) -> Result<Option<SimpleStore>> {
    let docstore = || docstore(host, folder, settings);
    let Some(store) = SimpleStore::open(file, &docstore, settings.skip_unreadable)? else { return Ok(None) };
    if store.missing() == 0 || settings.skip_unreadable {
        return Ok(Some(store));
    }
    // A vector store may be persisted by itself, and a docstore may be elsewhere, in a database.
    let nothing_here = store.docstore().is_none_or(|docstore| docstore.len() == 0);
    let elsewhere = match &folder.index_store {
        Some(index_store) if nothing_here => !names_nodes(&host.open_file(index_store)?)?,
        _ => nothing_here,
    };
    if elsewhere { Ok(Some(store)) } else { Err(store.missing_documents()) }
}

fn faiss(host: &Host, folder: &Folder, file: File, settings: Settings) -> Result<Option<FaissStore>> {
    let sibling = |name: &str| host.open_file(&format!("{}{name}", folder.prefix));
    let index = Index::open(file.clone(), &sibling).map_err(|error| match error.kind {
        ErrorKind::Unsupported => error.hint(DOCUMENTS_HINT),
        _ => error,
    })?;
    if index.info().rows == 0 {
        return Ok(None);
    }
    let Some(docstore) = docstore(host, folder, settings)? else {
        let message =
            format!("there is no {DOCSTORE}: the {} vectors have neither text nor metadata", index.info().rows);
        return Err(Error::corrupt("llamaindex/missing-docstore", message).at("file", file.name()).hint(
            "put it beside the index; renamed to NAME.index the index can be read as one of FAISS, with positions for ids",
        ));
    };
    let open = |name: &Option<String>| name.as_ref().map(|name| host.open_file(name)).transpose();
    let sources = Sources { index_store: open(&folder.index_store)?, id_map: open(&folder.id_map)? };
    FaissStore::open(file, index, docstore, &sources, settings.skip_unreadable).map(Some)
}

fn docstore(host: &Host, folder: &Folder, settings: Settings) -> Result<Option<Docstore>> {
    let open = |name: &String| Docstore::open(host.open_file(name)?, settings.skip_unreadable);
    folder.docstore.as_ref().map(open).transpose()
}

fn documents(host: &Host, folder: &Folder, settings: Settings) -> Result<Records> {
    Ok(docstore(host, folder, settings)?.map_or(Records::Empty, Records::Documents))
}

impl Records {
    /// Values per vector; `None` without vectors.
    pub(crate) fn dimension(&self) -> Option<u32> {
        match self {
            Records::Simple(store) => Some(store.dimension()),
            Records::Faiss(store) => Some(store.info().dimension),
            Records::Documents(_) | Records::Empty => None,
        }
    }

    fn docstore(&self) -> Option<&Docstore> {
        match self {
            Records::Simple(store) => store.docstore(),
            Records::Faiss(store) => Some(store.docstore()),
            Records::Documents(docstore) => Some(docstore),
            Records::Empty => None,
        }
    }

    pub(crate) fn has_documents(&self) -> bool {
        self.docstore().is_some_and(|docstore| docstore.len() > 0)
    }

    /// Steps before what is damaged is told.
    fn steps(&self) -> u64 {
        match self {
            Records::Simple(store) => store.len() as u64,
            Records::Faiss(store) => store.info().rows,
            Records::Documents(docstore) => docstore.len() as u64,
            Records::Empty => 0,
        }
    }

    /// The `at`-th step, its vector appended; `None` past the last. Steps are asked for in order, some `wanted` of them.
    pub(crate) fn step(&mut self, at: u64, wanted: usize, vector: &mut Vec<f32>) -> Result<Option<Step>> {
        let index = usize::try_from(at).unwrap_or(usize::MAX);
        let step = match self {
            Records::Simple(store) => store.record(index, vector)?,
            Records::Faiss(store) => store.record(at, wanted, vector)?,
            Records::Documents(docstore) => match docstore.offset(index) {
                Some(offset) => {
                    let node = docstore.node(offset)?;
                    let (id, document, metadata, notes) = (node.id, node.text, node.metadata, node.notes);
                    Some(Step::Record(Record { id, document, metadata, notes }))
                }
                None => None,
            },
            Records::Empty => None,
        };
        Ok(step.or_else(|| {
            let damage = *self.damage().get(usize::try_from(at.checked_sub(self.steps())?).ok()?)?;
            let id = damage.context("file").unwrap_or_default().to_owned();
            Some(Step::Unreadable(Unreadable { id, reason: damage.clone() }))
        }))
    }

    /// Why files could not be read to their end.
    fn damage(&self) -> Vec<&Error> {
        let of_vectors = match self {
            Records::Simple(store) => store.damage(),
            _ => None,
        };
        of_vectors.into_iter().chain(self.docstore().and_then(Docstore::damage)).collect()
    }

    fn files(&self) -> Vec<&File> {
        match self {
            Records::Simple(store) => {
                std::iter::once(store.file()).chain(store.docstore().map(Docstore::file)).collect()
            }
            Records::Faiss(store) => store.files().to_vec(),
            Records::Documents(docstore) => vec![docstore.file()],
            Records::Empty => Vec::new(),
        }
    }

    fn describe(&self, host: &Host, folder: &Folder, namespace: &str, alone: bool) -> Result<Collection> {
        let mut fingerprint = Fingerprint::default();
        for file in self.files() {
            fingerprint.add_file(file.as_ref())?;
        }
        let mut collection = Collection {
            name: namespace.to_owned(),
            rows: Some(self.steps()),
            dimension: self.dimension(),
            has_documents: self.has_documents(),
            has_vectors: self.dimension().is_some(),
            id_origin: IdOrigin::Store,
            fingerprint: fingerprint.finish(),
            ..Collection::default()
        };
        let details = &mut collection.details;
        let mut detail = |name: &str, text: String| details.push((name.to_owned(), text));
        match self {
            Records::Simple(store) => {
                // `get_top_k_embeddings` of llama_index/core/indices/query/embedding_utils.py.
                collection.metric = Metric::Cosine;
                detail("vector store", "SimpleVectorStore".to_owned());
                if store.missing() > 0 {
                    detail("vectors without a document", store.missing().to_string());
                }
            }
            Records::Faiss(store) => {
                let (info, labels) = (store.info(), store.labels());
                collection.rows = Some(store.len());
                collection.metric = info.metric;
                collection.lossy_vectors = info.fidelity.is_lossy();
                detail("vector store", format!("{} ({})", info.class, info.metric_name));
                details.extend(info.details.iter().cloned());
                let mut count = |name: &str, count: usize| {
                    details.extend((count > 0).then(|| (name.to_owned(), count.to_string())));
                };
                count("vectors without a document", labels.missing());
                count("vectors of replaced nodes", labels.count(Fate::Replaced));
                count("ids that several nodes share", labels.count(Fate::Shared));
            }
            Records::Documents(_) | Records::Empty => detail("vector store", "none".to_owned()),
        }
        if alone {
            collection.details.extend(self.left_behind(host, folder)?)
        }
        Ok(collection)
    }

    /// What lies in the folder and is no record.
    fn left_behind(&self, host: &Host, folder: &Folder) -> Result<Vec<(String, String)>> {
        let mut out = Vec::new();
        let found = match self {
            Records::Simple(store) => Some(store.len() - store.missing()),
            Records::Faiss(store) => Some(store.labels().nodes()),
            Records::Documents(_) | Records::Empty => None,
        };
        let nodes = self.docstore().map_or(0, Docstore::len);
        let without = found.map_or(0, |found| nodes.saturating_sub(found));
        if without > 0 {
            out.push(("nodes without a vector, not moved".to_owned(), without.to_string()));
        }
        for name in &folder.others {
            let head = host.open_file(name)?.read_at(0, 256)?;
            // {"graph_dict": {}} and the like.
            if head.iter().any(|byte| byte.is_ascii_digit()) || head.len() > 128 {
                out.push(("not moved".to_owned(), name.clone()));
            }
        }
        Ok(out)
    }
}
