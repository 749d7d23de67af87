/*!
The powers that plugins may be granted, once, in plain Rust: host/wasm and host/native adapt them to their
borders. One file per capability, deny by default.
*/
