/*! A library of another version of the border. */
#![allow(missing_docs, unsafe_code)]

use vecferry_contract::abi::{ABI_VERSION, PluginTable};

#[unsafe(no_mangle)]
extern "C" fn vecferry_plugin_entry() -> *const PluginTable {
    Box::leak(Box::new(PluginTable {
        struct_size: size_of::<PluginTable>(),
        abi_version: ABI_VERSION + 1,
        source: std::ptr::null(),
        sink: std::ptr::null(),
    }))
}
