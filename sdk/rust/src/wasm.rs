/*! The WebAssembly half of the SDK. */
