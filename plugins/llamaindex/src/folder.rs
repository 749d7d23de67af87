/*! Which files of a folder play which part. */

use std::collections::BTreeMap;

use vecferry_sdk::Entry;

pub(crate) const DOCSTORE: &str = "docstore.json";
pub(crate) const INDEX_STORE: &str = "index_store.json";
/// Beside the index of a `FaissMapVectorStore`.
pub(crate) const ID_MAP: &str = "id_map.json";
/// What every vector store's file ends in; before 0.8.69 that was the whole name.
pub(crate) const VECTOR_STORE: &str = "vector_store.json";
/// Files that belong to a folder and hold no records that are read here.
pub(crate) const OTHERS: [&str; 3] = ["graph_store.json", "property_graph_store.json", "image_store.json"];
/// What LlamaIndex calls the vector store that has no other name.
pub(crate) const DEFAULT: &str = "default";

/// A vector store's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VectorFile {
    /// `default`, `image`, …
    pub(crate) namespace: String,
    pub(crate) file: String,
}

impl VectorFile {
    /// Whether `StorageContext.persist` could have called it so.
    pub(crate) fn is_named_by_llamaindex(&self) -> bool {
        let name = self.base_name();
        name == VECTOR_STORE || name.ends_with("__vector_store.json")
    }

    fn base_name(&self) -> &str {
        self.file.rsplit_once('/').map_or(self.file.as_str(), |(_, name)| name)
    }
}

/// One persist folder's files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Folder {
    /// The folder with a slash behind it; empty for the granted folder itself.
    pub(crate) prefix: String,
    /// The default one first.
    pub(crate) vectors: Vec<VectorFile>,
    pub(crate) docstore: Option<String>,
    pub(crate) index_store: Option<String>,
    pub(crate) id_map: Option<String>,
    pub(crate) others: Vec<String>,
}

impl Folder {
    /// Every folder that holds a docstore or a vector store by its name.
    pub(crate) fn all(entries: &[Entry]) -> Vec<Folder> {
        let mut folders: BTreeMap<&str, Folder> = BTreeMap::new();
        for entry in entries {
            let split = entry.name.rfind('/').map_or(0, |slash| slash + 1);
            let (prefix, name) = entry.name.split_at(split);
            let folder = folders.entry(prefix).or_default();
            let file = || Some(entry.name.clone());
            match name {
                DOCSTORE => folder.docstore = file(),
                INDEX_STORE => folder.index_store = file(),
                ID_MAP => folder.id_map = file(),
                _ if OTHERS.contains(&name) => folder.others.push(entry.name.clone()),
                _ => folder
                    .vectors
                    .extend(namespace(name).map(|namespace| VectorFile { namespace, file: entry.name.clone() })),
            }
        }
        let mut found = Vec::new();
        for (prefix, mut folder) in folders {
            folder.prefix = prefix.to_owned();
            folder.tell_apart();
            if folder.docstore.is_some() || !folder.vectors.is_empty() {
                found.push(folder);
            }
        }
        found
    }

    /// Puts the default store first, and gives every store a name of its own: where two would have the same, as after
    /// a move from an old version to a new one, the one that LlamaIndex would now write keeps it.
    fn tell_apart(&mut self) {
        self.vectors.sort_by_cached_key(|store| {
            (store.namespace != DEFAULT, store.namespace.clone(), !store.file.ends_with("__vector_store.json"))
        });
        let mut before = String::new();
        for store in &mut self.vectors {
            if store.namespace == before {
                let name = store.base_name();
                store.namespace = name.strip_suffix(".json").unwrap_or(name).to_owned();
            } else {
                before.clone_from(&store.namespace);
            }
        }
    }

    /// All its files.
    pub(crate) fn files(&self) -> Vec<String> {
        let single = [&self.docstore, &self.index_store];
        // Another program's `id_map.json` is none of ours.
        let id_map = self.id_map.iter().filter(|_| !self.vectors.is_empty());
        let vectors = self.vectors.iter().map(|store| &store.file);
        single.into_iter().flatten().chain(id_map).chain(vectors).chain(&self.others).cloned().collect()
    }

    /// Whether a collection can be called so.
    pub(crate) fn has(&self, namespace: &str) -> bool {
        self.vectors.iter().any(|store| store.namespace == namespace)
            || (namespace == DEFAULT && self.docstore.is_some())
    }
}

/// Before 0.8.69 the name was bare. Programs that persist a vector store by itself choose names without underscores.
fn namespace(name: &str) -> Option<String> {
    let prefix = name.strip_suffix(VECTOR_STORE)?;
    let namespace = prefix.strip_suffix("__").unwrap_or(prefix.trim_end_matches(['_', '-', '.']));
    Some(if namespace.is_empty() { DEFAULT } else { namespace }.to_owned())
}

#[cfg(test)]
mod tests;
