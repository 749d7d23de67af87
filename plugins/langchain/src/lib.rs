//! Source: LangChain FAISS stores
