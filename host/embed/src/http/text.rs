/*!
What of a text is sent.

A server knows its model's limit, this side does not know its tokens: so a text is sent whole, unless it is longer
than any model reads, and cut only when the server says that it is too long, a little shorter each time. A text is
cut at white space where there is some near, and what counts is its beginning, as with the built-in models.
*/

use std::borrow::Cow;

/// No embedding model in use reads more than 32,768 tokens, and hardly a text has 16 bytes a token.
const MAX_BYTES: usize = 32_768 * 16;
/// Shorter texts are not cut again.
const MIN_BYTES: usize = 16;
/// What remains where the server does not say how much is too much.
const USUAL_SHARE: f64 = 0.75;
/// What is taken of the share that the server's numbers give: tokens are not spread evenly.
const MARGIN: f64 = 0.95;
/// No cut goes below this share at once, whatever the numbers.
const LEAST_SHARE: f64 = 1.0 / 64.0;

/// What became of a text before it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    /// The protocol has no empty text: a blank stands for it.
    Blank,
    /// Its beginning stands for it.
    Shortened,
}

/// What is sent first.
pub(super) fn prepared(text: &str) -> (Cow<'_, str>, Change) {
    if text.is_empty() {
        (Cow::Borrowed(" "), Change::Blank)
    } else if text.len() > MAX_BYTES {
        (Cow::Borrowed(beginning(text, MAX_BYTES)), Change::Shortened)
    } else {
        (Cow::Borrowed(text), Change::None)
    }
}

/// The most tokens that a text can have: byte-level tokenizers make at most one of a byte, and two mark its ends.
pub(super) fn most_tokens(text: &str) -> usize {
    text.len().min(MAX_BYTES) + 2
}

/// The next shorter beginning of a text that the server called too long, in these words. `None` where nothing
/// sensible would be left.
pub(super) fn shorter<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    if text.len() <= MIN_BYTES {
        return None;
    }
    let share = excess(words).map_or(USUAL_SHARE, |share| (share * MARGIN).max(LEAST_SHARE));
    let cut = beginning(text, ((text.len() as f64 * share) as usize).max(MIN_BYTES));
    (!cut.is_empty() && cut.len() < text.len()).then_some(cut)
}

/// At most this many bytes of a text, up to white space where there is some in the last quarter.
fn beginning(text: &str, bytes: usize) -> &str {
    let cut = &text[..text.floor_char_boundary(bytes)];
    match cut.rfind(char::is_whitespace) {
        Some(end) if end >= cut.len() - cut.len() / 4 => &cut[..end],
        _ => cut,
    }
}

/// The allowed share of the length, from words such as "maximum context length is 8192 tokens, however you
/// requested 10233 tokens" or "must have less than 512 tokens. Given: 1205": the first number, and the next larger
/// one. A wrong guess costs a request, not a vector: the server judges every cut.
fn excess(words: &str) -> Option<f64> {
    let number = |word: &str| word.trim_matches(|c: char| c.is_ascii_punctuation()).parse::<u32>().ok();
    let mut numbers = words.split_whitespace().filter_map(number).filter(|number| *number > 0);
    let limit = numbers.next()?;
    let given = numbers.find(|number| *number > limit)?;
    Some(f64::from(limit) / f64::from(given))
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
