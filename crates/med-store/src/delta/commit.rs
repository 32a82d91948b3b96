//! Creating a table, and commits with retry.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use delta_kernel::KernelError;
use delta_kernel::committer::{Committer, FileSystemCommitter};
use delta_kernel::engine_data::FilteredEngineData;
use delta_kernel::schema::StructField;
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::transaction::CommitResult;
use delta_kernel::transaction::create_table::create_table;
use delta_kernel::transaction::data_layout::DataLayout;
use med_schema::{Fingerprint, RunId, Schema, ValueType, Version};
use object_store::path::Path;

use super::change::{Change, Plan, Removed, Stored};
use super::engine::{DeltaEngine, failed, url};
use super::sealed_log::ENGINE;
use super::{Batch, Commit, Outcome, data_file, evolve, read, table_schema, watermark};
use crate::{Result, StoreError, encryption, object};

/// A commit takes milliseconds, and each conflict means that somebody else got through.
const ATTEMPTS: u32 = 100;
/// A checkpoint sums up the log so that opening the table stays quick.
const CHECKPOINT_EVERY: u64 = 10;

/// Makes the table, without rows, if it is not there. Several may try at once.
pub(super) fn create(engine: &DeltaEngine, table: &Path, schema: &Schema, partition_by: &[String]) -> Result<()> {
    if engine.has_table(table)? {
        return same_partitions(engine, table, partition_by);
    }
    for name in partition_by {
        check_partition(table, schema, name)?;
    }
    let encrypted = engine.keys().among(schema.names());
    if let Some(column) = encrypted.iter().find(|name| partition_by.contains(name)) {
        let reason = "it would stand in the names of folders; encrypt another, or do not partition by it".to_owned();
        return Err(StoreError::Encryption { table: table.to_string(), column: column.clone(), reason });
    }
    let failed = failed(table, "create");
    let delta = table_schema::to_delta(table, schema)?;
    let kernel = &**engine.kernel();
    let mut builder = create_table(url(table)?, delta, ENGINE, true);
    if !partition_by.is_empty() {
        builder = builder.with_data_layout(DataLayout::partitioned(partition_by));
    }
    if !encrypted.is_empty() {
        builder = builder.with_table_properties([(encryption::ENCRYPTED, encryption::listed(&encrypted))]);
    }
    let transaction = match builder.build(kernel, Box::new(FileSystemCommitter::new())) {
        Err(KernelError::TableAlreadyExistsAtPath(_)) => return same_partitions(engine, table, partition_by),
        built => built.map_err(&failed)?,
    };
    match transaction.commit(kernel).map_err(&failed)? {
        CommitResult::Committed(_) => Ok(()),
        CommitResult::Conflicted(_) => same_partitions(engine, table, partition_by),
        CommitResult::Retryable(retryable) => Err(failed(retryable.error)),
    }
}

fn check_partition(table: &Path, schema: &Schema, column: &str) -> Result<()> {
    let wrong =
        |reason: String| Err(StoreError::Partition { table: table.to_string(), column: column.to_owned(), reason });
    match schema.column(column) {
        Err(error) => wrong(error.to_string()),
        Ok(found) => match found.value_type {
            ValueType::Boolean | ValueType::Date | ValueType::Integer | ValueType::Text => Ok(()),
            other => wrong(format!("a table is partitioned by booleans, dates, integers and texts, not by a {other}")),
        },
    }
}

fn same_partitions(engine: &DeltaEngine, table: &Path, expected: &[String]) -> Result<()> {
    let snapshot = engine.snapshot(table, None)?;
    let found = snapshot.table_configuration().logical_partition_columns();
    if found == expected {
        return Ok(());
    }
    Err(StoreError::Partition {
        table: table.to_string(),
        column: expected.join(", "),
        reason: format!("the table is partitioned by [{}]", found.join(", ")),
    })
}

