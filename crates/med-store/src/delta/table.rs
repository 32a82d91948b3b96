//! The table as its users see it.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use delta_kernel::transaction::UpdateTableOperation;
use med_schema::{Admitted, Role, Schema, Table, Version};
use object_store::path::Path;
use polars::prelude::DataFrame;

use super::change::{Change, Plan, Removed, Stored};
use super::engine::DeltaEngine;
use super::maintain::{self, Compaction, Vacuum, Vacuumed};
use super::read::{self, Request};
use super::{Batch, Commit, LiveFile, TableVersion, commit, data_file, evolve, gone, history, live_file, watermark};
use crate::filter::{Filter, rows_where};
use crate::{Result, StoreError};

/// A Delta table of a lake, seen through one schema. Writing takes only what has passed a gate.
#[derive(Clone)]
pub struct DeltaTable {
    engine: Arc<DeltaEngine>,
    path: Path,
    schema: Schema,
    /// Columns with Bloom filters.
    keys: Vec<String>,
}

impl fmt::Debug for DeltaTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeltaTable").field("path", &self.path.as_ref()).finish_non_exhaustive()
    }
}

impl DeltaTable {
    /// The table at this path, made without rows if it is not there.
    pub(crate) async fn open_or_create(
        engine: Arc<DeltaEngine>,
        path: Path,
        schema: Schema,
        partition_by: &[String],
    ) -> Result<Self> {
        let table = Self::at(engine, path, schema);
        let (path, schema, partition_by) = (table.path.clone(), table.schema.clone(), partition_by.to_vec());
        table.engine.run(move |engine| commit::create(engine, &path, &schema, &partition_by)).await?;
        Ok(table)
    }

    pub(crate) fn at(engine: Arc<DeltaEngine>, path: Path, schema: Schema) -> Self {
        let keys = schema.with_role(Role::Key).map(|column| column.name.clone()).collect();
        Self { engine, path, schema, keys }
    }

    /// With Bloom filters on these columns too.
    pub(crate) fn keyed_by(mut self, keys: &[String]) -> Self {
        self.keys.extend(keys.iter().cloned());
        self.keys.sort_unstable();
        self.keys.dedup();
        self
    }

