//! Source: texts, metadata and embeddings in Python pickles
