/*! The header that almost every index starts with (`read_index_header`). */

use vecferry_sdk::{Metric, Reader, Result};

/// Values per vector that are believed; FAISS itself has no use for more.
const MAX_DIMENSION: i32 = 1 << 24;

/// Dimension, rows and metric of one index.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) dimension: usize,
    pub(crate) rows: u64,
    pub(crate) metric: i32,
}

impl Header {
    /// i32 d, i64 ntotal, 2 × i64 of no meaning, u8 is_trained, i32 metric, and f32 metric_arg if metric > 1.
    pub(crate) fn read(reader: &mut Reader) -> Result<Header> {
        let dimension = dimension(reader)?;
        let rows = rows(reader)?;
        reader.skip(16)?;
        reader.u8()?;
        let metric = reader.i32()?;
        if metric > 1 {
            reader.f32()?;
        }
        Ok(Header { dimension, rows, metric })
    }

    /// The metric in the contract's words.
    pub(crate) fn contract_metric(&self) -> Metric {
        match self.metric {
            0 => Metric::Dot,
            1 => Metric::L2,
            _ => Metric::Unknown,
        }
    }

    /// The metric's name in `faiss/MetricType.h`, without the prefix.
    pub(crate) fn metric_name(&self) -> &'static str {
        match self.metric {
            0 => "INNER_PRODUCT",
            1 => "L2",
            2 => "L1",
            3 => "Linf",
            4 => "Lp",
            20 => "Canberra",
            21 => "BrayCurtis",
            22 => "JensenShannon",
            23 => "Jaccard",
            24 => "NaNEuclidean",
            25 => "GOWER",
            _ => "unknown",
        }
    }
}

/// An i32 dimension.
pub(crate) fn dimension(reader: &mut Reader) -> Result<usize> {
    let at = reader.position();
    let d = reader.i32()?;
    if !(0..=MAX_DIMENSION).contains(&d) {
        return Err(reader.corrupt(format!("a dimension of {d} is impossible")).at("offset", at));
    }
    Ok(d.unsigned_abs() as usize)
}

/// An i64 count of rows.
pub(crate) fn rows(reader: &mut Reader) -> Result<u64> {
    let n = reader.i64()?;
    u64::try_from(n).map_err(|_| reader.corrupt(format!("a count of {n} vectors is impossible")))
}
