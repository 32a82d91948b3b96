//! Creating a table, and commits with retry.

use std::time::Duration;

use delta_kernel::committer::FileSystemCommitter;
use delta_kernel::engine_data::FilteredEngineData;
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::transaction::create_table::create_table;
use delta_kernel::transaction::{BoundWriteContext, CommitResult, UpdateTableOperation};
use delta_kernel::{EngineData, FileMeta, KernelError};
use delta_kernel_default_engine::build_add_file_metadata;
use delta_kernel_default_engine::parquet::DataFileMetadata;
use delta_kernel_default_engine::stats::FileStatsAccumulator;
use med_schema::{Fingerprint, RunId, Schema, Version};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use polars::prelude::DataFrame;
use std::sync::Arc;

use super::engine::{DeltaEngine, failed, url};
use super::{Batch, Commit, Outcome, read, table_schema, watermark};
use crate::{Result, StoreError, arrow, object, parquet};

const ENGINE: &str = concat!("med-store/", env!("CARGO_PKG_VERSION"));
/// A commit takes milliseconds, and each conflict means that somebody else got through.
const ATTEMPTS: u32 = 100;

/// What a write does to the rows that are there.
#[derive(Debug)]
pub(crate) enum Change {
    /// Leaves them.
    Nothing,
    /// Adds these.
    Append(DataFrame),
    /// Puts these in their place.
    Replace(DataFrame),
}

/// A change and what it amounts to, for the history.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) change: Change,
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    pub(crate) removed: u64,
}

/// Makes the table, without rows, if it is not there. Several may try at once.
pub(super) fn create(engine: &DeltaEngine, table: &Path, schema: &Schema) -> Result<()> {
    if engine.has_table(table)? {
        return Ok(());
    }
    let failed = failed(table, "create");
    let delta = table_schema::to_delta(table, schema)?;
    let kernel = &**engine.kernel();
    let transaction =
        match create_table(url(table)?, delta, ENGINE, true).build(kernel, Box::new(FileSystemCommitter::new())) {
            Err(KernelError::TableAlreadyExistsAtPath(_)) => return Ok(()),
            built => built.map_err(&failed)?,
        };
    match transaction.commit(kernel).map_err(&failed)? {
        CommitResult::Committed(_) | CommitResult::Conflicted(_) => Ok(()),
        CommitResult::Retryable(retryable) => Err(failed(retryable.error)),
    }
}

/// Commits the change that `plan` makes of the rows that are there, once for each run.
pub(super) fn commit(
    engine: &DeltaEngine,
    table: &Path,
    batch: &Batch,
    plan: impl Fn(&dyn Fn() -> Result<DataFrame>) -> Result<Plan>,
) -> Result<Commit> {
    let run = &batch.run;
    // Before the commit that names them.
    let watermarks = watermark::write(engine, table, batch)?;
    for attempt in 0..ATTEMPTS {
        let snapshot = engine.snapshot(table, None)?;
        if let Some(version) = committed_by(engine, table, &snapshot, run)? {
            return Ok(Commit {
                version,
                outcome: Outcome::AlreadyDone,
                inserted: 0,
                updated: 0,
                unchanged: 0,
                removed: 0,
            });
        }
        let Plan { change, inserted, updated, unchanged, removed } =
            plan(&|| read::frame_of(engine, table, &snapshot))?;
        let done =
            |version, outcome| Commit { version: Version(version), outcome, inserted, updated, unchanged, removed };
        let (rows, replace) = match change {
            // A source that was read on and had nothing new is a commit of its own.
            Change::Nothing if !watermark::are_there(engine, table, &snapshot, batch)? => (None, false),
            Change::Nothing => {
                let unchanged = done(snapshot.version(), Outcome::Unchanged);
                return Ok(Commit { inserted: 0, updated: 0, ..unchanged });
            }
            Change::Append(rows) => (Some(rows), false),
            Change::Replace(rows) => (Some(rows), true),
        };
        let written = rows.as_ref().map_or(0, |rows| rows.height() as u64);
        let metrics = [
            ("numTargetRowsInserted", inserted),
            ("numTargetRowsUpdated", updated),
            ("numTargetRowsDeleted", removed),
            ("numTargetRowsCopied", if replace { written.saturating_sub(inserted + updated) } else { 0 }),
            ("numOutputRows", written),
        ];
        if let Some(version) =
            attempt_once(engine, table, run, &watermarks, &snapshot, rows.as_ref(), replace, &metrics)?
        {
            tracing::debug!(%table, version, attempt, "committed");
            return Ok(done(version, Outcome::Committed));
        }
        std::thread::sleep(pause(run, attempt));
    }
    Err(StoreError::Contended { object: table.to_string(), attempts: ATTEMPTS })
}

/// The version this run made, if it is in the table.
fn committed_by(engine: &DeltaEngine, table: &Path, snapshot: &SnapshotRef, run: &RunId) -> Result<Option<Version>> {
    let found =
        snapshot.get_app_id_version(&app_id(run), &**engine.kernel()).map_err(failed(table, "look up a run in"))?;
    Ok(found.and_then(|version| u64::try_from(version).ok()).map(Version))
}

