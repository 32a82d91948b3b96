//! What a write does to the files of a table.

use std::collections::HashSet;

use delta_kernel::scan::state::ScanFile;
use delta_kernel::schema::DataType as DeltaType;
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::transaction::UpdateTableOperation;
use med_schema::{ValueType, Version};
use object_store::path::Path;
use polars::prelude::{DataFrame, IdxCa, IntoColumn, Series};

use super::engine::DeltaEngine;
use super::read::{self, FileReader, Request};
use super::{evolve, history, watermark};
use crate::filter::Filter;
use crate::row_key::{KeyValues, bounds, row_keys};
use crate::{Result, StoreError, parquet};

/// Which live files go.
#[derive(Debug)]
pub(crate) enum Removed {
    None,
    All,
    /// Those of these paths, as the log has them.
    Files(HashSet<String>),
}

/// Rows that become a file, or one in each partition.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) rows: DataFrame,
    /// The time the rows count as written, for a file that takes the place of older ones.
    pub(crate) modified: Option<i64>,
}

impl From<DataFrame> for Part {
    fn from(rows: DataFrame) -> Self {
        Self { rows, modified: None }
    }
}

/// A change of the files.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) operation: UpdateTableOperation,
    /// False when the rows stay the same and lie otherwise.
    pub(crate) data_change: bool,
    pub(crate) removed: Removed,
    pub(crate) added: Vec<Part>,
    /// Columns the table gets.
    pub(crate) columns: Vec<(String, ValueType)>,
    /// Columns whose type becomes this wider one; then all rows are among the added.
    pub(crate) widened: Vec<(String, ValueType)>,
}

impl Change {
    /// Neither file goes nor comes.
    pub(crate) fn none() -> Self {
        Self {
            operation: UpdateTableOperation::Write,
            data_change: true,
            removed: Removed::None,
            added: Vec::new(),
            columns: Vec::new(),
            widened: Vec::new(),
        }
    }

    pub(crate) fn append(rows: DataFrame) -> Self {
        Self { added: vec![rows.into()], ..Self::none() }
    }

    /// These rows in the place of all there are.
    pub(crate) fn replace(rows: DataFrame) -> Self {
        Self::merge(Removed::All, rows)
    }

    /// These rows in the place of those of the files that go.
    pub(crate) fn merge(removed: Removed, rows: DataFrame) -> Self {
        Self { operation: UpdateTableOperation::Merge, removed, added: vec![rows.into()], ..Self::none() }
    }
}

/// A change and what it amounts to, for the history.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// `None`: nothing is to be done.
    pub(crate) change: Option<Change>,
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    pub(crate) removed: u64,
}

/// Bytes of a file that is decoded whole at once.
const SMALL: usize = 1 << 17;

/// The state a change is computed from.
pub(crate) struct Stored<'a> {
    pub(super) engine: &'a DeltaEngine,
    pub(super) table: &'a Path,
    pub(super) snapshot: &'a SnapshotRef,
}

