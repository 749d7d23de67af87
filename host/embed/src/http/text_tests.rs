#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

#[test]
fn texts_are_sent_as_they_are_but_for_the_empty_and_the_endless() {
    let long = "word ".repeat(200_000);
    for (name, text, sent, change) in [
        ("a text", " some text\n", " some text\n", Change::None),
        ("an empty text", "", " ", Change::Blank),
        ("a blank", "\n", "\n", Change::None),
        ("a long text", &long[..MAX_BYTES], &long[..MAX_BYTES], Change::None),
        ("an endless text", long.as_str(), &long[..524_284], Change::Shortened),
    ] {
        let (prepared, found) = prepared(text);
        assert!(prepared == sent && found == change, "{name}: {} bytes, {found:?}", prepared.len());
    }
}

#[test]
fn a_cut_keeps_words_and_letters_whole() {
    for (name, text, words, expected) in [
        ("no numbers", "one two three four five six", "too long", "one two three four"),
        ("no white space", "0123456789012345678901234567", "too long", "012345678901234567890"),
        ("letters of several bytes", "ööööööööööööööööö", "too long", "öööööööööööö"),
        ("white space too far back", "a 23456789012345678901234567", "too long", "a 2345678901234567890"),
    ] {
        assert_eq!(shorter(text, words), Some(expected), "{name}");
    }
    assert_eq!(shorter("sixteen bytes ok", "too long"), None);
}

#[test]
fn a_servers_numbers_say_how_much_to_keep() {
    let text = "x".repeat(10_000);
    for (words, kept) in [
        (
            "This model's maximum context length is 8192 tokens, however you requested 16384 tokens (16384 in your prompt; 0 for the completion).",
            4_750,
        ),
        ("`inputs` must have less than 512 tokens. Given: 1024", 4_750),
        ("`inputs` must have less than 32000 characters. Given: 64000", 4_750),
        ("model text-embedding-3-small: at most 8 tokens, got 1000000", 156),
        ("Invalid 'input[0]': maximum input length is 8192 tokens.", 7_500),
        ("0 and 5", 7_500),
        ("99999999999999999999 of 7", 7_500),
        ("7 of 7", 7_500),
    ] {
        assert_eq!(shorter(&text, words).map(str::len), Some(kept), "{words}");
    }
}

#[test]
fn cutting_comes_to_an_end() {
    let endless = "x".repeat(MAX_BYTES);
    for words in ["too long", "limit 1000 given 1001", "limit 1 given 1000000"] {
        let (mut text, mut cuts) = (endless.as_str(), 0);
        while let Some(cut) = shorter(text, words) {
            (text, cuts) = (cut, cuts + 1);
        }
        assert!(text.len() <= MIN_BYTES && cuts < 250, "{words}: {cuts} cuts to {} bytes", text.len());
    }
}
