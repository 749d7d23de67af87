//! A reader of the hnswlib files of a Chroma segment
