//! Data files: one for each partition of some rows, named after its content.

use std::collections::{BTreeMap, HashMap};

use arrow_array::StructArray;
use delta_kernel::FileMeta;
use delta_kernel::expressions::{ColumnName, Scalar};
use delta_kernel::schema::{DataType as DeltaType, StructType};
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::table_features::ColumnMappingMode;
use delta_kernel::transaction::{BoundWriteContext, Transaction};
use delta_kernel_default_engine::build_add_file_metadata;
use delta_kernel_default_engine::parquet::DataFileMetadata;
use delta_kernel_default_engine::stats::FileStatsAccumulator;
use med_schema::{Fingerprint, RunId};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use polars::prelude::{AnyValue, DataFrame, DataType, IdxCa, IdxSize, NamedFrom, PolarsResult};
use url::Url;

use super::change::Part;
use super::engine::{DeltaEngine, failed};
use crate::{Result, StoreError, arrow, object, parquet};

/// Who writes data files, and where.
#[derive(Clone, Copy)]
pub(super) struct Writer<'a> {
    pub(super) engine: &'a DeltaEngine,
    pub(super) table: &'a Path,
    pub(super) run: &'a RunId,
    /// Columns with Bloom filters.
    pub(super) keys: &'a [String],
}

/// Refuses tables whose files name columns otherwise than the table does: what is written here would be read as missing values.
pub(super) fn check_names(table: &Path, snapshot: &SnapshotRef) -> Result<()> {
    match snapshot.table_configuration().column_mapping_mode() {
        ColumnMappingMode::None => Ok(()),
        mode => Err(StoreError::Unwritable {
            table: table.to_string(),
            reason: format!(
                "version {} maps its columns to other names in files (delta.columnMapping.mode {mode:?}), expected none; \
                 it can be read, and copied into a new table",
                snapshot.version()
            ),
        }),
    }
}

/// Refuses missing values where another program said that there are none.
fn check_nulls(table: &Path, schema: &StructType, rows: &DataFrame) -> Result<()> {
    for field in schema.fields().filter(|field| !field.is_nullable()) {
        let missing = rows.column(field.name()).map_or(0, |column| column.null_count());
        if missing > 0 {
            let (name, height) = (field.name(), rows.height());
            let reason = format!("its column {name:?} takes no missing values, found {missing} of {height} rows");
            return Err(StoreError::Unwritable { table: table.to_string(), reason });
        }
    }
    Ok(())
}

/// Whether bounds of this column can be in the log: readers know no years but 1 to 9999 there.
fn has_bounds(rows: &DataFrame, name: &str) -> bool {
    let Ok(column) = rows.column(name) else { return true };
    let range = match column.dtype() {
        DataType::Date => FIRST_DAY..=LAST_DAY,
        DataType::Datetime(..) => FIRST_DAY * MICROS_A_DAY..=(LAST_DAY + 1) * MICROS_A_DAY - 1,
        _ => return true,
    };
    let physical = column.to_physical_repr();
    let bound = |value: PolarsResult<polars::prelude::Scalar>| value.ok().and_then(|v| v.value().extract::<i64>());
    [bound(physical.min_reduce()), bound(physical.max_reduce())].into_iter().flatten().all(|v| range.contains(&v))
}

/// Days from 1970-01-01 of 0001-01-01 and of 9999-12-31.
const FIRST_DAY: i64 = -719_162;
const LAST_DAY: i64 = 2_932_896;
const MICROS_A_DAY: i64 = 86_400_000_000;

/// Writes the rows, a file for each partition, and stages the files. `widened` is the schema that comes with them, if it has
/// other types than the one the table has. A file whose time is not given counts as written when the store says so, and after the
/// moment `after` (milliseconds): clocks of servers have whole seconds, and rows are read in the order of these times. Returns the
/// latest time given to a file, or `after`.
pub(super) fn write(
    writer: Writer<'_>,
    transaction: &mut Transaction,
    widened: Option<&StructType>,
    part: &Part,
    after: i64,
) -> Result<i64> {
    let table = writer.table;
    if part.rows.height() == 0 {
        return Ok(after);
    }
    let mut latest = after;
    let failed = failed(table, "write a data file of");
    let state = transaction.write_state().map_err(&failed)?;
    let partitions = transaction.logical_partition_columns().to_vec();
    for (values, rows) in split(table, &part.rows, &partitions)? {
        let mut context = state.write_context_builder();
        if !partitions.is_empty() {
            context = context.with_partition_values(values);
        }
        let context = context.build().map_err(&failed)?;
        let rows = rows.drop_many(partitions.iter().map(String::as_str));
        let written = write_one(writer, &context, widened, &rows)?;
        let modified = part.modified.unwrap_or_else(|| written.time.max(after.saturating_add(1)));
        let file = FileMeta::new(written.location, modified, written.size);
        let file = DataFileMetadata::new(file, written.statistics);
        transaction.add_files(build_add_file_metadata(file, &context).map_err(&failed)?);
        latest = latest.max(modified);
    }
    Ok(latest)
}

/// The rows of each partition, by its values as text, with these values as the kernel has them.
fn split(table: &Path, rows: &DataFrame, partitions: &[String]) -> Result<Vec<(HashMap<String, Scalar>, DataFrame)>> {
    let failed = |source: crate::Cause| StoreError::Convert { what: table.to_string(), source };
    if partitions.is_empty() {
        return Ok(vec![(HashMap::new(), rows.clone())]);
    }
    let mut groups: BTreeMap<Vec<Option<String>>, Vec<IdxSize>> = BTreeMap::new();
    for (row, key) in partition_keys(table, rows, partitions)?.into_iter().enumerate() {
        groups.entry(key).or_default().push(row as IdxSize);
    }
    groups
        .into_values()
        .map(|members| {
            let first = members.first().copied().unwrap_or_default() as usize;
            let values = partitions
                .iter()
                .map(|name| {
                    let column = rows.column(name).map_err(|e| failed(e.into()))?;
                    let value = column.get(first).map_err(|e| failed(e.into()))?;
                    Ok((name.clone(), scalar(&value, column.dtype())))
                })
                .collect::<Result<_>>()?;
            let rows = rows.take(&IdxCa::new("".into(), members)).map_err(|e| failed(e.into()))?;
            Ok((values, rows))
        })
        .collect()
}

