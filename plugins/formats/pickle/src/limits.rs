/*! How much a pickle may cost. */

/// Budgets that hold whatever a file says. Every one ends in an error of kind `unsupported` that names
/// the budget, never in a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of memory for the graph, the stack and the memo together.
    pub memory: u64,
    /// Containers inside containers, when a value is converted.
    pub depth: u32,
    /// Bytes that one value may expand to when it is converted: a few hundred bytes of pickle can name a
    /// value of 10^30 leaves.
    pub expanded: u64,
    /// Files of so many bytes and more are gone through twice: first to learn which values are referred to again.
    /// That takes a third more time and a quarter less memory.
    pub two_passes_from: u64,
}

impl Limits {
    /// Bytes of the expansion of all values of a scan over a file of `file_bytes` bytes. Shared values make
    /// honest files expand too: a reference takes two bytes, and a record a thousand.
    pub fn expanded_in_all(file_bytes: u64) -> u64 {
        (64_u64 << 20).saturating_add(file_bytes.saturating_mul(1024))
    }
}

impl Default for Limits {
    /// 704 MiB of memory (a guest may use 1 GiB in all), 96 levels (readers of JSON commonly stop at 128), 16 MiB for
    /// one value, two passes from 64 MiB on.
    fn default() -> Self {
        Limits { memory: 704 << 20, depth: 96, expanded: 16 << 20, two_passes_from: 64 << 20 }
    }
}
