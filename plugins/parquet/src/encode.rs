/*! Batches as Arrow's record batches, in the columns of a layout. */

use std::sync::Arc;

use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, ListArray, RecordBatch, StringArray, UInt32Array};
use arrow_buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, Schema};
use vecferry_sdk::{Batch, Dense, Error, Result, Sparse};

use crate::columns::{Columns, VectorColumn};
use crate::settings::Form;

/// Rows that were looked through: every vector has its column's dimension, metadata is valid. What `columns` does not
/// name is left out.
///
/// # Errors
/// `unsupported` for a batch of more than 2 GiB in one column.
pub(crate) fn record_batch(batch: Batch, columns: &Columns, form: Form, schema: &Arc<Schema>) -> Result<RecordBatch> {
    let rows = batch.len();
    let metadata: Vec<String> = (0..rows).map(|row| batch.metadata(row).to_owned()).collect();
    let Batch { ids, dense, sparse, documents, .. } = batch;
    check_size(ids.iter())?;
    check_size(metadata.iter())?;
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(StringArray::from(ids))];
    if form == Form::Pinecone {
        arrays.push(list(dense.into_iter().next().unwrap_or_default(), rows)?);
        arrays.push(Arc::new(StringArray::from(metadata)));
    } else {
        let documents = documents.unwrap_or_else(|| vec![None; rows]);
        check_size(documents.iter().flatten())?;
        arrays.push(Arc::new(StringArray::from(documents)));
        arrays.push(Arc::new(StringArray::from(metadata)));
        let mut dense = dense;
        for column in &columns.vectors {
            let found = dense.iter().position(|dense| dense.name == column.name);
            arrays.push(fixed(found.map(|at| dense.swap_remove(at)), column, rows)?);
        }
        for name in &columns.sparse {
            arrays.extend(sparse_lists(sparse.iter().find(|sparse| &sparse.name == name), rows)?);
        }
    }
    RecordBatch::try_new(Arc::clone(schema), arrays).map_err(|error| fault(&error))
}

/// Arrow's string columns hold 2 GiB.
fn check_size<'t>(texts: impl Iterator<Item = &'t String>) -> Result<()> {
    let bytes: u64 = texts.map(|text| text.len() as u64).sum();
    if bytes > i32::MAX.unsigned_abs().into() {
        return Err(Error::unsupported("parquet/batch-size", format!("a batch with texts of {bytes} bytes")));
    }
    Ok(())
}

fn fixed(dense: Option<Dense>, column: &VectorColumn, rows: usize) -> Result<ArrayRef> {
    let width = column.dimension as usize;
    // A column of another dimension was refused row by row, so that all of its rows are absent.
    let dense = dense.filter(|dense| dense.dimension == column.dimension);
    let (values, present) = match dense {
        Some(dense) => {
            let present = presence(&dense, rows);
            (dense.values, present)
        }
        None => (vec![0.0; rows.saturating_mul(width)], Some(NullBuffer::new_null(rows))),
    };
    let item = Arc::new(Field::new("element", DataType::Float32, false));
    let width = i32::try_from(column.dimension).unwrap_or(i32::MAX);
    let array = FixedSizeListArray::try_new(item, width, Arc::new(Float32Array::from(values)), present);
    Ok(Arc::new(array.map_err(|error| fault(&error))?))
}

fn list(dense: Dense, rows: usize) -> Result<ArrayRef> {
    let item = Arc::new(Field::new("element", DataType::Float32, true));
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(dense.dimension as usize, rows));
    let present = presence(&dense, rows);
    let array = ListArray::try_new(item, offsets, Arc::new(Float32Array::from(dense.values)), present);
    Ok(Arc::new(array.map_err(|error| fault(&error))?))
}

fn presence(dense: &Dense, rows: usize) -> Option<NullBuffer> {
    (!dense.absent.is_empty()).then(|| NullBuffer::from_iter((0..rows).map(|row| dense.row(row).is_some())))
}

fn sparse_lists(sparse: Option<&Sparse>, rows: usize) -> Result<[ArrayRef; 2]> {
    let none = Sparse { offsets: vec![0; rows + 1], ..Sparse::default() };
    let sparse = sparse.unwrap_or(&none);
    let offsets: ScalarBuffer<i32> =
        sparse.offsets.iter().map(|offset| i32::try_from(*offset).unwrap_or(i32::MAX)).collect();
    let offsets = OffsetBuffer::new(offsets);
    let present = NullBuffer::from_iter(sparse.offsets.windows(2).map(|pair| pair[0] != pair[1]));
    let item = |kind| Arc::new(Field::new("element", kind, false));
    let lists = |item, values: ArrayRef| {
        let array = ListArray::try_new(item, offsets.clone(), values, Some(present.clone()));
        Ok::<ArrayRef, Error>(Arc::new(array.map_err(|error| fault(&error))?))
    };
    Ok([
        lists(item(DataType::UInt32), Arc::new(UInt32Array::from(sparse.indices.clone())))?,
        lists(item(DataType::Float32), Arc::new(Float32Array::from(sparse.values.clone())))?,
    ])
}

fn fault(error: &ArrowError) -> Error {
    Error::internal("parquet/encode", format!("a batch cannot be laid out in columns: {error}"))
}
