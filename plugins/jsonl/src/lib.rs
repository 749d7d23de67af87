//! Sink: JSON Lines