impl Stored<'_> {
    /// All rows with all columns.
    pub(crate) fn rows(&self) -> Result<DataFrame> {
        read::frame_of(self.engine, self.table, self.snapshot, &Request::default())
    }

    /// Each file that may hold rows of the filter, with all its rows; `None` when there is a file that only the kernel
    /// can read.
    pub(crate) fn files(&self, filter: Option<&Filter>) -> Result<Option<Vec<(ScanFile, DataFrame)>>> {
        let Some(fields) = read::fields(self.snapshot) else { return Ok(None) };
        let reader = FileReader::new(self.engine, self.table, self.snapshot, fields, None);
        let files = read::scan_files(self.engine, self.table, self.snapshot, filter)?;
        files.into_iter().map(|file| Ok(reader.rows(&file)?.map(|rows| (file, rows)))).collect()
    }

    /// Each file that may hold a row equal to one of these in the columns `by`, with all its rows; `None` when there is a file
    /// that only the kernel can read. A file is left out by its partition and the bounds in the log, then by the Bloom
    /// filters in it, then by its values of these columns, and only decoded whole when one of them is wanted.
    pub(crate) fn files_with(&self, wanted: &DataFrame, by: &[String]) -> Result<Option<Vec<(ScanFile, DataFrame)>>> {
        let Some(fields) = read::fields(self.snapshot) else { return Ok(None) };
        let Some(within) = bounds(wanted, by)? else { return Ok(Some(Vec::new())) };
        let listed = read::scan_files(self.engine, self.table, self.snapshot, Some(&within))?;
        if listed.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let keys = fields.iter().filter(|(name, _)| by.contains(name)).cloned().collect();
        let by_key = FileReader::new(self.engine, self.table, self.snapshot, keys, None);
        let whole = FileReader::new(self.engine, self.table, self.snapshot, fields, None);
        // Each key once: a batch of one moment has as many rows as it likes and one key.
        let (mut encoded, mut firsts) = (HashSet::new(), Vec::new());
        for (row, key) in (0..).zip(row_keys(wanted, by)?) {
            if encoded.insert(key) {
                firsts.push(row);
            }
        }
        let once = wanted.select(by).and_then(|keys| keys.take(&IdxCa::from_vec("".into(), firsts)));
        let once = once.map_err(|e| StoreError::Convert { what: self.table.to_string(), source: e.into() })?;
        let values = KeyValues::of(&once, by)?;
        let mut files = Vec::new();
        for file in listed {
            let Some((path, bytes)) = whole.fetch_plain(&file)? else { return Ok(None) };
            let sought =
                |rows: &DataFrame| Ok::<_, StoreError>(row_keys(rows, by)?.iter().any(|key| encoded.contains(key)));
            // Looking at the keys first pays where the rest is much.
            if bytes.len() > SMALL {
                if !parquet::may_hold(&path, bytes.clone(), &values, self.engine.keys())? {
                    continue;
                }
                let Some(found) = by_key.decode(&file, &path, bytes.clone())? else { return Ok(None) };
                if !sought(&found)? {
                    continue;
                }
            }
            let Some(rows) = whole.decode(&file, &path, bytes)? else { return Ok(None) };
            if sought(&rows)? {
                files.push((file, rows));
            }
        }
        Ok(Some(files))
    }

    /// The number of this state, and the versions up to now that other programs made.
    pub(crate) fn origin(&self) -> Result<(Version, String)> {
        Ok((Version(self.snapshot.version()), history::foreign(&history::history(self.engine, self.table)?)))
    }

    /// The watermark of a domain in this state.
    pub(crate) fn watermark(&self, domain: &str) -> Result<Option<serde_json::Value>> {
        watermark::read(self.engine, self.table, self.snapshot, domain)
    }

    /// What gives the table these columns in these types.
    pub(crate) fn evolution(&self, wanted: &[(String, ValueType)]) -> Result<Plan> {
        evolve::plan(self, wanted)
    }

    pub(crate) fn file_list(&self) -> Result<Vec<ScanFile>> {
        read::scan_files(self.engine, self.table, self.snapshot, None)
    }

    /// The rows of one file; `None` when only the kernel can read it.
    pub(crate) fn file(&self, file: &ScanFile) -> Result<Option<DataFrame>> {
        let Some(fields) = read::fields(self.snapshot) else { return Ok(None) };
        FileReader::new(self.engine, self.table, self.snapshot, fields, None).rows(file)
    }

    pub(crate) fn partitions(&self) -> &[String] {
        self.snapshot.table_configuration().logical_partition_columns()
    }

    /// The rows with the columns of the table in its order and of its types; columns it has got since are without values.
    pub(crate) fn align(&self, rows: &DataFrame) -> Result<DataFrame> {
        let failed = |source: crate::Cause| StoreError::Convert { what: self.table.to_string(), source };
        let Some(fields) = read::fields(self.snapshot) else { return self.fits(rows).map(|()| rows.clone()) };
        if let Some(extra) = rows.columns().iter().find(|c| !fields.iter().any(|(name, _)| name == c.name().as_str())) {
            return Err(failed(format!("column {:?} is not in the table; add it first", extra.name()).into()));
        }
        let columns = fields.iter().map(|(name, kind)| match rows.column(name) {
            Ok(column) => evolve::widen(column, *kind).map_err(failed)?.ok_or_else(|| {
                failed(format!("column {name:?} is {kind} in the table, not {}", column.dtype()).into())
            }),
            Err(_) => {
                Ok(Series::full_null(name.as_str().into(), rows.height(), &read::polars_type(*kind)).into_column())
            }
        });
        let columns = columns.collect::<Result<_>>()?;
        DataFrame::new(rows.height(), columns).map_err(|e| failed(e.into()))
    }

    /// Refuses rows for a column that another program made of a type we do not write.
    fn fits(&self, rows: &DataFrame) -> Result<()> {
        for field in self.snapshot.schema().fields() {
            if let Ok(column) = rows.column(field.name())
                && let DeltaType::Primitive(_) = field.data_type()
                && read::value_type(field.data_type()).is_none()
            {
                let reason = format!(
                    "column {:?} is {} there, not {}; evolve the table first",
                    column.name(),
                    field.data_type(),
                    column.dtype()
                );
                return Err(StoreError::Convert { what: self.table.to_string(), source: reason.into() });
            }
        }
        Ok(())
    }
}
