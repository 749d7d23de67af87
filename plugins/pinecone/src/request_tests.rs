#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::Value;

use super::*;

fn records(sizes: &[usize]) -> Records {
    let mut records = Records::default();
    for (row, size) in sizes.iter().enumerate() {
        let metadata = format!(r#"{{"a":"{}"}}"#, "x".repeat(*size));
        let record = Record { values: Some(&[1.0]), sparse: None, metadata: &metadata };
        records.push(row as u32, &row.to_string(), &record).unwrap();
    }
    records
}

#[test]
fn requests_hold_no_more_than_the_service_takes() {
    let cases: &[(&str, Vec<usize>, &[usize])] = &[
        ("nothing", vec![], &[]),
        ("one", vec![10], &[1]),
        ("a thousand small ones", vec![1; 1_000], &[1_000]),
        ("one more", vec![1; 1_001], &[1_000, 1]),
        ("by bytes", vec![900_000; 5], &[2, 2, 1]),
        ("one that is too large alone", vec![10, 2_500_000, 10], &[1, 1, 1]),
    ];
    for (name, sizes, want) in cases {
        let records = records(sizes);
        let runs = records.cut("näme\"space");
        let lengths: Vec<usize> = runs.iter().map(ExactSizeIterator::len).collect();
        assert_eq!(lengths, *want, "{name}");
        let mut rows = Vec::new();
        for run in runs {
            let body = records.body("näme\"space", run.clone());
            assert!(body.len() <= MAX_BYTES || run.len() == 1, "{name}: {} bytes", body.len());
            let json: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(json["namespace"], "näme\"space");
            rows.extend(json["vectors"].as_array().unwrap().iter().map(|v| v["id"].as_str().unwrap().to_owned()));
        }
        assert_eq!(rows, (0..sizes.len()).map(|row| row.to_string()).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn a_request_is_cut_as_late_as_it_may_be() {
    // Two records that with the envelope are exactly as large as a request may be, and one byte more.
    let envelope = body_start("").len() + BODY_END.len();
    let bare = records(&[0]).bytes.len();
    let first = 1_000_000;
    let second = MAX_BYTES - envelope - 2 * (bare + 1) - first;
    for (more, want) in [(0, 1), (1, 2)] {
        let records = records(&[first, second + more]);
        assert_eq!(records.cut("").len(), want, "{more} more");
        assert!(records.body("", 0..2).len() <= MAX_BYTES + more);
    }
}

#[test]
fn vectors_are_written_so_that_they_read_back_bit_for_bit() {
    let values = [0.1, -0.0, 1.0 / 3.0, f32::MIN_POSITIVE, 1e-45, f32::MAX, 16_777_217.0, -1.000_000_1];
    let mut records = Records::default();
    let record = Record { values: Some(&values), sparse: Some((&[3, 4_000_000_000], &[0.5, -1.0])), metadata: "{}" };
    records.push(0, "a\n", &record).unwrap();
    let body = String::from_utf8(records.body("", 0..1)).unwrap();
    assert!(body.starts_with(
        r#"{"namespace":"","vectors":[{"id":"a\n","values":[0.1,-0.0,0.33333334,1.1754944e-38,1e-45,3.4028235e+38,16777216.0,-1.0000001],"sparseValues":{"indices":[3,4000000000],"values":[0.5,-1.0]},"metadata":{}}]}"#
    ), "{body}");
    let start = body.find(r#""values":["#).unwrap() + 9;
    let end = body[start..].find(']').unwrap() + start + 1;
    let raw = serde_json::value::RawValue::from_string(body[start..end].to_owned()).unwrap();
    let mut back = Vec::new();
    crate::answers::floats(&raw, &mut back).unwrap();
    assert_eq!(back.map_bits(), values.to_vec().map_bits());
}

trait Bits {
    fn map_bits(&self) -> Vec<u32>;
}
impl Bits for Vec<f32> {
    fn map_bits(&self) -> Vec<u32> {
        self.iter().map(|value| value.to_bits()).collect()
    }
}

#[test]
fn urls_stay_short_and_ask_for_every_id_once() {
    let ids: Vec<String> = (0..2_000).map(|n| format!("default_ordner/größe & co_{n}")).collect();
    for (namespace, most) in [("", usize::MAX), ("a b", usize::MAX), ("x", 7), ("x", 1)] {
        let urls = fetch_urls("https://h", namespace, ids.iter().map(String::as_str), most);
        let mut asked = 0;
        for url in &urls {
            assert!(url.len() <= MAX_URL, "{} bytes", url.len());
            assert!(url.bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
            assert!(url.starts_with("https://h/vectors/fetch?"), "{url}");
            assert_eq!(url.contains("namespace="), !namespace.is_empty(), "{url}");
            let here = url.matches("ids=").count();
            assert!((1..=most).contains(&here), "{here} ids");
            asked += here;
        }
        assert_eq!(asked, ids.len());
    }
    assert!(fetch_urls("https://h", "x", [], 10).is_empty());
    let long = "x".repeat(8_000);
    assert_eq!(fetch_urls("https://h", "x", [&*long, "a"], 10).len(), 2);
}
