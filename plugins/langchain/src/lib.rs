/*!
Source: LangChain's FAISS stores. A folder holds `NAME.faiss` (an index) and `NAME.pkl` (the documents, pickled), as
`FAISS.save_local` writes them; several names may lie in one folder, each a collection.

The pickle is a tuple: the docstore, whose `_dict` maps ids to documents, and a dict that maps each position of the
index to an id. Source: langchain_community/vectorstores/faiss.py (`save_local`, `load_local`), and the same file in
langchain before 0.0.352. Nothing of it is executed.

`detect` finds the pairs, `store` joins the pickle with the index, `scan` yields records.
*/

mod detect;
mod scan;
mod settings;
mod store;

use std::rc::Rc;

use vecferry_sdk::{
    Capability, Claim, Collection, Config, Error, Fingerprint, Host, IdOrigin, PluginSpec, Result, Scan, SourcePlugin,
    Split,
};

use settings::Settings;
use store::Store;

/// LangChain's FAISS stores.
pub struct LangchainSource;

vecferry_sdk::export!(source: LangchainSource);

impl SourcePlugin for LangchainSource {
    fn spec() -> PluginSpec {
        PluginSpec {
            name: "langchain".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "LangChain FAISS stores: NAME.faiss with NAME.pkl".to_owned(),
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
        detect::stems(&host.list_files()?).iter().map(|stem| collection(host, stem, &settings)).collect()
    }

    fn plan(_host: &Host, _config: &Config, collection: &str, _desired: u32) -> Result<Vec<Split>> {
        Ok(vec![Split { id: collection.to_owned(), payload: Vec::new(), rows: None }])
    }

    fn open(host: &Host, config: &Config, split: &Split, after: Option<&[u8]>) -> Result<Box<dyn Scan>> {
        let stems = detect::stems(&host.list_files()?);
        let stem = stems.iter().find(|stem| detect::collection_name(stem) == split.id).ok_or_else(|| {
            Error::not_found("langchain/collection", format!("there is no '{}.pkl' in this store", split.id))
        })?;
        let settings = Settings::parse(config)?;
        let store = kept(host, stem, &settings)?;
        Ok(Box::new(scan::RecordScan::new(store, after)?))
    }
}

/// The store, read once for all calls of an instance.
fn kept(host: &Host, stem: &str, settings: &Settings) -> Result<Rc<Store>> {
    let sizes: Vec<u64> = host.list_files()?.iter().map(|entry| entry.size).collect();
    host.keep(&format!("{stem} {settings:?} {sizes:?}"), || Store::open(host, stem, settings))
}

fn collection(host: &Host, stem: &str, settings: &Settings) -> Result<Collection> {
    let store = kept(host, stem, settings)?;
    if !settings.skip_unreadable {
        store.audit()?;
    }
    let mut fingerprint = Fingerprint::default();
    for file in store.files() {
        fingerprint.add_file(file.as_ref())?;
    }
    let info = store.index().map(vecferry_faiss_format::Index::info);
    let mut details = vec![("docstore".to_owned(), store.docstore_class().to_owned())];
    if let Some(info) = info {
        details.push(("index".to_owned(), format!("{} ({})", info.class, info.metric_name)));
        details.extend(info.details.iter().cloned());
    }
    if store.missing() > 0 {
        details.push(("positions without a document".to_owned(), store.missing().to_string()));
    }
    Ok(Collection {
        name: detect::collection_name(stem).to_owned(),
        rows: Some(store.len() as u64),
        dimension: info.map(|info| info.dimension),
        metric: info.map(|info| info.metric).unwrap_or_default(),
        has_documents: true,
        has_vectors: info.is_some(),
        id_origin: IdOrigin::Store,
        lossy_vectors: info.is_some_and(|info| info.fidelity.is_lossy()),
        aside: None,
        fingerprint: fingerprint.finish(),
        details,
    })
}
