#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use vecferry_sdk::Reader;
use vecferry_sdk::testing::MemoryFile;

use super::escape::{Dialect, escape};
use super::{FileScanner, Scanner, Unescaped, mend, numbers};
use crate::notes::Notes;

fn scanner(text: &str, block: u32) -> FileScanner {
    Scanner::new(Reader::with_block(MemoryFile::file("f.json", text), block))
}

/// Any JSON text, also such as no library writes.
fn json() -> impl Strategy<Value = String> {
    let space = || prop::sample::select(vec!["", " ", "\n", "\t \r\n"]);
    let leaf = prop_oneof![
        any::<f64>().prop_filter("JSON has no such", |value| value.is_finite()).prop_map(|value| format!("{value:?}")),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        prop::sample::select(vec![
            "true",
            "false",
            "null",
            "NaN",
            "-Infinity",
            "\"}]\"",
            "\"\\\\\"",
            "\"\\\"\"",
            "{}",
            "[ ]"
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let array = (prop::collection::vec(inner.clone(), 0..6), space())
            .prop_map(|(items, space)| format!("[{}]", items.join(&format!("{space},{space}"))));
        let object = (prop::collection::vec((any::<String>(), inner), 0..6), space()).prop_map(|(members, space)| {
            let members: Vec<String> = members
                .iter()
                .map(|(name, value)| format!("{}{space}:{space}{value}", serde_json::to_string(name).unwrap()))
                .collect();
            format!("{{{space}{}{space}}}", members.join(","))
        });
        prop_oneof![array, object]
    })
}

proptest! {
    #[test]
    fn any_value_is_passed_to_its_very_end_whatever_the_block(text in json(), block in 1_u32..40) {
        let mut scanner = scanner(&format!("  {text} ,"), block);
        scanner.skip().unwrap();
        prop_assert_eq!(scanner.offset(), text.len() as u64 + 2);
        scanner.seek(0);
        prop_assert_eq!(scanner.raw().unwrap(), text.as_bytes());
    }

    #[test]
    fn no_cut_value_passes(text in json(), cut in any::<prop::sample::Index>(), block in 1_u32..40) {
        let at = text.floor_char_boundary(cut.index(text.len()));
        let cut = &text[..at];
        // A number or word stays one when it is cut.
        if cut.starts_with(['{', '[', '"']) {
            let error = scanner(cut, block).skip().unwrap_err();
            prop_assert_eq!(error.context("file"), Some("f.json"));
            prop_assert!(error.context("offset").unwrap().parse::<usize>().unwrap() <= at);
        }
    }

    #[test]
    fn strings_are_read_as_serde_json_reads_them(text in any::<String>(), ascii: bool, block in 1_u32..40) {
        let mut written = serde_json::to_string(&text).unwrap();
        if ascii {
            // As Python writes it.
            let unit = |c: char| {
                let escaped = |unit: &u16| format!("\\u{unit:04x}");
                if c.is_ascii() { c.to_string() } else { c.encode_utf16(&mut [0; 2]).iter().map(escaped).collect() }
            };
            written = written.chars().map(unit).collect();
        }
        let mut scanner = scanner(&format!("{written} : 1"), block);
        let read = scanner.string().unwrap();
        prop_assert_eq!((read.string, read.replaced), (text.clone(), false));
        scanner.seek(0);
        if text.len() < 1000 {
            prop_assert_eq!(scanner.name().unwrap(), text);
        }
    }

    #[test]
    fn json_in_a_string_is_walked_as_if_it_were_not_in_one(text in json(), block in 1_u32..40) {
        let outer = serde_json::to_string(&text).unwrap();
        let mut reader = Reader::with_block(MemoryFile::file("f.json", format!("{outer},")), block);
        reader.skip(1).unwrap();
        let mut inside = Scanner::new(Unescaped::new(&mut reader));
        inside.skip().unwrap();
        inside.end().unwrap();
        prop_assert_eq!(reader.position(), outer.len() as u64);
    }

    #[test]
    fn numbers_are_those_of_the_text(values in prop::collection::vec(any::<f64>(), 0..20)) {
        let texts: Vec<String> = values.iter().map(|value| match value {
            value if value.is_nan() => "NaN".to_owned(),
            value if value.is_infinite() => if *value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
            value => format!("{value:?}"),
        }).collect();
        let mut read = Vec::new();
        numbers(format!("[ {} ]", texts.join(" ,")).as_bytes(), &mut read).unwrap();
        #[allow(clippy::cast_possible_truncation)]
        let want: Vec<u32> = values.iter().map(|value| (*value as f32).to_bits()).collect();
        let nan_as = |value: &f32| if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() };
        let want: Vec<u32> = want.iter().map(|bits| nan_as(&f32::from_bits(*bits))).collect();
        prop_assert_eq!(read.iter().map(nan_as).collect::<Vec<u32>>(), want);
    }

    #[test]
    fn valid_json_is_mended_into_itself_and_pythons_into_valid_json(text in json()) {
        let mut notes = Notes::default();
        let mended = mend(&text, &mut notes);
        prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&mended).is_ok(), "{mended}");
        if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() {
            prop_assert_eq!(mended, text);
            prop_assert_eq!(notes, Notes::default());
        } else {
            prop_assert!(notes.non_finite);
        }
    }
}

