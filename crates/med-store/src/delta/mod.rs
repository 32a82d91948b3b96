//! Delta tables: the only folder that knows delta_kernel.
//!
//! A table is a folder of Parquet files and a log `_delta_log/` of numbered commits; a commit appears by one
//! put-if-absent of the next number, so readers see all of it or nothing. A writer that finds its number taken starts
//! again from the state the winner left: what it wrote was computed from a state that is no longer there.
//!
//! **Idempotence.** Each commit carries the transaction id `med/<run id>`, whose transaction version is the number of
//! the commit itself. Before writing, the id is looked up; a run that is already in the table changes nothing.
//!
//! **Crashes.** A data file is named after its run and its content (`part-<run id>-<blake3>.parquet`). A run killed
//! between file and commit leaves a file no reader sees; run again, it writes the same file under the same name.
//! On reading, files with such names are verified against their digest.
//!
//! Tables use no feature beyond the plain format (no deletion vectors, no column mapping), so that every Delta reader
//! opens them. Columns are nullable in Delta, whatever the schema says, because a column that is not would ask for the
//! writer feature `invariants`; nullability is checked by [`Table::parse`] on reading.

mod batch;
mod commit;
mod engine;
mod history;
mod read;
mod sorted;
mod table_schema;
mod watermark;

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use med_schema::{Admitted, Schema, Table, Version};
use object_store::path::Path;
use polars::prelude::DataFrame;

pub use batch::Batch;
pub(crate) use commit::{Change, Plan};
pub(crate) use engine::DeltaEngine;
pub use history::TableVersion;

use crate::{Result, StoreError};

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The table has a new version.
    Committed,
    /// This run had been committed before; nothing was done.
    AlreadyDone,
    /// The table held all of it already; nothing was done.
    Unchanged,
}

/// A write that is in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// The version in which the data are: the new one, the one the run made before, or the latest.
    pub version: Version,
    /// What became of it.
    pub outcome: Outcome,
    /// Rows added. Zero unless committed.
    pub inserted: u64,
    /// Rows put in the place of others. Zero unless committed.
    pub updated: u64,
    /// Rows offered that were there already.
    pub unchanged: u64,
    /// Rows taken away. Zero unless committed.
    pub removed: u64,
}

/// A Delta table of a lake, seen through one schema. Writing takes only what has passed a gate.
#[derive(Clone)]
pub struct DeltaTable {
    engine: Arc<DeltaEngine>,
    path: Path,
    schema: Schema,
}

impl fmt::Debug for DeltaTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeltaTable").field("path", &self.path.as_ref()).finish_non_exhaustive()
    }
}

impl DeltaTable {
    /// The table at this path, made without rows if it is not there.
    pub(crate) async fn open_or_create(engine: Arc<DeltaEngine>, path: Path, schema: Schema) -> Result<Self> {
        let table = Self { engine, path, schema };
        let (path, schema) = (table.path.clone(), table.schema.clone());
        table.engine.run(move |engine| commit::create(engine, &path, &schema)).await?;
        Ok(table)
    }

    pub(crate) fn at(engine: Arc<DeltaEngine>, path: Path, schema: Schema) -> Self {
        Self { engine, path, schema }
    }

    /// The schema it is seen through.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Adds the rows. A run that is in the table already adds nothing.
    ///
    /// # Errors
    /// When the schemas differ, the store fails, or other writers were faster too many times.
    pub async fn append(&self, batch: impl Into<Batch>, rows: &Admitted<Table>) -> Result<Commit> {
        let frame = self.conform(rows.value())?;
        let inserted = frame.height() as u64;
        self.write(batch.into(), move |_| {
            let change = if inserted == 0 { Change::Nothing } else { Change::Append(frame.clone()) };
            Ok(Plan { change, inserted, updated: 0, unchanged: 0, removed: 0 })
        })
        .await
    }

