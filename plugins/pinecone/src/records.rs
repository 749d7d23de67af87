/*! A batch as Pinecone's records, and what becomes of each row: for the write and for the dry run. */

use std::collections::HashMap;

use vecferry_sdk::{Alteration, Batch, Error, Receipt, Rejection, Result, Sparse};

use crate::request::{Record, Records};
use crate::settings::{IndexMetric, VectorType};
use vecferry_pinecone_format::fit::Layout;
use vecferry_pinecone_format::ids;

/// Non-zero values of one sparse vector (`SparseValues` in Pinecone's OpenAPI file).
const MAX_SPARSE: usize = 1_000;

/// What an index takes, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Takes {
    pub(crate) vector_type: VectorType,
    pub(crate) dimension: Option<u32>,
    pub(crate) metric: Option<IndexMetric>,
    /// Sparse vectors beside dense ones are left out.
    pub(crate) drop_sparse: bool,
}

/// The records of a batch, and a receipt that says what was refused or changed already. Of two rows with one id the
/// last is taken.
///
/// # Errors
/// `config` (`pinecone/hybrid-metric`) where the index cannot search what the batch holds.
pub(crate) fn records(layout: &Layout, takes: Takes, batch: &Batch) -> Result<(Records, Receipt)> {
    batch.check()?;
    takes.check_hybrid(batch)?;
    let mut records = Records::default();
    let mut receipt = Receipt::default();
    let mut last: HashMap<&str, u32> = HashMap::with_capacity(batch.len());
    for (index, id) in batch.ids.iter().enumerate() {
        let row = u32::try_from(index).unwrap_or(u32::MAX);
        let mut altered = Vec::new();
        let taken = takes.vectors(batch, index, &mut altered).and_then(|(values, sparse)| {
            let mut fitted = layout.fit(id, batch.document(index), batch.metadata(index))?;
            altered.append(&mut fitted.altered);
            records.push(row, &ids::encode(id), &Record { values, sparse, metadata: &fitted.metadata })
        });
        match taken {
            Ok(()) => {
                receipt.accepted += 1;
                last.insert(id, row);
                let told = altered.into_iter().map(|(field, code)| Alteration { row, field, code: code.to_owned() });
                receipt.altered.extend(told);
            }
            Err(reason) => receipt.rejected.push(Rejection { row, reason: reason.at("id", id) }),
        }
    }
    if last.len() < records.len() {
        records.retain(|row| batch.ids.get(row as usize).and_then(|id| last.get(id.as_str())) == Some(&row));
    }
    Ok((records, receipt))
}

/// A row's dense and sparse vector, where it has them.
type Vectors<'b> = (Option<&'b [f32]>, Option<(&'b [u32], &'b [f32])>);

impl Takes {
    /// With another metric than `dotproduct` an index takes sparse values beside dense ones, and then fails every
    /// query.
    fn check_hybrid(&self, batch: &Batch) -> Result<()> {
        let has_sparse = || batch.sparse.iter().any(|sparse| !sparse.indices.is_empty());
        match self.metric {
            Some(metric)
                if self.vector_type == VectorType::Dense
                    && metric != IndexMetric::Dotproduct
                    && !self.drop_sparse
                    && has_sparse() =>
            {
                let message = format!(
                    "the records have sparse vectors, and the index has the metric {}; searching both needs dotproduct",
                    metric.as_str()
                );
                Err(Error::config("pinecone/hybrid-metric", message).hint(
                    "write into a new index with --set sink.metric=dotproduct, or leave the sparse vectors out with \
                     --set sink.sparse=drop",
                ))
            }
            _ => Ok(()),
        }
    }

    fn vectors<'b>(
        &self,
        batch: &'b Batch,
        row: usize,
        altered: &mut Vec<(String, &'static str)>,
    ) -> Result<Vectors<'b>> {
        let dense = batch.vectors().and_then(|dense| dense.row(row)).filter(|values| !values.is_empty());
        let sparse = batch.sparse.first().and_then(|sparse| entries(sparse, row));
        let mut note = |field: &str, code| altered.push((field.to_owned(), code));
        if batch.dense.iter().skip(1).any(|dense| dense.row(row).is_some()) {
            note("vector", "vector/further-column-left-out");
        }
        if batch.sparse.iter().skip(1).any(|sparse| entries(sparse, row).is_some()) {
            note("sparse", "sparse/further-column-left-out");
        }
        if self.vector_type == VectorType::Sparse {
            if dense.is_some() {
                note("vector", "vector/left-out");
            }
            let Some(sparse) = sparse else { return Err(missing("the index takes sparse vectors")) };
            check_sparse(sparse)?;
            return Ok((None, Some(sparse)));
        }
        let Some(values) = dense else { return Err(missing("the index takes dense vectors")) };
        if let Some(dimension) = self.dimension.filter(|&dimension| dimension as usize != values.len()) {
            let message = format!("a vector of {} values for an index of dimension {dimension}", values.len());
            return Err(Error::corrupt("pinecone/dimension", message));
        }
        check_finite(values)?;
        if values.iter().all(|value| *value == 0.0) {
            return Err(Error::unsupported("pinecone/zero-vector", "all values of the vector are zero")
                .hint("Pinecone needs one that is not; --embed makes vectors anew"));
        }
        match sparse {
            Some(_) if self.drop_sparse => {
                note("sparse", "sparse/left-out");
                Ok((Some(values), None))
            }
            Some(sparse) => check_sparse(sparse).map(|()| (Some(values), Some(sparse))),
            None => Ok((Some(values), None)),
        }
    }
}

fn missing(index: &str) -> Error {
    Error::unsupported("pinecone/no-vector", format!("the record has no such vector; {index}"))
        .hint("--embed makes vectors of documents")
}

fn check_sparse((indices, values): (&[u32], &[f32])) -> Result<()> {
    if indices.len() > MAX_SPARSE {
        let message = format!("the sparse vector has {} values, Pinecone takes {MAX_SPARSE}", indices.len());
        return Err(Error::unsupported("pinecone/sparse-too-long", message));
    }
    check_finite(values)
}

/// JSON has no other numbers.
fn check_finite(values: &[f32]) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => {
            let message = format!("the vector's value {at} is no finite number");
            Err(Error::unsupported("pinecone/non-finite", message).hint("--embed makes vectors anew"))
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
#[path = "records_tests.rs"]
mod tests;
