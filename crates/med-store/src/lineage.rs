//! Lineage: which run made what from what, walked backwards and exported.
//!
//! Each step of a run that makes something of something is one sealed document under `lineage/<run>/`, named after its content,
//! so that a repeated run writes it once. Things are named by kind, name and version.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use med_schema::{Fingerprint, RunId, Version};
use object_store::ObjectStore;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Result, layout, object, sealed};

/// What kind of thing has a lineage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ArtifactKind {
    /// A table, query or file outside the lake.
    Source,
    /// A Delta table without keys.
    Table,
    /// A feature group.
    FeatureGroup,
    /// A training set.
    TrainingSet,
    /// A registered model.
    Model,
    /// Batch predictions.
    Predictions,
}

impl fmt::Display for ArtifactKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Table => "table",
            Self::FeatureGroup => "feature_group",
            Self::TrainingSet => "training_set",
            Self::Model => "model",
            Self::Predictions => "predictions",
        })
    }
}

/// A thing that was made or used.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// What it is.
    pub kind: ArtifactKind,
    /// What it is called; no secrets: addresses of databases without user and password.
    pub name: String,
    /// Which one of that name: Delta's version of a table, the number of a model or training set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Its content, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
}

impl Artifact {
    /// A thing without versions.
    pub fn new(kind: ArtifactKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), version: None, fingerprint: None }
    }

    /// With its version.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// With the fingerprint of its content.
    #[must_use]
    pub fn fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.fingerprint = Some(fingerprint);
        self
    }

    /// The same thing, whether or not both sides know its content.
    fn is(&self, other: &Self) -> bool {
        let content = self.fingerprint.zip(other.fingerprint).is_none_or(|(a, b)| a == b);
        (self.kind, &self.name, self.version) == (other.kind, &other.name, other.version) && content
    }
}

/// One step: a job of a run that made things of other things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineageStep {
    /// The run.
    pub run: RunId,
    /// What was done: `extract`, `load`, `train`, `predict` and the like.
    pub job: String,
    /// The time that the caller gives the step.
    pub at: DateTime<Utc>,
    /// Name and version of the code that did it.
    pub code: String,
    /// What it was made from.
    pub inputs: Vec<Artifact>,
    /// What was made.
    pub outputs: Vec<Artifact>,
}

/// The lineage of a lake.
#[derive(Debug, Clone)]
pub struct LineageLog {
    store: Arc<dyn ObjectStore>,
}

impl LineageLog {
    pub(crate) fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// Keeps a step. The same step again is kept once.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record(&self, step: &LineageStep) -> Result<()> {
        let bytes = sealed::seal("lineage", step)?;
        let path = layout::lineage(&step.run).join(format!("{}.json", Fingerprint::of(&bytes)));
        object::put_new(&*self.store, &path, bytes).await?;
        Ok(())
    }

    /// All steps of a run, or of all runs, in order of time, then of run and job.
    ///
    /// # Errors
    /// When the store fails or a step is damaged.
    pub async fn steps(&self, run: Option<&RunId>) -> Result<Vec<LineageStep>> {
        let folder = run.map_or_else(|| Path::from(layout::LINEAGE), layout::lineage);
        let mut steps: Vec<LineageStep> = Vec::new();
        for meta in object::objects(&*self.store, &folder).await? {
            if let Some(bytes) = object::get(&*self.store, &meta.location).await? {
                steps.push(sealed::unseal(&meta.location, &bytes)?);
            }
        }
        steps.sort_by(|a, b| (a.at, &a.run, &a.job).cmp(&(b.at, &b.run, &b.job)));
        Ok(steps)
    }

    /// Every step that had a part in the making of this thing, the last one first: from a prediction through model, training
    /// set and table versions to the source.
    ///
    /// # Errors
    /// As [`LineageLog::steps`].
    pub async fn trace(&self, artifact: &Artifact) -> Result<Vec<LineageStep>> {
        Ok(walk(&self.steps(None).await?, artifact))
    }
}

/// Breadth first, each step once.
fn walk(steps: &[LineageStep], artifact: &Artifact) -> Vec<LineageStep> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    let mut open = VecDeque::from([artifact.clone()]);
    while let Some(artifact) = open.pop_front() {
        for (number, step) in steps.iter().enumerate() {
            if step.outputs.iter().any(|output| output.is(&artifact)) && seen.insert(number) {
                open.extend(step.inputs.iter().cloned());
                found.push(step.clone());
            }
        }
    }
    found
}

/// The steps as [OpenLineage](https://openlineage.io/spec/2-0-2/OpenLineage.json) run events: for each a start and a
/// completion, to be written as lines of JSON. `namespace` names the lake.
pub fn open_lineage(steps: &[LineageStep], namespace: &str) -> Vec<Value> {
    const PRODUCER: &str = "https://crates.io/crates/med-store";
    const SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
    let version = |version: Version| {
        json!({ "version": {
            "_producer": PRODUCER,
            "_schemaURL": "https://openlineage.io/spec/facets/1-0-1/DatasetVersionDatasetFacet.json",
            "datasetVersion": version.to_string(),
        }})
    };
    let dataset = |artifact: &Artifact| {
        let facets = artifact.version.map_or_else(|| json!({}), version);
        json!({ "namespace": namespace, "name": format!("{}/{}", artifact.kind, artifact.name), "facets": facets })
    };
    steps
        .iter()
        .flat_map(|step| {
            ["START", "COMPLETE"].map(|event| {
                json!({
                    "eventType": event,
                    "eventTime": step.at.to_rfc3339(),
                    "run": { "runId": uuid(&step.run, &step.job) },
                    "job": { "namespace": namespace, "name": step.job },
                    "inputs": step.inputs.iter().map(dataset).collect::<Vec<_>>(),
                    "outputs": step.outputs.iter().map(dataset).collect::<Vec<_>>(),
                    "producer": PRODUCER,
                    "schemaURL": SCHEMA,
                })
            })
        })
        .collect()
}

/// A UUID of version 8 (of the maker's own contents) from the digest of run and job: the same run, the same UUID.
fn uuid(run: &RunId, job: &str) -> String {
    let digest = Fingerprint::of(format!("{run}/{job}"));
    let mut bytes = digest.as_bytes().first_chunk::<16>().copied().unwrap_or_default();
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_complete_and_uuids_are_uuids() {
        let step = LineageStep {
            run: "run-1".parse().unwrap(),
            job: "load".to_owned(),
            at: DateTime::UNIX_EPOCH,
            code: "x 1".to_owned(),
            inputs: vec![Artifact::new(ArtifactKind::Source, "db/claims")],
            outputs: vec![Artifact::new(ArtifactKind::FeatureGroup, "claims_v1").version(Version(3))],
        };
        let events = open_lineage(std::slice::from_ref(&step), "lake");
        assert_eq!(events.len(), 2);
        assert_eq!((&events[0]["eventType"], &events[1]["eventType"]), (&json!("START"), &json!("COMPLETE")));
        assert_eq!(events[0]["run"], events[1]["run"]);
        assert_eq!(events[1]["outputs"][0]["name"], "feature_group/claims_v1");
        assert_eq!(events[1]["outputs"][0]["facets"]["version"]["datasetVersion"], "3");
        let id = uuid(&step.run, "load");
        let shape: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(shape, [8, 4, 4, 4, 12]);
        assert!(id[14..15] == *"8" && matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
    }
}
