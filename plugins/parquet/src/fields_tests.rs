//! Dates against Python's, and objects that are joined.

use super::*;

#[test]
fn dates_are_those_of_the_calendar() {
    // From Python: (date(1970, 1, 1) + timedelta(days)).isoformat()
    let cases = [
        (0, "1970-01-01"),
        (-1, "1969-12-31"),
        (59, "1970-03-01"),
        (11_016, "2000-02-29"),
        (19_782, "2024-02-29"),
        (-25_509, "1900-02-28"),
        (-25_508, "1900-03-01"),
        (2_932_896, "9999-12-31"),
        (-719_162, "0001-01-01"),
    ];
    for (days, want) in cases {
        assert_eq!(date(days).as_deref(), Some(want), "{days}");
    }
    for days in [2_932_897, i64::MAX, i64::MIN] {
        assert_eq!(date(days), None, "{days}");
    }
}

#[test]
fn timestamps_keep_what_their_unit_has() {
    let cases = [
        (0, Unit::Millis, true, "1970-01-01T00:00:00+00:00"),
        (1_700_000_000_123, Unit::Millis, false, "2023-11-14T22:13:20.123000"),
        (1_700_000_000_000_001, Unit::Micros, true, "2023-11-14T22:13:20.000001+00:00"),
        (-1, Unit::Nanos, false, "1969-12-31T23:59:59.999999999"),
    ];
    for (value, unit, utc, want) in cases {
        assert_eq!(timestamp(value, unit, utc).as_deref(), Some(want), "{value}");
    }
}

#[test]
fn columns_join_the_metadata_and_never_replace_its_fields() {
    type Case = (&'static str, &'static [(&'static str, &'static str)], &'static str, bool);
    let cases: [Case; 5] = [
        ("{}", &[], "{}", false),
        ("{}", &[("a", "1"), ("b \"", "null")], r#"{"a":1,"b \"":null}"#, false),
        (r#"{"x": 1.50 }"#, &[("a", "[1,2]")], r#"{"x": 1.50,"a":[1,2]}"#, false),
        (r#"{"a":2}"#, &[("a", "1")], r#"{"a":2}"#, true),
        ("{ }", &[("a", "1")], r#"{"a":1}"#, false),
    ];
    for (metadata, columns, want, shadowed) in cases {
        let mut fitted = Fitted::default();
        let columns: Vec<(&str, String)> = columns.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        assert_eq!(join(metadata, &columns, &mut fitted), want, "{metadata}");
        assert_eq!(fitted.shadowed, shadowed, "{metadata}");
    }
}
