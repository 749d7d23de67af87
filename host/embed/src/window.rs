/*!
What of a text a model reads.

A model reads a text's first 256 tokens or so. The tokenizer would first take a text apart as a whole, at some
hundred bytes of memory per token: for a document of 100 MB that is gigabytes, thrown away at once.
*/

/// Long enough for the tokens of nearly every text.
const FIRST_TRY: usize = 16 * 1024;

/// A beginning of `text` that has the same first `limit` tokens as all of it. `count` gives a text's number of
/// tokens, at most `limit`.
///
/// Cuts at white space, which always ends a token, and so never through one.
pub(crate) fn window<E>(text: &str, limit: usize, count: impl Fn(&str) -> Result<usize, E>) -> Result<&str, E> {
    let mut length = FIRST_TRY;
    while length < text.len() {
        let beginning = &text[..text.floor_char_boundary(length)];
        if let Some(end) = beginning.rfind([' ', '\n', '\t', '\r'])
            && let cut = &beginning[..end]
            && count(cut)? >= limit
        {
            return Ok(cut);
        }
        length = length.saturating_mul(4);
    }
    Ok(text)
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
