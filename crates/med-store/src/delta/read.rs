//! Rows, files and counts of a version.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::Schema as ArrowSchema;
use delta_kernel::engine::arrow_conversion::TryIntoArrow;
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::scan::state::ScanFile;
use delta_kernel::snapshot::SnapshotRef;
use med_schema::Version;
use object_store::path::Path;
use polars::prelude::DataFrame;

use super::commit::digest_of_name;
use super::engine::{DeltaEngine, failed};
use crate::{Result, StoreError, arrow, object};

pub(super) fn frame(engine: &DeltaEngine, table: &Path, version: Option<Version>) -> Result<DataFrame> {
    frame_of(engine, table, &engine.snapshot(table, version)?)
}

pub(super) fn frame_of(engine: &DeltaEngine, table: &Path, snapshot: &SnapshotRef) -> Result<DataFrame> {
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
    arrow::to_frame(&schema, &batches)
}

/// Compares each data file that is named after its content with its name. Files of other writers have no such name.
fn verify(engine: &DeltaEngine, table: &Path, snapshot: &SnapshotRef) -> Result<()> {
    for file in scan_files(engine, table, snapshot)? {
        let Some(expected) = digest_of_name(&file.path) else { continue };
        let path = in_lake(table, &file.path);
        let store = &**engine.store();
        let found: Option<_> = engine.block_on(object::get_verified(store, &path, expected))?;
        if found.is_none() {
            return Err(StoreError::NotFound { what: "data file", name: path.to_string(), near: Vec::new() });
        }
    }
    Ok(())
}

pub(super) fn scan_files(engine: &DeltaEngine, table: &Path, snapshot: &SnapshotRef) -> Result<Vec<ScanFile>> {
    let failed = failed(table, "list the files of");
    let scan = Arc::clone(snapshot).scan_builder().build().map_err(&failed)?;
    let mut files = Vec::new();
    for metadata in scan.scan_metadata(&**engine.kernel()).map_err(&failed)? {
        let metadata = metadata.map_err(&failed)?;
        files = metadata.visit_scan_files(files, |files, file| files.push(file)).map_err(&failed)?;
    }
    files.sort_unstable_by(|a: &ScanFile, b| a.path.cmp(&b.path));
    Ok(files)
}

pub(super) fn file_paths(engine: &DeltaEngine, table: &Path) -> Result<Vec<String>> {
    let snapshot = engine.snapshot(table, None)?;
    let files = scan_files(engine, table, &snapshot)?;
    Ok(files.iter().map(|file| in_lake(table, &file.path).to_string()).collect())
}

pub(super) fn row_count(engine: &DeltaEngine, table: &Path) -> Result<(Version, u64)> {
    let snapshot = engine.snapshot(table, None)?;
    let version = Version(snapshot.version());
    let files = scan_files(engine, table, &snapshot)?;
    let counted: Option<u64> =
        files.iter().map(|f| f.stats.as_ref().filter(|_| !f.dv_info.has_vector()).map(|s| s.num_records)).sum();
    match counted {
        Some(rows) => Ok((version, rows)),
        // Another writer left out the statistics, or marked rows as deleted.
        None => Ok((version, frame_of(engine, table, &snapshot)?.height() as u64)),
    }
}

fn in_lake(table: &Path, file: &str) -> Path {
    Path::from(format!("{table}/{file}"))
}
