//! Settings as the versions of Chroma wrote them (texts taken from stores that they made).

use serde_json::{Value as Json, json};

use super::{Settings, Sources, Space, resolve};

const OF_0_6: &str = r#"{"hnsw_configuration": {"space": "l2", "ef_construction": 100, "ef_search": 10, "num_threads": 2, "M": 16, "resize_factor": 1.2, "batch_size": 100, "sync_threshold": 1000, "_type": "HNSWConfigurationInternal"}, "_type": "CollectionConfigurationInternal"}"#;
const OF_1_0: &str = r#"{"vector_index":{"hnsw":{"space":"cosine","ef_construction":100,"ef_search":100,"max_neighbors":16,"num_threads":2,"resize_factor":1.2,"sync_threshold":10,"batch_size":5}},"embedding_function":{"type":"known","name":"default","config":{}}}"#;
const OF_1_5: &str = r##"{"defaults":{"float_list":{"vector_index":{"enabled":false,"config":{"space":"l2"}}}},"keys":{"#embedding":{"float_list":{"vector_index":{"enabled":true,"config":{"space":"ip","embedding_function":{"type":"legacy"},"source_key":"#document","hnsw":{"ef_construction":100,"max_neighbors":16}}}}}}}"##;

fn metadata(space: &str) -> Vec<(String, Json)> {
    vec![("hnsw:M".to_owned(), json!(8)), ("hnsw:space".to_owned(), json!(space)), ("owner".to_owned(), json!("me"))]
}

#[test]
fn the_space_is_the_one_that_the_index_was_made_with() {
    let (cosine, product) = (metadata("cosine"), metadata("ip"));
    let none = Sources::default;
    let cases: [(&str, Sources<'_>, Space, Option<&str>); 9] = [
        ("nothing is recorded", none(), Space::L2, None),
        ("0.4: the segment's metadata", Sources { segment: &cosine, ..none() }, Space::Cosine, None),
        (
            "a collection's metadata changed later",
            Sources { segment: &cosine, collection: &product, ..none() },
            Space::Cosine,
            None,
        ),
        (
            "0.6's configuration is not believed",
            Sources { collection: &cosine, config: Some(OF_0_6), ..none() },
            Space::Cosine,
            None,
        ),
        ("0.6, default", Sources { config: Some(OF_0_6), ..none() }, Space::L2, None),
        ("1.0's configuration", Sources { config: Some(OF_1_0), ..none() }, Space::Cosine, Some("default")),
        (
            "1.5's schema",
            Sources { config: Some("{}"), schema: Some(OF_1_5), ..none() },
            Space::InnerProduct,
            Some("legacy"),
        ),
        (
            "texts that are no JSON",
            Sources { config: Some("{"), schema: Some("\u{0}"), collection: &product, ..none() },
            Space::InnerProduct,
            None,
        ),
        ("a space of the future", Sources { segment: &metadata("hamming"), ..none() }, Space::Other, None),
    ];
    for (name, sources, space, function) in cases {
        let found = resolve(&sources);
        assert_eq!((found.space, found.embedding_function.as_deref()), (space, function), "{name}");
    }
}

#[test]
fn parameters_are_named_as_the_store_names_them() {
    let words = |settings: Settings| settings.parameters.iter().map(|(k, v)| format!("{k} {v}")).collect::<Vec<_>>();
    let own = metadata("ip");
    assert_eq!(words(resolve(&Sources { segment: &own, ..Sources::default() })), ["M 8"]);
    let schema = words(resolve(&Sources { schema: Some(OF_1_5), ..Sources::default() }));
    assert_eq!(schema, ["ef_construction 100", "max_neighbors 16"]);
}
