//! The sink `pgvector` on a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
mod conformance;
mod connecting;
mod encryption;
mod tables;
mod writing;
