/*! The one macro of a plugin: it makes the crate a plugin, in WebAssembly and natively. */

/// Makes the crate a plugin. Once per crate, at its root, in one of three forms:
///
/// ```text
/// vecferry_sdk::export!(source: Chroma);
/// vecferry_sdk::export!(sink: Jsonl);
/// vecferry_sdk::export!(source: SqliteSource, sink: SqliteSink);
/// ```
///
/// The names are types that implement [`SourcePlugin`](crate::SourcePlugin) and
/// [`SinkPlugin`](crate::SinkPlugin). The crate is a `cdylib`. Built for `wasm32-unknown-unknown` it exports
/// the interfaces of the contract; built for anything else it exports the entry of a native library. It needs
/// no other dependency for that.
#[macro_export]
macro_rules! export {
    ($($roles:tt)+) => {
        #[cfg(target_arch = "wasm32")]
        $crate::__export_wasm!($($roles)+);
        #[cfg(not(target_arch = "wasm32"))]
        $crate::__export_native!($($roles)+);
    };
}
