//! Parquet files in memory, the same bytes for the same frame.

use std::sync::Arc;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use ::parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::file::metadata::{KeyValue, RowGroupMetaData};
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::file::statistics::Statistics;
use ::parquet::schema::types::ColumnPath;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use med_schema::{Schema, Table};
use object_store::path::Path;

use crate::filter::{Comparison, Filter, Value};
use crate::{Cause, Result, StoreError, arrow};

/// Where a file keeps the schema of its table.
const SCHEMA: &str = "med.schema";
/// Rows of a row group: large enough to compress and to read at a stride, small enough to leave one out.
const ROW_GROUP: usize = 1 << 18;

fn failed(what: &str) -> impl Fn(Cause) -> StoreError {
    let what = what.to_owned();
    move |source| StoreError::Encode { what: what.clone(), source }
}

/// One file of this batch: zstd, statistics and an index for each page, Bloom filters on the `keys`. The file holds no Arrow
/// schema, so that readers see plain Parquet types.
pub(crate) fn write(batch: &RecordBatch, schema: Option<&Schema>, keys: &[String]) -> Result<Bytes> {
    let failed = failed("Parquet file");
    let metadata = match schema {
        Some(schema) => {
            let json = serde_json::to_string(schema).map_err(|e| failed(e.into()))?;
            Some(vec![KeyValue::new(SCHEMA.to_owned(), json)])
        }
        None => None,
    };
    let level = ZstdLevel::try_new(3).map_err(|e| failed(e.into()))?;
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_key_value_metadata(metadata)
        .set_created_by(concat!("med-store ", env!("CARGO_PKG_VERSION")).to_owned());
    let distinct = batch.num_rows().clamp(1, ROW_GROUP) as u64;
    for key in keys.iter().filter(|key| batch.schema().column_with_name(key).is_some()) {
        let path = ColumnPath::from(key.as_str());
        properties = properties
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_fpp(path.clone(), 0.01)
            .set_column_bloom_filter_max_ndv(path, distinct);
    }
    let options = ArrowWriterOptions::new().with_properties(properties.build()).with_skip_arrow_metadata(true);
    let mut bytes = Vec::new();
    let mut writer =
        ArrowWriter::try_new_with_options(&mut bytes, batch.schema(), options).map_err(|e| failed(e.into()))?;
    writer.write(batch).map_err(|e| failed(e.into()))?;
    writer.close().map_err(|e| failed(e.into()))?;
    Ok(bytes.into())
}

/// The rows of a file that may pass the filter, of the named columns that it has; other row groups are left out by their
/// statistics and Bloom filters. Also how many row groups were read.
pub(crate) fn read(
    object: &Path,
    bytes: Bytes,
    columns: &[&str],
    filter: Option<&Filter>,
) -> Result<(SchemaRef, Vec<RecordBatch>, usize)> {
    let failed = |source: Cause| StoreError::Malformed { object: object.to_string(), source };
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder =
        ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options).map_err(|e| failed(e.into()))?;
    let groups: Vec<usize> = (0..builder.metadata().num_row_groups())
        .filter(|&group| filter.is_none_or(|filter| may_pass(&builder, group, filter)))
        .collect();
    let read = groups.len();
    let present: Vec<usize> = columns.iter().filter_map(|name| builder.schema().index_of(name).ok()).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), present.iter().copied());
    let mut sorted = present;
    sorted.sort_unstable();
    let schema = Arc::new(builder.schema().project(&sorted).map_err(|e| failed(e.into()))?);
    let reader = builder
        .with_projection(mask)
        .with_row_groups(groups)
        .with_batch_size(65_536)
        .build()
        .map_err(|e| failed(e.into()))?;
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|e| failed(e.into()))?;
    Ok((schema, batches, read))
}

/// Whether a row of this row group may pass. What is not known may.
fn may_pass(file: &ParquetRecordBatchReaderBuilder<Bytes>, group: usize, filter: &Filter) -> bool {
    let metadata = file.metadata().row_group(group);
    match filter {
        Filter::All(filters) => filters.iter().all(|f| may_pass(file, group, f)),
        Filter::Any(filters) => filters.iter().any(|f| may_pass(file, group, f)),
        Filter::Compare { column, comparison, value } => {
            let Some(at) = column_index(metadata, column) else { return true };
            within(metadata, at, *comparison, value)
                && (*comparison != Comparison::Equal || in_bloom(file, group, at, std::slice::from_ref(value)))
        }
        Filter::OneOf { column, values } => {
            let Some(at) = column_index(metadata, column) else { return true };
            let possible: Vec<Value> =
                values.iter().filter(|v| within(metadata, at, Comparison::Equal, v)).cloned().collect();
            !possible.is_empty() && in_bloom(file, group, at, &possible)
        }
    }
}

