//! Rows, files and counts of a version.
//!
//! Plain files, which are all that this crate writes, are read by us: fetched once, verified against the digest in their
//! name, and decoded for the columns and row groups asked for. Tables of other writers with deletion vectors, column
//! mapping or other types are read by the kernel.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::Schema as ArrowSchema;
use chrono::NaiveDate;
use delta_kernel::engine::arrow_conversion::TryIntoArrow;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::scan::state::ScanFile;
use delta_kernel::schema::DataType as DeltaType;
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::table_features::ColumnMappingMode;
use med_schema::{ValueType, Version};
use object_store::path::Path;
use polars::prelude::{DataFrame, DataType, IntoColumn, NamedFrom, Series, TimeUnit};

use super::data_file::digest_of_name;
use super::engine::{DeltaEngine, failed, url};
use super::{evolve, skip};
use crate::filter::{Filter, rows_where};
use crate::{Cause, Result, StoreError, arrow, encryption, object, parquet};

/// What is asked of a version. By default: everything.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// These columns, in this order; those that the version lacks are filled with nulls of the type.
    pub(crate) columns: Option<Vec<(String, ValueType)>>,
    pub(crate) filter: Option<Filter>,
}

pub(super) fn frame(
    engine: &DeltaEngine,
    table: &Path,
    version: Option<Version>,
    request: &Request,
) -> Result<DataFrame> {
    frame_of(engine, table, &engine.snapshot(table, version)?, request)
}

pub(super) fn frame_of(
    engine: &DeltaEngine,
    table: &Path,
    snapshot: &SnapshotRef,
    request: &Request,
) -> Result<DataFrame> {
    let fields = fields(snapshot);
    let wanted = match (&request.columns, &fields) {
        (Some(columns), Some(_)) => columns.clone(),
        (None, Some(fields)) => fields.clone(),
        (_, None) => return by_kernel(engine, table, snapshot, request),
    };
    let files = scan_files(engine, table, snapshot, request.filter.as_ref())?;
    let reader = FileReader::new(engine, table, snapshot, wanted, request.filter.clone());
    let mut all = reader.empty()?;
    for file in &files {
        match reader.rows(file)? {
            Some(rows) => all.vstack_mut_owned(rows).map_err(|e| convert(table, e.into()))?,
            None => return by_kernel(engine, table, snapshot, request),
        };
    }
    all.rechunk_mut_par();
    Ok(all)
}

/// The columns of a version, if all are of types that tables here have.
pub(super) fn fields(snapshot: &SnapshotRef) -> Option<Vec<(String, ValueType)>> {
    if snapshot.table_configuration().column_mapping_mode() != ColumnMappingMode::None {
        return None;
    }
    let schema = snapshot.schema();
    schema.fields().map(|field| Some((field.name().clone(), value_type(field.data_type())?))).collect()
}

pub(super) fn value_type(delta: &DeltaType) -> Option<ValueType> {
    match *delta {
        DeltaType::BOOLEAN => Some(ValueType::Boolean),
        DeltaType::LONG => Some(ValueType::Integer),
        DeltaType::DOUBLE => Some(ValueType::Float),
        DeltaType::STRING => Some(ValueType::Text),
        DeltaType::DATE => Some(ValueType::Date),
        DeltaType::TIMESTAMP => Some(ValueType::Timestamp),
        _ => None,
    }
}

pub(super) fn polars_type(value_type: ValueType) -> DataType {
    match value_type {
        ValueType::Boolean => DataType::Boolean,
        ValueType::Integer => DataType::Int64,
        ValueType::Float => DataType::Float64,
        ValueType::Text => DataType::String,
        ValueType::Date => DataType::Date,
        ValueType::Timestamp => DataType::Datetime(TimeUnit::Microseconds, None),
    }
}

fn convert(table: &Path, source: Cause) -> StoreError {
    StoreError::Convert { what: table.to_string(), source }
}

