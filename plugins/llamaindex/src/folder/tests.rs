#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn folders(names: &[&str]) -> Vec<Folder> {
    let entries: Vec<Entry> = names.iter().map(|name| Entry { name: (*name).to_owned(), size: 1 }).collect();
    Folder::all(&entries)
}

#[test]
fn every_vector_store_has_a_name_of_its_own_and_the_default_one_comes_first() {
    let cases: [(&[&str], &[&str]); 6] = [
        (&["vector_store.json"], &["default"]),
        (&["image__vector_store.json", "default__vector_store.json"], &["default", "image"]),
        (&["default__vector_store.json", "vector_store.json"], &["default", "vector_store"]),
        (&["a__b__vector_store.json", "my_vector_store.json"], &["a__b", "my"]),
        (&["my-vector_store.json", "my__vector_store.json"], &["my", "my-vector_store"]),
        (&["__vector_store.json", "default_vector_store.json"], &["default", "default_vector_store"]),
    ];
    for (files, names) in cases {
        let folder = folders(files).remove(0);
        let found: Vec<&str> = folder.vectors.iter().map(|store| store.namespace.as_str()).collect();
        assert_eq!(found, names, "{files:?}");
        assert!(names.iter().all(|name| folder.has(name)) && !folder.has("other"), "{files:?}");
    }
}

#[test]
fn only_folders_with_nodes_or_vectors_count() {
    let found =
        folders(&["a/docstore.json", "a/id_map.json", "b/id_map.json", "b/graph_store.json", "c/d/vector_store.json"]);
    let files: Vec<Vec<String>> = found.iter().map(Folder::files).collect();
    assert_eq!(files, [["a/docstore.json"], ["c/d/vector_store.json"]]);
    assert_eq!(found[1].prefix, "c/d/");
}
