//! A run that is tied to a version of the lake which nobody can read any more goes on under another name.
//!
//! A run is in a table once, so its name stands for the version it made there. When a vacuum took that version, and the rows are not in
//! the latest one either, nothing can be made under that name again. Then the name of its successor is kept in the run's folder, and
//! the run starts anew. What it left before stays as it is, and is walked back as ever.

use std::fmt;

use anyhow::Context;
use med_schema::{Fingerprint, RunId, Version};
use med_store::blocking::{Lakehouse, ResultFolder};
use med_store::{ResultKind, StoreError};
use serde::{Deserialize, Serialize};

/// The file in the folder of a run that another one took the place of.
const FILE: &str = "superseded.json";

/// A version that this run is tied to cannot be read any more, and the latest one does not hold its rows.
#[derive(Debug)]
pub(super) struct VersionGone {
    /// The feature group.
    pub(super) group: String,
    /// The version that the run made.
    pub(super) version: Version,
    /// The latest version.
    pub(super) latest: Version,
}

impl fmt::Display for VersionGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, version, latest } = self;
        write!(f, "version {version} of {group} can no longer be read, and version {latest} holds other rows")
    }
}

impl std::error::Error for VersionGone {}

/// Which run took the place of another, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Superseded {
    by: RunId,
    feature_group: String,
    version: Version,
}

/// The name under which a run goes on, and if it is not its first one, a sentence about why.
pub(super) fn present_name(lake: &Lakehouse, mut id: RunId) -> anyhow::Result<(RunId, Option<String>)> {
    let results = lake.results();
    let mut told = None;
    while let Some(Superseded { by, feature_group, version }) = superseded(&results, &id)? {
        told = Some(format!(
            "run {id} made version {version} of {feature_group}, which a vacuum took: it started anew as run {by}"
        ));
        id = by;
    }
    Ok((id, told))
}

/// Whether another run took the place of this one.
pub(crate) fn is_superseded(results: &ResultFolder, id: &RunId) -> anyhow::Result<bool> {
    Ok(results.names(ResultKind::Runs, id)?.iter().any(|name| name == FILE))
}

/// Notes that another run takes the place of this one: under a name that follows from its own and from what is there now.
pub(super) fn supersede(lake: &Lakehouse, id: &RunId, gone: &VersionGone) -> anyhow::Result<()> {
    let now = format!("{} {}", gone.group, gone.latest);
    let by = RunId::derived_from([Fingerprint::of(id.as_str()), Fingerprint::of("restart"), Fingerprint::of(now)]);
    let superseded = Superseded { by, feature_group: gone.group.clone(), version: gone.version };
    match lake.results().put_json(ResultKind::Runs, id, FILE, &superseded) {
        // The same run, started twice: the other one was first, and its word counts.
        Ok(_) | Err(StoreError::Occupied { .. }) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("noting that run {id} starts anew")),
    }
}

fn superseded(results: &ResultFolder, id: &RunId) -> anyhow::Result<Option<Superseded>> {
    if !is_superseded(results, id)? {
        return Ok(None);
    }
    Ok(Some(results.get_json(ResultKind::Runs, id, FILE)?))
}
