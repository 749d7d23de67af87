//! The plugin `pinecone`, both roles, against servers on this machine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
mod conformance;
mod faults;
mod needledb;
mod prepare;
mod read_back;
mod sdk;
mod source;