    pub(crate) fn engine(&self) -> &Arc<DeltaEngine> {
        &self.engine
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
        self.write(batch.into(), move |stored| {
            if inserted == 0 {
                return Ok(Plan::default());
            }
            Ok(Plan { change: Some(Change::append(stored.align(&frame)?)), inserted, ..Plan::default() })
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
        self.write(batch.into(), move |stored| {
            Ok(Plan { change: Some(Change::replace(stored.align(&frame)?)), inserted, ..Plan::default() })
        })
        .await
    }

    /// Puts these rows in the place of all rows of the partitions they lie in; other partitions stay. A table that is not
    /// partitioned is one partition.
    ///
    /// # Errors
    /// As [`DeltaTable::append`].
    pub async fn overwrite_partitions(&self, batch: impl Into<Batch>, rows: &Admitted<Table>) -> Result<Commit> {
        let frame = self.conform(rows.value())?;
        let inserted = frame.height() as u64;
        let path = self.path.clone();
        self.write(batch.into(), move |stored| {
            if inserted == 0 {
                return Ok(Plan::default());
            }
            let partitions = stored.partitions();
            let keys: HashSet<_> = data_file::partition_keys(&path, &frame, partitions)?.into_iter().collect();
            let value_of = |file: &delta_kernel::scan::state::ScanFile, name: &String| {
                file.partition_values.get(name).filter(|value| !value.is_empty()).cloned()
            };
            let gone = stored
                .file_list()?
                .into_iter()
                .filter(|file| keys.contains(&partitions.iter().map(|name| value_of(file, name)).collect::<Vec<_>>()));
            let removed = Removed::Files(gone.map(|file| file.path).collect());
            Ok(Plan { change: Some(Change::merge(removed, stored.align(&frame)?)), inserted, ..Plan::default() })
        })
        .await
    }

    /// Takes away the rows of the filter. Only files that hold such rows are written anew. Former versions keep them until
    /// a [`DeltaTable::vacuum`]: whoever asks to be forgotten needs both.
    ///
    /// # Errors
    /// When the filter does not suit the schema; else as [`DeltaTable::append`].
    pub async fn delete(&self, batch: impl Into<Batch>, filter: Filter) -> Result<Commit> {
        filter.check(&self.schema)?;
        self.write(batch.into(), move |stored| {
            let mut change = Change { operation: UpdateTableOperation::Delete, ..Change::none() };
            let mut removed = 0;
            let Some(files) = stored.files(Some(&filter))? else {
                let rows = stored.rows()?;
                let mask = filter.mask(&rows)?;
                removed = mask.iter().filter(|hit| **hit).count() as u64;
                change.removed = Removed::All;
                change.added = vec![rows_where(&rows, &mask, false)?.into()];
                return Ok(Plan { change: (removed > 0).then_some(change), removed, ..Plan::default() });
            };
            let mut gone = HashSet::new();
            for (file, rows) in files {
                let mask = filter.mask(&rows)?;
                let hits = mask.iter().filter(|hit| **hit).count() as u64;
                if hits > 0 {
                    removed += hits;
                    gone.insert(file.path);
                    change.added.push(rows_where(&rows, &mask, false)?.into());
                }
            }
            change.removed = Removed::Files(gone);
            Ok(Plan { change: (removed > 0).then_some(change), removed, ..Plan::default() })
        })
        .await
    }

    /// The table seen through `schema`, which has the columns of this one and may have more. New columns must be
    /// nullable, and are added; a column that had to have values may be without from here on. A type may become a wider
    /// one: integer to float where each value has its exact float, date to timestamp, and the narrower numbers of other
    /// programs' tables to ours. For a wider type all rows are written anew, in memory, in the commit that brings the schema;
    /// former versions keep their types and can be read through either schema. Done once: later calls change nothing.
    ///
    /// # Errors
    /// When the schema lacks a column, has one with another type or kind, or demands values where they may be missing:
    /// such a change is a new table. The error lists everything. When a value has no like in the wider type.
    pub async fn evolve(&self, batch: impl Into<Batch>, schema: &Schema) -> Result<Self> {
        let refused = evolve::refused(&self.schema, schema);
        if !refused.is_empty() {
            return Err(StoreError::Evolution { table: self.path.to_string(), differences: refused });
        }
        let wanted: Vec<_> = schema.columns().iter().map(|c| (c.name.clone(), c.value_type)).collect();
        self.write(batch.into(), move |stored| stored.evolution(&wanted)).await?;
        Ok(Self { schema: schema.clone(), ..self.clone() })
    }

    /// Puts small files together; the rows stay the same. Nothing is done when there is nothing to put together.
    ///
    /// # Errors
    /// As [`DeltaTable::append`].
    pub async fn compact(&self, batch: impl Into<Batch>, options: Compaction) -> Result<Commit> {
        self.write(batch.into(), move |stored| maintain::compact(stored, options)).await
    }

    /// Takes away files that no version of the retained time needs. Versions before it can no longer be read.
    ///
    /// # Errors
    /// When the store fails, or the log lacks a commit that is needed to tell.
    pub async fn vacuum(&self, now: DateTime<Utc>, options: Vacuum) -> Result<Vacuumed> {
        let path = self.path.clone();
        self.engine.run(move |engine| maintain::vacuum(engine, &path, now, options)).await
    }

    /// Sums up the log in a checkpoint, as every tenth commit does. Returns the version summed up.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn checkpoint(&self) -> Result<Version> {
        let path = self.path.clone();
        self.engine.run(move |engine| commit::checkpoint(engine, &path)).await
    }

    /// All rows, of the latest version or of the one asked for, in the order of the files.
    ///
    /// # Errors
    /// When there is no such version, a file is damaged, or the rows are not of the schema.
    pub async fn read(&self, version: Option<Version>) -> Result<Table> {
        self.fetch(version, self.schema.clone(), None).await
    }

    /// Rows of the filter with these columns only. Files are left out by partition and statistics, row groups by
    /// statistics and Bloom filters, columns are not decoded unless they are asked for.
    ///
    /// # Errors
    /// When there is no such column, or the filter does not suit the schema; else as [`DeltaTable::read`].
    pub async fn scan(
        &self,
        columns: Option<&[&str]>,
        filter: Option<Filter>,
        version: Option<Version>,
    ) -> Result<Table> {
        let schema = match columns {
            None => self.schema.clone(),
            Some(names) => self
                .schema
                .select(names.iter().copied())
                .map_err(|e| StoreError::Filter { column: names.join(", "), reason: e.to_string() })?,
        };
        if let Some(filter) = &filter {
            filter.check(&self.schema)?;
        }
        self.fetch(version, schema, filter).await
    }

    async fn fetch(&self, version: Option<Version>, schema: Schema, filter: Option<Filter>) -> Result<Table> {
        let path = self.path.clone();
        let columns = schema.columns().iter().map(|c| (c.name.clone(), c.value_type)).collect();
        let request = Request { columns: Some(columns), filter };
        let frame = self.engine.run(move |engine| read::frame(engine, &path, version, &request)).await?;
        self.parse_as(frame, schema)
    }

    /// The latest version.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn version(&self) -> Result<Version> {
        let path = self.path.clone();
        self.engine.run(move |engine| Ok(Version(engine.snapshot(&path, None)?.version()))).await
    }

