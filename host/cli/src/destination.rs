/*! Where to: `SCHEME:LOCATION`, the sink that answers to it, and what it is granted. */

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use vecferry_core::engine::SinkFactory;
use vecferry_core::{Capability, Embedder, Error, Grants, Plugin, Result, SinkGrant};

use crate::config::{self, Variables};
use crate::document::{PluginPlan, SinkPlan};
use crate::plan::Store;
use crate::registry::Registry;
use crate::render;

/// A destination, resolved.
pub(crate) struct Destination {
    pub(crate) plugin: Arc<dyn Plugin>,
    scheme: String,
    location: String,
    /// The location as a path, where the sink makes files there.
    path: Option<PathBuf>,
    settings: Map<String, Value>,
    grants: Grants,
}

/// The run that a destination is written by.
#[derive(Clone, Debug)]
pub(crate) struct OfRun {
    /// Its name, under which unfinished files are kept.
    pub(crate) name: String,
    /// Whether an earlier process of it wrote something already.
    pub(crate) resumes: bool,
}

impl Destination {
    /// `text`: as it was typed.
    pub(crate) fn parse(
        text: &str,
        settings: &Map<String, Value>,
        grants: &Grants,
        registry: &Registry,
        variables: &Variables,
    ) -> Result<Destination> {
        let (scheme, location) = text.split_once(':').ok_or_else(|| {
            Error::config("sink/location", format!("'--to {text}' is not of the form SCHEME:LOCATION"))
                .hint("for example --to sqlite:docs.db, --to jsonl:out.jsonl or --to pinecone:docs")
        })?;
        Destination::at(scheme, location, settings, grants, registry, variables)
    }

    /// The destination of a plan.
    pub(crate) fn planned(
        plan: &SinkPlan,
        grants: &Grants,
        registry: &Registry,
        variables: &Variables,
    ) -> Result<Destination> {
        let destination = Destination::at(&plan.scheme, &plan.location, &plan.settings, grants, registry, variables)?;
        plan.plugin.check(destination.plugin.as_ref())?;
        Ok(destination)
    }

    fn at(
        scheme: &str,
        location: &str,
        settings: &Map<String, Value>,
        grants: &Grants,
        registry: &Registry,
        variables: &Variables,
    ) -> Result<Destination> {
        let plugin = registry.sink(scheme)?;
        let is_local = !location.contains("://") && !plugin.spec().capabilities.contains(&Capability::Http);
        let path = is_local.then(|| std::path::absolute(location).unwrap_or_else(|_| PathBuf::from(location)));
        let mut settings = settings.clone();
        settings.insert("location".to_owned(), json!(location));
        let resolved = config::resolve(plugin.as_ref(), settings, grants.clone(), registry, variables);
        let location = resolved.settings.get("location").and_then(Value::as_str).unwrap_or_default().to_owned();
        if location.is_empty() {
            return Err(Error::config("sink/location", format!("'{scheme}:' names no place behind the colon"))
                .hint("for example --to sqlite:docs.db, --to jsonl:out.jsonl or --to pinecone:docs"));
        }
        // A run that is asked to stop finishes what is in flight: its writes are not given up.
        let grants = Grants { cancelled: Arc::default(), ..resolved.grants };
        let (scheme, location) = (scheme.to_owned(), location);
        Ok(Destination { plugin, scheme, location, path, settings: resolved.settings, grants })
    }

    /// For people and plans: without a password.
    pub(crate) fn shown(&self) -> String {
        format!("{}:{}", self.scheme, without_password(&self.location))
    }

    /// For a plan. Settings that were looked up are kept as they were found: a later process must mean the same place.
    pub(crate) fn plan(&self) -> Result<SinkPlan> {
        let location = match &self.path {
            Some(path) => path.to_string_lossy().into_owned(),
            None => without_password(&self.location),
        };
        let mut settings = self.settings.clone();
        settings.remove("location");
        Ok(SinkPlan { scheme: self.scheme.clone(), location, plugin: PluginPlan::of(self.plugin.as_ref())?, settings })
    }

    /// Whether a dry run learns anything from asking the sink.
    pub(crate) fn alters(&self) -> bool {
        self.plugin.spec().features.iter().any(|feature| feature == "alters")
    }

    /// A sink that makes files puts them in place of what is there.
    pub(crate) fn announce_replacement(&self) {
        let makes_files = self.plugin.spec().capabilities.contains(&Capability::SinkFiles);
        if let Some(path) = self.path.as_ref().filter(|path| makes_files && path.is_file()) {
            render::note(&format!("{} is there already and will be replaced", path.display()));
        }
    }

    /// A migration never changes its source: a destination inside the source's folder is refused.
    pub(crate) fn keep_out_of(&self, source: &Path, stores: &[Store]) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let absolute = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_default();
        let folder = absolute(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")));
        let place = folder.join(path.file_name().unwrap_or_default());
        let root = absolute(source);
        let inside = root.is_dir() && place.starts_with(&root);
        let is_source =
            stores.iter().any(|store| store.found.claim.files.iter().any(|file| store.found.root.join(file) == place));
        if inside || is_source {
            return Err(Error::config(
                "sink/inside-source",
                "the destination lies in the source's folder; a migration never changes its source",
            )
            .at("path", path.display())
            .hint("choose a destination outside of it"));
        }
        Ok(())
    }

    /// Makes instances of the sink. A sink that asks for files is granted its location's own name.
    pub(crate) fn factory(&self, embedder: Option<&dyn Embedder>, run: Option<&OfRun>) -> SinkFactory {
        let plugin = Arc::clone(&self.plugin);
        let mut grants = self.grants.clone();
        let mut config = self.settings.clone();
        if let Some(path) = &self.path {
            let mut location = path.to_string_lossy().into_owned();
            if plugin.spec().capabilities.contains(&Capability::SinkFiles) {
                location = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                grants.sink = Some(SinkGrant {
                    folder: path.parent().unwrap_or(Path::new("/")).to_owned(),
                    name: Some(location.clone()),
                    run: run.map(|run| run.name.clone()),
                });
            }
            config.insert("location".to_owned(), json!(location));
        }
        if let Some(embedder) = embedder {
            let embedding =
                json!({"provider": embedder.provider(), "model": embedder.model(), "dimension": embedder.dimension()});
            config.insert("embedding".to_owned(), embedding);
        }
        if run.is_some_and(|run| run.resumes) {
            config.insert("resume".to_owned(), json!(true));
        }
        Arc::new(move || plugin.sink(grants.clone(), Value::Object(config.clone())))
    }
}

/// A URL's user may stay, the password behind it may not.
fn without_password(location: &str) -> String {
    let Some((scheme, rest)) = location.split_once("://") else { return location.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}://{user}@{host}{path}")
        }
        None => location.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn a_password_is_left_out_and_nothing_else() {
        for (location, shown) in [
            ("postgres://me:se:cr@et@host:5432/db?x=1", "postgres://me@host:5432/db?x=1"),
            ("postgres://me@host/db", "postgres://me@host/db"),
            ("http://localhost:8000", "http://localhost:8000"),
            ("http://host/a@b:c", "http://host/a@b:c"),
            ("out.jsonl", "out.jsonl"),
        ] {
            assert_eq!(without_password(location), shown);
        }
    }
}
