#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

/// The first values of a vector that OpenAI's server sent in base64, from a public report of how to ask for it
/// (lm-sys/FastChat, pull request 2281): text-embedding-ada-002, all vectors of which have length 1.
const FROM_OPENAI: &str = "/1jku0G/rLvA/EI8Fq3MvCUnybz9gSI9";

#[test]
fn vectors_come_in_the_order_of_their_texts_whichever_way_they_are_written() {
    let body = r#"{"object": "list", "model": "m", "data": [
        {"object": "embedding", "index": 2, "embedding": [5, -6e-1]},
        {"object": "embedding", "index": 0, "embedding": "AACAPwAAAMA="},
        {"object": "embedding", "index": 1, "embedding": "AABAQAAAgMA"}
    ], "usage": {"prompt_tokens": 11, "total_tokens": 11}}"#;
    let answer = read(body.as_bytes(), 3, None).unwrap();
    assert_eq!(answer, Answer { dimension: 2, values: vec![1.0, -2.0, 3.0, -4.0, 5.0, -0.6], tokens: 11 });
}

#[test]
fn base64_of_openai_is_understood() {
    let body = format!(r#"{{"data": [{{"index": 0, "embedding": "{FROM_OPENAI}"}}]}}"#);
    let answer = read(body.as_bytes(), 1, None).unwrap();
    assert_eq!((answer.dimension, answer.tokens), (6, 0));
    let plausible = |value: &f32| value.abs() > 0.005 && value.abs() < 0.05;
    assert!(answer.values.iter().all(plausible), "{:?}", answer.values);
}

#[test]
fn an_answer_that_cannot_be_right_is_refused() {
    let two = |first: &str, second: &str| format!(r#"{{"data": [{first}, {second}]}}"#);
    let item = |index: usize, vector: &str| format!(r#"{{"index": {index}, "embedding": {vector}}}"#);
    let good = item(0, "[1, 2, 3]");
    for (name, body, code) in [
        ("no JSON", "<html>please log in</html>".to_owned(), "embed/answer"),
        ("cut off", two(&good, &item(1, "[1, 2, 3]"))[..60].to_owned(), "embed/answer"),
        ("an error", r#"{"error": {"message": "no"}}"#.to_owned(), "embed/answer"),
        ("no index", two(&good, r#"{"embedding": [1, 2, 3]}"#), "embed/answer"),
        ("a negative index", two(&good, r#"{"index": -1, "embedding": [1, 2, 3]}"#), "embed/answer"),
        ("one vector", format!(r#"{{"data": [{good}]}}"#), "embed/count"),
        ("three vectors", format!(r#"{{"data": [{good}, {good}, {good}]}}"#), "embed/count"),
        ("one text twice", two(&good, &good), "embed/index"),
        ("a text that was not sent", two(&good, &item(2, "[1, 2, 3]")), "embed/index"),
        ("a shorter vector", two(&good, &item(1, "[1, 2]")), "embed/dimension"),
        ("a longer vector", two(&good, &item(1, "[1, 2, 3, 4]")), "embed/dimension"),
        ("a quarter of one", two(&good, &item(1, "\"AACAPw==\"")), "embed/dimension"),
        ("no values", two(&item(0, "[]"), &item(1, "[]")), "embed/dimension"),
        ("null", two(&good, &item(1, "[1, null, 3]")), "embed/answer"),
        ("NaN as Python writes it", two(&good, &item(1, "[1, NaN, 3]")), "embed/answer"),
        ("too large a number", two(&good, &item(1, "[1, 1e39, 3]")), "embed/answer"),
        ("NaN in base64", two(&good, &item(1, "\"AACAPwAAwH8AAIA/\"")), "embed/value"),
        ("infinity in base64", two(&good, &item(1, "\"AACAPwAAgH8AAIA/\"")), "embed/value"),
        ("not base64", two(&good, &item(1, "\"AACA*w==\"")), "embed/answer"),
        ("half a value in base64", two(&good, &item(1, "\"AACAPwAA\"")), "embed/answer"),
        ("an object", two(&good, &item(1, r#"{"float": [1, 2, 3]}"#)), "embed/answer"),
    ] {
        let error = read(body.as_bytes(), 2, None).expect_err(name);
        assert_eq!((error.kind, error.code.as_str()), (vecferry_core::ErrorKind::Corrupt, code), "{name}: {error}");
    }
    let error = read(two(&good, &item(1, "[1, 2, 3]")).as_bytes(), 2, Some(4)).unwrap_err();
    assert_eq!(error.code, "embed/dimension", "another dimension than before");
}
