//! The run as an HTML page.

use med_model::{Metric, RegressionMetrics};
use med_report::{Artifact, DriftRow, ModelRow, PhaseRow, RunPage, SelectionRow};
use med_schema::Verdict;

use super::KINDS;
use super::record::Record;

pub(super) fn of(record: &Record, passed: bool) -> RunPage {
    let verdict = if passed { Verdict::Passed } else { Verdict::Failed };
    let mut page = RunPage::new("Annual medical cost", record.id.clone(), record.lineage.as_of, verdict);
    page.summary = Some(match (&record.promoted, record.closed.is_empty()) {
        (_, false) => format!("Stopped at a gate: {}", record.closed.join("; ")),
        (Some(name), true) => format!("All gates passed; {name} is in production."),
        (None, true) => "All gates passed; this run puts no model into production.".to_owned(),
    });
    if !record.notes.is_empty() {
        page.summary = page.summary.map(|told| format!("{told} Notes: {}.", record.notes.join("; ")));
    }
    page.phases = phases(record);
    page.reports.clone_from(&record.reports);
    page.models = record
        .models
        .iter()
        .map(|model| ModelRow {
            name: model.name.clone(),
            version: model.version,
            stage: model.stage.map(|s| s.to_string()),
            metrics: metrics(&model.test),
            promoted: record.promoted.as_deref() == Some(&model.name),
        })
        .collect();
    page.calibrations = record.models.iter().filter_map(|m| m.calibration.clone()).collect();
    if let Some(drift) = &record.drift {
        page.drift = drift
            .columns
            .iter()
            .map(|column| DriftRow {
                feature: column.name.clone(),
                method: column.method.to_string(),
                score: column.score,
                p_value: column.p_value,
                threshold: Some(column.threshold),
                drifted: column.drifted,
            })
            .collect();
    }
    if let Some(selection) = &record.selection {
        page.selection = selection
            .scores()
            .iter()
            .map(|score| SelectionRow {
                feature: score.feature.clone(),
                method: selection.method().to_string(),
                score: score.score,
                selected: score.selected,
            })
            .collect();
    }
    page.artifacts =
        KINDS.iter().map(|kind| Artifact { name: kind.to_string(), path: format!("{kind}/{}/", record.id) }).collect();
    page
}

/// Each phase with the rows of the one before it, and what the transforms changed.
fn phases(record: &Record) -> Vec<PhaseRow> {
    let mut before = None;
    let mut phases = Vec::new();
    for &(name, rows) in &record.rows {
        let note = if name == "transformed" {
            let told = record.steps.iter().map(|step| {
                let filled: u64 = step.cells_filled.values().sum();
                if filled > 0 { format!("{}: {filled} cells filled", step.step) } else { step.step.clone() }
            });
            told.collect::<Vec<_>>().join(", ")
        } else {
            String::new()
        };
        let loaded = record.rows.iter().find(|(phase, _)| *phase == "loaded").map(|&(_, rows)| rows);
        let rows_in = if name == "test" { loaded } else { before };
        phases.push(PhaseRow { name: name.to_owned(), rows_in, rows_out: Some(rows), note });
        // Both parts of the split come from what was loaded, and the held-back one is predicted.
        if name != "train" {
            before = Some(rows);
        }
    }
    phases
}

/// The metrics, those that tell most first.
fn metrics(metrics: &RegressionMetrics) -> Vec<(String, Option<f64>)> {
    Metric::ALL.iter().map(|&m| (m.as_str().to_owned(), metrics.get(m))).collect()
}
