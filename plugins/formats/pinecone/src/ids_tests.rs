#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

fn back(stored: &str, original: &str) -> String {
    match decode(stored) {
        Decoded::Id(id) => id.into_owned(),
        Decoded::InMetadata => original.to_owned(),
    }
}

#[test]
fn ids_that_the_service_takes_are_kept_and_others_encoded() {
    let long = "x".repeat(512);
    let digest = blake3::hash("語".repeat(200).as_bytes()).to_hex();
    let cases = [
        ("plain", "default_docs/manual_0.pdf_0", "default_docs/manual_0.pdf_0".to_owned()),
        ("with spaces and signs", " a b%20\"\\", " a b%20\"\\".to_owned()),
        ("the longest", &long, long.clone()),
        ("empty", "", "~u~".to_owned()),
        ("umlauts", "Größe 1", "~u~Gr%C3%B6%C3%9Fe%201".to_owned()),
        ("a NUL", "a\0b", "~u~a%00b".to_owned()),
        ("already marked", "~u~a", "~u~~u~a".to_owned()),
        ("already hashed", "~h~a", "~u~~h~a".to_owned()),
        ("too long to spell out", &"語".repeat(200), format!("~h~{digest}")),
    ];
    for (name, id, want) in cases {
        assert_eq!(encode(id), want, "{name}");
        assert_eq!(back(&want, id), id, "{name}, decoded");
    }
}

#[test]
fn ids_of_others_that_look_encoded_stay_as_they_are() {
    for id in ["~u~a", "~u~%", "~u~%C3", "~u~%c3%bc", "~u~a b", "~h~", "~h~abc", "~u~%41"] {
        let kept = matches!(decode(id), Decoded::Id(Cow::Borrowed(kept)) if kept == id);
        assert!(kept, "{id}: {:?}", decode(id));
    }
}

proptest! {
    #[test]
    fn every_id_is_stored_as_one_that_the_service_takes_and_comes_back(id in "\\PC{0,300}|[ -~]{0,600}|(?s:.{0,40})") {
        let stored = encode(&id);
        prop_assert!((1..=512).contains(&stored.len()) && stored.is_ascii() && !stored.contains('\0'));
        prop_assert_eq!(back(&stored, &id), id);
    }

    #[test]
    fn two_ids_are_never_stored_as_one(a in "(~[uh]~)?[aé%C39 ]{0,6}", b in "(~[uh]~)?[aé%C39 ]{0,6}") {
        prop_assert_eq!(encode(&a) == encode(&b), a == b);
    }
}
