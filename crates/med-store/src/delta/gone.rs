//! Which versions can no longer be read, because a vacuum took what they need.

use std::collections::HashSet;

use med_schema::Version;
use object_store::path::Path;

use super::engine::DeltaEngine;
use super::read;
use crate::{Result, StoreError, layout, object};

/// Those of these versions that lack a file, or that the log has no entry for any more; in the order given. One listing for all.
pub(super) fn gone(engine: &DeltaEngine, table: &Path, versions: &[Version]) -> Result<Vec<Version>> {
    if versions.is_empty() {
        return Ok(Vec::new());
    }
    let listed = engine.block_on(object::objects(&**engine.store(), table))?;
    let there: HashSet<String> = listed.into_iter().map(|meta| meta.location.to_string()).collect();
    let log = table.clone().join("_delta_log");
    let mut gone = Vec::new();
    for &version in versions {
        let snapshot = match engine.snapshot(table, Some(version)) {
            Ok(snapshot) => snapshot,
            Err(StoreError::NoVersion { .. }) => {
                gone.push(version);
                continue;
            }
            // Another program may have cleaned the log up.
            Err(_) if !there.contains(layout::numbered(&log, version.0).as_ref()) => {
                gone.push(version);
                continue;
            }
            Err(error) => return Err(error),
        };
        if read::file_paths(engine, table, &snapshot, None)?.iter().any(|file| !there.contains(file)) {
            gone.push(version);
        }
    }
    Ok(gone)
}
