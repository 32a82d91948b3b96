//! What a reader without Delta has to know of the files of a version.

use delta_kernel::snapshot::SnapshotRef;
use object_store::path::Path;
use serde::Serialize;

use super::engine::{DeltaEngine, failed};
use super::read::{in_lake, scan_files};
use crate::Result;

/// A live file of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LiveFile {
    /// Its path in the lake.
    pub path: String,
    /// Rows that it holds, deleted ones too; nothing where its writer left the number out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Rows of it that the log marks as deleted, by a deletion vector; nothing where there is none. Med writes none: such a table was
    /// written by another program, and the file read by itself shows rows that are gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_rows: Option<u64>,
}

pub(super) fn live_files(engine: &DeltaEngine, table: &Path, snapshot: &SnapshotRef) -> Result<Vec<LiveFile>> {
    let failed = failed(table, "read the deletion vectors of");
    let files = scan_files(engine, table, snapshot, None)?;
    let live = files.iter().map(|file| {
        Ok(LiveFile {
            path: in_lake(table, &file.path)?.to_string(),
            rows: file.stats.as_ref().map(|stats| stats.num_records),
            deleted_rows: file.dv_info.cardinality().map_err(&failed)?,
        })
    });
    live.collect()
}
