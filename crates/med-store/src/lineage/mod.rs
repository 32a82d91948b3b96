//! Lineage: which run made what from what, walked backwards and exported.
//!
//! Each step of a run that makes something of something is one sealed document under `lineage/<run>/`, named after all that it says
//! but for the times of the clock, so that a repeated run writes it once, and the times of the first one stay. Things are named by
//! kind, name and version. A step that a gate ended is kept too, with the gate.

mod open_lineage;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use med_schema::{Fingerprint, RunId, Version};
use object_store::ObjectStore;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

pub use open_lineage::open_lineage;

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

/// From when to when something was done, by the clock of who did it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeSpan {
    /// When it began.
    pub start: DateTime<Utc>,
    /// When it was over.
    pub end: DateTime<Utc>,
}

/// A gate that stayed closed, so that the step came to nothing more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedGate {
    /// What the gate is called.
    pub gate: String,
    /// Why it stayed closed. No values of rows.
    pub reasons: Vec<String>,
}

/// One step: a job of a run that made things of other things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineageStep {
    /// The run.
    pub run: RunId,
    /// What was done: `extract`, `load`, `train`, `predict` and the like.
    pub job: String,
    /// The time of the batch: the world as it was known then. Not when the step was done.
    pub at: DateTime<Utc>,
    /// Name and version of the code that did it.
    pub code: String,
    /// What it was made from.
    pub inputs: Vec<Artifact>,
    /// What was made.
    pub outputs: Vec<Artifact>,
    /// When it was done, if the caller says so. The step is named without it: of the same step, done again, the first times stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<TimeSpan>,
    /// The gate that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<FailedGate>,
}

impl LineageStep {
    /// A step of a run that went through, without inputs and outputs yet.
    pub fn new(run: RunId, job: impl Into<String>, at: DateTime<Utc>, code: impl Into<String>) -> Self {
        let (job, code) = (job.into(), code.into());
        Self { run, job, at, code, inputs: Vec::new(), outputs: Vec::new(), done: None, failed: None }
    }

    /// Made from these.
    #[must_use]
    pub fn inputs(mut self, inputs: impl IntoIterator<Item = Artifact>) -> Self {
        self.inputs.extend(inputs);
        self
    }

    /// These were made.
    #[must_use]
    pub fn outputs(mut self, outputs: impl IntoIterator<Item = Artifact>) -> Self {
        self.outputs.extend(outputs);
        self
    }

    /// Done within this time.
    #[must_use]
    pub fn done(mut self, start: DateTime<Utc>, end: DateTime<Utc>) -> Self {
        self.done = Some(TimeSpan { start, end });
        self
    }

    /// Ended by this gate.
    #[must_use]
    pub fn failed(mut self, gate: impl Into<String>, reasons: Vec<String>) -> Self {
        self.failed = Some(FailedGate { gate: gate.into(), reasons });
        self
    }

    /// When it was done, or what stands for it in records without that.
    fn span(&self) -> TimeSpan {
        self.done.unwrap_or(TimeSpan { start: self.at, end: self.at })
    }
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

    /// Keeps a step. The same step again is kept once, with the times it had first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn record(&self, step: &LineageStep) -> Result<()> {
        let undated = LineageStep { done: None, ..step.clone() };
        let name = Fingerprint::of(sealed::seal("lineage", &undated)?);
        let path = layout::lineage(&step.run).join(format!("{name}.json"));
        object::put_new(&*self.store, &path, sealed::seal("lineage", step)?).await?;
        Ok(())
    }

    /// All steps of a run, or of all runs, in the order in which they were done (as far as that is known: else by the time of the
    /// batch), then of run and job.
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
        steps.sort_by(|a, b| (a.span().start, &a.run, &a.job).cmp(&(b.span().start, &b.run, &b.job)));
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
