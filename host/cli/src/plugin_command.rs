/*! `vecferry plugin`: which plugins are here, and what they say about themselves. */

use serde_json::{Value, json};
use vecferry_core::{Plugin, Result};

use crate::args::{PluginArguments, PluginCommand};
use crate::exit::Exit;
use crate::registry::Registry;
use crate::render;

pub(crate) fn run(command: &PluginCommand, plugins: &PluginArguments) -> Result<Exit> {
    let registry = Registry::load(plugins)?;
    match command {
        PluginCommand::List { json: true } => {
            for plugin in registry.all() {
                render::result(&object(plugin.as_ref(), registry.is_bundled(&plugin.spec().name)).to_string());
            }
        }
        PluginCommand::List { json: false } => {
            let rows: Vec<Vec<String>> = registry
                .all()
                .iter()
                .map(|plugin| {
                    let spec = plugin.spec();
                    let from = if registry.is_bundled(&spec.name) { "bundled".to_owned() } else { plugin.origin() };
                    vec![
                        spec.name.clone(),
                        roles(plugin.as_ref()),
                        plugin.runtime().to_owned(),
                        spec.version.clone(),
                        from,
                        spec.summary.clone(),
                    ]
                })
                .collect();
            render::result(&render::table(&["plugin", "role", "runtime", "version", "from", "what"], &rows));
        }
        PluginCommand::Info { name, json } => {
            let plugin = registry.named(name)?;
            let object = object(plugin.as_ref(), registry.is_bundled(name));
            if *json {
                render::result(&object.to_string());
            } else {
                render::result(&info(plugin.as_ref(), registry.is_bundled(name)));
            }
        }
    }
    Ok(Exit::Success)
}

fn roles(plugin: &dyn Plugin) -> String {
    let roles = [(plugin.is_source(), "source"), (plugin.is_sink(), "sink")];
    roles.iter().filter(|(has, _)| *has).map(|(_, role)| *role).collect::<Vec<_>>().join(", ")
}

fn object(plugin: &dyn Plugin, bundled: bool) -> Value {
    let mut value = serde_json::to_value(plugin.spec()).unwrap_or_else(|_| json!({}));
    if let Some(fields) = value.as_object_mut() {
        let schema = serde_json::from_str(&plugin.spec().config_schema).unwrap_or(Value::Null);
        fields.insert("config_schema".to_owned(), schema);
        fields.insert("source".to_owned(), json!(plugin.is_source()));
        fields.insert("sink".to_owned(), json!(plugin.is_sink()));
        fields.insert("runtime".to_owned(), json!(plugin.runtime()));
        fields.insert("bundled".to_owned(), json!(bundled));
        fields.insert("origin".to_owned(), json!(plugin.origin()));
    }
    value
}

fn info(plugin: &dyn Plugin, bundled: bool) -> String {
    let spec = plugin.spec();
    let or_none = |items: Vec<String>| if items.is_empty() { "none".to_owned() } else { items.join(", ") };
    let capabilities =
        spec.capabilities.iter().filter_map(|c| serde_json::to_value(c).ok()?.as_str().map(str::to_owned));
    let mut lines = vec![
        ("Name", format!("{} {}", spec.name, spec.version)),
        ("What", spec.summary.clone()),
        ("Role", roles(plugin)),
        ("Runtime", plugin.runtime().to_owned()),
        ("From", format!("{}{}", plugin.origin(), if bundled { " (bundled)" } else { "" })),
        ("Asks for", or_none(capabilities.collect())),
        ("Features", or_none(spec.features.clone())),
    ];
    if plugin.is_sink() {
        lines.push(("Writes to", or_none(spec.schemes.iter().map(|scheme| format!("{scheme}:")).collect())));
    }
    let schema: Value = serde_json::from_str(&spec.config_schema).unwrap_or(Value::Null);
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (key, property) in properties {
            let description = property.get("description").and_then(Value::as_str).unwrap_or("");
            lines.push(("Setting", format!("{key}: {description}")));
        }
    }
    lines.iter().map(|(key, value)| format!("{key:<10} {value}\n")).collect()
}
