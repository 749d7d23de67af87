//! The kinds of indexes that are made, and how: libfaiss' own descriptions (`faiss/index_factory.cpp`).

use std::collections::BTreeSet;
use std::fmt;

use vecferry_faiss_reader::{Failure, Index};

use crate::random::Random;

/// What the decoder in Rust does with a kind of index.
#[derive(Clone, Copy)]
pub(crate) enum Rust {
    /// Gives what libfaiss gives, bit for bit.
    Equal,
    /// Gives what libfaiss gives, but for the last digits.
    ThroughMatrix,
    /// Refuses it; libfaiss reads it.
    Refuses,
    /// Reads what libfaiss cannot.
    ReadsAlone,
    /// Refuses it, as libfaiss does.
    BothRefuse,
}

/// Who names the records.
#[derive(Clone, Copy)]
pub(crate) enum Ids {
    Positions,
    /// Given ones, in half of the indexes.
    Maybe,
    Given,
}

/// A kind of index.
pub(crate) struct Recipe {
    pub(crate) name: &'static str,
    /// The dimension is a multiple of it.
    unit: usize,
    ids: Ids,
    /// Whether records can be removed.
    removal: bool,
    /// `faiss::MetricType`s.
    metrics: &'static [u32],
    /// Whole numbers, 0 to 255, for codes that keep those.
    whole: bool,
    pub(crate) rust: Rust,
}

const BASIC: &[u32] = &[0, 1];
const L2: &[u32] = &[1];
const ALL: &[u32] = &[0, 1, 2, 3, 4, 20, 21, 22];

const fn plain(name: &'static str, unit: usize, removal: bool) -> Recipe {
    Recipe { name, unit, ids: Ids::Positions, removal, metrics: BASIC, whole: false, rust: Rust::Equal }
}

const fn lists(name: &'static str, unit: usize) -> Recipe {
    Recipe { ids: Ids::Maybe, ..plain(name, unit, true) }
}

const fn mapped(name: &'static str, unit: usize, removal: bool) -> Recipe {
    Recipe { ids: Ids::Given, ..plain(name, unit, removal) }
}

const fn l2(recipe: Recipe) -> Recipe {
    Recipe { metrics: L2, ..recipe }
}

const fn rust(rust: Rust, recipe: Recipe) -> Recipe {
    Recipe { rust, ..recipe }
}

const fn matrix(recipe: Recipe) -> Recipe {
    rust(Rust::ThroughMatrix, recipe)
}

/// `{d}` stands for the dimension, `{half}` and `{twice}` for what they say. `np`: not polysemous, which
/// takes seconds to learn and is coded the same.
pub(crate) const RECIPES: &[Recipe] = &[
    // Every vector as it is.
    Recipe { metrics: ALL, ..plain("Flat", 1, true) },
    mapped("IDMap,Flat", 1, true),
    mapped("IDMap2,Flat", 1, true),
    plain("HNSW4,Flat", 1, false),
    mapped("IDMap2,HNSW4,Flat", 1, false),
    l2(plain("NSG8,Flat", 4, false)),
    lists("IVF4,Flat", 1),
    lists("IVF7_HNSW4,Flat", 2),
    l2(lists("IMI2x2,Flat", 2)),
    rust(Rust::ReadsAlone, l2(plain("IVF4,FlatDedup", 1, false))),
    plain("PQ2x4np,RFlat", 2, false),
    plain("IVF4,PQ2x4np,RFlat", 2, false),
    plain("IVF4,PQ2x4fs,RFlat", 2, false),
    // Scalar quantizers.
    plain("SQ8", 1, true),
    plain("SQ6", 4, true),
    plain("SQ4", 2, true),
    plain("SQfp16", 1, true),
    plain("SQbf16", 1, true),
    Recipe { whole: true, ..plain("SQ8_direct", 1, true) },
    plain("SQ8_direct_signed", 1, true),
    mapped("IDMap,SQ8", 1, true),
    plain("HNSW4,SQ8", 1, false),
    plain("SQ4,Refine(SQ8)", 2, false),
    lists("IVF4,SQ8", 1),
    lists("IVF4,SQ6", 4),
    lists("IVF4,SQ4", 2),
    lists("IVF4,SQfp16", 1),
    lists("IVF4,SQbf16", 1),
    // Product quantizers.
    plain("PQ2x4np", 2, true),
    plain("PQ1x2", 2, true),
    plain("PQ3x5np", 3, true),
    plain("PQ2x8np", 2, true),
    plain("PQ1x9np", 1, true),
    plain("PQ4x6np", 4, true),
    mapped("IDMap2,PQ2x4np", 2, true),
    plain("HNSW4,PQ2x4np", 2, false),
    lists("IVF4,PQ2x4np", 2),
    lists("IVF4,PQ3x5np", 3),
    lists("IVF4_HNSW4,PQ2x4np", 2),
    l2(lists("IMI2x2,PQ2x4np", 2)),
    l2(plain("IVF4,PQ2+2", 2, false)),
    // FastScan.
    plain("PQ2x4fs", 2, false),
    plain("PQ5x4fs", 5, false),
    mapped("IDMap,PQ4x4fs", 4, false),
    lists("IVF4,PQ2x4fs", 2),
    lists("IVF4,PQ5x4fs", 5),
    lists("IVF4,PQ4x4fsr", 4),
    rust(Rust::ReadsAlone, plain("PQ4x4fs_64", 4, false)),
    rust(Rust::ReadsAlone, Recipe { ids: Ids::Positions, ..lists("IVF4,PQ4x4fs_64", 4) }),
    // Additive quantizers.
    plain("RQ2x4", 2, true),
    plain("RQ3x5_Nqint8", 2, true),
    plain("LSQ2x4", 2, true),
    plain("LSQ2x4_Nfloat", 2, true),
    plain("PRQ2x2x4", 2, true),
    plain("PLSQ2x2x4", 2, true),
    lists("IVF4,RQ2x4", 2),
    lists("IVF4,LSQ2x4", 2),
    lists("IVF4,PRQ2x2x4", 2),
    lists("IVF4,PLSQ2x2x4", 2),
    l2(plain("RQ4x4fs_32_Nrq2x4", 4, false)),
    l2(plain("LSQ4x4fs_32_Nlsq2x4", 4, false)),
    l2(plain("PRQ2x2x4fs_32_Nrq2x4", 4, false)),
    l2(lists("IVF4,RQ4x4fs_32_Nrq2x4", 4)),
    l2(lists("IVF4,LSQ4x4fs_32_Nlsq2x4", 4)),
    l2(lists("IVF4,PRQ2x2x4fs_32_Nrq2x4", 4)),
    lists("IVF16(RCQ2x2),PQ2x4np", 2),
    // RaBitQ.
    plain("RaBitQ", 1, true),
    lists("IVF4,RaBitQ", 1),
    // Transforms.
    matrix(plain("PCA{half},Flat", 2, false)),
    matrix(plain("PCAR{d},Flat", 2, false)),
    matrix(plain("OPQ2,PQ2x4np", 2, false)),
    matrix(plain("OPQ2_{half},Flat", 4, false)),
    matrix(plain("RR{d},Flat", 2, false)),
    matrix(plain("RR{half},SQ8", 2, false)),
    matrix(plain("RR{twice},Flat", 2, false)),
    plain("L2norm,Flat", 1, false),
    plain("Pad{twice},Flat", 1, false),
    matrix(lists("PCA{half},IVF4,Flat", 2)),
    matrix(lists("OPQ2,IVF4,PQ2x4np", 2)),
    matrix(lists("OPQ2,IVF4,PQ2x4fs", 2)),
    matrix(mapped("IDMap2,PCA{half},SQ8", 2, false)),
    // What only libfaiss gives back.
    rust(Rust::Refuses, l2(plain("LSH", 1, true))),
    rust(Rust::Refuses, l2(plain("LSHt", 1, true))),
    rust(Rust::Refuses, l2(plain("LSHr", 1, true))),
    rust(Rust::Refuses, l2(plain("LSHrt", 1, true))),
    rust(Rust::Refuses, l2(mapped("IDMap2,LSHrt", 1, true))),
    rust(Rust::Refuses, l2(plain("PCA{half},LSHt", 2, false))),
    // What neither does.
    rust(Rust::BothRefuse, plain("PCAW{half},Flat", 2, false)),
    rust(Rust::BothRefuse, plain("ITQ{half},Flat", 2, false)),
    rust(Rust::BothRefuse, l2(plain("ZnLattice2x5_4", 4, false))),
];

