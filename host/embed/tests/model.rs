//! The built-in model against vectors that another implementation computed in float64.
//!
//! These tests need the model: `vecferry model fetch`, which `cargo xtask test` runs first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fetched;

use std::sync::OnceLock;

use serde::Deserialize;
use vecferry_core::Embedder;
use vecferry_embed::{DEFAULT_MODEL, FastEmbedder, ModelStore};

/// What `tests/reference/generate.py` wrote.
#[derive(Deserialize)]
struct Reference {
    name: String,
    text: String,
    vector: Vec<f32>,
}

fn references() -> Vec<Reference> {
    serde_json::from_str(include_str!("reference/vectors.json")).unwrap()
}

/// Two sessions, shared by all tests.
fn embedder() -> &'static FastEmbedder {
    static EMBEDDER: OnceLock<FastEmbedder> = OnceLock::new();
    EMBEDDER.get_or_init(|| fetched::load(2))
}

/// One vector for each text.
fn embed(texts: &[&str]) -> Vec<Vec<f32>> {
    let dense = embedder().embed(texts).unwrap();
    assert_eq!((dense.dimension, dense.values.len()), (384, texts.len() * 384));
    assert!(dense.absent.is_empty());
    dense.values.chunks(384).map(<[f32]>::to_vec).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn vectors_are_those_of_the_float64_reference() {
    let references = references();
    assert!(references.len() >= 10);
    let texts: Vec<&str> = references.iter().map(|reference| reference.text.as_str()).collect();
    for (reference, vector) in references.iter().zip(embed(&texts)) {
        let cosine = cosine(&vector, &reference.vector);
        assert!(cosine >= 0.999_999, "{}: cosine {cosine}", reference.name);
        let worst = vector.iter().zip(&reference.vector).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-5, "{}: a value is off by {worst}", reference.name);
        let length = vector.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        assert!((length - 1.0).abs() < 1e-5, "{}: length {length}", reference.name);
    }
}

#[test]
fn different_texts_have_different_vectors() {
    // "blank" is left out: to the model it is "empty", both hold no token.
    let references: Vec<Reference> = references().into_iter().filter(|reference| reference.name != "blank").collect();
    let texts: Vec<&str> = references.iter().map(|reference| reference.text.as_str()).collect();
    let vectors = embed(&texts);
    for (row, a) in vectors.iter().enumerate() {
        for (other, b) in vectors.iter().enumerate().skip(row + 1) {
            assert!(cosine(a, b) < 0.9, "{} and {}", references[row].name, references[other].name);
        }
    }
}

#[test]
fn a_vector_does_not_depend_on_its_company() {
    let references = references();
    let texts: Vec<&str> = references.iter().map(|reference| reference.text.as_str()).collect();
    let together = embed(&texts);
    for (row, text) in texts.iter().enumerate() {
        assert_eq!(embed(&[text]), together[row..=row], "{}: alone", references[row].name);
    }
    let backwards: Vec<&str> = texts.iter().rev().copied().collect();
    let mut again = embed(&backwards);
    again.reverse();
    assert_eq!(again, together, "in another order");
}

#[test]
fn every_row_belongs_to_its_text_also_when_many_call_at_once() {
    let texts: Vec<String> = (0..40).map(|n| format!("note {n} about {}", "things ".repeat(n % 7))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let expected = embed(&texts);
    std::thread::scope(|scope| {
        for first in 0..4 {
            let (texts, expected) = (&texts, &expected);
            scope.spawn(move || {
                let part: Vec<&str> = texts.iter().skip(first).step_by(4).copied().collect();
                let wanted: Vec<Vec<f32>> = expected.iter().skip(first).step_by(4).cloned().collect();
                assert_eq!(embed(&part), wanted);
            });
        }
    });
}

#[test]
fn no_texts_give_no_vectors() {
    assert!(embed(&[]).is_empty());
}

#[test]
fn what_comes_after_256_tokens_does_not_count() {
    let window: String = "word ".repeat(254);
    let cases = [
        ("one word more", format!("{window}more")),
        ("many more", format!("{window}{}", "and something else entirely ".repeat(50_000))),
        ("an endless word", format!("{window}{}", "x".repeat(1_000_000))),
    ];
    let expected = embed(&[&window]);
    for (name, text) in cases {
        assert_eq!(embed(&[&text]), expected, "{name}");
    }
    assert_ne!(embed(&[&"word ".repeat(253)]), expected, "the last word that counts");
}

#[test]
fn meaning_decides_what_is_near() {
    let texts = ["How do I reset my password?", "Steps to recover account access", "The recipe needs two eggs"];
    let vectors = embed(&texts);
    assert!(cosine(&vectors[0], &vectors[1]) > cosine(&vectors[0], &vectors[2]) + 0.2);
}

#[test]
fn a_damaged_model_is_refused() {
    embedder(); // Tells what to do where the model is missing.
    let model = &fetched::store().list()[0];
    let (real, copy) = (model.path.parent().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir(copy.path().join(DEFAULT_MODEL)).unwrap();
    for entry in std::fs::read_dir(&model.path).unwrap() {
        let entry = entry.unwrap();
        let to = copy.path().join(DEFAULT_MODEL).join(entry.file_name());
        if entry.file_name() == "tokenizer.json" {
            let mut bytes = std::fs::read(entry.path()).unwrap();
            bytes[100_000] ^= 1;
            std::fs::write(to, bytes).unwrap();
        } else {
            std::os::unix::fs::symlink(entry.path(), to).unwrap();
        }
    }
    std::os::unix::fs::symlink(real.join("onnxruntime-1.32.0"), copy.path().join("onnxruntime-1.32.0")).unwrap();

    let error = ModelStore::new(copy.path()).load(DEFAULT_MODEL, 1).unwrap_err();
    assert_eq!(error.code, "model/digest");
    assert!(error.context("file").unwrap().ends_with("tokenizer.json"), "{error}");
    assert_eq!(error.hint.as_deref(), Some("vecferry model fetch all-MiniLM-L6-v2"));
}

#[test]
fn it_says_who_and_what_it_is() {
    let embedder = embedder();
    assert_eq!((embedder.provider(), embedder.model(), embedder.dimension()), ("fastembed", "all-MiniLM-L6-v2", 384));
}
