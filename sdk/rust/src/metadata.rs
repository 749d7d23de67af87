/*! What every sink asks of a record's metadata before it believes it. */

use serde::de::IgnoredAny;

use crate::{Error, Result};

/// The metadata's text without space around it, if it is one JSON object. Nothing is rewritten, so numbers keep
/// all their digits. Depth is no limit.
///
/// # Errors
/// `corrupt`: `metadata/json` with line and column, or `metadata/no-object`.
pub fn metadata_object(text: &str) -> Result<&str> {
    serde_json::from_str::<IgnoredAny>(text)
        .map_err(|e| Error::corrupt("metadata/json", format!("the metadata is no valid JSON: {e}")))?;
    let value = text.trim_matches([' ', '\t', '\n', '\r']);
    if value.starts_with('{') {
        Ok(value)
    } else {
        Err(Error::corrupt("metadata/no-object", "the metadata is valid JSON, but not an object"))
    }
}
