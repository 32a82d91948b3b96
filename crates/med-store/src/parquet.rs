//! Parquet files in memory, the same bytes for the same frame.

use std::sync::Arc;

use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use ::parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use ::parquet::basic::{Compression, Type as PhysicalType, ZstdLevel};
use ::parquet::bloom_filter::Sbbf;
use ::parquet::file::metadata::{KeyValue, RowGroupMetaData};
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::file::statistics::Statistics;
use ::parquet::schema::types::ColumnPath;
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use med_schema::{Schema, Table};
use object_store::path::Path;

use crate::encryption::{self, ColumnKeys};
use crate::filter::{Comparison, Filter, Value};
use crate::row_key::KeyValues;
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
pub(crate) fn write(
    batch: &RecordBatch,
    schema: Option<&Schema>,
    keys: &[String],
    secrets: &ColumnKeys,
) -> Result<Bytes> {
    let failed = failed("Parquet file");
    let mut metadata = Vec::new();
    if let Some(schema) = schema {
        let json = serde_json::to_string(schema).map_err(|e| failed(e.into()))?;
        metadata.push(KeyValue::new(SCHEMA.to_owned(), json));
    }
    let encrypted = secrets.among(batch.schema_ref().fields().iter().map(|field| field.name().as_str()));
    if !encrypted.is_empty() {
        metadata.push(KeyValue::new(encryption::ENCRYPTED.to_owned(), encryption::listed(&encrypted)));
    }
    let level = ZstdLevel::try_new(3).map_err(|e| failed(e.into()))?;
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_key_value_metadata((!metadata.is_empty()).then_some(metadata))
        .set_created_by(concat!("med-store ", env!("CARGO_PKG_VERSION")).to_owned());
    let distinct = batch.num_rows().clamp(1, ROW_GROUP) as u64;
    for key in keys.iter().filter(|key| batch.schema().column_with_name(key).is_some()) {
        let path = ColumnPath::from(key.as_str());
        properties = properties
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_fpp(path.clone(), 0.01)
            .set_column_bloom_filter_max_ndv(path, distinct);
    }
    let properties = encryption::seal(properties, secrets, &encrypted).map_err(&failed)?;
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
    secrets: &ColumnKeys,
) -> Result<(SchemaRef, Vec<RecordBatch>, usize)> {
    let failed = |source: Cause| StoreError::Malformed { object: object.to_string(), source };
    let builder = open(object, bytes, ArrowReaderOptions::new().with_skip_arrow_metadata(true), secrets)?;
    check_keys(object, &builder, |name| columns.contains(&name), secrets)?;
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

fn open(
    object: &Path,
    bytes: Bytes,
    options: ArrowReaderOptions,
    secrets: &ColumnKeys,
) -> Result<ParquetRecordBatchReaderBuilder<Bytes>> {
    let failed = |source: Cause| StoreError::Malformed { object: object.to_string(), source };
    let options = encryption::open(options, secrets).map_err(failed)?;
    ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options).map_err(|e| failed(e.into()))
}

/// Refuses to decode an encrypted column, among those that are wanted, for which there is no key.
fn check_keys(
    object: &Path,
    file: &ParquetRecordBatchReaderBuilder<Bytes>,
    wanted: impl Fn(&str) -> bool,
    secrets: &ColumnKeys,
) -> Result<()> {
    let encrypted = encryption::named(file.metadata().file_metadata().key_value_metadata())
        .map_err(|source| StoreError::Malformed { object: object.to_string(), source })?;
    match encrypted.into_iter().find(|name| wanted(name) && !secrets.has(name)) {
        Some(column) => Err(StoreError::NoKey { object: object.to_string(), column }),
        None => Ok(()),
    }
}

