/*! The powers through their public API, one file per capability. */
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod capabilities;
mod common;
mod http;
mod sink_files;
mod source_files;
mod sqlite;
mod telemetry;
