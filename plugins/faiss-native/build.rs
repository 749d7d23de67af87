//! Takes in the helper program, which is built before: the plugin is one file that carries it.

use std::path::PathBuf;
use std::{env, fs};

const VARIABLE: &str = "VECFERRY_FAISS_READER";

fn main() -> Result<(), String> {
    println!("cargo:rerun-if-env-changed={VARIABLE}");
    let reader = env::var(VARIABLE).map_err(|_| {
        format!(
            "{VARIABLE} does not name the helper program; `cargo xtask build faiss-native` builds it and this plugin, \
             by hand: cargo build --release --package vecferry-faiss-reader, then \
             {VARIABLE}=target/release/faiss-reader (an absolute path) cargo build --release"
        )
    })?;
    println!("cargo:rerun-if-changed={reader}");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("faiss-reader");
    fs::copy(&reader, &out).map_err(|error| format!("cannot copy {reader} to {}: {error}", out.display()))?;
    Ok(())
}
