//! Parquet files in memory, the same bytes for the same frame.

use std::sync::Arc;

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use ::parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use arrow_array::RecordBatch;
use bytes::Bytes;
use med_schema::{Schema, Table};
use object_store::path::Path;

use crate::{Cause, Result, StoreError, arrow};

/// Where a file keeps the schema of its table.
const SCHEMA: &str = "med.schema";

fn failed(what: &str) -> impl Fn(Cause) -> StoreError {
    let what = what.to_owned();
    move |source| StoreError::Encode { what: what.clone(), source }
}

/// One file of this batch: zstd, statistics for each page. The file holds no Arrow schema, so that readers see plain
/// Parquet types.
pub(crate) fn write(batch: &RecordBatch, schema: Option<&Schema>) -> Result<Bytes> {
    let failed = failed("Parquet file");
    let metadata = match schema {
        Some(schema) => {
            let json = serde_json::to_string(schema).map_err(|e| failed(e.into()))?;
            Some(vec![KeyValue::new(SCHEMA.to_owned(), json)])
        }
        None => None,
    };
    let level = ZstdLevel::try_new(3).map_err(|e| failed(e.into()))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_key_value_metadata(metadata)
        .set_created_by(concat!("med-store ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut bytes = Vec::new();
    let mut writer =
        ArrowWriter::try_new_with_options(&mut bytes, batch.schema(), options).map_err(|e| failed(e.into()))?;
    writer.write(batch).map_err(|e| failed(e.into()))?;
    writer.close().map_err(|e| failed(e.into()))?;
    Ok(bytes.into())
}

/// The table of a file that was written with its schema.
pub(crate) fn read_table(object: &Path, bytes: Bytes) -> Result<Table> {
    let failed = |source: Cause| StoreError::Malformed { object: object.to_string(), source };
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(|e| failed(e.into()))?;
    let metadata = builder.metadata().file_metadata().key_value_metadata();
    let json = metadata.and_then(|all| all.iter().find(|kv| kv.key == SCHEMA)?.value.as_deref());
    let Some(json) = json else { return Err(failed("the file holds no table schema".into())) };
    let schema: Schema = serde_json::from_str(json).map_err(|e| failed(e.into()))?;
    let arrow_schema = Arc::clone(builder.schema());
    let reader = builder.build().map_err(|e| failed(e.into()))?;
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|e| failed(e.into()))?;
    let frame = arrow::to_frame(&arrow_schema, &batches)?;
    Table::parse(frame, schema).map_err(|e| StoreError::Table { table: object.to_string(), source: Box::new(e) })
}

/// One file of this table, with its schema.
pub(crate) fn write_table(table: &Table) -> Result<Bytes> {
    write(&arrow::to_batch(table.frame())?, Some(table.schema()))
}
