//! Source: Chroma persist folders, 0.3 to 1.x
