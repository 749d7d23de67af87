/*! Binary indexes: recognised, and refused. */

use vecferry_sdk::Error;

use super::Parser;
use crate::fourcc::FourCc;

impl Parser<'_> {
    /// Why a binary index is not read: its vectors are bits, compared by Hamming distance.
    pub(super) fn binary(&self, start: u64, fourcc: FourCc, class: &str) -> Error {
        self.unsupported_at(
            start,
            "faiss/binary",
            format!("{fourcc} ({class}) is a binary index: it holds bits for Hamming distance, not vectors of floats"),
        )
        .hint("embed the original texts again, with a model whose vectors the destination can hold")
    }
}
