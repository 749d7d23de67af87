/*! A batch as rows of a table, and what becomes of each record: for the write and for the dry run. */

use std::borrow::Cow;
use std::collections::HashMap;

use half::f16;
use vecferry_sdk::{Alteration, Batch, Error, Receipt, Rejection, Result, Sparse};

use crate::json;
use crate::settings::VectorType;
use crate::values::{MAX_SPARSE, SPARSE_DIMENSION};

/// Bytes of an id. A primary key's entry may have 2,704 with its heads (`BTMaxItemSize` in PostgreSQL's `nbtree.h`).
pub(crate) const MAX_ID: usize = 2_600;

/// What a table takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Takes {
    /// The type of its vectors and, where it is declared, their dimension; `None` for a table without.
    pub(crate) vector: Option<(VectorType, Option<u32>)>,
    /// Sparse vectors are left out.
    pub(crate) drop_sparse: bool,
}

/// One record that the table takes.
#[derive(Debug)]
pub(crate) struct Row<'b> {
    pub(crate) id: &'b str,
    pub(crate) document: Option<Cow<'b, str>>,
    pub(crate) metadata: Cow<'b, str>,
    pub(crate) vector: Option<&'b [f32]>,
    /// Ascending, without zeros.
    pub(crate) sparse: Option<Vec<(u32, f32)>>,
}

impl Row<'_> {
    /// About what it takes in `COPY`.
    pub(crate) fn bytes(&self) -> usize {
        let document = self.document.as_ref().map_or(0, |text| text.len());
        let vectors =
            self.vector.map_or(0, |values| values.len() * 4) + self.sparse.as_ref().map_or(0, |s| s.len() * 8);
        self.id.len() + document + self.metadata.len() + vectors + 48
    }
}

type Notes = Vec<(Cow<'static, str>, &'static str)>;

/// The rows of a batch, and a receipt. Of two rows with one id the last is taken.
///
/// # Errors
/// `batch/shape`.
pub(crate) fn rows(takes: Takes, batch: &Batch) -> Result<(Vec<Row<'_>>, Receipt)> {
    batch.check()?;
    let mut rows: Vec<Row<'_>> = Vec::with_capacity(batch.len());
    let mut receipt = Receipt::default();
    let mut places: HashMap<&str, usize> = HashMap::with_capacity(batch.len());
    for (index, id) in batch.ids.iter().enumerate() {
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        let mut notes = Notes::new();
        match takes.row(batch, index, id, &mut notes) {
            Ok(row) => {
                receipt.accepted += 1;
                let told = notes.into_iter().map(|(field, code)| (field.into_owned(), code.to_owned()));
                receipt.altered.extend(told.map(|(field, code)| Alteration { row: number, field, code }));
                match places.get(id.as_str()).and_then(|&place| rows.get_mut(place)) {
                    Some(earlier) => *earlier = row,
                    None => {
                        places.insert(id, rows.len());
                        rows.push(row);
                    }
                }
            }
            Err(reason) => receipt.rejected.push(Rejection { row: number, reason: reason.at("id", id) }),
        }
    }
    Ok((rows, receipt))
}

impl Takes {
    fn row<'b>(&self, batch: &'b Batch, row: usize, id: &'b str, notes: &mut Notes) -> Result<Row<'b>> {
        check_id(id)?;
        let document = batch.document(row).map(|text| {
            if !text.contains('\0') {
                return Cow::Borrowed(text);
            }
            notes.push(("document".into(), "document/nul-dropped"));
            Cow::Owned(text.replace('\0', ""))
        });
        let fitted = json::fit(batch.metadata(row))?;
        notes.extend(fitted.altered.into_iter().map(|(key, code)| (format!("metadata/{key}").into(), code)));
        let vector = self.dense(batch, row, notes)?;
        let sparse = self.sparse(batch, row, notes)?;
        Ok(Row { id, document, metadata: fitted.text, vector, sparse })
    }