/// Reads the plain files of one version.
pub(super) struct FileReader<'a> {
    engine: &'a DeltaEngine,
    table: &'a Path,
    version: Version,
    partitions: Vec<String>,
    wanted: Vec<(String, ValueType)>,
    filter: Option<Filter>,
    /// Whether row groups can be left out by the filter.
    push_down: bool,
}

impl<'a> FileReader<'a> {
    pub(super) fn new(
        engine: &'a DeltaEngine,
        table: &'a Path,
        snapshot: &SnapshotRef,
        wanted: Vec<(String, ValueType)>,
        filter: Option<Filter>,
    ) -> Self {
        let partitions = snapshot.table_configuration().logical_partition_columns().to_vec();
        let push_down = filter.as_ref().is_some_and(|filter| suits(snapshot, filter));
        let version = Version(snapshot.version());
        Self { engine, table, version, partitions, wanted, filter, push_down }
    }

    fn empty(&self) -> Result<DataFrame> {
        let columns = self.wanted.iter().map(|(name, kind)| nulls(name, *kind, 0).into_column()).collect();
        DataFrame::new(0, columns).map_err(|e| convert(self.table, e.into()))
    }

    /// The rows of a file that pass the filter; `None` when the file is not a plain one.
    pub(super) fn rows(&self, file: &ScanFile) -> Result<Option<DataFrame>> {
        let Some((path, bytes)) = self.fetch_plain(file)? else { return Ok(None) };
        self.decode(file, &path, bytes)
    }

    /// Where a file lies, and its verified bytes; `None` when rows of it are marked as deleted.
    pub(super) fn fetch_plain(&self, file: &ScanFile) -> Result<Option<(Path, bytes::Bytes)>> {
        if file.dv_info.has_vector() {
            return Ok(None);
        }
        let path = in_lake(self.table, &file.path)?;
        let bytes = self.fetch(&path)?;
        Ok(Some((path, bytes)))
    }

    /// The rows of these bytes of a file that pass the filter; `None` when a column is of another type.
    pub(super) fn decode(&self, file: &ScanFile, path: &Path, bytes: bytes::Bytes) -> Result<Option<DataFrame>> {
        // Columns of the filter are read besides those that are wanted.
        let mut names: Vec<&str> = self.wanted.iter().map(|(name, _)| name.as_str()).collect();
        for column in self.filter.iter().flat_map(Filter::columns) {
            if !names.contains(&column) {
                names.push(column);
            }
        }
        // A partition column is not in the file, and has been looked at already.
        let pushed = self.filter.as_ref().filter(|_| self.push_down);
        let (schema, batches, _) = parquet::read(path, bytes, &names, pushed, self.engine.keys())?;
        let height: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let stored = arrow::to_frame(&schema, batches)?;
        let mut columns = Vec::with_capacity(names.len());
        for &name in &names {
            let wanted = self.wanted.iter().find(|(wanted, _)| wanted == name).map(|(_, kind)| *kind);
            let column = if self.partitions.iter().any(|p| p == name) {
                let value = file.partition_values.get(name).filter(|value| !value.is_empty());
                let kind = wanted.or_else(|| self.filter_type(name)).unwrap_or(ValueType::Text);
                constant(name, kind, value.map(String::as_str), height)
                    .ok_or_else(|| StoreError::Malformed {
                        object: path.to_string(),
                        source: format!("partition column {name:?} is not a {kind}").into(),
                    })?
                    .into_column()
            } else if let Ok(column) = stored.column(name) {
                match wanted.or_else(|| self.filter_type(name)) {
                    // A version from before a widening, or a file that another program left in the narrower type.
                    Some(kind) => match evolve::widen(column, kind).map_err(|e| convert(self.table, e))? {
                        Some(column) => column,
                        None => return Ok(None),
                    },
                    None => column.clone(),
                }
            } else {
                nulls(name, wanted.or_else(|| self.filter_type(name)).unwrap_or(ValueType::Text), height).into_column()
            };
            columns.push(column);
        }
        let rows = DataFrame::new(height, columns).map_err(|e| convert(self.table, e.into()))?;
        let rows = match &self.filter {
            Some(filter) => rows_where(&rows, &filter.mask(&rows)?, true)?,
            None => rows,
        };
        let wanted = self.wanted.iter().map(|(name, _)| name.as_str());
        rows.select(wanted).map(Some).map_err(|e| convert(self.table, e.into()))
    }

