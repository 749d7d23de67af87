/*!
What a guest answers, held to the contract before anybody believes it.

Sizes are bounded already by what one call may move across the border (see `session`); here the shapes are
checked, and texts that reach the user's terminal are made harmless.
*/

use vecferry_contract::{Batch, Error, Page, PluginSpec, Receipt, Rejection, Result, Unreadable};

use crate::bindings::{batches, sink, source, types};
use crate::convert::each;

/// Bytes of an error's message and of its hint.
const MAX_TEXT: usize = 8 * 1024;
/// Bytes of an error's code, of a context's key and value, of a name.
const MAX_WORD: usize = 1024;
/// Entries of an error's context.
const MAX_CONTEXT: usize = 32;

/// `text` without control characters (but line ends), cut to `max_bytes`.
pub(crate) fn printable(text: &str, max_bytes: usize) -> String {
    let end = text.floor_char_boundary(max_bytes);
    let mut out = String::with_capacity(end);
    for c in text.get(..end).unwrap_or_default().chars() {
        if c.is_control() && c != '\n' {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    if end < text.len() {
        out.push('…');
    }
    out
}

/// An error that the guest returned.
pub(crate) fn error(error: types::Error) -> Error {
    let types::Error { kind, code, message, hint, retry_after_ms, context } = error;
    let word = |text: &str| printable(text, MAX_WORD);
    Error {
        kind: kind.into(),
        code: word(&code),
        message: printable(&message, MAX_TEXT),
        hint: hint.map(|hint| printable(&hint, MAX_TEXT)),
        retry_after_ms,
        context: context.iter().take(MAX_CONTEXT).map(|(key, value)| (word(key), word(value))).collect(),
    }
}

/// # Errors
/// `batch/shape`: its columns contradict each other.
pub(crate) fn batch(batch: batches::Batch) -> Result<Batch> {
    let batch: Batch = batch.into();
    batch.check()?;
    Ok(batch)
}

/// # Errors
/// `batch/shape`; `plugin/page`: more rows than asked for, or a page with nothing in it (a scan of such pages would
/// never end).
pub(crate) fn page(page: source::Page, max_rows: u32) -> Result<Page> {
    let source::Page { rows, cursor, changes, unreadable } = page;
    let rows = batch(rows)?;
    if rows.len() > max_rows as usize {
        let message = format!("a page holds {} rows where at most {max_rows} were asked for", rows.len());
        return Err(Error::internal("plugin/page", message));
    }
    if rows.is_empty() && unreadable.is_empty() {
        return Err(Error::internal("plugin/page", "a page holds neither a row nor an unreadable record"));
    }
    let unreadable = unreadable.into_iter().map(|record| Unreadable { id: record.id, reason: error(record.reason) });
    Ok(Page { rows, cursor, changes: each(changes), unreadable: unreadable.collect() })
}

/// A receipt; the engine compares it with the rows it wrote.
pub(crate) fn receipt(receipt: sink::Receipt) -> Receipt {
    let sink::Receipt { accepted, rejected, changes } = receipt;
    let rejected = rejected.into_iter().map(|row| Rejection { row: row.row, reason: error(row.reason) });
    Receipt { accepted, rejected: rejected.collect(), changes: each(changes) }
}

/// # Errors
/// `plugin/spec`: a name, version or scheme that cannot be one, or a schema that is no JSON object.
pub(crate) fn spec(spec: types::PluginSpec) -> Result<PluginSpec> {
    let types::PluginSpec { name, version, summary, config_schema, schemes, capabilities, features } = spec;
    let wrong = |what: String| {
        Error::internal("plugin/spec", format!("the plugin's spec has {what}"))
            .hint("this is a fault of the plugin; its author must mend its spec")
    };
    for word in std::iter::once(&name).chain(&schemes) {
        if !is_word(word) {
            let shown = printable(word, 80);
            return Err(wrong(format!("the name or scheme '{shown}'; a-z, 0-9 and - are allowed, up to 64 of them")));
        }
    }
    if version.is_empty() || version.len() > 64 || !version.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong(format!("the version '{}'", printable(&version, 80))));
    }
    match serde_json::from_str::<serde_json::Value>(&config_schema) {
        Ok(serde_json::Value::Object(_)) => {}
        Ok(_) => return Err(wrong("a config schema that is no JSON object".into())),
        Err(error) => return Err(wrong(format!("a config schema that is no JSON: {error}"))),
    }
    Ok(PluginSpec {
        name,
        version,
        summary: printable(&summary, MAX_WORD),
        config_schema,
        schemes,
        capabilities: each(capabilities),
        features: features.iter().map(|feature| printable(feature, MAX_WORD)).collect(),
    })
}

fn is_word(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(legal)
}
