/*! `telemetry`: log lines of plugins, through `tracing`, under the plugin's name. Needs no grant. */

use std::fmt::Write;

use tracing::{debug, enabled, error, info, trace, warn};
use vecferry_contract::{Level, printable};

/// Bytes of one message, and of one field's value; a plugin cannot flood the log with one line.
const MAX_BYTES: usize = 8192;
/// Fields of one line.
const MAX_FIELDS: usize = 32;

pub(crate) fn enabled(level: Level) -> bool {
    match level {
        Level::Trace => enabled!(target: "vecferry::plugin", tracing::Level::TRACE),
        Level::Debug => enabled!(target: "vecferry::plugin", tracing::Level::DEBUG),
        Level::Info => enabled!(target: "vecferry::plugin", tracing::Level::INFO),
        Level::Warn => enabled!(target: "vecferry::plugin", tracing::Level::WARN),
        Level::Error => enabled!(target: "vecferry::plugin", tracing::Level::ERROR),
    }
}

pub(crate) fn log(plugin: &str, level: Level, message: &str, fields: &[(String, String)]) {
    if !enabled(level) {
        return;
    }
    let mut text = line(message);
    for (key, value) in fields.iter().take(MAX_FIELDS) {
        // Writing to a String cannot fail.
        let _ = write!(text, " {}={}", line(key), line(value));
    }
    match level {
        Level::Trace => trace!(target: "vecferry::plugin", plugin, "{text}"),
        Level::Debug => debug!(target: "vecferry::plugin", plugin, "{text}"),
        Level::Info => info!(target: "vecferry::plugin", plugin, "{text}"),
        Level::Warn => warn!(target: "vecferry::plugin", plugin, "{text}"),
        Level::Error => error!(target: "vecferry::plugin", plugin, "{text}"),
    }
}

/// One line: data must not invent log lines.
fn line(text: &str) -> String {
    printable(text, MAX_BYTES).replace('\n', "\\n")
}