/// Commits the change that `plan` makes of the rows that are there, once for each run.
pub(super) fn commit(
    engine: &DeltaEngine,
    table: &Path,
    keys: &[String],
    batch: &Batch,
    plan: impl Fn(&Stored<'_>) -> Result<Plan>,
) -> Result<Commit> {
    let run = &batch.run;
    // Before the commit that names them.
    let watermarks = watermark::write(engine, table, batch)?;
    for attempt in 0..ATTEMPTS {
        let snapshot = engine.snapshot(table, None)?;
        if let Some(version) = committed_by(engine, table, &snapshot, run)? {
            return Ok(Commit::without_effect(version, Outcome::AlreadyDone));
        }
        data_file::check_names(table, &snapshot)?;
        let Plan { change, inserted, updated, unchanged, removed } =
            plan(&Stored { engine, table, snapshot: &snapshot })?;
        let change = match change {
            Some(change) => change,
            // A source that was read on and had nothing new is a commit of its own.
            None if !watermark::are_there(engine, table, &snapshot, batch)? => Change::none(),
            None => {
                let nothing = Commit::without_effect(Version(snapshot.version()), Outcome::Unchanged);
                return Ok(Commit { unchanged, ..nothing });
            }
        };
        let written: u64 = change.added.iter().map(|part| part.rows.height() as u64).sum();
        let copied = if change.data_change { written.saturating_sub(inserted + updated) } else { written };
        let metrics = [
            ("numTargetRowsInserted", inserted),
            ("numTargetRowsUpdated", updated),
            ("numTargetRowsDeleted", removed),
            ("numTargetRowsCopied", copied),
            ("numOutputRows", written),
        ];
        let attempted = Attempt {
            engine,
            table,
            keys,
            run,
            attached: &batch.attached,
            watermarks: &watermarks,
            snapshot: &snapshot,
        };
        if let Some(version) = attempted.make(&change, &metrics)? {
            tracing::debug!(%table, version, attempt, "committed");
            if version % CHECKPOINT_EVERY == 0 {
                // The rows are in; a table without this checkpoint is read all the same.
                if let Err(error) = checkpoint(engine, table) {
                    tracing::warn!(%table, version, %error, "no checkpoint was written");
                }
            }
            let outcome = Outcome::Committed;
            return Ok(Commit { version: Version(version), outcome, inserted, updated, unchanged, removed });
        }
        std::thread::sleep(pause(run, attempt));
    }
    Err(StoreError::Contended { object: table.to_string(), attempts: ATTEMPTS })
}

/// Sums up the log of the latest version in one file.
pub(super) fn checkpoint(engine: &DeltaEngine, table: &Path) -> Result<Version> {
    let snapshot = engine.snapshot(table, None)?;
    snapshot.checkpoint(&**engine.kernel(), None).map_err(failed(table, "write a checkpoint of"))?;
    Ok(Version(snapshot.version()))
}

/// The version this run made, if it is in the table.
fn committed_by(engine: &DeltaEngine, table: &Path, snapshot: &SnapshotRef, run: &RunId) -> Result<Option<Version>> {
    let found =
        snapshot.get_app_id_version(&app_id(run), &**engine.kernel()).map_err(failed(table, "look up a run in"))?;
    Ok(found.and_then(|version| u64::try_from(version).ok()).map(Version))
}

/// One try to be the next version after a snapshot.
struct Attempt<'a> {
    engine: &'a DeltaEngine,
    table: &'a Path,
    keys: &'a [String],
    run: &'a RunId,
    attached: &'a [(Path, Bytes)],
    watermarks: &'a [(String, i64)],
    snapshot: &'a SnapshotRef,
}

