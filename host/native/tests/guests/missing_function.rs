/*! A library whose source table lacks its functions. */
#![allow(missing_docs, unsafe_code)]

use vecferry_contract::abi::{ABI_VERSION, PluginTable, SourceTable};

static SOURCE: SourceTable = SourceTable {
    struct_size: size_of::<SourceTable>(),
    spec: None,
    detect: None,
    discover: None,
    plan: None,
    open: None,
    scan_next: None,
    scan_close: None,
};

#[unsafe(no_mangle)]
extern "C" fn vecferry_plugin_entry() -> *const PluginTable {
    Box::leak(Box::new(PluginTable {
        struct_size: size_of::<PluginTable>(),
        abi_version: ABI_VERSION,
        source: &raw const SOURCE,
        sink: std::ptr::null(),
    }))
}
