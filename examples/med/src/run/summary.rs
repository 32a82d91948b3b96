//! The summary of a run: as JSON for programs, as a short table for people.

use std::fmt::Write;

use med_drift::DriftReport;
use med_model::RegressionMetrics;
use med_schema::{RunId, Statistics, Verdict, Version};
use med_store::{Outcome, Stage};
use serde::{Serialize, Serializer};

use super::KINDS;
use super::record::{ModelRecord, Record};

/// The file in the run's folder. It is written last.
pub(super) const FILE: &str = "summary.json";

/// What `med run` prints. It holds no times and no paths but the report's, so that the same run prints the same bits.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Summary {
    run_id: RunId,
    /// Rows by phase.
    rows: InOrder<u64>,
    /// Verdict by phase.
    gates: InOrder<Verdict>,
    /// Why the last gate stayed closed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failures: Vec<String>,
    /// What looked odd without closing a gate, and what could not be done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    /// Metrics on the held-back part, by model.
    models: InOrder<RegressionMetrics>,
    /// The model in production after this run, if this run made it.
    promoted: Option<String>,
    /// The version that was in production before and stayed, because it does better than the models of this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<Version>,
    /// Where the models of this run stand in the registry.
    registry: Option<Registered>,
    /// Training part against held-back part.
    drift: Option<DriftReport>,
    /// Path of the HTML report: in the stored summary from the lake's root, in the printed one with the lake's location.
    report: String,
}

#[derive(Debug, Clone, Serialize)]
struct Registered {
    name: String,
    versions: InOrder<Place>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Place {
    version: Version,
    stage: Stage,
}

/// A JSON object whose members keep their order.
#[derive(Debug, Clone)]
struct InOrder<T>(Vec<(String, T)>);

impl<T: Serialize> Serialize for InOrder<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<T> FromIterator<(String, T)> for InOrder<T> {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(members: I) -> Self {
        Self(members.into_iter().collect())
    }
}

impl Summary {
    pub(super) fn of(record: &Record, report: String) -> Self {
        let place = |m: &ModelRecord| Some((m.name.clone(), Place { version: m.version?, stage: m.stage? }));
        let versions: InOrder<Place> = record.models.iter().filter_map(place).collect();
        Self {
            run_id: record.id.clone(),
            rows: record.rows.iter().map(|&(phase, rows)| (phase.to_owned(), rows)).collect(),
            gates: record.gates.iter().map(|&(phase, verdict)| (phase.to_owned(), verdict)).collect(),
            failures: record.closed.clone(),
            notes: record.notes.clone(),
            models: record.models.iter().map(|m| (m.name.clone(), m.test)).collect(),
            promoted: record.promoted.clone(),
            kept: record.kept,
            registry: (!versions.0.is_empty()).then(|| Registered { name: record.registered_model.clone(), versions }),
            drift: record.drift.clone(),
            report,
        }
    }

    /// With the path as a person at this place would type it.
    pub(super) fn within(mut self, lake: &str) -> Self {
        self.report = format!("{lake}/{}", self.report);
        self
    }
}

/// The table at the end of a run.
pub(super) fn table(record: &Record, summary: &Summary, passed: bool) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write_table(&mut out, record, summary, passed);
    out
}

fn write_table(out: &mut String, record: &Record, summary: &Summary, passed: bool) -> std::fmt::Result {
    writeln!(out, "\nRun {}  {}", record.id, if passed { "passed" } else { "FAILED" })?;
    writeln!(out, "\n  rows")?;
    for (phase, rows) in &record.rows {
        writeln!(out, "  {phase:<14}{rows:>9}")?;
    }
    if let Some(commit) = &record.commit {
        let what = match commit.outcome {
            Outcome::Committed => {
                format!("{} new, {} changed, {} gone", commit.inserted, commit.updated, commit.removed)
            }
            _ => "nothing new".to_owned(),
        };
        writeln!(out, "  lake version {}: {what}", commit.version)?;
    }
    writeln!(out, "\n  gates")?;
    let total: Statistics = record.reports.iter().fold(Statistics::default(), |t, r| {
        let s = r.statistics();
        Statistics {
            checks: t.checks + s.checks,
            passed: t.passed + s.passed,
            failed: t.failed + s.failed,
            errors: t.errors + s.errors,
        }
    });
    for (phase, verdict) in &record.gates {
        writeln!(out, "  {phase:<14}{:>9}", if *verdict == Verdict::Passed { "passed" } else { "FAILED" })?;
    }
    let not_passed = total.failed + total.errors;
    writeln!(out, "  {} of {} checks passed, {not_passed} did not", total.passed, total.checks)?;
    if !record.models.is_empty() {
        writeln!(out, "\n  {:<16}{:>8}{:>11}{:>11}   registry", "model", "R2", "RMSE", "MAE")?;
        for model in &record.models {
            let number = |value: Option<f64>, digits: usize| value.map_or("-".to_owned(), |v| format!("{v:.digits$}"));
            let (r2, rmse, mae) = (number(model.test.r2, 4), number(model.test.rmse, 1), number(model.test.mae, 1));
            let stands = place(model.version, model.stage);
            writeln!(out, "  {:<16}{r2:>8}{rmse:>11}{mae:>11}   {stands}", model.name)?;
        }
        match &record.promoted {
            Some(name) => writeln!(out, "  promoted: {name}")?,
            None => writeln!(out, "  promoted: none, production is as before this run")?,
        }
    }
    if let Some(drift) = &record.drift {
        let drifted = drift.columns.iter().filter(|c| c.drifted).count();
        let verdict = if drift.drifted { "DRIFTED" } else { "no drift" };
        writeln!(out, "\n  {verdict}: {drifted} of {} features differ between the parts", drift.columns.len())?;
    }
    if !record.notes.is_empty() {
        writeln!(out, "\n  notes")?;
        record.notes.iter().try_for_each(|note| writeln!(out, "  {note}"))?;
    }
    writeln!(out, "\n  results in {}:", record.lake_location)?;
    // A folder that cannot be listed now was written a moment ago.
    let left = |kind| record.results().names(kind, &record.id).map_or(true, |names| !names.is_empty());
    for kind in KINDS.into_iter().filter(|kind| left(*kind)) {
        writeln!(out, "    {kind}/{}/", record.id)?;
    }
    write!(out, "  report: {}", summary.report)
}

fn place(version: Option<Version>, stage: Option<Stage>) -> String {
    match (version, stage) {
        (Some(version), Some(stage)) => format!("version {version}, {stage}"),
        (Some(version), None) => format!("version {version}"),
        _ => "not registered".to_owned(),
    }
}
