//! What a run has come to so far: gates, rows, reports, and where it all lies.

use std::fmt;

use anyhow::Context;
use chrono::{DateTime, Utc};
use med_drift::DriftReport;
use med_etl::StepReport;
use med_features::select::Selection;
use med_model::RegressionMetrics;
use med_quality::MetaSuite;
use med_schema::{Admitted, Checked, Fingerprint, GatePolicy, Input, Lineage, Report, RunId, Verdict, Version};
use med_store::blocking::{Lakehouse, ResultFolder};
use med_store::{Artifact, Commit, ResultKind, Stage, StoreError};
use serde::Serialize;

use super::promotion::{DECISION, Decision};
use super::summary::Summary;
use super::{lineage, page, summary};
use crate::config::Config;

/// A gate that stayed closed: the run ends here, and nothing after it was done.
#[derive(Debug)]
pub(super) struct GateClosed {
    phase: &'static str,
    reasons: Vec<String>,
}

impl fmt::Display for GateClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped at gate {:?}:", self.phase)?;
        self.reasons.iter().try_for_each(|reason| write!(f, "\n  {reason}"))
    }
}

impl std::error::Error for GateClosed {}

/// One of the models of the run.
#[derive(Debug)]
pub(super) struct ModelRecord {
    pub(super) name: String,
    pub(super) test: RegressionMetrics,
    pub(super) version: Option<Version>,
    pub(super) stage: Option<Stage>,
    pub(super) calibration: Option<med_report::Calibration>,
}

/// A frozen training set.
#[derive(Debug)]
pub(super) struct FrozenSet {
    pub(super) artifact: Artifact,
    /// The version of the group that it was made of, which may be older than the one that was loaded now.
    pub(super) made_of: Version,
}

