/*! A library whose source table is smaller than this version's. */
#![allow(missing_docs, unsafe_code)]

use vecferry_contract::abi::{ABI_VERSION, PluginTable};

/// All there is of the table.
static SIZE: usize = size_of::<usize>();

#[unsafe(no_mangle)]
extern "C" fn vecferry_plugin_entry() -> *const PluginTable {
    Box::leak(Box::new(PluginTable {
        struct_size: size_of::<PluginTable>(),
        abi_version: ABI_VERSION,
        source: (&raw const SIZE).cast(),
        sink: std::ptr::null(),
    }))
}
