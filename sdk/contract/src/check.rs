/*!
What a plugin answers, held to the contract before anybody believes it: every border of the host calls these.

Shapes are checked, and texts that reach the user's terminal or log are made harmless.
*/

use crate::{Error, Page, PluginSpec, Receipt, Result};

/// Bytes of an error's message and of its hint.
const MAX_TEXT: usize = 8 * 1024;
/// Bytes of an error's code, of a context's key and value, of a summary.
const MAX_WORD: usize = 1024;
/// Entries of an error's context.
const MAX_CONTEXT: usize = 32;

/// `text` with its control characters (but line ends) spelled out, cut to about `max_bytes`: what comes from a plugin,
/// or from the data it quotes, must not steer the user's terminal.
pub fn printable(text: &str, max_bytes: usize) -> String {
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

impl Error {
    /// The error with all its texts [`printable`] and of bounded length.
    #[must_use]
    pub fn checked(mut self) -> Self {
        let word = |text: &str| printable(text, MAX_WORD);
        self.code = word(&self.code);
        self.message = printable(&self.message, MAX_TEXT);
        self.hint = self.hint.map(|hint| printable(&hint, MAX_TEXT));
        self.context.truncate(MAX_CONTEXT);
        for (key, value) in &mut self.context {
            (*key, *value) = (word(key), word(value));
        }
        self
    }
}

impl Page {
    /// The page, if a scan that was asked for `max_rows` rows may answer with it.
    ///
    /// # Errors
    /// `batch/shape`; `plugin/page`: more rows than asked for, or a page with nothing in it (a scan of such pages would
    /// never end).
    pub fn checked(mut self, max_rows: u32) -> Result<Self> {
        let rows = self.rows.check()?.rows;
        if rows > max_rows as usize {
            let message = format!("a page holds {rows} rows where at most {max_rows} were asked for");
            return Err(Error::internal("plugin/page", message));
        }
        if rows == 0 && self.unreadable.is_empty() {
            return Err(Error::internal("plugin/page", "a page holds neither a row nor an unreadable record"));
        }
        for record in &mut self.unreadable {
            record.reason = record.reason.clone().checked();
        }
        Ok(self)
    }
}

impl Receipt {
    /// The receipt with printable reasons; whether it fits the rows that were written is for whoever wrote them to say.
    #[must_use]
    pub fn checked(mut self) -> Self {
        for rejection in &mut self.rejected {
            rejection.reason = rejection.reason.clone().checked();
        }
        for alteration in &mut self.altered {
            alteration.field = printable(&alteration.field, MAX_WORD);
            alteration.code = printable(&alteration.code, MAX_WORD);
        }
        self
    }
}

impl PluginSpec {
    /// The spec, if it can be one.
    ///
    /// # Errors
    /// `plugin/spec`: a name, version or scheme that cannot be one, or a schema that is no JSON object.
    pub fn checked(mut self) -> Result<Self> {
        let wrong = |what: String| {
            Error::internal("plugin/spec", format!("the plugin's spec has {what}"))
                .hint("this is a fault of the plugin; its author must mend its spec")
        };
        for word in std::iter::once(&self.name).chain(&self.schemes) {
            if !is_word(word) {
                let shown = printable(word, 80);
                return Err(wrong(format!(
                    "the name or scheme '{shown}'; a-z, 0-9, - and _ are allowed, up to 64 of them"
                )));
            }
        }
        if !(1..=64).contains(&self.version.len()) || !self.version.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong(format!("the version '{}'", printable(&self.version, 80))));
        }
        match serde_json::from_str::<serde_json::Value>(&self.config_schema) {
            Ok(serde_json::Value::Object(_)) => {}
            Ok(_) => return Err(wrong("a config schema that is no JSON object".to_owned())),
            Err(error) => return Err(wrong(format!("a config schema that is no JSON: {error}"))),
        }
        self.summary = printable(&self.summary, MAX_WORD);
        self.features = self.features.iter().map(|feature| printable(feature, MAX_WORD)).collect();
        Ok(self)
    }

    /// One spec for a plugin of both roles, of which `self` is the source's. Each role is still given no more than it
    /// asked for itself.
    ///
    /// # Errors
    /// `plugin/spec`: the two have different names or versions.
    pub fn joined(mut self, sink: PluginSpec) -> Result<Self> {
        if (&self.name, &self.version) != (&sink.name, &sink.version) {
            let (source, other) = ((&self.name, &self.version), (&sink.name, &sink.version));
            let message =
                format!("the plugin calls its source {} {} and its sink {} {}", source.0, source.1, other.0, other.1);
            return Err(
                Error::internal("plugin/spec", message).hint("this is a fault of the plugin; both must be the same")
            );
        }
        add_new(&mut self.capabilities, sink.capabilities);
        add_new(&mut self.schemes, sink.schemes);
        add_new(&mut self.features, sink.features);
        Ok(self)
    }
}

fn add_new<T: PartialEq>(list: &mut Vec<T>, more: Vec<T>) {
    for item in more {
        if !list.contains(&item) {
            list.push(item);
        }
    }
}

fn is_word(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(legal)
}
