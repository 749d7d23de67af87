/*!
Where settings come from, and which origin wins: `--set`, then the environment, then `.env`, then
`.streamlit/secrets.toml`, then `vecferry.toml`, the files in the working folder.

A plugin says in its spec's schema what it wants resolved: `x-env` names the variables of a setting, `x-secrets` the
secrets that the host keeps for it, `x-hosts` and `x-host` the hosts it talks to. A bundled plugin is given that; any
other gets hosts and secrets only as the user grants them (`--allow-host`, `--allow-secret`).

Addresses are taken from the environment and from `vecferry.toml` only: a `.env` that came with somebody's data must
not send the user's key to a server of its choice. A secret's value is shown nowhere.
*/

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use vecferry_core::{Capability, Error, Grants, Plugin, Result};
use vecferry_embed::{PROVIDERS, Secret};

use crate::args::ConfigArguments;
use crate::exit::Exit;
use crate::registry::Registry;
use crate::render;

/// A place that variables come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Origin {
    /// The process's environment.
    Environment,
    /// A file of the working folder.
    File(PathBuf),
}

impl Origin {
    /// Whether addresses are taken from here.
    fn is_the_users_own(&self) -> bool {
        match self {
            Origin::Environment => true,
            Origin::File(path) => path.ends_with(OWN_FILE),
        }
    }

    fn shown(&self) -> String {
        match self {
            Origin::Environment => "environment".to_owned(),
            Origin::File(path) => path.display().to_string(),
        }
    }
}

/// Reads one kind of file.
type Reader = fn(&Path) -> Result<BTreeMap<String, String>>;

const OWN_FILE: &str = "vecferry.toml";

/// All variables that were found, the strongest origin first.
pub(crate) struct Variables {
    origins: Vec<(Origin, BTreeMap<String, String>)>,
}

impl Variables {
    /// Reads the environment and the files of a folder.
    ///
    /// # Errors
    /// `config/file` (config) for a file that is there and cannot be read.
    pub(crate) fn read(folder: &Path) -> Result<Variables> {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let mut origins = vec![(Origin::Environment, environment)];
        let files: [(&str, Reader); 3] = [(".env", dotenv), (".streamlit/secrets.toml", toml), (OWN_FILE, toml)];
        for (name, read) in files {
            let path = folder.join(name);
            if path.is_file() {
                origins.push((Origin::File(PathBuf::from(name)), read(&path)?));
            }
        }
        Ok(Variables { origins })
    }

    /// The strongest value of a variable, and where it is from.
    fn find<'a>(&'a self, name: &'a str, is_address: bool) -> Option<(&'a Origin, &'a str)> {
        self.all(name, is_address).next()
    }

    fn all<'a>(&'a self, name: &'a str, is_address: bool) -> impl Iterator<Item = (&'a Origin, &'a str)> + 'a {
        let origins = self.origins.iter().filter(move |(origin, _)| !is_address || origin.is_the_users_own());
        origins.filter_map(move |(origin, values)| Some((origin, values.get(name)?.as_str())))
    }
}

impl vecferry_embed::Settings for Variables {
    fn address(&self, name: &str) -> Option<String> {
        self.find(name, true).map(|(_, value)| value.to_owned())
    }
    fn key(&self, name: &str) -> Option<Secret> {
        self.find(name, false).map(|(_, value)| Secret::new(value))
    }
}

fn unreadable(path: &Path, why: &str) -> Error {
    Error::config("config/file", format!("a file of settings cannot be read: {why}"))
        .at("file", path.display())
        .hint("mend the file, or move it away")
}

fn dotenv(path: &Path) -> Result<BTreeMap<String, String>> {
    // The reasons given by the reader quote the line, which may hold a secret.
    let entries = dotenvy::from_path_iter(path).map_err(|_| unreadable(path, "it cannot be opened"))?;
    let entries: std::result::Result<Vec<_>, _> = entries.collect();
    let entries = entries.map_err(|_| unreadable(path, "a line is not of the form NAME=value"))?;
    Ok(entries.into_iter().filter(|(_, value)| !value.is_empty()).collect())
}

/// The texts and numbers of a TOML file by their names, whatever table they stand in; the first of a name counts.
fn toml(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error.to_string()))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(0, |span| text.get(..span.start).unwrap_or_default().matches('\n').count() + 1);
        unreadable(path, &format!("it is no TOML at line {line}"))
    })?;
    let mut found = BTreeMap::new();
    let mut tables = vec![&table];
    while let Some(table) = tables.pop() {
        for (name, value) in table {
            let text = match value {
                toml::Value::String(text) => text.clone(),
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(flag) => flag.to_string(),
                toml::Value::Table(inner) => {
                    tables.push(inner);
                    continue;
                }
                _ => continue,
            };
            if !text.is_empty() {
                found.entry(name.clone()).or_insert(text);
            }
        }
    }
    Ok(found)
}

/// What a plugin's schema asks to be resolved.
struct Wishes {
    /// Settings with their variables; whether they are addresses.
    settings: Vec<(String, Vec<String>, bool)>,
    secrets: Vec<String>,
    hosts: Vec<String>,
}

