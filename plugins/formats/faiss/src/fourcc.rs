/*! The four characters that every index and every part of one starts with, and what they name. */

use std::fmt;

/// Four bytes that name a type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FourCc(pub(crate) [u8; 4]);

impl FourCc {
    /// Whether it could name a type of some version of FAISS.
    pub(crate) fn is_plausible(self) -> bool {
        self.0[0] == b'I' && self.0.iter().all(u8::is_ascii_alphanumeric)
    }
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in &self.0 {
            match byte {
                0x20..=0x7e => write!(f, "{}", char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Every index type that `index_write.cpp` has written in any version, and its class there.
const CLASSES: &[(&[u8; 4], &str)] = &[
    (b"IxF2", "IndexFlatL2"),
    (b"IxFI", "IndexFlatIP"),
    (b"IxFl", "IndexFlat"),
    (b"IxFP", "IndexFlatL2Panorama"),
    (b"IxFp", "IndexFlatIPPanorama"),
    (b"IxMp", "IndexIDMap"),
    (b"IxM2", "IndexIDMap2"),
    (b"IxPT", "IndexPreTransform"),
    (b"IxRF", "IndexRefine"),
    (b"IxRP", "IndexRefinePanorama"),
    (b"IxSQ", "IndexScalarQuantizer"),
    (b"IxPq", "IndexPQ"),
    (b"IxPQ", "IndexPQ"),
    (b"IxPo", "IndexPQ"),
    (b"IxRq", "IndexResidualQuantizer"),
    (b"IxRQ", "IndexResidualQuantizer"),
    (b"IxLS", "IndexLocalSearchQuantizer"),
    (b"IxPR", "IndexProductResidualQuantizer"),
    (b"IxPL", "IndexProductLocalSearchQuantizer"),
    (b"IxHe", "IndexLSH"),
    (b"IxHE", "IndexLSH"),
    (b"IxLa", "IndexLattice"),
    (b"Ix2L", "Index2Layer"),
    (b"Ixrq", "IndexRaBitQ"),
    (b"Ixrr", "IndexRaBitQ"),
    (b"IxEe", "IndexEDEN"),
    (b"Irfn", "IndexRaBitQFastScan"),
    (b"Irfs", "IndexRaBitQFastScan"),
    (b"IPfs", "IndexPQFastScan"),
    (b"IRfs", "IndexResidualQuantizerFastScan"),
    (b"ILfs", "IndexLocalSearchQuantizerFastScan"),
    (b"IPRf", "IndexProductResidualQuantizerFastScan"),
    (b"IPLf", "IndexProductLocalSearchQuantizerFastScan"),
    (b"IRMf", "IndexRowwiseMinMax"),
    (b"IRMh", "IndexRowwiseMinMaxFP16"),
    (b"Imiq", "MultiIndexQuantizer"),
    (b"ImRQ", "ResidualCoarseQuantizer"),
    (b"IHNf", "IndexHNSWFlat"),
    (b"IHNs", "IndexHNSWSQ"),
    (b"IHNp", "IndexHNSWPQ"),
    (b"IHNr", "IndexHNSWRaBitQ"),
    (b"IHN2", "IndexHNSW2Level"),
    (b"IHNc", "IndexHNSWCagra"),
    (b"IHc2", "IndexHNSWCagra"),
    (b"IHfP", "IndexHNSWFlatPanorama"),
    (b"IH00", "IndexHNSW"),
    (b"INSf", "IndexNSGFlat"),
    (b"INSs", "IndexNSGSQ"),
    (b"INSp", "IndexNSGPQ"),
    (b"INNf", "IndexNNDescentFlat"),
    (b"IwFl", "IndexIVFFlat"),
    (b"IvFl", "IndexIVFFlat"),
    (b"IvFL", "IndexIVFFlat"),
    (b"IwFd", "IndexIVFFlatDedup"),
    (b"IwPn", "IndexIVFFlatPanorama"),
    (b"IwP2", "IndexIVFFlatPanorama"),
    (b"IwSq", "IndexIVFScalarQuantizer"),
    (b"IwSQ", "IndexIVFScalarQuantizer"),
    (b"IvSQ", "IndexIVFScalarQuantizer"),
    (b"IwPQ", "IndexIVFPQ"),
    (b"IvPQ", "IndexIVFPQ"),
    (b"IwQR", "IndexIVFPQR"),
    (b"IvQR", "IndexIVFPQR"),
    (b"IwPf", "IndexIVFPQFastScan"),
    (b"IwRQ", "IndexIVFResidualQuantizer"),
    (b"IwLS", "IndexIVFLocalSearchQuantizer"),
    (b"IwPR", "IndexIVFProductResidualQuantizer"),
    (b"IwPL", "IndexIVFProductLocalSearchQuantizer"),
    (b"IVRf", "IndexIVFResidualQuantizerFastScan"),
    (b"IVLf", "IndexIVFLocalSearchQuantizerFastScan"),
    (b"NPRf", "IndexIVFProductResidualQuantizerFastScan"),
    (b"NPLf", "IndexIVFProductLocalSearchQuantizerFastScan"),
    (b"Iwrq", "IndexIVFRaBitQ"),
    (b"Iwrr", "IndexIVFRaBitQ"),
    (b"Iwrn", "IndexIVFRaBitQFastScan"),
    (b"Iwrf", "IndexIVFRaBitQFastScan"),
    (b"IwEe", "IndexIVFEDEN"),
    (b"IwSh", "IndexIVFSpectralHash"),
    (b"IwIQ", "IndexIVFIndependentQuantizer"),
    (b"ISVD", "IndexSVSVamana"),
    (b"ISVL", "IndexSVSVamanaLeanVec"),
    (b"ILVQ", "IndexSVSVamanaLVQ"),
    (b"ISVF", "IndexSVSFlat"),
    (b"IBxF", "IndexBinaryFlat"),
    (b"IBwF", "IndexBinaryIVF"),
    (b"IBFf", "IndexBinaryFromFloat"),
    (b"IBHf", "IndexBinaryHNSW"),
    (b"IBHc", "IndexBinaryHNSWCagra"),
    (b"IBMp", "IndexBinaryIDMap"),
    (b"IBM2", "IndexBinaryIDMap2"),
    (b"IBHh", "IndexBinaryHash"),
    (b"IBHm", "IndexBinaryMultiHash"),
];

/// The C++ class that a fourcc names.
pub(crate) fn class(fourcc: FourCc) -> Option<&'static str> {
    CLASSES.iter().find(|(name, _)| **name == fourcc.0).map(|(_, class)| *class)
}

/// Whether a file that starts with these bytes is a FAISS index of a type that is known, decodable or not.
pub fn is_index(start: &[u8]) -> bool {
    start.first_chunk::<4>().is_some_and(|first| class(FourCc(*first)).is_some())
}
