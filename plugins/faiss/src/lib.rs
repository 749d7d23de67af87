//! Source: FAISS indexes
