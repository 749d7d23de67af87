//! The plugin `sqlite`, both roles.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
mod sink;
mod source;
mod sqlite_vec;