    fn filter_type(&self, column: &str) -> Option<ValueType> {
        self.filter.as_ref()?.type_of(column)
    }

    /// The bytes of a file, compared with its name if it is named after its content. Files of other writers are not.
    fn fetch(&self, path: &Path) -> Result<bytes::Bytes> {
        let store = &**self.engine.store();
        let found = match digest_of_name(path.as_ref()) {
            Some(expected) => self.engine.block_on(object::get_verified(store, path, expected))?,
            None => self.engine.block_on(object::get(store, path))?,
        };
        found.ok_or_else(|| StoreError::FileGone {
            table: self.table.to_string(),
            version: self.version,
            file: path.to_string(),
        })
    }
}

fn nulls(name: &str, kind: ValueType, height: usize) -> Series {
    Series::full_null(name.into(), height, &polars_type(kind))
}

/// A column of one value in Delta's text form; `None` when the text is not of the type.
fn constant(name: &str, kind: ValueType, value: Option<&str>, height: usize) -> Option<Series> {
    let Some(value) = value else { return Some(nulls(name, kind, height)) };
    let series = match kind {
        ValueType::Text => Series::new(name.into(), vec![value; height]),
        ValueType::Integer => Series::new(name.into(), vec![value.parse::<i64>().ok()?; height]),
        ValueType::Boolean => Series::new(name.into(), vec![value.parse::<bool>().ok()?; height]),
        ValueType::Date => {
            let day = value.parse::<NaiveDate>().ok()?.signed_duration_since(NaiveDate::default()).num_days();
            Series::new(name.into(), vec![i32::try_from(day).ok()?; height]).cast(&DataType::Date).ok()?
        }
        ValueType::Float | ValueType::Timestamp => return None,
    };
    Some(series)
}

/// Any table the kernel can read, whole; then the filter and the columns.
fn by_kernel(engine: &DeltaEngine, table: &Path, snapshot: &SnapshotRef, request: &Request) -> Result<DataFrame> {
    verify(engine, table, snapshot)?;
    let failed = failed(table, "read");
    let scan = Arc::clone(snapshot).scan_builder().build().map_err(&failed)?;
    let schema: ArrowSchema = snapshot.schema().as_ref().try_into_arrow().map_err(|e| failed(e.into()))?;
    let kernel = Arc::clone(engine.kernel());
    let mut batches = Vec::new();
    for data in scan.execute(kernel).map_err(&failed)? {
        let data = ArrowEngineData::try_from_engine_data(data.map_err(&failed)?).map_err(&failed)?;
        batches.push(RecordBatch::from(data));
    }
    let schema = batches.first().map_or_else(|| Arc::new(schema), RecordBatch::schema);
    let mut rows = arrow::to_frame(&schema, batches)?;
    if let Some(filter) = &request.filter {
        for name in filter.columns() {
            if let (Some(kind), Ok(column)) = (filter.type_of(name), rows.column(name))
                && let Some(wide) = evolve::widen(column, kind).map_err(|e| convert(table, e))?
            {
                rows.with_column(wide).map_err(|e| convert(table, e.into()))?;
            }
        }
        rows = rows_where(&rows, &filter.mask(&rows)?, true)?;
    }
    let Some(wanted) = &request.columns else { return Ok(rows) };
    let columns = wanted.iter().map(|(name, kind)| match rows.column(name) {
        Ok(column) => {
            let wide = evolve::widen(column, *kind).map_err(|e| convert(table, e))?;
            Ok(wide.unwrap_or_else(|| column.clone()))
        }
        Err(_) => Ok(nulls(name, *kind, rows.height()).into_column()),
    });
    let columns = columns.collect::<Result<_>>()?;
    DataFrame::new(rows.height(), columns).map_err(|e| convert(table, e.into()))
}

