/*!
The plan as a file: everything that was decided, so that a run, and every process that goes on with it, does exactly
that. It never changes once it is written, and holds no secret: those are looked up again by each process.
*/

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use vecferry_core::engine::Vectors;
use vecferry_core::{Claim, Collection, Error, Plugin, Result, Split, Target};
use vecferry_embed::Identity;

/// The version of this layout.
const VERSION: u32 = 1;

/// A plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Document {
    /// [`VERSION`].
    vecferry_plan: u32,
    /// As it was typed.
    pub(crate) source: String,
    /// As it was typed, without a password.
    pub(crate) destination: String,
    pub(crate) stores: Vec<StorePlan>,
    pub(crate) sink: SinkPlan,
    pub(crate) embedding: Option<Embedding>,
    pub(crate) options: PlanOptions,
    /// What is not moved, and why, in words.
    pub(crate) set_aside: Vec<String>,
    /// What a rehearsal found; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) estimate: Option<Value>,
}

/// A plugin, by its file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PluginPlan {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Of its file.
    pub(crate) sha256: String,
}

/// One store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StorePlan {
    pub(crate) name: String,
    pub(crate) plugin: PluginPlan,
    /// The folder that file names are relative to.
    pub(crate) root: PathBuf,
    pub(crate) claim: Claim,
    /// What stood behind `SCHEME:`, for a store that is no files.
    pub(crate) location: Option<String>,
    pub(crate) settings: Map<String, Value>,
    pub(crate) collections: Vec<CollectionPlan>,
}

/// One collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CollectionPlan {
    /// As the source described it; another fingerprint later is refused.
    pub(crate) collection: Collection,
    pub(crate) target: Target,
    pub(crate) vectors: Vectors,
    /// The template of ids.
    pub(crate) id: String,
    pub(crate) splits: Vec<Split>,
}

/// The destination.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SinkPlan {
    pub(crate) scheme: String,
    /// Without a password; absolute where it is a path.
    pub(crate) location: String,
    pub(crate) plugin: PluginPlan,
    pub(crate) settings: Map<String, Value>,
}

/// The model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Embedding {
    /// The chain as it was typed.
    pub(crate) models: String,
    /// The one that was chosen.
    pub(crate) identity: Identity,
}

/// Settings of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlanOptions {
    pub(crate) namespace: String,
    pub(crate) batch_rows: u32,
    pub(crate) writers: u32,
    pub(crate) readers: u32,
    pub(crate) checkpoint_rows: u64,
    pub(crate) verify: bool,
    pub(crate) full: bool,
}

impl Document {
    pub(crate) fn new(
        (source, destination): (String, String),
        stores: Vec<StorePlan>,
        sink: SinkPlan,
        embedding: Option<Embedding>,
        options: PlanOptions,
        set_aside: Vec<String>,
    ) -> Self {
        Document {
            vecferry_plan: VERSION,
            source,
            destination,
            stores,
            sink,
            embedding,
            options,
            set_aside,
            estimate: None,
        }
    }

    /// The file's text.
    pub(crate) fn to_json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self);
        text.map_err(|error| Error::internal("plan/json", format!("the plan cannot be written down: {error}")))
    }

    /// Reads a plan's text.
    pub(crate) fn parse(text: &str) -> Result<Document> {
        let wrong = |why: String| {
            Error::config("plan/unreadable", format!("this is no plan: {why}"))
                .hint("`vecferry plan SOURCE --to DESTINATION -o plan.json` writes one")
        };
        let value: Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        match value.get("vecferry_plan").and_then(Value::as_u64) {
            Some(version) if version == u64::from(VERSION) => {}
            Some(version) => {
                let message = format!("the plan has version {version}, and this program knows version {VERSION}");
                return Err(Error::unsupported("plan/version", message).hint("make the plan anew with this program"));
            }
            None => return Err(wrong("it has no 'vecferry_plan'".to_owned())),
        }
        serde_json::from_value(value).map_err(|error| wrong(error.to_string()))
    }

    /// Records that will be read, where all collections tell.
    pub(crate) fn rows(&self) -> Option<u64> {
        self.collections().map(|plan| plan.collection.rows).sum()
    }

    pub(crate) fn collections(&self) -> impl Iterator<Item = &CollectionPlan> {
        self.stores.iter().flat_map(|store| &store.collections)
    }
}

impl PluginPlan {
    /// Describes a loaded plugin.
    pub(crate) fn of(plugin: &dyn Plugin) -> Result<PluginPlan> {
        let spec = plugin.spec();
        let origin = plugin.origin();
        let bytes = std::fs::read(Path::new(&origin)).map_err(|error| {
            Error::not_found("plugin/unreadable", format!("the plugin's file cannot be read: {error}"))
                .at("file", &origin)
        })?;
        let digest = Sha256::digest(&bytes);
        let sha256 = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(PluginPlan { name: spec.name.clone(), version: spec.version.clone(), sha256 })
    }

    /// Refuses another plugin than the one that the plan was made with.
    pub(crate) fn check(&self, plugin: &dyn Plugin) -> Result<()> {
        let now = PluginPlan::of(plugin)?;
        if now == *self {
            return Ok(());
        }
        let message = format!(
            "the plugin '{}' is another one than the plan was made with: version {} ({}…), not {} ({}…)",
            self.name,
            now.version,
            now.sha256.get(..12).unwrap_or_default(),
            self.version,
            self.sha256.get(..12).unwrap_or_default()
        );
        Err(Error::config("plan/plugin-changed", message)
            .at("file", plugin.origin())
            .hint("use the plugin that the run began with, or begin a new run"))
    }
}
