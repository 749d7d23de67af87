#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

#[test]
fn of_a_key_that_stands_twice_the_last_value_counts() {
    let fields: Fields<'_> = serde_json::from_str(r#"{"a": 1, "b\n": [ 2 ], "a": {"c": 3}}"#).unwrap();
    let have: Vec<(&str, &str)> = fields.0.iter().map(|(key, value)| (&**key, value.get())).collect();
    assert_eq!(have, [("a", r#"{"c": 3}"#), ("b\n", "[ 2 ]")]);
}

#[test]
fn numbers_that_a_double_holds_are_told_from_others() {
    let cases = [
        ("0", true),
        ("-7", true),
        ("999999999999999", true),
        ("9007199254740992", true),
        ("9007199254740993", false),
        ("9007199254740994", true),
        ("-9223372036854775808", true),
        ("9223372036854775807", false),
        ("18446744073709551616", true),
        ("123456789012345678901234567890", false),
        ("0.1", true),
        ("1e-7", true),
        ("1E400", false),
        ("-1e400", false),
    ];
    for (number, want) in cases {
        assert_eq!(fits_double(number), want, "{number}");
    }
    assert!(!fits_double(&"9".repeat(400)));
}

#[test]
fn integers_come_back_as_integers() {
    let cases = [
        ("7.0", "7"),
        ("7", "7"),
        ("-0.0", "-0.0"),
        ("0.0", "0"),
        ("9007199254740992.0", "9007199254740992"),
        ("-9.223372036854775808e18", "-9223372036854775808"),
        ("9.223372036854775808e18", "9.223372036854775808e18"),
        ("0.1", "0.1"),
        ("1e-07", "1e-7"),
        ("1e300", "1e300"),
    ];
    for (number, want) in cases {
        let same = plain_number(number).parse::<f64>() == want.parse::<f64>();
        let integer = |text: &str| !text.contains(['.', 'e']);
        assert!(same && integer(&plain_number(number)) == integer(want), "{number}: {}", plain_number(number));
    }
}

proptest! {
    #[test]
    fn quoted_text_reads_back_and_has_the_length_that_was_told(text in "(?s:.{0,60})") {
        let json = quoted(&text);
        prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text.clone());
        prop_assert_eq!(json.len(), 2 + text.chars().map(quoted_len).sum::<usize>());
    }

    #[test]
    fn every_integer_that_fits_comes_back_as_it_was(number in any::<i64>()) {
        let text = number.to_string();
        if fits_double(&text) {
            // As a service that keeps doubles writes it.
            let answered = format!("{:?}", number as f64);
            prop_assert_eq!(plain_number(&answered), text);
        }
    }
}
