/*! The text by which models are tried, and recognised again. */

/// What a model is asked for to see whether it works, and whether it still is the one it was.
pub(crate) const TEXT: &str = "vecferry";

/// The least cosine at which two vectors of one text come from one model. Computing in half precision, or in a
/// batch, moves a vector by a thousandth; another model's points elsewhere.
const SAME_MODEL: f64 = 0.99;

/// Whether two vectors of [`TEXT`] come from one model.
pub(crate) fn is_same(a: &[f32], b: &[f32]) -> bool {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let is_near = || dot(a, b) >= SAME_MODEL * (dot(a, a) * dot(b, b)).sqrt();
    a == b || (a.len() == b.len() && is_near())
}
