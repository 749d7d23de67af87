/*!
Which of the listed files are stores: Parquet files that the sink wrote, or that have a column of vectors.

Files of the sink belong together when their folders lie side by side: that is one destination. Files of other programs
belong together when they lie in one folder. Chroma 0.3's two files are its own plugin's.
*/

use std::collections::BTreeMap;

use vecferry_parquet_format::{Footer, MAGIC};
use vecferry_sdk::{Claim, Entry, Error, ErrorKind, Host, Result};

use crate::columns::NOTE_LAYOUT;
use crate::mapping::{Kind, Mapping};
use crate::names;
use crate::settings::SourceSettings;

/// What Chroma 0.3 keeps.
const CHROMA: [&str; 2] = ["chroma-embeddings.parquet", "chroma-collections.parquet"];
/// How sure: of a file of the sink, …
const OURS: u8 = 95;
/// … of one that is laid out for Pinecone, …
const PINECONE: u8 = 80;
/// … of another program's with vectors, …
const FOREIGN: u8 = 45;
/// … and of one that is called Parquet and cannot be read: if nobody else wants it, an error about it is better than
/// silence.
const DAMAGED: u8 = 20;

/// Whether a file may be claimed, by its name.
pub(crate) fn is_named(entry: &Entry) -> bool {
    let (_, name) = names::split(&entry.name);
    let is_parquet = [".parquet", ".parq", ".pq"].iter().any(|end| name.to_ascii_lowercase().ends_with(end));
    is_parquet && !CHROMA.contains(&name)
}

/// All stores among the granted files.
///
/// # Errors
/// When the files cannot be listed or read.
pub(crate) fn detect(host: &Host) -> Result<Vec<Claim>> {
    // By kind and the folder that makes them one.
    let mut stores: BTreeMap<(u8, String), Vec<String>> = BTreeMap::new();
    for entry in host.list_files()?.into_iter().filter(is_named) {
        let confidence = match look(host, &entry.name) {
            Ok(Some(confidence)) => confidence,
            Ok(None) => continue,
            Err(error) if matches!(error.kind, ErrorKind::Corrupt | ErrorKind::Unsupported) => DAMAGED,
            Err(error) => return Err(error),
        };
        let (folder, _) = names::split(&entry.name);
        let root = match confidence {
            OURS | PINECONE | DAMAGED => names::split(folder.trim_end_matches('/')).0,
            _ => folder,
        };
        stores.entry((confidence, root.to_owned())).or_default().push(entry.name);
    }
    take_in_damaged(&mut stores);
    let mut claims: Vec<Claim> = Vec::new();
    for ((confidence, root), files) in stores {
        let name = match (root.trim_end_matches('/'), files.as_slice()) {
            ("", [file]) if confidence < PINECONE => file.clone(),
            ("", _) => "parquet".to_owned(),
            (folder, _) => folder.to_owned(),
        };
        let taken = claims.iter().any(|claim| claim.name == name);
        let name = if taken { format!("{name} ({confidence})") } else { name };
        claims.push(Claim { name, confidence, files });
    }
    Ok(claims)
}

/// A damaged file that lies among the sink's is one of them: the store is not whole without it.
fn take_in_damaged(stores: &mut BTreeMap<(u8, String), Vec<String>>) {
    let damaged: Vec<_> =
        stores.range((DAMAGED, String::new())..(DAMAGED + 1, String::new())).map(|(key, _)| key.1.clone()).collect();
    for root in damaged {
        for confidence in [OURS, PINECONE] {
            if stores.contains_key(&(confidence, root.clone())) {
                let files = stores.remove(&(DAMAGED, root.clone())).unwrap_or_default();
                let own = stores.entry((confidence, root.clone())).or_default();
                own.extend(files);
                own.sort_unstable();
            }
        }
    }
}

/// How sure it is that the file is a store's; `None` where it is none.
fn look(host: &Host, name: &str) -> Result<Option<u8>> {
    let file = host.open_file(name)?;
    if file.read_at(0, 4)? != MAGIC {
        return Err(Error::corrupt("parquet/magic", "the file does not begin as a Parquet file does").at("file", name));
    }
    let footer = Footer::read(&file)?;
    // A file of the sink that lost its notes' sense is still the sink's.
    if matches!(footer.note(NOTE_LAYOUT), Some("general" | "pinecone")) {
        return Ok(Some(OURS));
    }
    Ok(Mapping::of(&footer, &SourceSettings::default())?.map(|mapping| match mapping.kind {
        Kind::General => OURS,
        Kind::Pinecone => PINECONE,
        Kind::Foreign => FOREIGN,
    }))
}
