/*!
The plugin over indexes that other versions of FAISS wrote, in its own process and as the library that the host loads.
*/
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod damage;
mod fixtures;
mod loaded;