/// For each row the values of the partition columns in Delta's text form.
pub(super) fn partition_keys(
    table: &Path,
    rows: &DataFrame,
    partitions: &[String],
) -> Result<Vec<Vec<Option<String>>>> {
    let mut keys = vec![Vec::with_capacity(partitions.len()); rows.height()];
    for name in partitions {
        let failed = |source: crate::Cause| StoreError::Convert { what: table.to_string(), source };
        let column = rows.column(name).map_err(|e| failed(e.into()))?;
        for (row, key) in keys.iter_mut().enumerate() {
            let value = column.get(row).map_err(|e| failed(e.into()))?;
            let text = text(&value);
            if text.as_deref() == Some("") {
                return Err(StoreError::Partition {
                    table: table.to_string(),
                    column: name.clone(),
                    reason: format!("row {row} holds an empty text, which Delta cannot tell from a missing value"),
                });
            }
            key.push(text);
        }
    }
    Ok(keys)
}

fn text(value: &AnyValue<'_>) -> Option<String> {
    match value {
        AnyValue::Null => None,
        AnyValue::String(text) => Some((*text).to_owned()),
        AnyValue::StringOwned(text) => Some(text.to_string()),
        AnyValue::Date(days) => {
            let day = chrono::NaiveDate::default().checked_add_signed(chrono::TimeDelta::days(i64::from(*days)));
            day.map(|day| day.to_string())
        }
        other => Some(other.to_string()),
    }
}

/// Partition columns are of these four types.
fn scalar(value: &AnyValue<'_>, kind: &DataType) -> Scalar {
    match (value, kind) {
        (AnyValue::String(text), _) => Scalar::String((*text).to_owned()),
        (AnyValue::StringOwned(text), _) => Scalar::String(text.to_string()),
        (AnyValue::Int64(number), _) => Scalar::Long(*number),
        (AnyValue::Boolean(flag), _) => Scalar::Boolean(*flag),
        (AnyValue::Date(days), _) => Scalar::Date(*days),
        (_, DataType::Int64) => Scalar::Null(DeltaType::LONG),
        (_, DataType::Boolean) => Scalar::Null(DeltaType::BOOLEAN),
        (_, DataType::Date) => Scalar::Null(DeltaType::DATE),
        _ => Scalar::Null(DeltaType::STRING),
    }
}

/// A file in the store that is in no version yet.
struct Written {
    location: Url,
    size: u64,
    /// Milliseconds, by the store.
    time: i64,
    statistics: StructArray,
}

fn write_one(
    Writer { engine, table, run, keys }: Writer<'_>,
    context: &BoundWriteContext,
    widened: Option<&StructType>,
    rows: &DataFrame,
) -> Result<Written> {
    let batch = arrow::to_batch(rows)?;
    let failed = failed(table, "write a data file of");
    let schema = widened.unwrap_or_else(|| context.physical_data_schema());
    check_nulls(table, schema, rows)?;
    // The log is plain: it has no bounds of encrypted columns.
    let told =
        |column: &&ColumnName| column.path().iter().all(|name| !engine.keys().has(name) && has_bounds(rows, name));
    let told: Vec<ColumnName> = context.stats_columns().iter().filter(told).cloned().collect();
    let mut statistics = FileStatsAccumulator::new(&told, schema);
    statistics.merge(&batch).map_err(&failed)?;
    let statistics = statistics.finish().map_err(&failed)?;
    let Some(statistics) = statistics else {
        return Err(StoreError::Delta { table: table.to_string(), action: "describe", source: "no statistics".into() });
    };
    let bytes = parquet::write(&batch, None, keys, engine.keys())?;
    let name = file_name(run, Fingerprint::of(&bytes));
    let size = bytes.len() as u64;
    let wrong = |reason: String| StoreError::Location { found: name.clone(), reason };
    let location = context.write_dir().join(&name).map_err(|e| wrong(e.to_string()))?;
    let path = Path::from_url_path(location.path()).map_err(|e| wrong(e.to_string()))?;
    let written = engine.block_on(async {
        object::put(&**engine.store(), &path, bytes).await?;
        engine.store().head(&path).await.map_err(object::failed("look at", &path))
    })?;
    Ok(Written { location, size, time: written.last_modified.timestamp_millis(), statistics })
}

fn file_name(run: &RunId, content: Fingerprint) -> String {
    format!("part-{run}-{content}.parquet")
}

/// The content that a data file is named after.
pub(super) fn digest_of_name(path: &str) -> Option<Fingerprint> {
    let name = path.rsplit('/').next()?;
    let (_, digest) = name.strip_prefix("part-")?.strip_suffix(".parquet")?.rsplit_once('-')?;
    digest.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_say_what_is_in_them() {
        let run: RunId = "run-1-2".parse().unwrap();
        let content = Fingerprint::of("x");
        assert_eq!(digest_of_name(&file_name(&run, content)), Some(content));
        for other in ["part-00000-1234.c000.snappy.parquet", "x.parquet", "part-run.parquet"] {
            assert_eq!(digest_of_name(other), None);
        }
    }
}
