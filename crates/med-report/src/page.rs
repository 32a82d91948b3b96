//! What a page of a run is made from. It all reads and writes as JSON, so a stored run can be rendered again later.

use chrono::{DateTime, Utc};
use med_schema::{Report, RunId, Verdict, Version};
use serde::{Deserialize, Serialize};

use crate::{Calibration, Histogram};

/// One run of a pipeline, as its page shows it. A part that is empty is left out of the page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunPage {
    /// Heading of the page.
    pub title: String,
    /// The run.
    pub run: RunId,
    /// The batch's event time.
    pub as_of: DateTime<Utc>,
    /// What came of the run as a whole. The gates decide this, not the page: a failed check below the gate's
    /// severity does not stop a run.
    pub verdict: Verdict,
    /// The run in a sentence.
    #[serde(default)]
    pub summary: Option<String>,
    /// The phases, in order.
    #[serde(default)]
    pub phases: Vec<PhaseRow>,
    /// Data quality, model quality, meta-validation, drift: any report, in order.
    #[serde(default)]
    pub reports: Vec<Report>,
    /// The models that were compared.
    #[serde(default)]
    pub models: Vec<ModelRow>,
    /// Predicted against actual, by bin.
    #[serde(default)]
    pub calibrations: Vec<Calibration>,
    /// Distributions worth seeing: the target, the predictions, the residuals.
    #[serde(default)]
    pub histograms: Vec<Histogram>,
    /// Drift by feature.
    #[serde(default)]
    pub drift: Vec<DriftRow>,
    /// Scores of the feature selection.
    #[serde(default)]
    pub selection: Vec<SelectionRow>,
    /// What the run left behind, and where.
    #[serde(default)]
    pub artifacts: Vec<Artifact>,
}

impl RunPage {
    /// A page with nothing but its heading.
    pub fn new(title: impl Into<String>, run: RunId, as_of: DateTime<Utc>, verdict: Verdict) -> Self {
        Self {
            title: title.into(),
            run,
            as_of,
            verdict,
            summary: None,
            phases: Vec::new(),
            reports: Vec::new(),
            models: Vec::new(),
            calibrations: Vec::new(),
            histograms: Vec::new(),
            drift: Vec::new(),
            selection: Vec::new(),
            artifacts: Vec::new(),
        }
    }
}

/// One phase of the run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhaseRow {
    /// Its name.
    pub name: String,
    /// Rows it was given, where it was given any.
    pub rows_in: Option<u64>,
    /// Rows it handed on, where it handed on any.
    pub rows_out: Option<u64>,
    /// What it did, in a few words.
    #[serde(default)]
    pub note: String,
}

/// One of the models compared.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRow {
    /// Its name.
    pub name: String,
    /// Its version in the registry, once registered.
    #[serde(default)]
    pub version: Option<Version>,
    /// Its stage in the registry, once registered.
    #[serde(default)]
    pub stage: Option<String>,
    /// Metrics by name, the most telling first: the page draws the first four, and tabulates all.
    pub metrics: Vec<(String, Option<f64>)>,
    /// Whether this run promoted it.
    pub promoted: bool,
}

/// Drift of one feature.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DriftRow {
    /// The feature.
    pub feature: String,
    /// How it was measured. Scores are drawn together only where the method is the same.
    pub method: String,
    /// The score; none where it is not defined.
    pub score: Option<f64>,
    /// The p-value, where the method has one.
    #[serde(default)]
    pub p_value: Option<f64>,
    /// The score from which on the feature counts as drifted; none where something else decides.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// Whether it counts as drifted.
    pub drifted: bool,
}

/// Score of one feature in the selection.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelectionRow {
    /// The feature.
    pub feature: String,
    /// How it was scored.
    pub method: String,
    /// The score; none where it is not defined.
    pub score: Option<f64>,
    /// Whether it was kept.
    pub selected: bool,
}

/// Something the run left behind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// What it is.
    pub name: String,
    /// Where it lies. Shown as text, never as a link.
    pub path: String,
}
