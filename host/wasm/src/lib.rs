//! Runs plugins that are WebAssembly components
