/*! `telemetry`: log lines of plugins, through `tracing`, under the plugin's name. Needs no grant. */

use std::fmt::Write;

use tracing::{debug, enabled, error, info, trace, warn};
use vecferry_contract::Level;

/// Characters of one message, and of one field's value; a plugin cannot flood the log with one line.
const MAX_CHARS: usize = 8192;
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
    let mut line = printable(message);
    for (key, value) in fields.iter().take(MAX_FIELDS) {
        // Writing to a String cannot fail.
        let _ = write!(line, " {}={}", printable(key), printable(value));
    }
    match level {
        Level::Trace => trace!(target: "vecferry::plugin", plugin, "{line}"),
        Level::Debug => debug!(target: "vecferry::plugin", plugin, "{line}"),
        Level::Info => info!(target: "vecferry::plugin", plugin, "{line}"),
        Level::Warn => warn!(target: "vecferry::plugin", plugin, "{line}"),
        Level::Error => error!(target: "vecferry::plugin", plugin, "{line}"),
    }
}

/// One line without control characters: a plugin, or the data it quotes, must not steer the user's terminal or
/// invent log lines.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MAX_CHARS));
    for (count, c) in text.chars().enumerate() {
        if count == MAX_CHARS {
            out.push('…');
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