/// Whether a row group may hold one of these rows, by the Bloom filters on their columns. Columns without one, or not in the
/// file, tell nothing.
pub(crate) fn may_hold(object: &Path, bytes: Bytes, rows: &KeyValues, secrets: &ColumnKeys) -> Result<bool> {
    let file = open(object, bytes, ArrowReaderOptions::new().with_skip_arrow_metadata(true), secrets)?;
    Ok((0..file.metadata().num_row_groups()).any(|group| {
        let metadata = file.metadata().row_group(group);
        let filters: Vec<_> = rows
            .columns()
            .iter()
            .filter_map(|(name, values)| {
                let at = column_index(metadata, name)?;
                let filter = file.get_row_group_column_bloom_filter(group, at).ok()??;
                Some((filter, metadata.column(at).column_type(), values))
            })
            .collect();
        filters.is_empty()
            || (0..rows.len()).any(|row| {
                filters
                    .iter()
                    .all(|(filter, kind, values)| values[row].as_ref().is_none_or(|value| may_be(filter, *kind, value)))
            })
    }))
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
    let physical = file.metadata().row_group(group).column(column).column_type();
    values.iter().any(|value| may_be(&filter, physical, value))
}

/// Whether a value may be in a column. Its filter holds hashes of bytes, and a number has others in a narrower type.
fn may_be(filter: &Sbbf, physical: PhysicalType, value: &Value) -> bool {
    match (value, physical) {
        (Value::Text(text), PhysicalType::BYTE_ARRAY) => filter.check(text.as_str()),
        (Value::Integer(_) | Value::Timestamp(_), PhysicalType::INT64) => {
            value.number().is_none_or(|n| filter.check(&n))
        }
        (Value::Date(_), PhysicalType::INT32) => {
            value.number().and_then(|n| i32::try_from(n).ok()).is_none_or(|n| filter.check(&n))
        }
        _ => true,
    }
}

/// All rows of any Parquet file.
pub(crate) fn read_any(object: &Path, bytes: Bytes, secrets: &ColumnKeys) -> Result<Vec<RecordBatch>> {
    let failed = |source: Cause| StoreError::Malformed { object: object.to_string(), source };
    let builder = open(object, bytes, ArrowReaderOptions::new(), secrets)?;
    check_keys(object, &builder, |_| true, secrets)?;
    let reader = builder.build().map_err(|e| failed(e.into()))?;
    reader.collect::<Result<Vec<_>, _>>().map_err(|e| failed(e.into()))
}

/// The table of a file that was written with its schema.
pub(crate) fn read_table(object: &Path, bytes: Bytes, secrets: &ColumnKeys) -> Result<Table> {
    let failed = |source: Cause| StoreError::Malformed { object: object.to_string(), source };
    let builder = open(object, bytes, ArrowReaderOptions::new(), secrets)?;
    check_keys(object, &builder, |_| true, secrets)?;
    let metadata = builder.metadata().file_metadata().key_value_metadata();
    let json = metadata.and_then(|all| all.iter().find(|kv| kv.key == SCHEMA)?.value.as_deref());
    let Some(json) = json else { return Err(failed("the file holds no table schema".into())) };
    let schema: Schema = serde_json::from_str(json).map_err(|e| failed(e.into()))?;
    let arrow_schema = Arc::clone(builder.schema());
    let reader = builder.build().map_err(|e| failed(e.into()))?;
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|e| failed(e.into()))?;
    let frame = arrow::to_frame(&arrow_schema, batches)?;
    Table::parse(frame, schema).map_err(|e| StoreError::Table { table: object.to_string(), source: Box::new(e) })
}

/// One file of this table, with its schema; columns that have a key are encrypted.
pub(crate) fn write_table(table: &Table, secrets: &ColumnKeys) -> Result<Bytes> {
    write(&arrow::to_batch(table.frame())?, Some(table.schema()), &[], secrets)
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
        let none = ColumnKeys::default();
        let bytes = write(&arrow::to_batch(&frame).unwrap(), None, &keys, &none).unwrap();
        let groups = |filter: Filter| {
            let (schema, batches, groups) =
                read(&Path::from("x"), bytes.clone(), &["id"], Some(&filter), &none).unwrap();
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