/// The columns that the files of a table have encrypted.
pub(super) fn encrypted(table: &Path, snapshot: &SnapshotRef) -> Result<Vec<String>> {
    let failed = |source: Cause| StoreError::Delta { table: table.to_string(), action: "describe", source };
    let described = serde_json::to_value(snapshot.table_configuration().metadata()).map_err(|e| failed(e.into()))?;
    encryption::parse(described["configuration"][encryption::ENCRYPTED].as_str()).map_err(failed)
}

/// Whether the version holds the columns of the filter in the types of its values, so that its statistics can be compared
/// with them. Columns that it lacks do not matter.
fn suits(snapshot: &SnapshotRef, filter: &Filter) -> bool {
    let schema = snapshot.schema();
    filter.columns().into_iter().all(|name| match (schema.field(name), filter.type_of(name)) {
        (Some(field), Some(kind)) => evolve::fit(field.data_type(), kind) == evolve::Fit::Same,
        _ => true,
    })
}

/// Compares each data file that is named after its content with its name.
fn verify(engine: &DeltaEngine, table: &Path, snapshot: &SnapshotRef) -> Result<()> {
    let reader = FileReader::new(engine, table, snapshot, Vec::new(), None);
    for file in scan_files(engine, table, snapshot, None)? {
        reader.fetch(&in_lake(table, &file.path)?)?;
    }
    Ok(())
}

/// The files that may hold rows of the filter, oldest first.
pub(super) fn scan_files(
    engine: &DeltaEngine,
    table: &Path,
    snapshot: &SnapshotRef,
    filter: Option<&Filter>,
) -> Result<Vec<ScanFile>> {
    let failed = failed(table, "list the files of");
    let predicate = filter.filter(|filter| suits(snapshot, filter)).and_then(skip::predicate).map(Arc::new);
    let scan = Arc::clone(snapshot).scan_builder().with_predicate(predicate).build().map_err(&failed)?;
    let mut files = Vec::new();
    for metadata in scan.scan_metadata(&**engine.kernel()).map_err(&failed)? {
        let metadata = metadata.map_err(&failed)?;
        files = metadata.visit_scan_files(files, |files, file| files.push(file)).map_err(&failed)?;
    }
    files.sort_unstable_by(|a: &ScanFile, b| (a.modification_time, &a.path).cmp(&(b.modification_time, &b.path)));
    Ok(files)
}

pub(super) fn file_paths(
    engine: &DeltaEngine,
    table: &Path,
    snapshot: &SnapshotRef,
    filter: Option<&Filter>,
) -> Result<Vec<String>> {
    let files = scan_files(engine, table, snapshot, filter)?;
    files.iter().map(|file| Ok(in_lake(table, &file.path)?.to_string())).collect()
}

pub(super) fn row_count(engine: &DeltaEngine, table: &Path) -> Result<(Version, u64)> {
    let snapshot = engine.snapshot(table, None)?;
    let version = Version(snapshot.version());
    let files = scan_files(engine, table, &snapshot, None)?;
    let counted: Option<u64> =
        files.iter().map(|f| f.stats.as_ref().filter(|_| !f.dv_info.has_vector()).map(|s| s.num_records)).sum();
    match counted {
        Some(rows) => Ok((version, rows)),
        // Another writer left out the statistics, or marked rows as deleted.
        None => Ok((version, frame_of(engine, table, &snapshot, &Request::default())?.height() as u64)),
    }
}

/// Where a file of the log lies. The log holds addresses relative to the table, percent-encoded.
pub(super) fn in_lake(table: &Path, file: &str) -> Result<Path> {
    let wrong = |reason: String| StoreError::Location { found: file.to_owned(), reason };
    let address = url(table)?.join(file).map_err(|e| wrong(e.to_string()))?;
    Path::from_url_path(address.path()).map_err(|e| wrong(e.to_string()))
}
