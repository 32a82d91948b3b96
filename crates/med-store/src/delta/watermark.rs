//! Watermarks: how far the source of a table has been read, committed with the rows.
//!
//! Delta's own place for such a value is domain metadata, whose table feature would keep older readers and writers out.
//! The plain format has transaction ids: a name and a number. So the value lies in a small sealed document
//! `_med/watermarks/<number>.json`, the number is taken from its digest, and the commit carries the transaction id
//! `med-watermark/<domain>` with that number. The document is written first; it counts from the commit on that names
//! it, and checkpoints keep the id as they keep any other.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use delta_kernel::snapshot::SnapshotRef;
use med_schema::Fingerprint;
use object_store::ObjectMeta;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::batch::Batch;
use super::engine::{DeltaEngine, failed};
use crate::{Result, StoreError, object, sealed};

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    domain: String,
    value: Value,
}

/// The transaction ids of a batch's watermarks.
pub(super) fn write(engine: &DeltaEngine, table: &Path, batch: &Batch) -> Result<Vec<(String, i64)>> {
    let mut ids = Vec::new();
    for (domain, value) in &batch.watermarks {
        let document = Document { domain: domain.clone(), value: value.clone() };
        let bytes = sealed::seal(domain, &document)?;
        let number = number(&bytes);
        engine.block_on(object::put(&**engine.store(), &path(table, number), bytes))?;
        ids.push((app_id(domain), number));
    }
    Ok(ids)
}

/// The watermark of a domain in this version.
pub(super) fn read(engine: &DeltaEngine, table: &Path, snapshot: &SnapshotRef, domain: &str) -> Result<Option<Value>> {
    let found = snapshot
        .get_app_id_version(&app_id(domain), &**engine.kernel())
        .map_err(failed(table, "look up a watermark in"))?;
    let Some(number) = found else { return Ok(None) };
    let path = path(table, number);
    let Some(bytes) = engine.block_on(object::get(&**engine.store(), &path))? else {
        return Err(StoreError::NotFound { what: "watermark", name: path.to_string(), near: Vec::new() });
    };
    let document: Document = sealed::unseal(&path, &bytes)?;
    if document.domain != domain {
        return Err(StoreError::Malformed { object: path.to_string(), source: "it is of another domain".into() });
    }
    Ok(Some(document.value))
}

/// What the document of a watermark holds, without what it is wrapped in.
pub(crate) fn value_in(path: &Path, bytes: &[u8]) -> Result<Value> {
    sealed::unseal(path, bytes).map(|document: Document| document.value)
}

/// Whether the table has all watermarks of the batch already.
pub(super) fn are_there(engine: &DeltaEngine, table: &Path, snapshot: &SnapshotRef, batch: &Batch) -> Result<bool> {
    for (domain, value) in &batch.watermarks {
        if read(engine, table, snapshot, domain)?.as_ref() != Some(value) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Documents that no version from this one on names, and that are older than `cutoff`: one may belong to a writer who has not
/// committed yet.
pub(super) fn unneeded(
    engine: &DeltaEngine,
    table: &Path,
    oldest: &SnapshotRef,
    named_later: &HashSet<i64>,
    cutoff: DateTime<Utc>,
) -> Result<Vec<ObjectMeta>> {
    let mut unneeded = Vec::new();
    for meta in engine.block_on(object::objects(&**engine.store(), &folder(table)))? {
        let number =
            meta.location.filename().and_then(|name| i64::from_str_radix(name.strip_suffix(".json")?, 16).ok());
        let Some(number) = number.filter(|number| meta.last_modified <= cutoff && !named_later.contains(number)) else {
            continue;
        };
        let Some(bytes) = engine.block_on(object::get(&**engine.store(), &meta.location))? else { continue };
        let document: Document = sealed::unseal(&meta.location, &bytes)?;
        let named = oldest
            .get_app_id_version(&app_id(&document.domain), &**engine.kernel())
            .map_err(failed(table, "look up a watermark in"))?;
        if named != Some(number) {
            unneeded.push(meta);
        }
    }
    Ok(unneeded)
}

/// Whether a transaction id is that of a watermark.
pub(super) fn is_watermark(app_id: &str) -> bool {
    app_id.starts_with(APP)
}

const APP: &str = "med-watermark/";

fn app_id(domain: &str) -> String {
    format!("{APP}{domain}")
}

/// The first 63 bits of the digest.
fn number(bytes: &[u8]) -> i64 {
    let digest = Fingerprint::of(bytes);
    let first = digest.as_bytes().first_chunk::<8>().copied().unwrap_or_default();
    i64::from_be_bytes(first) & i64::MAX
}

fn path(table: &Path, number: i64) -> Path {
    folder(table).join(format!("{number:016x}.json"))
}

fn folder(table: &Path) -> Path {
    table.clone().join("_med").join("watermarks")
}