    /// Puts these rows in the place of all that are there. A run that is in the table already changes nothing.
    ///
    /// # Errors
    /// As [`DeltaTable::append`].
    pub async fn overwrite(&self, batch: impl Into<Batch>, rows: &Admitted<Table>) -> Result<Commit> {
        let frame = self.conform(rows.value())?;
        let inserted = frame.height() as u64;
        self.write(batch.into(), move |_| {
            Ok(Plan { change: Change::Replace(frame.clone()), inserted, updated: 0, unchanged: 0, removed: 0 })
        })
        .await
    }

    /// All rows, of the latest version or of the one asked for, in the order of the files.
    ///
    /// # Errors
    /// When there is no such version, a file is damaged, or the rows are not of the schema.
    pub async fn read(&self, version: Option<Version>) -> Result<Table> {
        let path = self.path.clone();
        let frame = self.engine.run(move |engine| read::frame(engine, &path, version)).await?;
        self.parse(frame)
    }

    /// The latest version.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn version(&self) -> Result<Version> {
        let path = self.path.clone();
        self.engine.run(move |engine| Ok(Version(engine.snapshot(&path, None)?.version()))).await
    }

    /// The version that was the latest at this time.
    ///
    /// # Errors
    /// When the table was not there yet.
    pub async fn version_as_of(&self, time: DateTime<Utc>) -> Result<Version> {
        let path = self.path.clone();
        self.engine.run(move |engine| history::version_as_of(engine, &path, time)).await
    }

    /// Each commit that is still in the log, oldest first.
    ///
    /// # Errors
    /// When the store fails or the log cannot be understood.
    pub async fn history(&self) -> Result<Vec<TableVersion>> {
        let path = self.path.clone();
        self.engine.run(move |engine| history::history(engine, &path)).await
    }

    /// How far the source called `domain` had been read when this version, or the latest, was written: the value of the
    /// last [`Batch::with_watermark`]. `None` when no batch had one.
    ///
    /// # Errors
    /// When there is no such version, or the value is lost or damaged.
    pub async fn watermark(&self, domain: &str, version: Option<Version>) -> Result<Option<serde_json::Value>> {
        let (path, domain) = (self.path.clone(), domain.to_owned());
        self.engine.run(move |engine| watermark::read(engine, &path, &engine.snapshot(&path, version)?, &domain)).await
    }

    /// The live files of the latest version, as paths in the lake: what a reader that does not know Delta must read, and
    /// nothing else in the folder.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn files(&self) -> Result<Vec<String>> {
        let path = self.path.clone();
        self.engine.run(move |engine| read::file_paths(engine, &path)).await
    }

    /// Version and number of rows, from the statistics in the log.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn rows(&self) -> Result<(Version, u64)> {
        let path = self.path.clone();
        self.engine.run(move |engine| read::row_count(engine, &path)).await
    }

    /// The frame with its columns in the order of the schema, if that is its schema.
    pub(crate) fn conform(&self, table: &Table) -> Result<DataFrame> {
        if let Some(source) = self.schema.difference(table.schema()) {
            return Err(StoreError::Schema { table: self.path.to_string(), source });
        }
        table
            .frame()
            .select(self.schema.names())
            .map_err(|e| StoreError::Convert { what: self.path.to_string(), source: e.into() })
    }

    /// Commits what `plan` makes of the rows that are there, computed anew whenever another writer was faster.
    pub(crate) async fn write(
        &self,
        batch: Batch,
        plan: impl Fn(&dyn Fn() -> Result<DataFrame>) -> Result<Plan> + Send + 'static,
    ) -> Result<Commit> {
        let path = self.path.clone();
        self.engine.run(move |engine| commit::commit(engine, &path, &batch, plan)).await
    }

    pub(crate) fn parse(&self, frame: DataFrame) -> Result<Table> {
        let table = self.path.to_string();
        Table::parse(frame, self.schema.clone()).map_err(|e| StoreError::Table { table, source: Box::new(e) })
    }
}
