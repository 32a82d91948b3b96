//! What keeps a table quick and small: compaction of small files, and vacuum of those no version needs.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use delta_kernel::scan::state::ScanFile;
use delta_kernel::transaction::UpdateTableOperation;
use med_schema::Version;
use object_store::path::Path;
use serde::Deserialize;

use super::change::{Change, Part, Plan, Removed, Stored};
use super::engine::DeltaEngine;
use super::log_store::log_of;
use super::{history, read, watermark};
use crate::{Cause, Result, StoreError, layout, object};

/// How files are put together.
///
/// | field | meaning | default |
/// | --- | --- | --- |
/// | `target_bytes` | size a file should have; files of at least half of it are left alone | 128 MiB |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compaction {
    /// Size a file should have.
    pub target_bytes: u64,
}

impl Default for Compaction {
    fn default() -> Self {
        Self { target_bytes: 128 << 20 }
    }
}

/// What a vacuum may take away.
///
/// | field | meaning | default |
/// | --- | --- | --- |
/// | `retain` | versions that were the latest within this time before now can still be read afterwards | 7 days |
/// | `dry_run` | say what would go and leave it | false |
///
/// Files no version needs are taken when they are older than `retain`: one may belong to a writer who has not
/// committed yet. With `retain` of zero nobody else may be writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vacuum {
    /// How long former versions can still be read.
    pub retain: TimeDelta,
    /// Only say what would go.
    pub dry_run: bool,
}

impl Default for Vacuum {
    fn default() -> Self {
        Self { retain: TimeDelta::days(7), dry_run: false }
    }
}

/// What a vacuum took away.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Vacuumed {
    /// The oldest version that can still be read.
    pub oldest_version: Version,
    /// The files that went, as paths in the lake, or would go.
    pub files: Vec<String>,
    /// Their bytes together.
    pub bytes: u64,
}

/// Puts neighbouring small files of each partition together. Rows keep their order within a partition.
pub(super) fn compact(stored: &Stored<'_>, options: Compaction) -> Result<Plan> {
    let mut partitions: BTreeMap<Vec<(String, String)>, Vec<ScanFile>> = BTreeMap::new();
    for file in stored.file_list()? {
        let mut partition: Vec<_> = file.partition_values.clone().into_iter().collect();
        partition.sort_unstable();
        partitions.entry(partition).or_default().push(file);
    }
    let mut change = Change { operation: UpdateTableOperation::Optimize, data_change: false, ..Change::none() };
    let mut gone = HashSet::new();
    for files in partitions.into_values() {
        for group in groups(&files, options.target_bytes) {
            let mut parts = group.iter().map(|file| stored.file(file));
            let Some(Some(mut rows)) = parts.next().transpose()? else { continue };
            let mut plain = true;
            for part in parts {
                match part? {
                    Some(part) => rows
                        .vstack_mut_owned(part)
                        .map(|_| ())
                        .map_err(|e| StoreError::Convert { what: stored.table.to_string(), source: e.into() })?,
                    None => plain = false,
                }
            }
            if plain {
                gone.extend(group.iter().map(|file| file.path.clone()));
                change.added.push(Part { rows, modified: group.last().map(|file| file.modification_time) });
            }
        }
    }
    if gone.is_empty() {
        return Ok(Plan::default());
    }
    change.removed = Removed::Files(gone);
    Ok(Plan { change: Some(change), ..Plan::default() })
}

/// Runs of two or more neighbours that are small and together not larger than the target.
fn groups(files: &[ScanFile], target: u64) -> Vec<&[ScanFile]> {
    let size = |file: &ScanFile| u64::try_from(file.size).unwrap_or(0);
    let (mut found, mut start, mut sum) = (Vec::new(), 0, 0);
    for (at, file) in files.iter().enumerate() {
        let small = size(file) < target / 2;
        if !small || sum + size(file) > target {
            found.push(&files[start..at]);
            (start, sum) = (if small { at } else { at + 1 }, 0);
        }
        if small {
            sum += size(file);
        }
    }
    found.push(files.get(start..).unwrap_or_default());
    found.retain(|group| group.len() > 1);
    found
}

/// Takes away files, and watermarks, that no version from the retained time on needs.
pub(super) fn vacuum(engine: &DeltaEngine, table: &Path, now: DateTime<Utc>, options: Vacuum) -> Result<Vacuumed> {
    let cutoff = now - options.retain;
    let latest = engine.snapshot(table, None)?;
    let oldest = match history::version_as_of(engine, table, cutoff) {
        Ok(version) => version,
        // All versions there are lie within the time.
        Err(StoreError::BeforeFirst { .. }) => first_version(engine, table)?,
        Err(error) => return Err(error),
    };
    let snapshot = engine.snapshot(table, Some(oldest))?;
    let mut needed: HashSet<String> = read::file_paths(engine, table, &snapshot, None)?.into_iter().collect();
    let mut watermarks = HashSet::new();
    for version in oldest.0 + 1..=latest.version() {
        named_by(engine, table, version, &mut needed, &mut watermarks)?;
    }
    let mut vacuumed = Vacuumed { oldest_version: oldest, files: Vec::new(), bytes: 0 };
    let mut unneeded = Vec::new();
    for meta in engine.block_on(object::objects(&**engine.store(), table))? {
        let below = meta.location.parts().skip(table.parts_count());
        let hidden = below.into_iter().any(|part| part.as_ref().starts_with('_'));
        let path = meta.location.to_string();
        if !hidden && path.ends_with(".parquet") && !needed.contains(&path) && meta.last_modified <= cutoff {
            vacuumed.bytes += meta.size;
            vacuumed.files.push(path);
            unneeded.push(meta.location);
        }
    }
    for meta in watermark::unneeded(engine, table, &snapshot, &watermarks, cutoff)? {
        vacuumed.bytes += meta.size;
        vacuumed.files.push(meta.location.to_string());
        unneeded.push(meta.location);
    }
    if !options.dry_run {
        for path in &unneeded {
            engine.block_on(object::delete(&**engine.store(), path))?;
        }
    }
    Ok(vacuumed)
}

fn first_version(engine: &DeltaEngine, table: &Path) -> Result<Version> {
    let versions = history::history(engine, table)?;
    Ok(versions.first().map_or(Version(0), |first| first.version))
}

#[derive(Deserialize)]
struct Action {
    add: Option<Add>,
    txn: Option<Transaction>,
}

#[derive(Deserialize)]
struct Add {
    path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    app_id: String,
    version: i64,
}

/// Files that a commit added, and numbers of watermarks that it names.
fn named_by(
    engine: &DeltaEngine,
    table: &Path,
    version: u64,
    files: &mut HashSet<String>,
    watermarks: &mut HashSet<i64>,
) -> Result<()> {
    let commit = layout::numbered(&log_of(table), version);
    let failed = |source: Cause| StoreError::Malformed { object: commit.to_string(), source };
    let Some(bytes) = engine.block_on(object::get(engine.logs(), &commit))? else {
        return Err(failed("the commit is gone, and what it needs cannot be told".into()));
    };
    for line in bytes.split(|&b| b == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        let action: Action = serde_json::from_slice(line).map_err(|e| failed(e.into()))?;
        if let Some(add) = action.add {
            files.insert(read::in_lake(table, &add.path)?.to_string());
        }
        if let Some(txn) = action.txn.filter(|txn| watermark::is_watermark(&txn.app_id)) {
            watermarks.insert(txn.version);
        }
    }
    Ok(())
}
