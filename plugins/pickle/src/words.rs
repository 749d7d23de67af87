/*! The words by which people name files, columns and fields of their stores. */

/// What a column, field or file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The records' texts.
    Texts,
    /// The records' metadata.
    Metadata,
    /// The records' vectors.
    Vectors,
    /// The records' ids.
    Ids,
}

const TEXTS: &[&str] = &[
    "texts",
    "text",
    "documents",
    "document",
    "docs",
    "doc",
    "page_contents",
    "page_content",
    "contents",
    "content",
    "chunks",
    "chunk",
    "passages",
    "passage",
    "sentences",
    "sentence",
    "corpus",
];
const METADATA: &[&str] = &["metadatas", "metadata", "metas", "meta"];
const VECTORS: &[&str] = &["embeddings", "embedding", "vectors", "vector", "embs", "emb", "embeds"];
const IDS: &[&str] = &["ids", "id", "_id", "_ids", "uuids", "uuid", "docids"];

/// In one record: only names that promise a text of its own.
const RECORD_TEXT: &[&str] = &[
    "page_content",
    "text",
    "document",
    "content",
    "chunk",
    "chunk_text",
    "chunk_content",
    "body",
    "passage",
    "sentence",
    "paragraph",
];
const RECORD_METADATA: &[&str] = &["metadata", "meta", "metadatas"];
const RECORD_VECTOR: &[&str] = &["embedding", "vector", "embeddings", "vectors", "emb", "values", "dense_vector"];
const RECORD_ID: &[&str] = &["id", "_id", "uuid"];

/// What a column of this name holds.
pub(crate) fn column(name: &str) -> Option<Role> {
    let name = name.to_ascii_lowercase();
    let among = |words: &[&str]| words.contains(&name.as_str());
    if among(TEXTS) {
        Some(Role::Texts)
    } else if among(METADATA) {
        Some(Role::Metadata)
    } else if among(VECTORS) {
        Some(Role::Vectors)
    } else if among(IDS) {
        Some(Role::Ids)
    } else {
        None
    }
}

/// The names of a record's field for a role, the likeliest first.
pub(crate) fn fields(role: Role) -> &'static [&'static str] {
    match role {
        Role::Texts => RECORD_TEXT,
        Role::Metadata => RECORD_METADATA,
        Role::Vectors => RECORD_VECTOR,
        Role::Ids => RECORD_ID,
    }
}

/// A file's name without ending: what stands before the role's word, the role, and how usual the word is (0 is
/// the most usual). `my_texts` is (`my`, texts); `text_embeddings` are those of `text`, so they have no prefix.
pub(crate) fn stem(stem: &str) -> Option<(String, Role, usize)> {
    let lower = stem.to_ascii_lowercase();
    let lists = [(TEXTS, Role::Texts), (METADATA, Role::Metadata), (VECTORS, Role::Vectors), (IDS, Role::Ids)];
    let mut best: Option<(String, Role, usize, usize)> = None;
    for (words, role) in lists {
        for (rank, word) in words.iter().enumerate() {
            let Some(before) = lower.strip_suffix(word) else { continue };
            let prefix = before.strip_suffix(['_', '-', '.', ' ']);
            if !before.is_empty() && prefix.is_none() {
                continue;
            }
            // The longest word that fits: `_id` is not the `id` of nothing.
            if best.as_ref().is_none_or(|(.., len)| word.len() > *len) {
                best = Some((prefix.unwrap_or_default().to_owned(), role, rank, word.len()));
            }
        }
    }
    best.map(|(prefix, role, rank, _)| {
        let prefix = if TEXTS.contains(&prefix.as_str()) { String::new() } else { prefix };
        (prefix, role, rank)
    })
}

/// Names of an index that go with any texts beside it, when it is the only one.
pub(crate) fn is_general_index(stem: &str) -> bool {
    const WORDS: &[&str] = &[
        "index",
        "faiss",
        "faiss_index",
        "vectors",
        "vector",
        "embeddings",
        "embedding",
        "vector_index",
        "vector_store",
        "vectorstore",
        "vector_db",
        "store",
        "db",
    ];
    WORDS.contains(&stem.to_ascii_lowercase().as_str())
}
