//! What a write does to the files of a table.

use std::collections::HashSet;

use delta_kernel::scan::state::ScanFile;
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::transaction::UpdateTableOperation;
use med_schema::ValueType;
use object_store::path::Path;
use polars::prelude::{DataFrame, IntoColumn, Series};

use super::engine::DeltaEngine;
use super::read::{self, FileReader, Request};
use crate::filter::Filter;
use crate::{Result, StoreError};

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

    pub(crate) fn columns(&self) -> Vec<String> {
        self.snapshot.schema().fields().map(|field| field.name().clone()).collect()
    }

    /// The rows with the columns of the table in its order; columns it has got since are without values.
    pub(crate) fn align(&self, rows: &DataFrame) -> Result<DataFrame> {
        let failed = |source: crate::Cause| StoreError::Convert { what: self.table.to_string(), source };
        let Some(fields) = read::fields(self.snapshot) else { return Ok(rows.clone()) };
        if let Some(extra) = rows.columns().iter().find(|c| !fields.iter().any(|(name, _)| name == c.name().as_str())) {
            return Err(failed(format!("column {:?} is not in the table; add it first", extra.name()).into()));
        }
        let columns = fields.iter().map(|(name, kind)| match rows.column(name) {
            Ok(column) => column.clone(),
            Err(_) => Series::full_null(name.as_str().into(), rows.height(), &read::polars_type(*kind)).into_column(),
        });
        DataFrame::new(rows.height(), columns.collect()).map_err(|e| failed(e.into()))
    }
}
