//! Who did what to a table, and when: the log as people read it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use med_schema::{RunId, Version};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use super::commit::run_of;
use super::engine::DeltaEngine;
use super::log_store::log_of;
use crate::{Cause, Result, StoreError, layout, object};

/// One commit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableVersion {
    /// Its number.
    pub version: Version,
    /// When it was made, by the writer's clock.
    pub timestamp: DateTime<Utc>,
    /// What was done: `CREATE TABLE`, `WRITE`, `MERGE`, or what another writer calls it.
    pub operation: String,
    /// The program that made it, as it calls itself: `med-store/...`, `delta-rs:...`, `Apache-Spark/...`.
    pub engine: Option<String>,
    /// The run that made it, if it was a run of ours.
    pub run: Option<RunId>,
    /// What it amounted to: `numTargetRowsInserted`, `numTargetRowsUpdated`, `numOutputRows` and the like.
    pub metrics: BTreeMap<String, u64>,
}

/// One line of a commit file; fields that are not of interest here are skipped.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Action {
    commit_info: Option<CommitInfo>,
    txn: Option<Transaction>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommitInfo {
    timestamp: Option<i64>,
    in_commit_timestamp: Option<i64>,
    operation: Option<String>,
    engine_info: Option<String>,
    #[serde(default)]
    operation_metrics: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    app_id: String,
}

pub(super) fn history(engine: &DeltaEngine, table: &Path) -> Result<Vec<TableVersion>> {
    let log = log_of(table);
    engine.block_on(async {
        let store = engine.logs();
        let mut versions = Vec::new();
        for meta in object::objects(store, &log).await? {
            if meta.location.parts_count() != log.parts_count() + 1 {
                continue;
            }
            let Some(number) = layout::number_of(&meta.location) else { continue };
            let Some(bytes) = object::get(store, &meta.location).await? else { continue };
            let failed = |source: Cause| StoreError::Malformed { object: meta.location.to_string(), source };
            versions.push(parse(Version(number), &bytes, meta.last_modified).map_err(failed)?);
        }
        versions.sort_unstable_by_key(|v| v.version);
        Ok(versions)
    })
}

pub(super) fn version_as_of(engine: &DeltaEngine, table: &Path, asked: DateTime<Utc>) -> Result<Version> {
    let versions = history(engine, table)?;
    let Some(first) = versions.first() else {
        return Err(StoreError::NotFound { what: "table", name: table.to_string(), near: Vec::new() });
    };
    // Clocks of writers may differ: a version is never older than the one before it.
    let mut latest_time = first.timestamp;
    let mut found = None;
    for version in &versions {
        latest_time = latest_time.max(version.timestamp);
        if latest_time <= asked {
            found = Some(version.version);
        }
    }
    found.ok_or_else(|| StoreError::BeforeFirst { table: table.to_string(), asked, first: first.timestamp })
}

fn parse(version: Version, bytes: &[u8], modified: DateTime<Utc>) -> Result<TableVersion, Cause> {
    let mut found = TableVersion {
        version,
        timestamp: modified,
        operation: String::new(),
        engine: None,
        run: None,
        metrics: BTreeMap::new(),
    };
    for line in bytes.split(|&b| b == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
        let action: Action = serde_json::from_slice(line)?;
        if let Some(info) = action.commit_info {
            let millis = info.in_commit_timestamp.or(info.timestamp);
            found.timestamp = millis.and_then(DateTime::from_timestamp_millis).unwrap_or(modified);
            found.operation = info.operation.unwrap_or_default();
            found.engine = info.engine_info;
            found.metrics = info.operation_metrics.into_iter().filter_map(|(k, v)| Some((k, count(&v)?))).collect();
        }
        if let Some(txn) = action.txn {
            found.run = found.run.or_else(|| run_of(&txn.app_id));
        }
    }
    Ok(found)
}

impl TableVersion {
    /// Whether another program made it.
    pub fn is_foreign(&self) -> bool {
        self.run.is_none() && !self.engine.as_deref().is_some_and(|engine| engine.starts_with("med-store/"))
    }
}

/// Which versions other programs made, for people.
pub(crate) fn foreign(versions: &[TableVersion]) -> String {
    let foreign = versions.iter().filter(|version| version.is_foreign()).map(|version| {
        let engine = version.engine.as_deref().unwrap_or("a program without a name");
        format!("version {} ({} by {engine})", version.version, version.operation)
    });
    let foreign: Vec<String> = foreign.collect();
    if foreign.is_empty() { "no version of another program".to_owned() } else { foreign.join(", ") }
}

/// Spark writes numbers as text, Python as numbers.
fn count(value: &serde_json::Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_of_another_writer_is_read() {
        let text = br#"{"commitInfo":{"timestamp":1700000000000,"operation":"WRITE","engineInfo":"delta-rs:1","operationMetrics":{"num_added_rows":3,"note":"x"}}}
{"add":{"path":"x.parquet"}}
{"txn":{"appId":"somebody","version":3}}
"#;
        let parsed = parse(Version(7), text, DateTime::UNIX_EPOCH).unwrap();
        assert_eq!((parsed.version, parsed.operation.as_str(), parsed.run.clone()), (Version(7), "WRITE", None));
        assert_eq!(parsed.metrics, BTreeMap::from([("num_added_rows".to_owned(), 3)]));
        assert!(parsed.is_foreign());
        assert_eq!(foreign(std::slice::from_ref(&parsed)), "version 7 (WRITE by delta-rs:1)");
        assert_eq!(parsed.timestamp.timestamp(), 1_700_000_000);
    }
}
