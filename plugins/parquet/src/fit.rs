/*! What a batch becomes in a layout: the rows that are written, those that are refused, and what was made to fit. */

use std::collections::HashMap;

use vecferry_pinecone_format::fit::{Fitted as Metadata, Layout};
use vecferry_pinecone_format::ids;
use vecferry_sdk::{Alteration, Batch, Dense, Error, Receipt, Rejection, Result, metadata_object};

use crate::columns::{Columns, check_dimension};
use crate::settings::Form;

/// A batch that was made to fit.
pub(crate) struct Fitted {
    /// Ids of the rows that are written, as the records have them.
    pub(crate) ids: Vec<String>,
    /// These rows, as they are stored.
    pub(crate) rows: Batch,
    pub(crate) receipt: Receipt,
}

/// Makes a batch fit. Of rows with one id the last is written. `columns` grows with what the batch brings.
pub(crate) fn fit(batch: &Batch, form: Form, layout: &Layout, dimension: Option<u32>, columns: &mut Columns) -> Fitted {
    let mut receipt = Receipt::default();
    let mut metadata = Vec::with_capacity(batch.len());
    let mut last = HashMap::new();
    let known: Vec<bool> = batch.dense.iter().map(|dense| is_known(dense, form, columns)).collect();
    for (row, id) in batch.ids.iter().enumerate() {
        let fitted = match form {
            Form::General => general(batch, row, dimension, &known),
            Form::Pinecone => pinecone(batch, row, id, layout, dimension),
        };
        let number = u32::try_from(row).unwrap_or(u32::MAX);
        match fitted {
            Ok(fitted) => {
                receipt.accepted += 1;
                let altered = fitted.altered.into_iter();
                receipt.altered.extend(altered.map(|(field, code)| Alteration {
                    row: number,
                    field,
                    code: code.to_owned(),
                }));
                metadata.push(fitted.metadata);
                last.insert(id, row);
            }
            Err(reason) => {
                receipt.rejected.push(Rejection { row: number, reason: reason.at("id", id) });
                metadata.push(String::new());
            }
        }
    }
    let keep: Vec<usize> =
        (0..batch.len()).filter(|row| batch.ids.get(*row).and_then(|id| last.get(id)) == Some(row)).collect();
    let mut rows = batch.select(&keep);
    rows.metadata = Some(keep.iter().filter_map(|row| metadata.get_mut(*row).map(std::mem::take)).collect());
    let ids = match form {
        Form::General => rows.ids.clone(),
        Form::Pinecone => {
            let stored = rows.ids.iter().map(|id| ids::encode(id).into_owned()).collect();
            rows.documents = None;
            rows.sparse = Vec::new();
            rows.dense.truncate(1);
            std::mem::replace(&mut rows.ids, stored)
        }
    };
    if !rows.is_empty() {
        for dense in rows.dense.iter().filter(|dense| dense.dimension > 0) {
            columns.add_vector(if form == Form::General { &dense.name } else { "" }, dense.dimension);
        }
        for sparse in rows.sparse.iter().filter(|sparse| !sparse.indices.is_empty()) {
            columns.add_sparse(&sparse.name);
        }
    }
    Fitted { ids, rows, receipt }
}

/// Whether a further column's dimension is that of the files; one that is new always is.
fn is_known(dense: &Dense, form: Form, columns: &Columns) -> bool {
    form == Form::Pinecone
        || columns.vectors.iter().all(|column| column.name != dense.name || column.dimension == dense.dimension)
}

fn general(batch: &Batch, row: usize, dimension: Option<u32>, known: &[bool]) -> Result<Metadata> {
    if let Some(vector) = batch.vectors() {
        check_dimension(vector, row, dimension)?;
    }
    for (dense, known) in batch.dense.iter().zip(known) {
        if !known && dense.row(row).is_some() {
            let message = format!("the vector '{}' has another dimension than those before it", dense.name);
            return Err(Error::corrupt("vector/dimension", message));
        }
    }
    let metadata = metadata_object(batch.metadata(row))?.to_owned();
    Ok(Metadata { metadata, altered: Vec::new() })
}

fn pinecone(batch: &Batch, row: usize, id: &str, layout: &Layout, dimension: Option<u32>) -> Result<Metadata> {
    let vector = batch.vectors().and_then(|dense| dense.row(row).map(|values| (dense, values)));
    let Some((dense, values)) = vector else {
        return Err(Error::unsupported(
            "pinecone/no-vector",
            "the record has no vector, which Pinecone's import needs",
        )
        .hint("--embed makes vectors from documents"));
    };
    check_dimension(dense, row, dimension)?;
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        return Err(Error::unsupported("pinecone/non-finite", format!("the vector's value {at} is no finite number"))
            .hint("--embed makes vectors anew"));
    }
    let mut fitted = layout.fit(id, batch.document(row), batch.metadata(row))?;
    if batch.dense.iter().skip(1).any(|dense| dense.row(row).is_some()) {
        fitted.altered.push(("vector".to_owned(), "vector/further-column-left-out"));
    }
    if batch.sparse.iter().any(|sparse| sparse.offsets.get(row) != sparse.offsets.get(row + 1)) {
        fitted.altered.push(("sparse".to_owned(), "vector/sparse-left-out"));
    }
    Ok(fitted)
}