impl<'a> Attempt<'a> {
    fn writer(&self) -> data_file::Writer<'a> {
        data_file::Writer { engine: self.engine, table: self.table, run: self.run, keys: self.keys }
    }

    /// Checks that the keys are those of the table. The encrypted columns it has afterwards, when it has to be described anew
    /// in a way that the kernel cannot.
    fn described(&self, change: &Change) -> Result<Option<Vec<String>>> {
        let keys = self.engine.keys();
        let mut encrypted = read::encrypted(self.table, self.snapshot)?;
        if !change.added.is_empty() {
            let columns: Vec<String> = self.snapshot.schema().fields().map(|field| field.name().clone()).collect();
            keys.check_table(self.table.as_ref(), &columns, &encrypted)?;
        }
        let came = keys.among(change.columns.iter().map(|(name, _)| name.as_str()));
        if change.widened.is_empty() && came.is_empty() {
            return Ok(None);
        }
        encrypted.extend(came);
        Ok(Some(encrypted))
    }

    /// `None` when another writer was faster.
    fn make(&self, change: &Change, metrics: &[(&str, u64)]) -> Result<Option<u64>> {
        let Self { engine, table, run, .. } = *self;
        let kernel = &**engine.kernel();
        let failed = failed(table, "commit to");
        // The version this attempt would make: a conflict means another snapshot, and another number.
        let version = i64::try_from(self.snapshot.version() + 1).map_err(|e| StoreError::Delta {
            table: table.to_string(),
            action: "number a commit of",
            source: e.into(),
        })?;
        let mut builder = Arc::clone(self.snapshot)
            .update_table(change.operation.clone(), ENGINE, change.data_change)
            .with_transaction_id(app_id(run), version)
            .with_operation_metrics(metrics.iter().map(|(name, value)| (*name, Some(value.to_string()))));
        for (id, number) in self.watermarks {
            builder = builder.with_transaction_id(id, *number);
        }
        let described = self.described(change)?;
        let widened = if described.is_none() {
            for (name, kind) in &change.columns {
                builder = builder.add_column(StructField::nullable(name, table_schema::data_type(*kind)));
            }
            None
        } else {
            Some(evolve::schema(self.snapshot, change).map_err(&failed)?)
        };
        let committer: Box<dyn Committer> = match &widened {
            None => Box::new(FileSystemCommitter::new()),
            Some(schema) => {
                let encrypted = described.as_deref().unwrap_or_default();
                Box::new(evolve::WithSchema::new(table, self.snapshot, schema, encrypted)?)
            }
        };
        let mut transaction = builder.build(kernel, committer).map_err(&failed)?;
        for (path, bytes) in self.attached {
            engine.block_on(object::put(&**engine.store(), path, bytes.clone()))?;
        }
        let mut newest = self.newest(change)?;
        for part in &change.added {
            newest = data_file::write(self.writer(), &mut transaction, widened.as_ref(), part, newest)?;
        }
        for files in self.removals(&change.removed)? {
            transaction.remove_files(files);
        }
        match transaction.commit(kernel).map_err(&failed)? {
            CommitResult::Committed(committed) => Ok(Some(committed.commit_version())),
            CommitResult::Conflicted(_) => Ok(None),
            // It may have got through all the same: the next attempt finds out by the run id.
            CommitResult::Retryable(retryable) => {
                tracing::warn!(%table, error = %retryable.error, "commit failed and is tried again");
                Ok(None)
            }
        }
    }

    /// The latest time of a file in the snapshot, where one comes that is to be later.
    fn newest(&self, change: &Change) -> Result<i64> {
        if change.added.iter().all(|part| part.modified.is_some()) {
            return Ok(i64::MIN);
        }
        let files = read::scan_files(self.engine, self.table, self.snapshot, None)?;
        Ok(files.iter().map(|file| file.modification_time).max().unwrap_or(i64::MIN))
    }

    /// The files that go, as the kernel takes them: rows of the log with a mark on each that is meant.
    fn removals(&self, removed: &Removed) -> Result<Vec<FilteredEngineData>> {
        if matches!(removed, Removed::None) {
            return Ok(Vec::new());
        }
        let failed = failed(self.table, "list the files of");
        let scan = Arc::clone(self.snapshot).scan_builder().build().map_err(&failed)?;
        let mut removals = Vec::new();
        for metadata in scan.scan_metadata(&**self.engine.kernel()).map_err(&failed)? {
            let metadata = metadata.map_err(&failed)?;
            let Removed::Files(wanted) = removed else {
                removals.push(metadata.scan_files);
                continue;
            };
            // Paths come in the order of the rows that are marked as live.
            let paths = metadata.visit_scan_files(Vec::new(), |paths, file| paths.push(file.path)).map_err(&failed)?;
            let (data, mut marks) = metadata.scan_files.into_parts();
            marks.resize(data.len(), true);
            let mut paths = paths.iter();
            for mark in marks.iter_mut().filter(|mark| **mark) {
                *mark = paths.next().is_some_and(|path| wanted.contains(path));
            }
            if marks.contains(&true) {
                removals.push(FilteredEngineData::try_new(data, marks).map_err(&failed)?);
            }
        }
        Ok(removals)
    }
}

fn app_id(run: &RunId) -> String {
    format!("{APP}{run}")
}

const APP: &str = "med/";

/// The run of a transaction id made here.
pub(super) fn run_of(app_id: &str) -> Option<RunId> {
    app_id.strip_prefix(APP)?.parse().ok()
}

/// Between 2 and about 60 milliseconds, longer from attempt to attempt, spread by the run's name so that writers who
/// collided do not collide again.
fn pause(run: &RunId, attempt: u32) -> Duration {
    let spread = Fingerprint::of(format!("{run}/{attempt}")).as_bytes()[0];
    let base = 2_u64 << attempt.min(4);
    Duration::from_millis(base + base * u64::from(spread) / 256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_come_back_from_their_transaction_ids() {
        let run: RunId = "run-1-2".parse().unwrap();
        assert_eq!(run_of(&app_id(&run)), Some(run));
    }

    #[test]
    fn pauses_grow_and_differ_between_runs() {
        let (a, b): (RunId, RunId) = ("a".parse().unwrap(), "b".parse().unwrap());
        assert!(pause(&a, 10) >= Duration::from_millis(32) && pause(&a, 99) < Duration::from_millis(70));
        assert_ne!((0..8).map(|n| pause(&a, n)).collect::<Vec<_>>(), (0..8).map(|n| pause(&b, n)).collect::<Vec<_>>());
    }
}
