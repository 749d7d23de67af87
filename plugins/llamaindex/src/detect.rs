/*! Which folders are LlamaIndex's: by the names of their files, and by how these begin. */

use vecferry_faiss_format::is_index;
use vecferry_sdk::{Claim, Host, Result};

use crate::folder::Folder;

/// Bytes at a file's start that are looked at.
const HEAD: u32 = 512;
/// A file begins as LlamaIndex writes it.
const SURE: u8 = 95;
/// The names alone: enough for a damaged store to be refused instead of overlooked.
const NAMED: u8 = 60;
/// One name alone, which other programs use too.
const GUESS: u8 = 30;

/// One claim a folder: all its files.
pub(crate) fn claims(host: &Host) -> Result<Vec<Claim>> {
    let claim = |(folder, confidence): (Folder, u8)| {
        let name = folder.prefix.trim_end_matches('/');
        let name = if name.is_empty() { "llamaindex" } else { name }.to_owned();
        Claim { name, confidence, files: folder.files() }
    };
    Ok(rated(host)?.into_iter().map(claim).collect())
}

/// The persist folders among the granted files.
pub(crate) fn folders(host: &Host) -> Result<Vec<Folder>> {
    Ok(rated(host)?.into_iter().map(|(folder, _)| folder).collect())
}

fn rated(host: &Host) -> Result<Vec<(Folder, u8)>> {
    let mut rated = Vec::new();
    for mut folder in Folder::all(&host.list_files()?) {
        let mut sure = false;
        for file in folder.docstore.iter().chain(&folder.index_store) {
            sure |= is_key_value_store(&head(host, file)?);
        }
        // Other names than LlamaIndex's own say too little.
        let mut vectors = Vec::new();
        for store in folder.vectors {
            let is_store = is_vector_store(&head(host, &store.file)?, folder.index_store.is_some());
            sure |= is_store;
            vectors.extend((is_store || store.is_named_by_llamaindex()).then_some(store));
        }
        folder.vectors = vectors;
        if folder.docstore.is_none() && folder.vectors.is_empty() {
            continue;
        }
        let confidence = match (sure, folder.files().len(), folder.vectors.len()) {
            (true, ..) => SURE,
            (_, 1, 0) => GUESS,
            _ => NAMED,
        };
        rated.push((folder, confidence));
    }
    Ok(rated)
}

fn head(host: &Host, file: &str) -> Result<Vec<u8>> {
    host.open_file(file)?.read_at(0, HEAD)
}

/// A docstore or index store. The part before the slash is a namespace that a program may choose.
fn is_key_value_store(head: &[u8]) -> bool {
    first_name(head)
        .is_some_and(|name| ["/data", "/metadata", "/ref_doc_info"].iter().any(|part| name.ends_with(part.as_bytes())))
}

fn is_vector_store(head: &[u8], beside_index_store: bool) -> bool {
    let parts: [&[u8]; 4] = [b"embedding_dict", b"text_id_to_ref_doc_id", b"text_id_to_doc_id", b"metadata_dict"];
    first_name(head).is_some_and(|name| parts.contains(&name)) || (beside_index_store && is_index(head))
}

/// The name of the first member of the object that begins here.
fn first_name(head: &[u8]) -> Option<&[u8]> {
    let name = head.trim_ascii_start().strip_prefix(b"{")?.trim_ascii_start().strip_prefix(b"\"")?;
    name.get(..name.iter().position(|byte| *byte == b'"')?)
}