#[test]
fn members_are_visited_in_order_and_what_is_wrong_is_refused() {
    let names = |text: &str| {
        let mut scanner = scanner(text, 3);
        let mut members = scanner.object()?;
        let mut names = Vec::new();
        while scanner.next(&mut members)? {
            names.push(scanner.name()?);
            scanner.skip()?;
        }
        scanner.end().map(|()| names)
    };
    assert_eq!(names("{}").unwrap(), [""; 0]);
    assert_eq!(names(" { \"a\" : 1 ,\n\"b\":[{}] , \"\\u00fc\":\"\" } \n").unwrap(), ["a", "b", "ü"]);
    for (text, offset) in [
        ("", 0),
        ("[", 0),
        ("{", 1),
        ("{\"a\"}", 4),
        ("{\"a\":}", 5),
        ("{\"a\":1,}", 7),
        ("{\"a\":1 \"b\":2}", 7),
        ("{,}", 1),
        ("{a:1}", 1),
        ("{'a':1}", 1),
        ("{\"a\":1} x", 8),
        ("{\"a\":[}]}", 7),
        ("{\"a\":1", 6),
        ("{\"a\nb\":1}", 6),
        ("{\"a\\q\":1}", 6),
    ] {
        let error = names(text).unwrap_err();
        assert_eq!(error.code, "llamaindex/json", "{text}");
        assert_eq!(error.context("offset"), Some(offset.to_string().as_str()), "{text}: {error}");
    }
}

#[test]
fn nesting_and_length_have_limits() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(scanner(&nested(1000), 64).skip().is_ok());
    assert!(scanner(&nested(1001), 64).skip().unwrap_err().message.contains("too deeply"));
    assert!(scanner(&"[".repeat(3_000_000), 4096).skip().unwrap_err().message.contains("too deeply"));
    let mut long = scanner(&format!("\"{}\":1", "n".repeat(70_000)), 1000);
    assert_eq!(long.name().unwrap_err().code, "llamaindex/value-size");
    long.seek(0);
    assert_eq!(long.string().unwrap().string.len(), 70_000);
}

#[test]
fn arrays_are_counted() {
    for (text, want) in [("[]", 0), ("[ ]", 0), ("[1]", 1), ("[1, 2,3]", 3), ("[[1,2],{\"a\":1,\"b\":2}, \",\"]", 3)] {
        assert_eq!(scanner(text, 2).skip().unwrap(), want, "{text}");
    }
}

#[test]
fn only_json_numbers_are_numbers() {
    for good in ["0", "-0", "1", "10", "0.5", "-1.25", "1e5", "1E+5", "1.5e-3", "NaN", "-Infinity"] {
        assert_eq!(numbers(format!("[{good}]").as_bytes(), &mut Vec::new()), Ok(()), "{good}");
    }
    for bad in [
        "", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "inf", "nan", "infinity", "null", "\"1\"", "[1]", "1 2",
        "0x1", "1_0",
    ] {
        assert_eq!(numbers(format!("[7,{bad}]").as_bytes(), &mut Vec::new()), Err(3), "{bad}");
    }
    assert_eq!(numbers(b"[1,,2]", &mut Vec::new()), Err(3));
    assert_eq!(numbers(b"{}", &mut Vec::new()), Err(0));
    let mut rounded = Vec::new();
    // Twice rounded, as in Python: once to 64 bits, once to 32.
    numbers(b"[1.00000005960464477540, 0.1, 1e300]", &mut rounded).unwrap();
    assert_eq!(rounded, [1.0, 0.1, f32::INFINITY]);
}

#[test]
fn escapes_of_both_languages() {
    let read = |text: &str, dialect| escape(text.as_bytes(), dialect).map(|found| (found.length, found.character));
    for (text, json, python) in [
        ("\\n..", Some((2, '\n')), Some((2, '\n'))),
        ("\\'", None, Some((2, '\''))),
        ("\\xe9", None, Some((4, 'é'))),
        ("\\U0001f600", None, Some((10, '😀'))),
        ("\\u00fc", Some((6, 'ü')), Some((6, 'ü'))),
        ("\\ud83d\\ude00", Some((12, '😀')), Some((12, '😀'))),
        ("\\ud83dx", Some((6, '\u{fffd}')), Some((6, '\u{fffd}'))),
        ("\\ud83d\\u0041", Some((6, '\u{fffd}')), Some((6, '\u{fffd}'))),
        ("\\ude00", Some((6, '\u{fffd}')), Some((6, '\u{fffd}'))),
        ("\\u+123", None, None),
        ("\\u12", None, None),
        ("\\U00110000", None, None),
        ("\\q", None, None),
        ("\\", None, None),
        ("\\ü", None, None),
    ] {
        assert_eq!((read(text, Dialect::Json), read(text, Dialect::Python)), (json, python), "{text}");
    }
}

#[test]
fn what_python_adds_is_mended_outside_of_strings_only() {
    for (text, want, non_finite, surrogate) in [
        (r#"{"a": NaN, "b": [-Infinity,Infinity]}"#, r#"{"a": null, "b": [null,null]}"#, true, false),
        (r#"{"NaN": "Infinity \"NaN"}"#, r#"{"NaN": "Infinity \"NaN"}"#, false, false),
        (r#"{"a": "\ud800 \ud83d\ude00 \\ud800"}"#, r#"{"a": "\ufffd \ud83d\ude00 \\ud800"}"#, false, true),
        (r#"{"a": -1, "ü": "\u00fc"}"#, r#"{"a": -1, "ü": "\u00fc"}"#, false, false),
    ] {
        let mut notes = Notes::default();
        assert_eq!(mend(text, &mut notes), want);
        assert_eq!((notes.non_finite, notes.surrogate), (non_finite, surrogate), "{text}");
    }
    // Broken texts stay broken, without a panic.
    for text in ["\"\\", "\"\\u", "\"\\ü\\ud8", "NaNNaN", "-", "\\ud800"] {
        mend(text, &mut Notes::default());
    }
}
