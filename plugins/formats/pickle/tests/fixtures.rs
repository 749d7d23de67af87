/*! The graph of pickles that CPython wrote. */
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use vecferry_pickle_format::{Kind, Limits, Pickle};
use vecferry_sdk::testing::MemoryFile;

fn fixture(name: &str) -> Pickle {
    load(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn load(name: &str) -> vecferry_sdk::Result<Pickle> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures").join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Pickle::load(MemoryFile::file(name, bytes), &Limits::default())
}

#[test]
fn texts_in_every_protocol() {
    for protocol in [0, 2, 5] {
        let pickle = fixture(&format!("pickle/list_text_metadata_proto{protocol}/text.pkl"));
        let texts: Vec<String> = pickle.root().items().map(|node| node.text().unwrap().unwrap().string).collect();
        let long = "x".repeat(300);
        assert_eq!(texts, ["plain", "Grüße", "日本", "", long.as_str(), "line\nbreak"], "protocol {protocol}");
    }
}

#[test]
fn langchain_docstore() {
    let pickle = fixture("langchain_faiss/lc_community_0_4_2_named_index/my_store.pkl");
    let mut root = pickle.root().items();
    let docstore = root.next().unwrap();
    assert_eq!(docstore.kind(), Kind::Object);
    assert_eq!(docstore.class().unwrap().name, "InMemoryDocstore");
    let dict = docstore.attribute("_dict").unwrap().unwrap();
    assert_eq!(dict.len(), 7);
    for (id, document) in dict.entries() {
        assert_eq!(id.kind(), Kind::Str);
        assert_eq!(document.class().unwrap().name, "Document");
        let text = document.attribute("page_content").unwrap().unwrap().text().unwrap().unwrap();
        assert!(text.string.starts_with("Chunk "), "{}", text.string);
        assert_eq!(document.attribute("metadata").unwrap().unwrap().kind(), Kind::Dict);
    }
    assert_eq!(root.next().unwrap().len(), 7);
}

#[test]
fn hostile() {
    for (name, code) in [
        ("binunicode_2gb_header", Some("pickle/truncated")),
        ("truncated_half", Some("pickle/truncated")),
        ("persid", Some("pickle/external")),
        ("deep_nesting_200k_lists", None),
        ("memo_bomb_10e30", None),
        ("os_system_proto4", None),
        ("recursion_list", None),
    ] {
        let loaded = load(&format!("pickle_hostile/{name}/metadata.pkl"));
        assert_eq!(loaded.as_ref().err().map(|error| error.code.as_str()), code, "{name}");
        if let Ok(pickle) = loaded {
            println!("{name}: {} {}", pickle.root().describe(), pickle.memory());
        }
    }
}
