/*! How a collection compares vectors, and what made them: read from wherever a version of Chroma keeps it. */

use serde_json::Value as Json;
use vecferry_sdk::Metric;

/// `hnsw:space`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    Cosine,
    InnerProduct,
    L2,
    /// A name that Chroma does not know.
    Other,
}

impl Space {
    pub(crate) fn named(name: &str) -> Space {
        match name {
            "cosine" => Space::Cosine,
            "ip" => Space::InnerProduct,
            "l2" => Space::L2,
            _ => Space::Other,
        }
    }

    pub(crate) fn metric(self) -> Metric {
        match self {
            Space::Cosine => Metric::Cosine,
            Space::InnerProduct => Metric::Dot,
            Space::L2 => Metric::L2,
            Space::Other => Metric::Unknown,
        }
    }
}

/// Where the settings of a collection's index may stand.
#[derive(Default)]
pub(crate) struct Sources<'a> {
    /// `hnsw:…` of the vector segment's metadata: what 0.4 to 0.6 built the index with.
    pub(crate) segment: &'a [(String, Json)],
    /// `hnsw:…` of the collection's metadata.
    pub(crate) collection: &'a [(String, Json)],
    /// `collections.config_json_str`.
    pub(crate) config: Option<&'a str>,
    /// `collections.schema_str`, since 1.3.
    pub(crate) schema: Option<&'a str>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(crate) space: Space,
    /// The space's name as the store spells it.
    pub(crate) space_name: String,
    /// "default", "openai", …; `None` where the store records none.
    pub(crate) embedding_function: Option<String>,
    /// Parameters of the index, in the store's words: ("max_neighbors", "16").
    pub(crate) parameters: Vec<(String, String)>,
}

/// Resolves the settings.
///
/// The vector segment's own metadata comes first: it is a copy made when the collection was created, which
/// a later change of the collection's metadata does not touch. Then the schema (1.3 and later), the
/// configuration of 1.0 to 1.2, the collection's metadata, and Chroma's default, `l2`. The configuration
/// that 0.5 and 0.6 wrote (`hnsw_configuration`) is not believed: those versions built the index by the
/// metadata alone, and it says `l2` for stores that are not.
pub(crate) fn resolve(sources: &Sources<'_>) -> Settings {
    let parse =
        |text: Option<&str>| text.and_then(|text| serde_json::from_str::<Json>(text).ok()).unwrap_or(Json::Null);
    let schema = parse(sources.schema);
    let config = parse(sources.config);
    let of_schema = ["/keys/#embedding/float_list/vector_index/config", "/defaults/float_list/vector_index/config"]
        .into_iter()
        .find_map(|path| schema.pointer(path));
    let of_config = ["/vector_index/hnsw", "/hnsw"].into_iter().find_map(|path| config.pointer(path));
    let entry = |entries: &[(String, Json)]| {
        entries.iter().find(|(key, _)| key == "hnsw:space").and_then(|(_, value)| value.as_str()).map(str::to_owned)
    };
    let field = |object: Option<&Json>, key: &str| {
        object.and_then(|object| object.get(key)).and_then(Json::as_str).map(str::to_owned)
    };
    let space_name = entry(sources.segment)
        .or_else(|| field(of_schema, "space"))
        .or_else(|| field(of_config, "space"))
        .or_else(|| entry(sources.collection))
        .unwrap_or_else(|| "l2".to_owned());

    let function = of_schema.and_then(|object| object.get("embedding_function"));
    let function = function.or_else(|| config.get("embedding_function")).filter(|value| value.is_object());
    let embedding_function = field(function, "name").or_else(|| field(function, "type"));

    let hnsw = of_schema.and_then(|object| object.get("hnsw")).or(of_config).and_then(Json::as_object);
    let mut parameters: Vec<(String, String)> = hnsw
        .into_iter()
        .flatten()
        .filter(|(key, value)| key.as_str() != "space" && value.is_number())
        .map(|(key, value)| (key.clone(), value.to_string()))
        .collect();
    if parameters.is_empty() {
        let own = if sources.segment.is_empty() { sources.collection } else { sources.segment };
        let own = own.iter().filter_map(|(key, value)| Some((key.strip_prefix("hnsw:")?, value)));
        parameters = own.filter(|(key, _)| *key != "space").map(|(k, v)| (k.to_owned(), v.to_string())).collect();
    }
    Settings { space: Space::named(&space_name), space_name, embedding_function, parameters }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#[path = "space_tests.rs"]
mod tests;
