/*!
Which stores lie in a folder: every source plugin says what it recognises, and each file goes to one store.
*/

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vecferry_contract::{Claim, Error, Result};

use crate::{Grants, Plugin, Source, SourceGrant};

/// A claim is taken for more than a guess from here on.
const SURE: u8 = 50;

/// A store and the plugin that reads it.
#[derive(Clone)]
pub struct FoundStore {
    /// For people, and for `{store}` in ids.
    pub name: String,
    /// The plugin that recognised it.
    pub plugin: Arc<dyn Plugin>,
    /// The folder that file names are relative to.
    pub root: PathBuf,
    /// The store's files, and how sure the plugin is.
    pub claim: Claim,
    /// What stood behind `SCHEME:`, for a store that is no files; it has neither root nor claim.
    pub location: Option<String>,
}

impl FoundStore {
    /// A store that is reached by its location.
    pub fn at_location(plugin: Arc<dyn Plugin>, location: &str) -> Self {
        let claim = Claim { name: location.to_owned(), confidence: 100, files: Vec::new() };
        let location = Some(location.to_owned());
        FoundStore { name: claim.name.clone(), plugin, root: PathBuf::new(), claim, location }
    }

    /// Opens the store: the plugin is granted its files and nothing else.
    ///
    /// # Errors
    /// When the plugin cannot be started.
    pub fn open(&self, mut grants: Grants, mut config: serde_json::Value) -> Result<Box<dyn Source>> {
        if let Some(location) = &self.location {
            if let Some(settings) = config.as_object_mut() {
                settings.insert("location".to_owned(), location.clone().into());
            }
            return self.plugin.source(grants, config);
        }
        grants.source = Some(SourceGrant { root: self.root.clone(), files: Some(self.claim.files.clone()) });
        self.plugin.source(grants, config)
    }
}

/// The stores at `path`, a folder or one file of a store, in the order of `plugins`.
///
/// Claims that share a file compete: sure ones before guesses, then the one that explains more files, then the
/// surer one, then the plugin that comes first.
///
/// # Errors
/// `source/not-found` (not-found): there is no such path. `source/no-store` (not-found): nothing was recognised;
/// the message lists what was looked for.
pub fn find_stores(path: &Path, plugins: &[Arc<dyn Plugin>], grants: &Grants) -> Result<Vec<FoundStore>> {
    let place = Place::of(path)?;
    let mut claims = Vec::new();
    for (order, plugin) in plugins.iter().enumerate().filter(|(_, plugin)| plugin.is_source()) {
        let mut grants = grants.clone();
        grants.source = Some(SourceGrant { root: place.root.clone(), files: None });
        let detected = plugin.source(grants, serde_json::json!({}))?.detect()?;
        claims.extend(detected.into_iter().filter(|claim| !claim.files.is_empty()).map(|claim| (order, claim)));
    }
    if let Some(file) = &place.file {
        claims.retain(|(_, claim)| claim.files.contains(file));
    }
    claims.sort_by(|(order_a, a), (order_b, b)| {
        let rank = |claim: &Claim| (claim.confidence >= SURE, claim.files.len(), claim.confidence);
        rank(b).cmp(&rank(a)).then(order_a.cmp(order_b)).then_with(|| a.name.cmp(&b.name))
    });
    let mut taken: HashSet<String> = HashSet::new();
    let mut found: Vec<(usize, Claim)> = Vec::new();
    for (order, claim) in claims {
        if claim.files.iter().any(|file| taken.contains(file)) {
            continue;
        }
        taken.extend(claim.files.iter().cloned());
        found.push((order, claim));
    }
    found.sort_by(|(order_a, a), (order_b, b)| order_a.cmp(order_b).then_with(|| a.name.cmp(&b.name)));
    let stores: Vec<FoundStore> = found
        .into_iter()
        .filter_map(|(order, claim)| {
            let plugin = Arc::clone(plugins.get(order)?);
            Some(FoundStore { name: claim.name.clone(), plugin, root: place.root.clone(), claim, location: None })
        })
        .collect();
    if stores.is_empty() { Err(nothing_found(path, plugins)) } else { Ok(stores) }
}

struct Place {
    root: PathBuf,
    /// The one file that the user named, relative to `root`.
    file: Option<String>,
}

impl Place {
    fn of(path: &Path) -> Result<Place> {
        let resolved = path.canonicalize().map_err(|error| {
            Error::not_found("source/not-found", format!("cannot open the source: {error}"))
                .at("path", path.display())
                .hint("give the folder of a store, or one of its files")
        })?;
        if resolved.is_dir() {
            return Ok(Place { root: resolved, file: None });
        }
        match (resolved.parent(), resolved.file_name()) {
            (Some(parent), Some(name)) => {
                Ok(Place { root: parent.to_owned(), file: Some(name.to_string_lossy().into_owned()) })
            }
            _ => {
                Err(Error::not_found("source/not-found", "this is neither a folder nor a file")
                    .at("path", path.display()))
            }
        }
    }
}

fn nothing_found(path: &Path, plugins: &[Arc<dyn Plugin>]) -> Error {
    let looked: Vec<String> = plugins
        .iter()
        .filter(|plugin| plugin.is_source())
        .map(|plugin| format!("{} ({})", plugin.spec().name, plugin.spec().summary))
        .collect();
    let looked =
        if looked.is_empty() { "nothing: no source plugin is installed".to_owned() } else { looked.join("; ") };
    Error::not_found("source/no-store", format!("no store was recognised; looked for: {looked}"))
        .at("path", path.display())
        .hint("a plugin for another store can be given with --plugin PATH")
}
