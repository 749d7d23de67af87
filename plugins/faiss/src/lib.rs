/*!
Source: FAISS indexes as files. Each index file is a store of its own with one collection: vectors and ids, no
documents. Decoding is `vecferry-faiss-format`'s; here is which files are indexes, and how their records become pages.

Ids are the index's own where it keeps them (IDMap, IVF), as decimal text; else positions.
*/

mod detect;
mod scan;

use std::cell::RefCell;

use vecferry_faiss_format::Index;
use vecferry_sdk::{
    Capability, Claim, Collection, Config, Error, ErrorKind, Fingerprint, Host, IdOrigin, PluginSpec, Result, Scan,
    SourcePlugin, Split,
};

/// FAISS indexes.
pub struct FaissSource;

vecferry_sdk::export!(source: FaissSource);

impl SourcePlugin for FaissSource {
    fn spec() -> PluginSpec {
        PluginSpec {
            name: "faiss".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "FAISS indexes: NAME.index, NAME.faiss".to_owned(),
            config_schema: r#"{"type": "object", "properties": {}}"#.to_owned(),
            schemes: Vec::new(),
            capabilities: vec![Capability::SourceFiles],
            features: vec!["lossy-vectors".to_owned()],
        }
    }

    fn detect(host: &Host) -> Result<Vec<Claim>> {
        detect::claims(host)
    }

    fn discover(host: &Host, _config: &Config) -> Result<Vec<Collection>> {
        detect::indexes(host)?.iter().map(|file| collection(host, file)).collect()
    }

    fn plan(_host: &Host, _config: &Config, collection: &str, _desired: u32) -> Result<Vec<Split>> {
        Ok(vec![Split { id: collection.to_owned(), payload: Vec::new(), rows: None }])
    }

    fn open(host: &Host, _config: &Config, split: &Split, after: Option<&[u8]>) -> Result<Box<dyn Scan>> {
        let files = detect::indexes(host)?;
        let file = files.iter().find(|file| base_name(file) == split.id).ok_or_else(|| {
            Error::not_found("faiss/collection", format!("there is no index '{}' in this store", split.id))
        })?;
        let (index, _) = open(host, file)?;
        Ok(Box::new(scan::VectorPages::new(&index, after)?))
    }
}

/// Opens an index, and tells which files beside it it needs.
fn open(host: &Host, file: &str) -> Result<(Index, Vec<String>)> {
    let folder = file.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let needed = RefCell::new(Vec::new());
    let sibling = |name: &str| {
        let name = format!("{folder}{name}");
        needed.borrow_mut().push(name.clone());
        host.open_file(&name)
    };
    let index = Index::open(host.open_file(file)?, &sibling).map_err(|error| match (error.kind, &error.hint) {
        (ErrorKind::Unsupported, None) => error.hint("embed the documents anew, if they are kept elsewhere"),
        _ => error,
    })?;
    Ok((index, needed.into_inner()))
}

fn collection(host: &Host, file: &str) -> Result<Collection> {
    let (index, needed) = open(host, file)?;
    let mut fingerprint = Fingerprint::default();
    for name in std::iter::once(file).chain(needed.iter().map(String::as_str)) {
        fingerprint.add_file(host.open_file(name)?.as_ref())?;
    }
    let info = index.info();
    let mut details = info.details.clone();
    details.push(("fourcc".to_owned(), info.fourcc.clone()));
    Ok(Collection {
        name: base_name(file).to_owned(),
        rows: Some(info.rows),
        dimension: Some(info.dimension),
        metric: info.metric,
        has_documents: false,
        has_vectors: true,
        id_origin: if info.own_ids { IdOrigin::Store } else { IdOrigin::Position },
        lossy_vectors: info.fidelity.is_lossy(),
        aside: None,
        fingerprint: fingerprint.finish(),
        details,
    })
}

fn base_name(file: &str) -> &str {
    file.rsplit_once('/').map_or(file, |(_, name)| name)
}
