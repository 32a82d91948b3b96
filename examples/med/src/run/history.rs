//! What earlier runs saw: the metrics of each batch are kept by run, and those of a new batch are checked against them.
//!
//! A run is in the baseline if it went through all gates, which its summary says. The baseline that a run was judged by is kept
//! with it, so that running it again later, when the lake knows more runs, changes nothing.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use med_quality::{MetaSuite, MetricHistory, RunMetrics, profile};
use med_schema::{Admitted, Check, Checked, Profile, Role, RunId, Table};
use med_store::ResultKind;
use serde::{Deserialize, Serialize};

use super::record::Record;
use super::{restart, summary};
use crate::config::Config;

/// The batch's metrics, in the run's folder.
const METRICS: &str = "clients.json";
/// The batch's sketches, which can be merged with others and compared.
const PROFILE: &str = "clients.profile.json";
/// The metrics of earlier runs that this one was judged by.
const BASELINE: &str = "clients.baseline.json";

/// The metrics of a batch, and when it was as it is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchMetrics {
    as_of: DateTime<Utc>,
    batch: RunMetrics,
}

/// Keeps the batch's metrics, and checks them by those rules for which there are enough earlier runs.
pub(super) fn check(batch: Admitted<Table>, config: &Config, record: &mut Record) -> anyhow::Result<Admitted<Table>> {
    let profile = profile(batch.value())?;
    let metrics = RunMetrics::of_profile(record.id.as_str(), &profile);
    // Of the keys numbers are kept, and no values: they name clients, who may ask to be forgotten.
    let unnamed = profile.columns().iter().filter(|column| column.column().role != Role::Key).cloned().collect();
    record.put(ResultKind::Metrics, PROFILE, &Profile::new(profile.rows(), unnamed)?)?;
    record.put(ResultKind::Metrics, METRICS, &BatchMetrics { as_of: config.event_time, batch: metrics.clone() })?;
    let baseline = baseline(config, record)?;
    record.put(ResultKind::Metrics, BASELINE, &baseline)?;
    let suite = config.history.ready(&baseline, &metrics);
    if suite.checks().is_empty() {
        return Ok(batch);
    }
    let report = suite.report(&baseline, &metrics);
    let required: Vec<String> = suite.checks().iter().map(|check| check.name().to_owned()).collect();
    let meta = MetaSuite::standard("checks of the history", required);
    record.gate("history", ResultKind::DataQualityChecks, Checked::new((), report), &meta)?;
    // It goes on with the report of its own suite, which the feature group asks for.
    Ok(batch)
}

/// The earlier batches, oldest first: of each what the rules are about.
fn baseline(config: &Config, record: &Record) -> anyhow::Result<MetricHistory> {
    let results = record.results();
    if results.names(ResultKind::Metrics, &record.id)?.iter().any(|name| name == BASELINE) {
        return Ok(results.get_json(ResultKind::Metrics, &record.id, BASELINE)?);
    }
    let wanted: BTreeSet<&str> = config.history.checks().iter().map(|check| check.metric.as_str()).collect();
    let mut batches: Vec<(DateTime<Utc>, RunId, RunMetrics)> = Vec::new();
    for run in results.runs(ResultKind::Metrics)? {
        let has = |kind, file: &str| Ok::<_, anyhow::Error>(results.names(kind, &run)?.iter().any(|name| name == file));
        // The same batch again under another name is one batch.
        if run == record.id || !has(ResultKind::Metrics, METRICS)? || restart::is_superseded(&results, &run)? {
            continue;
        }
        let BatchMetrics { as_of, mut batch } = results.get_json(ResultKind::Metrics, &run, METRICS)?;
        if as_of > config.event_time {
            continue;
        }
        batch.accepted = has(ResultKind::Runs, summary::FILE)?;
        batch.metrics.retain(|name, _| wanted.contains(name.as_str()));
        batches.push((as_of, run, batch));
    }
    batches.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let mut history = MetricHistory::default();
    batches.into_iter().for_each(|(_, _, batch)| history.record(batch));
    Ok(history)
}
