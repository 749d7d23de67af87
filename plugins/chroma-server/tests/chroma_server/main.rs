//! The sink `chroma-server` on a real Chroma.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod collections;
mod common;
mod conformance;
mod writing;