fn column_index(group: &RowGroupMetaData, column: &str) -> Option<usize> {
    group.columns().iter().position(|c| c.column_path().parts() == [column])
}

fn within(group: &RowGroupMetaData, column: usize, comparison: Comparison, value: &Value) -> bool {
    let possible = match (group.column(column).statistics(), value) {
        (Some(Statistics::Int32(s)), value) => match (s.min_opt(), s.max_opt(), value.number()) {
            (Some(&min), Some(&max), Some(right)) => {
                Some(comparison.possible(&i64::from(min), &i64::from(max), &right))
            }
            _ => None,
        },
        (Some(Statistics::Int64(s)), value) => match (s.min_opt(), s.max_opt(), value.number()) {
            (Some(min), Some(max), Some(right)) => Some(comparison.possible(min, max, &right)),
            _ => None,
        },
        (Some(Statistics::Double(s)), Value::Float(right)) => {
            s.min_opt().zip(s.max_opt()).map(|(min, max)| comparison.possible(min, max, right))
        }
        (Some(Statistics::ByteArray(s)), Value::Text(right)) => {
            s.min_opt().zip(s.max_opt()).map(|(min, max)| comparison.possible(min.data(), max.data(), right.as_bytes()))
        }
        _ => None,
    };
    possible.unwrap_or(true)
}

fn in_bloom(file: &ParquetRecordBatchReaderBuilder<Bytes>, group: usize, column: usize, values: &[Value]) -> bool {
    let Ok(Some(filter)) = file.get_row_group_column_bloom_filter(group, column) else { return true };
    values.iter().any(|value| match value {
        Value::Text(text) => filter.check(text.as_str()),
        Value::Integer(_) | Value::Timestamp(_) => value.number().is_none_or(|n| filter.check(&n)),
        Value::Date(_) => value.number().and_then(|n| i32::try_from(n).ok()).is_none_or(|n| filter.check(&n)),
        Value::Boolean(_) | Value::Float(_) => true,
    })
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
    write(&arrow::to_batch(table.frame())?, Some(table.schema()), &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{Column, DataFrame};

    #[test]
    fn row_groups_that_cannot_match_are_not_read() {
        let rows = 2 * ROW_GROUP as i64 + 10;
        // Even ids in order; the noise has the same range in each row group.
        let ids: Vec<i64> = (0..rows).map(|n| 2 * n).collect();
        let names: Vec<String> = (0..rows).map(|n| format!("c{}", (n * 7919) % rows)).collect();
        let columns = vec![Column::new("id".into(), ids), Column::new("name".into(), names)];
        let frame = DataFrame::new(rows as usize, columns).unwrap();
        let keys = ["id".to_owned(), "name".to_owned()];
        let bytes = write(&arrow::to_batch(&frame).unwrap(), None, &keys).unwrap();
        let groups = |filter: Filter| {
            let (schema, batches, groups) = read(&Path::from("x"), bytes.clone(), &["id"], Some(&filter)).unwrap();
            assert_eq!(schema.fields().len(), 1);
            (groups, batches.iter().map(RecordBatch::num_rows).sum::<usize>())
        };
        assert_eq!(groups(Filter::all([])), (3, rows as usize));
        assert_eq!(groups(Filter::equal("id", 4)), (1, ROW_GROUP));
        assert_eq!(groups(Filter::compare("id", Comparison::GreaterOrEqual, 4 * ROW_GROUP as i64)), (1, 10));
        assert_eq!(groups(Filter::equal("name", "c")), (0, 0), "below the smallest");
        // Within the bounds of the statistics, and excluded by the Bloom filters alone.
        assert_eq!(groups(Filter::equal("name", "c55555x")).0, 0);
        assert_eq!(groups(Filter::equal("name", "c55555")).0, 1);
    }
}
