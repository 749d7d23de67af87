#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::testing::MemoryFile;

#[test]
fn lines_are_cut_the_same_whatever_the_block() {
    let cases: [(&str, &[&str]); 7] = [
        ("", &[]),
        ("one", &["one"]),
        ("one\n", &["one"]),
        ("\n\n", &["", ""]),
        ("a\r\nb\rc\r\n", &["a", "b\rc"]),
        ("a\r", &["a\r"]),
        ("long line here\nü\n\nend", &["long line here", "ü", "", "end"]),
    ];
    for (text, want) in cases {
        for block in [1, 2, 3, 5, 8, 100] {
            let mut reader = Reader::with_block(MemoryFile::file("f", text), block);
            let lines: Vec<String> =
                std::iter::from_fn(|| reader.line(100).unwrap()).map(|line| String::from_utf8(line).unwrap()).collect();
            assert_eq!(lines, want, "{text:?} in blocks of {block}");
            assert_eq!(reader.position(), text.len() as u64);
        }
    }
}

#[test]
fn lines_continue_from_any_position() {
    let mut reader = Reader::with_block(MemoryFile::file("f", "first\nsecond\nthird"), 4);
    reader.line(100).unwrap();
    let second = reader.position();
    reader.line(100).unwrap();
    reader.line(100).unwrap();
    reader.seek(second);
    assert_eq!(reader.line(100).unwrap().unwrap(), b"second");
    assert_eq!(reader.u8().unwrap(), b't');
    assert_eq!(reader.line(100).unwrap().unwrap(), b"hird");
}

#[test]
fn a_line_without_end_is_refused_where_it_begins() {
    let mut reader = Reader::with_block(MemoryFile::file("f", "short\nmuch too long\n"), 4);
    assert_eq!(reader.line(5).unwrap().unwrap(), b"short");
    let error = reader.line(5).unwrap_err();
    assert_eq!((error.context("file"), error.context("offset")), (Some("f"), Some("6")), "{error}");
}

#[test]
fn what_is_ahead_is_passed_piece_by_piece_from_any_position() {
    let mut reader = Reader::with_block(MemoryFile::file("f", "0123456789"), 4);
    let mut seen = Vec::new();
    loop {
        let ahead = reader.ahead().unwrap().to_vec();
        if ahead.is_empty() {
            break;
        }
        // Not all that is there: the rest is still ahead afterwards.
        let pass = ahead.len().min(3);
        seen.extend_from_slice(&ahead[..pass]);
        reader.skip(pass as u64).unwrap();
    }
    assert_eq!(seen, b"0123456789");
    reader.seek(2);
    assert_eq!(reader.ahead().unwrap()[0], b'2');
    reader.seek(9);
    assert_eq!(reader.ahead().unwrap(), b"9");
    reader.seek(100);
    assert_eq!(reader.ahead().unwrap(), b"");
}
