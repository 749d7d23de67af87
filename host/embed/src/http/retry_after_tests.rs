#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use reqwest::header::{HeaderName, HeaderValue};

use super::*;

#[test]
fn every_form_of_the_header_is_understood() {
    // 1994-11-06 08:49:37 UTC, the date of RFC 9110.
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    type Case = (&'static str, &'static [(&'static str, &'static str)], Option<u64>);
    let cases: &[Case] = &[
        ("none", &[], None),
        ("seconds", &[("retry-after", "7")], Some(7_000)),
        ("at once", &[("retry-after", "0")], Some(0)),
        ("a fraction", &[("retry-after", "1.2345")], Some(1_235)),
        ("milliseconds", &[("retry-after-ms", "250.5"), ("retry-after", "9")], Some(251)),
        ("milliseconds that are none", &[("retry-after-ms", "soon"), ("retry-after", "9")], Some(9_000)),
        ("a date", &[("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT")], Some(3_000)),
        ("a date in the past", &[("retry-after", "Sun, 06 Nov 1994 08:49:30 GMT")], Some(0)),
        (
            "a date by the server's clock",
            &[("retry-after", "Sun, 06 Nov 1994 10:00:05 GMT"), ("date", "Sun, 06 Nov 1994 10:00:00 GMT")],
            Some(5_000),
        ),
        ("an age", &[("retry-after", "1e30")], Some(86_400_000)),
        ("the past", &[("retry-after", "-1")], None),
        ("no number", &[("retry-after", "NaN")], None),
        ("no end", &[("retry-after", "inf")], None),
        ("words", &[("retry-after", "soon")], None),
    ];
    for (name, given, expected) in cases {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let headers: HeaderMap = given.iter().map(header).collect();
        assert_eq!(milliseconds(&headers, now), *expected, "{name}");
    }
}