/// The run so far.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: RunId,
    pub(super) lineage: Lineage,
    /// What was loaded, table by table, and by what rules.
    pub(super) sources: Vec<Input>,
    started: DateTime<Utc>,
    /// When each job was over. Kept with the lineage, and in nothing that is compared.
    done: Vec<(&'static str, DateTime<Utc>)>,
    pub(super) lake: Lakehouse,
    pub(super) lake_location: String,
    pub(super) policy: GatePolicy,
    pub(super) registered_model: String,
    /// Name and version of the group that is loaded.
    pub(super) feature_group: String,
    pub(super) rows: Vec<(&'static str, u64)>,
    pub(super) gates: Vec<(&'static str, Verdict)>,
    pub(super) reports: Vec<Report>,
    pub(super) steps: Vec<StepReport>,
    pub(super) commit: Option<Commit>,
    /// The set of the lake that the models are trained on.
    pub(super) training_set: Option<FrozenSet>,
    pub(super) drift: Option<DriftReport>,
    pub(super) selection: Option<Selection>,
    pub(super) models: Vec<ModelRecord>,
    pub(super) promoted: Option<String>,
    pub(super) kept: Option<Version>,
    pub(super) closed: Vec<String>,
    /// What a person should know: what looked odd, and what could not be done.
    pub(super) notes: Vec<String>,
}

impl Record {
    pub(super) fn new(id: RunId, lineage: Lineage, config: &Config, lake: Lakehouse) -> Self {
        Self {
            id,
            lineage,
            sources: Vec::new(),
            started: Utc::now(),
            done: Vec::new(),
            lake,
            lake_location: config.lake.trim_end_matches('/').to_owned(),
            policy: config.gate.clone(),
            registered_model: config.registered_model.clone(),
            feature_group: format!("{}_v1", config.feature_group),
            rows: Vec::new(),
            gates: Vec::new(),
            reports: Vec::new(),
            steps: Vec::new(),
            commit: None,
            training_set: None,
            drift: None,
            selection: None,
            models: Vec::new(),
            promoted: None,
            kept: None,
            closed: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn results(&self) -> ResultFolder {
        self.lake.results()
    }

    /// Writes a result of this run.
    pub(super) fn put(&self, kind: ResultKind, name: &str, value: &(impl Serialize + Sync)) -> anyhow::Result<()> {
        match self.results().put_json(kind, &self.id, name, value) {
            Ok(_) => Ok(()),
            Err(error @ StoreError::Occupied { .. }) => Err(error).context(
                "this lake has other results of the same rows and configuration, made by another build of this program; \
                 use another lake, or another seed",
            ),
            Err(error) => Err(error).with_context(|| format!("{kind}/{}/{name}", self.id)),
        }
    }

    /// Notes that a job is over.
    pub(super) fn done(&mut self, job: &'static str) {
        self.done.push((job, Utc::now()));
    }

    /// From when to when a job was done: each begins when the one before it is over, and one that did not come to its end ends now.
    pub(super) fn span(&self, job: &str) -> (DateTime<Utc>, DateTime<Utc>) {
        let place = self.done.iter().position(|(done, _)| *done == job);
        let before = place.unwrap_or(self.done.len()).checked_sub(1);
        let start = before.map_or(self.started, |before| self.done[before].1);
        (start, place.map_or_else(Utc::now, |place| self.done[place].1))
    }

    pub(super) fn rows(&mut self, phase: &'static str, rows: usize) {
        self.rows.push((phase, rows as u64));
    }

    /// Checks the report itself by `meta`, stores both, and lets the value through both gates or ends the run.
    pub(super) fn gate<T>(
        &mut self,
        phase: &'static str,
        kind: ResultKind,
        checked: Checked<T>,
        meta: &MetaSuite,
    ) -> anyhow::Result<Admitted<T>> {
        let report = checked.report().clone().run(self.id.clone());
        let checks = meta.report(&report).run(self.id.clone());
        self.put(kind, &format!("{phase}.json"), &report)?;
        self.put(kind, &format!("{phase}.meta.json"), &checks)?;
        let meta_reasons = GatePolicy::strict().reasons(&checks);
        self.reports.extend([report, checks]);
        match checked.gate(&self.policy) {
            Ok(admitted) if meta_reasons.is_empty() => {
                self.gates.push((phase, Verdict::Passed));
                Ok(admitted)
            }
            Ok(_) => Err(self.close(phase, &meta_reasons)),
            Err(rejected) => Err(self.close(phase, rejected.reasons())),
        }
    }

    /// Notes that a gate stayed closed.
    pub(super) fn close(&mut self, phase: &'static str, reasons: &[impl fmt::Display]) -> anyhow::Error {
        self.gates.push((phase, Verdict::Failed));
        let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
        self.closed.clone_from(&reasons);
        GateClosed { phase, reasons }.into()
    }

    /// What this run decided when it came as far as that before.
    pub(super) fn decided(&self) -> anyhow::Result<Option<Decision>> {
        let names = self.results().names(ResultKind::Runs, &self.id)?;
        if !names.iter().any(|name| name == DECISION) {
            return Ok(None);
        }
        Ok(Some(self.results().get_json(ResultKind::Runs, &self.id, DECISION)?))
    }

    /// Whether this run was completed before: its registry moves are history then, and are not made again.
    pub(super) fn completed_before(&self) -> anyhow::Result<bool> {
        Ok(self.results().names(ResultKind::Runs, &self.id)?.iter().any(|name| name == summary::FILE))
    }

    /// Writes page and summary, the summary last: where it is, the run is complete.
    pub(super) fn finish(&self, passed: bool) -> anyhow::Result<Summary> {
        for step in lineage::steps(self) {
            self.lake.lineage().record(&step)?;
        }
        let page = page::of(self, passed);
        let html = med_report::render(&page)?;
        // A run completes once; it may fail in more than one way, each of which keeps its own page.
        let prefix = if passed { String::new() } else { format!("failed-{}-", Fingerprint::of(&html).short()) };
        self.put(ResultKind::Runs, &format!("{prefix}page.json"), &page)?;
        let name = format!("{prefix}report.html");
        let written = self.results().put_bytes(ResultKind::Runs, &self.id, &name, html.into_bytes().into())?;
        let summary = Summary::of(self, written.path);
        self.put(ResultKind::Runs, &format!("{prefix}{}", summary::FILE), &summary)?;
        Ok(summary.within(&self.lake_location))
    }
}
