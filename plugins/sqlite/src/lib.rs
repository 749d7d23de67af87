//! Sink and source: one SQLite file with vectors (sqlite-vec)
