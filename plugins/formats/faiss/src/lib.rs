//! A FAISS index decoder