    /// Those of these versions that can no longer be read, because a [`DeltaTable::vacuum`] took files they need. Names are compared,
    /// not contents.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn gone(&self, versions: &[Version]) -> Result<Vec<Version>> {
        let (path, versions) = (self.path.clone(), versions.to_vec());
        self.engine.run(move |engine| gone::gone(engine, &path, &versions)).await
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
    /// nothing else in the folder. Of a table that other programs write, they may hold rows that are deleted:
    /// [`DeltaTable::live_files`] says so.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn files(&self) -> Result<Vec<String>> {
        let path = self.path.clone();
        self.engine.run(move |engine| read::file_paths(engine, &path, &engine.snapshot(&path, None)?, None)).await
    }

    /// As [`DeltaTable::files`], with the rows that each holds, and how many of them are deleted.
    ///
    /// # Errors
    /// When the store fails, or a number of deleted rows is none.
    pub async fn live_files(&self) -> Result<Vec<LiveFile>> {
        let path = self.path.clone();
        self.engine.run(move |engine| live_file::live_files(engine, &path, &engine.snapshot(&path, None)?)).await
    }

    /// As [`DeltaTable::files`], those that may hold rows of the filter.
    ///
    /// # Errors
    /// When the filter does not suit the schema, or the store fails.
    pub async fn files_for(&self, filter: Filter) -> Result<Vec<String>> {
        filter.check(&self.schema)?;
        let path = self.path.clone();
        self.engine
            .run(move |engine| read::file_paths(engine, &path, &engine.snapshot(&path, None)?, Some(&filter)))
            .await
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
        plan: impl Fn(&Stored<'_>) -> Result<Plan> + Send + 'static,
    ) -> Result<Commit> {
        let (path, keys) = (self.path.clone(), self.keys.clone());
        self.engine.run(move |engine| commit::commit(engine, &path, &keys, &batch, plan)).await
    }

    pub(crate) fn parse(&self, frame: DataFrame) -> Result<Table> {
        self.parse_as(frame, self.schema.clone())
    }

    pub(crate) fn parse_as(&self, frame: DataFrame, schema: Schema) -> Result<Table> {
        let table = self.path.to_string();
        Table::parse(frame, schema).map_err(|e| StoreError::Table { table, source: Box::new(e) })
    }
}
