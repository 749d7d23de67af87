//! Embedders: fastembed on ONNX Runtime, offline
