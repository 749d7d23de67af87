/*!
Source: FAISS indexes, read by the FAISS library itself (libfaiss, C++). It is for what the decoder in pure Rust, the
bundled plugin `faiss`, refuses and libfaiss can still turn into vectors: LSH codes, also under transforms and maps of ids. Every vector is asked for by its id.

libfaiss reads an index whole, into memory, and ends its process where a damaged index makes it throw at the wrong
place. So it runs in a helper process, which this library carries in itself and starts anew for every index it opens.
The helper gets the index's bytes through a pipe and opens no file.

Not here: binary indexes (bits, no vectors), LangChain and LlamaIndex folders, lists in a file of their own (the bundled
plugin reads those).
*/

mod detect;
mod helper;
mod scan;
mod words;

use vecferry_faiss_format::Index;
use vecferry_sdk::{
    Capability, Claim, Collection, Config, Error, Fingerprint, Host, IdOrigin, Metric, PluginSpec, Result, Scan,
    SourcePlugin, Split,
};

use helper::Helper;

/// FAISS indexes, through libfaiss.
pub struct FaissNativeSource;

vecferry_sdk::export!(source: FaissNativeSource);

impl SourcePlugin for FaissNativeSource {
    fn spec() -> PluginSpec {
        PluginSpec {
            name: "faiss-native".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "FAISS indexes of types that only the FAISS library decodes: LSH".to_owned(),
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
            Error::not_found("faiss-native/collection", format!("there is no index '{}' in this store", split.id))
        })?;
        Ok(Box::new(scan::VectorPages::new(Helper::open(host, file)?, after)?))
    }
}

fn collection(host: &Host, file: &str) -> Result<Collection> {
    let helper = Helper::open(host, file)?;
    let about = helper.about();
    let bytes = host.open_file(file)?;
    let mut fingerprint = Fingerprint::default();
    fingerprint.add_file(bytes.as_ref())?;
    // What the decoder in Rust knows of the index it says better than libfaiss' class does; what it refuses is a code
    // that keeps less than the vectors.
    let known = decoded(host, file).ok();
    if let Some(rows) = known.as_ref().map(|index| index.info().rows).filter(|rows| *rows != about.rows) {
        let message = format!("libfaiss finds {} records in an index that holds {rows}", about.rows);
        return Err(Error::unsupported("faiss-native/rows", message)
            .hint("leave this index to the bundled plugin faiss")
            .at("file", file));
    }
    let mut details = known
        .as_ref()
        .map_or_else(|| vec![("index".to_owned(), about.class.clone())], |index| index.info().details.clone());
    let mib = bytes.size().div_ceil(1 << 20);
    details.push((
        "read by".to_owned(),
        format!("libfaiss {}, in a process of its own that holds the whole index ({mib} MiB)", about.library),
    ));
    Ok(Collection {
        name: base_name(file).to_owned(),
        rows: Some(about.rows),
        dimension: Some(about.dimension),
        metric: match about.metric {
            0 => Metric::Dot,
            1 => Metric::L2,
            _ => Metric::Unknown,
        },
        has_documents: false,
        has_vectors: true,
        id_origin: if about.own_ids { IdOrigin::Store } else { IdOrigin::Position },
        lossy_vectors: known.is_none_or(|index| index.info().fidelity.is_lossy()),
        aside: None,
        fingerprint: fingerprint.finish(),
        details,
    })
}

/// What the bundled plugin's decoder makes of an index. It reads the structure, not the vectors.
fn decoded(host: &Host, file: &str) -> Result<Index> {
    let folder = file.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    Index::open(host.open_file(file)?, &|name| host.open_file(&format!("{folder}{name}")))
}

fn base_name(file: &str) -> &str {
    file.rsplit_once('/').map_or(file, |(_, name)| name)
}
