/*!
What a table's comment holds: what PostgreSQL has no other place for.

```json
{"vecferry": {"collection": "docs", "metric": "cosine", "index": "hnsw", "embedding": {"model": "all-MiniLM-L6-v2"}}}
```
A comment that is not ours is left as it is.
*/

use serde::{Deserialize, Serialize};
use vecferry_sdk::{Config, Metric};

/// What is noted of a table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Note {
    /// The collection it holds.
    pub collection: String,
    /// How its vectors are compared.
    #[serde(default)]
    pub metric: Metric,
    /// The index that is to be built when all records are there: `hnsw` or `ivfflat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// Which model made the vectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<Config>,
}

#[derive(Deserialize, Serialize)]
struct Comment {
    vecferry: Note,
}

impl Note {
    /// The note in a comment, if it is one of ours.
    pub fn read(comment: &str) -> Option<Note> {
        serde_json::from_str(comment).ok().map(|comment: Comment| comment.vecferry)
    }

    /// The comment.
    pub fn comment(&self) -> String {
        serde_json::json!({"vecferry": self}).to_string()
    }

    /// The model that made the vectors.
    pub fn model(&self) -> Option<&str> {
        model(self.embedding.as_ref()?)
    }
}

/// The model that an `embedding` names.
pub fn model(embedding: &Config) -> Option<&str> {
    embedding.get("model").and_then(Config::as_str)
}