/// An index file, and what it is.
pub(crate) struct Made {
    pub(crate) file: Vec<u8>,
    pub(crate) rows: usize,
    words: String,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Recipe {
    /// An index of this kind.
    pub(crate) fn make(&self, random: &mut Random) -> Result<Made, String> {
        let dimension = self.unit * random.between(1, 64 / self.unit);
        let description = self.describe(dimension);
        let metric = random.one_of(self.metrics);
        // One in six is empty or nearly so. NSG is made of every vector's 64 nearest ones, found by chance: with few to
        // choose from, libfaiss finds fewer and ends the process.
        let rows = match random.between(0, 5) {
            _ if self.name.contains("NSG") => random.between(240, 260),
            0 => random.between(0, 3),
            _ => random.between(110, 260),
        };
        let given = match self.ids {
            Ids::Positions => false,
            Ids::Maybe => random.between(0, 1) == 1,
            Ids::Given => true,
        };
        let ids = given.then(|| random.ids(rows));
        let vectors = self.vectors(rows * dimension, random);
        let learning = self.vectors(640 * dimension, random);
        let mut words = format!("{description}, {dimension} dimensions, metric {metric}, {rows} rows, ids {given}");
        let mut left = rows;
        let mut file = || -> Result<Vec<u8>, Failure> {
            let mut index = Index::factory(dimension, &description, metric)?;
            index.train(&learning)?;
            index.add(&vectors, ids.as_deref())?;
            if self.removal && rows > 10 && random.between(0, 1) == 1 {
                let removed: Vec<i64> = (0..random.between(1, 9))
                    .map(|_| random.between(0, rows - 1))
                    .map(|row| ids.as_ref().map_or(row as i64, |ids| ids[row]))
                    .collect();
                // Its own count is 0 for lists of blocks.
                index.remove(&removed)?;
                left = rows - removed.iter().collect::<BTreeSet<_>>().len();
                words = format!("{words}, less {removed:?}");
            }
            let folder = tempfile::tempdir().map_err(|error| Failure::new(error.to_string()))?;
            let path = folder.path().join("index.faiss");
            index.write(&path)?;
            std::fs::read(path).map_err(|error| Failure::new(error.to_string()))
        };
        let file = file().map_err(|failure| format!("{description} of {dimension}: not made: {failure}"))?;
        Ok(Made { file, rows: left, words })
    }

    fn describe(&self, dimension: usize) -> String {
        self.name
            .replace("{d}", &dimension.to_string())
            .replace("{half}", &(dimension / 2).to_string())
            .replace("{twice}", &(dimension * 2).to_string())
    }

    fn vectors(&self, values: usize, random: &mut Random) -> Vec<f32> {
        let value = |random: &mut Random| match self.whole {
            true => random.between(0, 255) as f32,
            false => random.value(),
        };
        (0..values).map(|_| value(random)).collect()
    }
}
