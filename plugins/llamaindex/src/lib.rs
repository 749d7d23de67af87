/*!
Source: LlamaIndex persist folders, as `StorageContext.persist` writes them, from 0.6 to 0.14.

```text
docstore.json               {"docstore/data": {NODE: {"__data__": {"text", "metadata", …}, "__type__"}}, …}
NAME__vector_store.json     a SimpleVectorStore: {"embedding_dict": {NODE: [0.5, …]}, "metadata_dict": {NODE: {…}}, …}
                            or, with FaissVectorStore and in spite of its name, a FAISS index
index_store.json            {"index_store/data": {INDEX: {"__data__": "{\"nodes_dict\": {POSITION: NODE}}"}}}
id_map.json                 beside a FaissMapVectorStore's index: {"faiss_id_to_node_id_map": {ID: NODE}, …}
```

Every vector store that holds something is a collection, called by its namespace (`default`, `image`, …); a record is a
vector with the text and the metadata of its node. Where no vector store holds anything, the docstore's nodes are the
records. Sources: llama_index/core/storage/storage_context.py, …/storage/docstore/keyval_docstore.py and utils.py,
…/vector_stores/simple.py, llama_index/vector_stores/faiss/base.py and map_store.py, and the same before 0.10.

`json` walks files of any size without holding them; `folder` says which files there are; `docstore` finds nodes;
`vectors` reads the two forms of a vector store; `store` opens what a collection's name means; `scan` yields pages.

Not here: graph stores and chat stores, which hold no records of this kind.
*/

mod detect;
mod docstore;
mod entries;
mod folder;
mod json;
mod notes;
mod scan;
mod settings;
mod store;
mod vectors;

use vecferry_sdk::{Capability, Claim, Collection, Config, Error, Host, PluginSpec, Result, Scan, SourcePlugin, Split};

use folder::Folder;
use settings::Settings;

/// LlamaIndex persist folders.
pub struct LlamaIndexSource;

vecferry_sdk::export!(source: LlamaIndexSource);

impl SourcePlugin for LlamaIndexSource {
    fn spec() -> PluginSpec {
        PluginSpec {
            name: "llamaindex".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "LlamaIndex persist folders: docstore.json with NAME__vector_store.json, simple or FAISS"
                .to_owned(),
            config_schema: settings::SCHEMA.to_owned(),
            schemes: Vec::new(),
            capabilities: vec![Capability::SourceFiles],
            features: vec!["lossy-vectors".to_owned()],
        }
    }

    fn detect(host: &Host) -> Result<Vec<Claim>> {
        detect::claims(host)
    }

    fn discover(host: &Host, config: &Config) -> Result<Vec<Collection>> {
        let settings = Settings::parse(config)?;
        let folders = detect::folders(host)?;
        let mut collections = Vec::new();
        for folder in &folders {
            let prefix = prefix(folder, &folders);
            for mut collection in store::collections(host, folder, settings)? {
                collection.name.insert_str(0, &prefix);
                collections.push(collection);
            }
        }
        Ok(collections)
    }

    fn plan(host: &Host, _config: &Config, collection: &str, _desired: u32) -> Result<Vec<Split>> {
        locate(&detect::folders(host)?, collection)?;
        Ok(vec![Split { id: collection.to_owned(), payload: Vec::new(), rows: None }])
    }

    fn open(host: &Host, config: &Config, split: &Split, after: Option<&[u8]>) -> Result<Box<dyn Scan>> {
        let settings = Settings::parse(config)?;
        let folders = detect::folders(host)?;
        let (folder, namespace) = locate(&folders, &split.id)?;
        let records = store::open(host, folder, &namespace, settings)?;
        Ok(Box::new(scan::RecordScan::new(records, settings, after)?))
    }
}

/// What stands before a collection's namespace: the folder, where several are granted.
fn prefix(folder: &Folder, folders: &[Folder]) -> String {
    if folders.len() > 1 { folder.prefix.clone() } else { String::new() }
}

/// The folder and the namespace that a collection's name means.
fn locate<'a>(folders: &'a [Folder], collection: &str) -> Result<(&'a Folder, String)> {
    let found = folders.iter().find_map(|folder| {
        let namespace = collection.strip_prefix(&prefix(folder, folders))?;
        folder.has(namespace).then(|| (folder, namespace.to_owned()))
    });
    found.ok_or_else(|| {
        Error::not_found("llamaindex/collection", format!("there is no collection '{collection}' in this store"))
    })
}
