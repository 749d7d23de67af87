//! A Python pickle decoder that executes nothing