    fn dense<'b>(&self, batch: &'b Batch, row: usize, notes: &mut Notes) -> Result<Option<&'b [f32]>> {
        if batch.dense.iter().skip(1).any(|dense| dense.row(row).is_some()) {
            notes.push(("vector".into(), "vector/further-column-left-out"));
        }
        let Some(values) = batch.vectors().and_then(|dense| dense.row(row)).filter(|values| !values.is_empty()) else {
            return Ok(None);
        };
        let Some((kind, dimension)) = self.vector else {
            let message = format!("the record has a vector of {} values, the table has no column for it", values.len());
            return Err(Error::corrupt("vector/dimension", message));
        };
        if let Some(dimension) = dimension.filter(|&dimension| dimension as usize != values.len()) {
            let message = format!("the vector has {} values, the table's column {dimension}", values.len());
            return Err(Error::corrupt("vector/dimension", message));
        }
        check_finite(values)?;
        if kind == VectorType::Halfvec {
            if let Some(at) = values.iter().position(|value| f16::from_f32(*value).is_infinite()) {
                let message = format!("the vector's value {at}, {}, is out of halfvec's range of ±65504", values[at]);
                return Err(Error::unsupported("vector/out-of-range", message).hint("--set sink.type=vector takes it"));
            }
            if values.iter().any(|value| f16::from_f32(*value).to_f32().to_bits() != value.to_bits()) {
                notes.push(("vector".into(), "vector/to-half-precision"));
            }
        }
        Ok(Some(values))
    }

    fn sparse(&self, batch: &Batch, row: usize, notes: &mut Notes) -> Result<Option<Vec<(u32, f32)>>> {
        if batch.sparse.iter().skip(1).any(|sparse| entries(sparse, row).is_some()) {
            notes.push(("sparse".into(), "sparse/further-column-left-out"));
        }
        let Some((indices, values)) = batch.sparse.first().and_then(|sparse| entries(sparse, row)) else {
            return Ok(None);
        };
        if self.drop_sparse {
            notes.push(("sparse".into(), "sparse/left-out"));
            return Ok(None);
        }
        check_finite(values)?;
        let mut kept: Vec<(u32, f32)> = indices.iter().copied().zip(values.iter().copied()).collect();
        kept.retain(|(_, value)| *value != 0.0);
        if kept.len() < indices.len() {
            notes.push(("sparse".into(), "sparse/zeros-dropped"));
        }
        kept.sort_unstable_by_key(|(index, _)| *index);
        let fault = if kept.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            "names an index twice".to_owned()
        } else if let Some((index, _)) = kept.last().filter(|(index, _)| *index >= SPARSE_DIMENSION) {
            format!("has the index {index}; sparsevec's are below {SPARSE_DIMENSION}")
        } else if kept.len() > MAX_SPARSE {
            format!("has {} values; sparsevec takes {MAX_SPARSE}", kept.len())
        } else {
            return Ok(Some(kept).filter(|kept| !kept.is_empty()));
        };
        Err(Error::unsupported("sparse/unfit", format!("the sparse vector {fault}"))
            .hint("--set sink.sparse=drop leaves sparse vectors out"))
    }
}

fn check_id(id: &str) -> Result<()> {
    let fault = if id.contains('\0') {
        "holds U+0000, which PostgreSQL's texts cannot".to_owned()
    } else if id.len() > MAX_ID {
        format!("has {} bytes; a primary key here takes {MAX_ID}", id.len())
    } else {
        return Ok(());
    };
    Err(Error::unsupported("id/unfit", format!("the id {fault}")).hint("--id makes other ids"))
}

/// pgvector takes no other numbers (`CheckElement` in `vector.c`).
fn check_finite(values: &[f32]) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => {
            let message = format!("the vector's value {at} is {}, no finite number", values[at]);
            Err(Error::unsupported("vector/not-finite", message).hint("--embed makes vectors anew"))
        }
        None => Ok(()),
    }
}

/// Row `row` of a sparse column, where it has values.
fn entries(sparse: &Sparse, row: usize) -> Option<(&[u32], &[f32])> {
    let span = *sparse.offsets.get(row)? as usize..*sparse.offsets.get(row + 1)? as usize;
    Some((sparse.indices.get(span.clone())?, sparse.values.get(span)?)).filter(|(indices, _)| !indices.is_empty())
}

#[cfg(test)]
#[path = "fit_tests.rs"]
mod tests;
