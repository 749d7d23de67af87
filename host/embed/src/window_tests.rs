#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::convert::Infallible;

use super::*;

const LIMIT: usize = 256;

fn cut(text: &str) -> &str {
    let words = |text: &str| Ok::<_, Infallible>(text.split_whitespace().count().min(LIMIT));
    window(text, LIMIT, words).unwrap()
}

#[test]
fn the_first_words_are_those_of_the_whole_text() {
    let cases = [
        ("empty", String::new()),
        ("short", "three short words".to_owned()),
        ("as long as the first try", "a ".repeat(FIRST_TRY / 2)),
        ("many words", "word ".repeat(100_000)),
        ("letters of several bytes", "größe ".repeat(100_000)),
        ("long words", format!("{} ", "x".repeat(10_000)).repeat(300)),
        ("blanks first", format!("{}{}", " ".repeat(1_000_000), "word ".repeat(1000))),
        ("no blank at all", "ü".repeat(100_000)),
    ];
    for (name, text) in cases {
        let cut = cut(&text);
        let first = |text: &str| text.split_whitespace().take(LIMIT).map(str::to_owned).collect::<Vec<_>>();
        assert!(text.starts_with(cut), "{name}");
        assert_eq!(first(cut), first(&text), "{name}");
    }
}

#[test]
fn a_long_text_is_not_taken_apart_as_a_whole() {
    assert!(cut(&"word ".repeat(1_000_000)).len() <= FIRST_TRY);
    assert!(cut(&format!("{} ", "x".repeat(1000)).repeat(100_000)).len() <= 16 * FIRST_TRY);
}
