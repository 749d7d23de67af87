//! Source: LlamaIndex persist folders