impl Wishes {
    fn of(plugin: &dyn Plugin) -> Wishes {
        let schema: Value = serde_json::from_str(&plugin.spec().config_schema).unwrap_or_default();
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        let settings = properties
            .iter()
            .map(|(name, property)| {
                (name.clone(), texts(&property["x-env"]), property["x-host"].as_bool().unwrap_or(false))
            })
            .filter(|(_, variables, is_address)| !variables.is_empty() || *is_address)
            .collect();
        Wishes { settings, secrets: texts(&schema["x-secrets"]), hosts: texts(&schema["x-hosts"]) }
    }
}

/// A plugin's settings and grants, complete.
pub(crate) struct Resolved {
    pub(crate) settings: Map<String, Value>,
    pub(crate) grants: Grants,
}

/// Completes a plugin's settings from the variables, and grants it the hosts and secrets that it may have.
/// `given` holds what the user typed, the location with it.
pub(crate) fn resolve(
    plugin: &dyn Plugin,
    mut given: Map<String, Value>,
    mut grants: Grants,
    registry: &Registry,
    variables: &Variables,
) -> Resolved {
    let wishes = Wishes::of(plugin);
    let is_given =
        |settings: &Map<String, Value>, name: &str| settings.get(name).is_some_and(|value| value.as_str() != Some(""));
    for (name, names, is_address) in &wishes.settings {
        if !is_given(&given, name)
            && let Some((_, value)) = names.iter().find_map(|name| variables.find(name, *is_address))
        {
            given.insert(name.clone(), json!(value));
        }
    }
    if plugin.spec().capabilities.contains(&Capability::Http) {
        let bundled = registry.is_bundled(&plugin.spec().name);
        if bundled {
            grants.http_hosts.extend(wishes.hosts.iter().cloned());
            for (name, _, is_address) in &wishes.settings {
                let host = given.get(name).filter(|_| *is_address).and_then(Value::as_str).and_then(host_of);
                grants.http_hosts.extend(host);
            }
        }
        // Whoever types an address means it.
        grants.http_hosts.extend(given.get("location").and_then(Value::as_str).and_then(host_of));
        for name in wishes.secrets.iter().filter(|name| bundled || registry.allows_secret(name)) {
            let value = variables.find(name, false).map(|(_, value)| (name.clone(), value.trim().to_owned()));
            grants.secrets.extend(value);
        }
    }
    Resolved { settings: given, grants }
}

/// `host:port` of a URL, or `host` where it has no port of its own.
fn host_of(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    (!host.is_empty()).then(|| host.to_owned())
}

/// `vecferry config`: every variable that something here asks for, and which origin won.
pub(crate) fn run(arguments: &ConfigArguments, plugins: &crate::args::PluginArguments) -> Result<Exit> {
    let registry = Registry::load(plugins)?;
    let variables = Variables::read(Path::new("."))?;
    let mut names: BTreeMap<String, Known> = BTreeMap::new();
    for plugin in registry.all() {
        let wishes = Wishes::of(plugin.as_ref());
        let by = || plugin.spec().name.clone();
        for (_, variables, is_address) in wishes.settings {
            for name in variables {
                let known = names.entry(name).or_default();
                known.is_address |= is_address;
                known.by.insert(by());
            }
        }
        for name in wishes.secrets {
            let known = names.entry(name).or_default();
            known.is_secret = true;
            known.by.insert(by());
        }
    }
    for provider in PROVIDERS {
        let by = || format!("--embed {}", provider.name);
        for (name, is_secret) in [(provider.address_setting, false), (provider.key_setting, true)] {
            let Some(name) = name else { continue };
            let known = names.entry(name.to_owned()).or_default();
            (known.is_secret, known.is_address) = (is_secret, !is_secret);
            known.by.insert(by());
        }
    }
    for name in ["VECFERRY_CACHE_DIR", "VECFERRY_DATA_DIR", "VECFERRY_STATE_DIR", "VECFERRY_PLUGIN_DIR"] {
        names.entry(name.to_owned()).or_default().by.insert("vecferry".to_owned());
    }
    let mut rows = Vec::new();
    for (name, known) in &names {
        let mut found = variables.all(name, known.is_address).map(|(origin, value)| (origin.shown(), value));
        let won = found.next();
        let shown = won.as_ref().map(|(_, value)| if known.is_secret { "(set)" } else { value });
        let origin = won.as_ref().map(|(origin, _)| origin.clone());
        let mut passed_over: Vec<String> = found.map(|(origin, _)| origin).collect();
        if known.is_address {
            let ignored = variables.all(name, false).filter(|(origin, _)| !origin.is_the_users_own());
            passed_over.extend(ignored.map(|(origin, _)| format!("{} (no addresses from there)", origin.shown())));
        }
        let by: Vec<&str> = known.by.iter().map(String::as_str).collect();
        if arguments.json {
            let line = json!({"name": name, "value": shown, "origin": origin, "passed_over": passed_over, "for": by});
            render::result(&line.to_string());
        } else {
            let text = |value: Option<&str>| value.unwrap_or("-").to_owned();
            rows.push(vec![name.clone(), text(shown), text(origin.as_deref()), passed_over.join(", "), by.join(", ")]);
        }
    }
    if !arguments.json {
        render::result(&render::table(&["variable", "value", "from", "passed over", "for"], &rows));
    }
    Ok(Exit::Success)
}

/// A variable that something asks for.
#[derive(Default)]
struct Known {
    is_secret: bool,
    is_address: bool,
    /// Who asks.
    by: BTreeSet<String>,
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
