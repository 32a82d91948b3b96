//! What is kept with each insert: the report that admitted the rows, and their statistics.

use bytes::Bytes;
use med_schema::{Admitted, Profile, Report, RunId, SuiteDocument, Table};
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::encryption::ColumnKeys;
use crate::{Result, StoreError, sealed, statistics};

/// The report on the rows of an insert and their statistics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InsertRecord {
    /// The run that brought the rows; the table's history says which version it made.
    pub run: RunId,
    /// What was found about the rows.
    pub report: Report,
    /// Statistics of the rows brought. Keys, identifiers, free text and encrypted columns are left out.
    pub statistics: Profile,
}

/// Refuses rows that the group's own suite has not seen.
pub(super) fn check_suite(group: &str, suite: Option<&SuiteDocument>, report: &Report) -> Result<()> {
    match suite {
        Some(suite) if report.suite != Some(suite.fingerprint()) => Err(StoreError::OtherSuite {
            group: group.to_owned(),
            expected: format!("{} ({})", suite.name(), suite.fingerprint().short()),
            found: match report.suite {
                Some(found) => format!("{} ({})", report.name, found.short()),
                None => format!("{} (of no written suite)", report.name),
            },
        }),
        _ => Ok(()),
    }
}

/// The record as an object, written before the commit of the same run.
pub(super) fn of(
    folder: &Path,
    run: &RunId,
    rows: &Admitted<Table>,
    primary_key: &[String],
    keys: &ColumnKeys,
) -> Result<(Path, Bytes)> {
    let path = path(folder, run);
    let statistics = statistics::profile(rows.value(), primary_key, keys)?;
    let record = InsertRecord { run: run.clone(), report: rows.report().clone(), statistics };
    let bytes = sealed::seal(path.as_ref(), &record)?;
    Ok((path, bytes))
}

pub(super) fn path(folder: &Path, run: &RunId) -> Path {
    folder.clone().join("_med").join("inserts").join(format!("{run}.json"))
}