/// `None` when another writer was faster.
fn attempt_once(
    engine: &DeltaEngine,
    table: &Path,
    run: &RunId,
    watermarks: &[(String, i64)],
    snapshot: &SnapshotRef,
    rows: Option<&DataFrame>,
    replace: bool,
    metrics: &[(&str, u64)],
) -> Result<Option<u64>> {
    let kernel = &**engine.kernel();
    let failed = failed(table, "commit to");
    let operation = if replace { UpdateTableOperation::Merge } else { UpdateTableOperation::Write };
    // The version this attempt would make: a conflict means another snapshot, and another number.
    let version = i64::try_from(snapshot.version() + 1).map_err(|e| StoreError::Delta {
        table: table.to_string(),
        action: "number a commit of",
        source: e.into(),
    })?;
    let mut builder =
        Arc::clone(snapshot).update_table(operation, ENGINE, true).with_transaction_id(app_id(run), version);
    for (id, number) in watermarks {
        builder = builder.with_transaction_id(id, *number);
    }
    let mut transaction = builder
        .with_operation_metrics(metrics.iter().map(|(name, value)| (*name, Some(value.to_string()))))
        .build(kernel, Box::new(FileSystemCommitter::new()))
        .map_err(&failed)?;
    if let Some(rows) = rows.filter(|rows| rows.height() > 0) {
        let state = transaction.write_state().map_err(&failed)?;
        let context = state.write_context_builder().build().map_err(&failed)?;
        transaction.add_files(write_file(engine, table, run, &context, rows)?);
    }
    if replace {
        for files in live_files(engine, table, snapshot)? {
            transaction.remove_files(files);
        }
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

fn live_files(engine: &DeltaEngine, table: &Path, snapshot: &SnapshotRef) -> Result<Vec<FilteredEngineData>> {
    let failed = failed(table, "list the files of");
    let scan = Arc::clone(snapshot).scan_builder().build().map_err(&failed)?;
    let metadata = scan.scan_metadata(&**engine.kernel()).map_err(&failed)?;
    metadata.map(|m| Ok(m.map_err(&failed)?.scan_files)).collect()
}

/// Writes the rows as one file and describes it for the log.
fn write_file(
    engine: &DeltaEngine,
    table: &Path,
    run: &RunId,
    context: &BoundWriteContext,
    rows: &DataFrame,
) -> Result<Box<dyn EngineData>> {
    let batch = arrow::to_batch(rows)?;
    let failed = failed(table, "write a data file of");
    let mut statistics = FileStatsAccumulator::new(context.stats_columns(), context.physical_data_schema());
    statistics.merge(&batch).map_err(&failed)?;
    let statistics = statistics.finish().map_err(&failed)?;
    let Some(statistics) = statistics else {
        return Err(StoreError::Delta { table: table.to_string(), action: "describe", source: "no statistics".into() });
    };
    let bytes = parquet::write(&batch, None)?;
    let name = file_name(run, Fingerprint::of(&bytes));
    let size = bytes.len() as u64;
    let path = table.clone().join(name.as_str());
    let modified = engine.block_on(async {
        object::put(&**engine.store(), &path, bytes).await?;
        engine.store().head(&path).await.map_err(object::failed("look at", &path))
    })?;
    let location =
        context.write_dir().join(&name).map_err(|e| StoreError::Location { found: name, reason: e.to_string() })?;
    let file = FileMeta::new(location, modified.last_modified.timestamp_millis(), size);
    build_add_file_metadata(DataFileMetadata::new(file, statistics), context).map_err(&failed)
}

fn app_id(run: &RunId) -> String {
    format!("{APP}{run}")
}

const APP: &str = "med/";

/// The run of a transaction id made here.
pub(super) fn run_of(app_id: &str) -> Option<RunId> {
    app_id.strip_prefix(APP)?.parse().ok()
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
    fn file_names_say_what_is_in_them() {
        let run: RunId = "run-1-2".parse().unwrap();
        let content = Fingerprint::of("x");
        assert_eq!(digest_of_name(&file_name(&run, content)), Some(content));
        for other in ["part-00000-1234.c000.snappy.parquet", "x.parquet", "part-run.parquet"] {
            assert_eq!(digest_of_name(other), None);
        }
        assert_eq!(run_of(&app_id(&run)), Some(run));
    }

    #[test]
    fn pauses_grow_and_differ_between_runs() {
        let (a, b): (RunId, RunId) = ("a".parse().unwrap(), "b".parse().unwrap());
        assert!(pause(&a, 10) >= Duration::from_millis(32) && pause(&a, 99) < Duration::from_millis(70));
        assert_ne!((0..8).map(|n| pause(&a, n)).collect::<Vec<_>>(), (0..8).map(|n| pause(&b, n)).collect::<Vec<_>>());
    }
}
