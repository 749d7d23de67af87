//! Runs plugins that are native libraries
