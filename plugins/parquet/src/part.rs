/*!
A part being written: batches go through Apache's writer into one file of the destination, which stands under its name
once the part is whole.

A row group ends after some thousand rows or some megabytes, and its bytes go out at once: a writer holds one row group,
never a file.
*/

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use vecferry_sdk::{Batch, Error, Host, Output, Result};

use crate::columns::Columns;
use crate::encode::record_batch;
use crate::settings::Form;

/// Rows of a row group.
const GROUP_ROWS: usize = 4096;
/// Bytes of a row group.
const GROUP_BYTES: usize = 16 << 20;

/// A part that is not whole yet.
pub(crate) struct OpenPart {
    pub(crate) number: u32,
    pub(crate) columns: Columns,
    /// Rows so far.
    pub(crate) rows: u32,
    form: Form,
    schema: Arc<Schema>,
    /// `None` once the footer was made.
    writer: Option<ArrowWriter<Vec<u8>>>,
    output: Box<dyn Output>,
    /// Bytes that the output took.
    sent: u64,
    /// Bytes that are to follow them.
    waiting: Vec<u8>,
}

impl OpenPart {
    /// Begins a part under its file's name.
    pub(crate) fn create(
        host: &Host,
        name: &str,
        number: u32,
        columns: &Columns,
        form: Form,
        notes: &HashMap<&'static str, String>,
    ) -> Result<OpenPart> {
        let schema = Arc::new(columns.schema(form));
        let mut sorted: Vec<_> = notes.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        sorted.sort_unstable();
        let notes = sorted.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect();
        let mut properties = WriterProperties::builder()
            .set_created_by(concat!("vecferry ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_key_value_metadata(Some(notes))
            .set_compression(Compression::SNAPPY)
            // Ids and texts are all different.
            .set_dictionary_enabled(false)
            // The smallest and the largest document help nobody.
            .set_statistics_enabled(EnabledStatistics::None)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_max_row_group_bytes(Some(GROUP_BYTES));
        for path in float_columns(&schema) {
            // Floats do not compress, and stored as they are they can be passed over without being read.
            properties = properties.set_column_compression(path, Compression::UNCOMPRESSED);
        }
        let writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties.build()));
        Ok(OpenPart {
            number,
            columns: columns.clone(),
            rows: 0,
            form,
            schema,
            writer: Some(writer.map_err(|error| fault(&error))?),
            output: host.create_output(name)?,
            sent: 0,
            waiting: Vec::new(),
        })
    }

    /// Bytes so far, about.
    pub(crate) fn bytes(&self) -> u64 {
        let writing = self.writer.as_ref().map_or(0, |writer| writer.bytes_written() + writer.in_progress_size());
        (writing as u64).max(self.sent + self.waiting.len() as u64)
    }

    /// Rows in the part's columns. Nothing is written.
    ///
    /// # Errors
    /// As [`record_batch`].
    pub(crate) fn encode(&self, batch: Batch) -> Result<RecordBatch> {
        record_batch(batch, &self.columns, self.form, &self.schema)
    }

    /// Adds rows. After an error they count as added.
    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.rows = self.rows.saturating_add(u32::try_from(rows.num_rows()).unwrap_or(u32::MAX));
        let Some(writer) = &mut self.writer else {
            return Err(Error::internal("parquet/part", "this part is whole already"));
        };
        writer.write(rows).map_err(|error| fault(&error))?;
        self.waiting.append(writer.inner_mut());
        self.send()
    }

    /// Writes the footer and puts the file under its name. May be called again after an error.
    pub(crate) fn finish(&mut self) -> Result<()> {
        if let Some(mut writer) = self.writer.take() {
            writer.finish().map_err(|error| fault(&error))?;
            self.waiting.append(writer.inner_mut());
        }
        self.send()?;
        self.output.commit()
    }

    /// Sends what waits. What a write that failed has left behind is taken back first.
    fn send(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        if self.output.size() != self.sent {
            self.output.truncate(self.sent)?;
        }
        self.output.write(&self.waiting)?;
        self.sent += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }
}

/// The columns of floats, as Parquet calls them.
fn float_columns(schema: &Schema) -> impl Iterator<Item = ColumnPath> + '_ {
    use arrow_schema::DataType::{FixedSizeList, Float32, List};
    schema.fields().iter().filter_map(|field| match field.data_type() {
        FixedSizeList(item, _) | List(item) if item.data_type() == &Float32 => {
            Some(ColumnPath::new(vec![field.name().clone(), "list".to_owned(), "element".to_owned()]))
        }
        _ => None,
    })
}

fn fault(error: &ParquetError) -> Error {
    Error::internal("parquet/write", format!("a part cannot be written: {error}"))
}
