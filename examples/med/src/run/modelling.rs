//! From the loaded table to models that have been fitted, scored and checked.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use med_drift::DriftDetector;
use med_etl::client_year::cut_offs;
use med_features::select::{Evidence, Selector};
use med_features::{GroupSplit, RandomSplit, Split, TimeSplit};
use med_model::{ModelSpec, RegressionMetrics};
use med_quality::{MetaSuite, NoErrors, ResultsConsistent};
use med_report::Calibration;
use med_schema::{
    Admitted, Check, CheckResult, Checked, FeatureKind, FingerprintHasher, Input, Report, Severity, Table, Verdict,
};
use med_store::{ModelArtifact, ResultKind};
use serde_json::{Value, json};

use super::clients::{self, CLIENT_ID, EVENT_TIME};
use super::record::{ModelRecord, Record};
use super::{lineage, training_set};
use crate::config::{Config, FeatureSet, ModelConfig, ModelSuite};
use crate::learner::Boosted;
use crate::prepared::Prepared;
use crate::table_file::with_dates;

const CALIBRATION_BINS: usize = 10;

/// The two parts of the table, and the features that were kept.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) train: Table,
    pub(super) test: Table,
    features: Vec<String>,
    /// Which clients were trained on.
    pub(super) trained_on: Input,
    /// Whether so few rows are held back that they tell nothing of a model.
    pub(super) too_few: bool,
}

/// A fitted model and how it does.
#[derive(Debug)]
pub(super) struct Fitted {
    pub(super) name: String,
    pub(super) model: Prepared,
    train: RegressionMetrics,
    test: RegressionMetrics,
    calibration: Option<Calibration>,
    /// What of the two parts does not suit the model.
    warnings: Vec<String>,
}

/// A model that passed its checks.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) fitted: Fitted,
    pub(super) artifact: Admitted<ModelArtifact>,
}

impl Candidate {
    /// R² on the held-back part.
    pub(super) fn r2(&self) -> f64 {
        self.fitted.test.r2.unwrap_or(f64::NEG_INFINITY)
    }
}

/// Whatever of the configuration is about models is checked before anything is done; each has its own name.
pub(super) fn check(config: &Config) -> anyhow::Result<()> {
    let names =
        config.models.iter().map(ModelConfig::name).chain([config.registered_model.as_str(), &config.feature_group]);
    for name in names {
        let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let fits = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.len() <= 100 && name.chars().all(safe);
        ensure!(
            fits,
            "expected a name of 1 to 100 characters A-Z a-z 0-9 . _ - starting with a letter or digit, found {name:?}"
        );
    }
    RandomSplit::new(config.train_fraction, config.seed)?;
    Selector::new(config.selection.method, config.selection.keep)?;
    ensure!(!config.models.is_empty(), "the configuration has no models");
    for (i, model) in config.models.iter().enumerate() {
        let twice = config.models[..i].iter().any(|m| m.name() == model.name());
        ensure!(!twice, "two models are called {:?}; give one another name", model.name());
    }
    Ok(())
}

/// Splits first, then measures drift between the parts and selects: nothing looks at all rows.
pub(super) fn split(loaded: Admitted<Table>, config: &Config, record: &mut Record) -> anyhow::Result<Parts> {
    let schema = loaded.value().schema().clone();
    let (train, test, rule) = {
        let (train, test, rule) = parts_of(loaded.value(), config, record)?;
        // The set is frozen by keys from the lake; the table would only stand beside it in memory.
        let keys = loaded.value().select(clients::keys(loaded.value()))?;
        (keys.take(&train)?, keys.take(&test)?, rule)
    };
    drop(loaded);
    let (train, test) = training_set::freeze((&train, &test), &schema, rule, config, record)?;
    record.done(lineage::TRAINING_SET);
    record.rows("train", train.n_rows());
    record.rows("test", test.n_rows());
    let too_few = test.n_rows() < config.min_test_rows;
    if too_few {
        record.notes.push(format!(
            "{} held-back rows are fewer than the {} (min_test_rows) that it takes to judge: models and drift are measured, their \
             checks only warn, and no model is put into production",
            test.n_rows(),
            config.min_test_rows
        ));
    }
    let (train_data, test_data) = (train.dataset()?, test.dataset()?);

    let drift = DriftDetector::default().detect(train_data.x(), test_data.x())?;
    record.put(ResultKind::Drift, "train_test.json", &drift)?;
    let report = if too_few { only_warning(drift.to_report()) } else { drift.to_report() };
    record.drift = Some(drift);
    let meta = MetaSuite::standard("checks of drift", ["column_drift", "table_drift"]);
    record.gate("drift", ResultKind::Drift, Checked::new((), report), &meta)?;

    // The statistic is of numbers; categories are kept.
    let is_numeric = |name: &&str| train_data.x().column(name).is_ok_and(|c| c.as_numeric().is_some());
    let numeric = train_data.x().select(train_data.x().names().filter(is_numeric))?;
    let numeric_test = test_data.x().select(numeric.names())?;
    let numeric = train_data.clone().with_features(numeric)?;
    let selection = Selector::new(config.selection.method, config.selection.keep)?
        .fit(&Evidence::from(&numeric).test(&numeric_test).learner(&Boosted::new(config.seed)?))?;
    record.put(ResultKind::Drift, "selection.json", &selection)?;
    let dropped: Vec<&str> = selection.dropped().map(|score| score.feature.as_str()).collect();
    let features: Vec<String> = train_data.x().names().filter(|n| !dropped.contains(n)).map(str::to_owned).collect();
    ensure!(!features.is_empty(), "the selection {:?} left no feature to train on", config.selection.method);
    record.selection = Some(selection);
    let trained_on = training_clients(&train)?;
    Ok(Parts { train, test, features, trained_on, too_few })
}

/// Which rows are trained on. Of client-years at one cut-off, a client is on one side; of several, those at the last one are held
/// back, and trained on are those whose target was over by then. With the rows, the rule by which they were split.
fn parts_of(table: &Table, config: &Config, record: &mut Record) -> anyhow::Result<(Vec<usize>, Vec<usize>, Value)> {
    let drawn = |split: Split, by: &str| {
        let rule = json!({ "by": by, "train_fraction": config.train_fraction, "seed": config.seed });
        (split.train().to_vec(), split.test().to_vec(), rule)
    };
    let Some(claims) = &config.claims else {
        let split = RandomSplit::new(config.train_fraction, config.seed)?.split(table.n_rows())?;
        return Ok(drawn(split, "row"));
    };
    let cut_offs = cut_offs(table)?;
    let [earlier @ .., last] = &cut_offs[..] else { anyhow::bail!("there are no client-years") };
    let months = chrono::Months::new(claims.windows.target_months);
    let over = |c: &&chrono::NaiveDate| c.checked_add_months(months).is_some_and(|end| end <= *last);
    let trained_on: BTreeSet<i64> = earlier.iter().filter(over).map(|&day| micros(day)).collect();
    if trained_on.is_empty() {
        if !earlier.is_empty() {
            record.notes.push(
                "no earlier target window was over at the last cut-off: the parts are split by client, not by time"
                    .to_owned(),
            );
        }
        let ids: Vec<Option<&str>> = table.frame().column(CLIENT_ID)?.str()?.iter().collect();
        return GroupSplit::new(config.train_fraction, config.seed)?
            .split(&ids)
            .map(|split| drawn(split, "client"))
            .context("client-years of at least two clients are needed to train on some and test on others");
    }
    let times: Vec<i64> = table.frame().column(EVENT_TIME)?.datetime()?.physical().iter().flatten().collect();
    let split = TimeSplit::cut_off(micros(*last)).split(&times)?;
    let all = split.train().len();
    let train: Vec<usize> = split.train().iter().copied().filter(|&row| trained_on.contains(&times[row])).collect();
    let cut_offs: Vec<_> = earlier.iter().filter(over).collect();
    let rule = json!({ "by": "time", "train_cut_offs": cut_offs, "test_cut_off": last });
    if train.len() < all {
        record.notes.push(format!(
            "{} client-years are not trained on, since their target window reaches beyond the last cut-off, {last}",
            all - train.len()
        ));
    }
    Ok((train, split.test().to_vec(), rule))
}

fn micros(day: chrono::NaiveDate) -> i64 {
    day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros()
}

/// The report with failures that only warn.
fn only_warning(mut report: Report) -> Report {
    for result in report.results.iter_mut().filter(|r| !r.passed()) {
        result.severity = result.severity.min(Severity::Warning);
    }
    report
}

/// The report on a model by so few held-back rows that they may not even define a metric: that is a failure which warns, like any other
/// of theirs, and no error of the check.
fn of_too_few(mut report: Report, rows: usize, record: &mut Record) -> Report {
    for result in report.results.iter_mut().filter(|r| r.verdict == Verdict::Error) {
        result.verdict = Verdict::Failed;
        let metric = result.column.as_deref().unwrap_or("a metric");
        record.notes.push(format!(
            "{}: {metric} is not defined on {rows} held-back rows: too few, or all of one cost",
            report.name
        ));
    }
    only_warning(report)
}

/// The ids of the training part, by fingerprint. Two models with the same have been held back from the same clients, and
/// only then may be compared on them.
fn training_clients(train: &Table) -> anyhow::Result<Input> {
    let mut hasher = FingerprintHasher::new();
    let ids: BTreeSet<&str> = train.frame().column(CLIENT_ID)?.str()?.iter().flatten().collect();
    ids.into_iter().for_each(|id| {
        hasher.part(id);
    });
    // Of client-years at several cut-offs, other ones of the same clients were not trained on.
    let times: BTreeSet<i64> = train.frame().column(EVENT_TIME)?.datetime()?.physical().iter().flatten().collect();
    if times.len() > 1 {
        times.into_iter().for_each(|time| {
            hasher.part(time.to_le_bytes());
        });
    }
    Ok(Input { name: "training clients".to_owned(), version: None, fingerprint: hasher.finish() })
}

/// Fits every model, each on its own thread.
pub(super) fn fit(
    parts: &Parts,
    specs: &[ModelSpec],
    config: &Config,
    record: &mut Record,
) -> anyhow::Result<Vec<Fitted>> {
    let attempts = std::thread::scope(|scope| {
        let threads: Vec<_> = config
            .models
            .iter()
            .zip(specs)
            .map(|(model, spec)| {
                let mut lineage = record.lineage.clone();
                lineage.inputs.push(parts.trained_on.clone());
                scope.spawn(move || {
                    fit_one(parts, spec, model).map(|f| Fitted { model: f.model.with_lineage(lineage), ..f })
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a fitting thread panicked"))))
            .collect::<Vec<_>>()
    });
    let mut fitted = Vec::new();
    for attempt in attempts {
        match attempt {
            Ok(model) => fitted.push(model),
            // A model with more parameters than rows is no reason to give up the others.
            Err(error) if parts.too_few => record.notes.push(crate::output::chain(&error)),
            Err(error) => return Err(error),
        }
    }
    if fitted.is_empty() {
        let reasons = [format!("no model could be fitted to {} rows", parts.train.n_rows())];
        return Err(record.close("models", &reasons));
    }
    record.notes.extend(noted(&fitted));
    let metrics: BTreeMap<&str, _> =
        fitted.iter().map(|f| (f.name.as_str(), json!({ "train": f.train, "test": f.test }))).collect();
    record.put(ResultKind::Metrics, "metrics.json", &metrics)?;
    for model in &fitted {
        let json = model.model.to_json()?;
        record.results().put_bytes(
            ResultKind::Models,
            &record.id,
            &format!("{}.json", model.name),
            json.into_bytes().into(),
        )?;
    }
    Ok(fitted)
}

fn fit_one(parts: &Parts, spec: &ModelSpec, config: &ModelConfig) -> anyhow::Result<Fitted> {
    let name = config.name().to_owned();
    let schema = parts.train.features(parts.features.iter().map(String::as_str))?.schema();
    let features: Vec<String> = schema
        .features()
        .iter()
        .filter(|f| config.features == FeatureSet::All || f.kind == FeatureKind::Numeric)
        .map(|f| f.name.clone())
        .collect();
    let features = with_dates(&features, parts.train.schema(), config.encoders.as_ref());
    let model = Prepared::fit(spec, config.encoders.as_ref(), &parts.train, &features)
        .with_context(|| format!("fitting {name}"))?;
    let (train, test) = (model.evaluate(&parts.train)?, model.evaluate(&parts.test)?);
    let target = parts.test.dataset()?;
    let actual = target.y().to_vec();
    let calibration = Calibration::of(
        format!("{name}: predicted and actual cost"),
        &model.predict(&parts.test)?,
        &actual,
        CALIBRATION_BINS,
    )
    .ok();
    let mut warnings = model.warnings().to_vec();
    warnings.extend(model.notes(&parts.train)?.warnings("training part: "));
    warnings.extend(model.notes(&parts.test)?.warnings("test part: "));
    Ok(Fitted { name, model, train, test, calibration, warnings })
}

/// The warnings of all models, each once, behind the names of the models that it is about.
fn noted(fitted: &[Fitted]) -> Vec<String> {
    let mut about: Vec<(&str, Vec<&str>)> = Vec::new();
    for (model, warning) in fitted.iter().flat_map(|f| f.warnings.iter().map(|w| (f.name.as_str(), w.as_str()))) {
        match about.iter_mut().find(|(said, _)| *said == warning) {
            Some((_, models)) => models.push(model),
            None => about.push((warning, vec![model])),
        }
    }
    about.into_iter().map(|(warning, models)| format!("{}: {warning}", models.join(", "))).collect()
}

/// Checks every model by the expectations over its metrics, and these checks. Models that do not pass go no further; when none
/// passes, the run ends.
pub(super) fn judge(
    fitted: Vec<Fitted>,
    parts: &Parts,
    suite: &ModelSuite,
    record: &mut Record,
) -> anyhow::Result<Vec<Candidate>> {
    let mut candidates = Vec::new();
    let mut reasons = Vec::new();
    let mut lineage = record.lineage.clone();
    lineage.inputs.push(parts.trained_on.clone());
    lineage.inputs.extend(record.training_set.as_ref().and_then(training_set::input));
    for fitted in fitted {
        let report = fitted.test.report(format!("model {}", fitted.name), &suite.expectations).run(record.id.clone());
        let report = if parts.too_few { of_too_few(report, parts.test.n_rows(), record) } else { report };
        let meta = MetaSuite::new(format!("checks of model {}", fitted.name))
            .with(MetricsChecked::new(suite))
            .with(NoErrors)
            .with(ResultsConsistent)
            .report(&report);
        record.put(ResultKind::ModelQualityChecks, &format!("{}.json", fitted.name), &report)?;
        record.put(ResultKind::ModelQualityChecks, &format!("{}.meta.json", fitted.name), &meta)?;
        let meta_reasons = med_schema::GatePolicy::strict().reasons(&meta);
        record.reports.extend([report.clone(), meta]);
        let mut metrics = serde_json::Map::new();
        metrics.insert("model".to_owned(), json!(fitted.name));
        metrics.insert("train".to_owned(), json!(fitted.train));
        metrics.insert("test".to_owned(), json!(fitted.test));
        let artifact = ModelArtifact {
            bytes: fitted.model.to_json()?.into_bytes().into(),
            metrics,
            signature: fitted.model.features().clone(),
            lineage: lineage.clone(),
        };
        record.models.push(ModelRecord {
            name: fitted.name.clone(),
            test: fitted.test,
            version: None,
            stage: None,
            calibration: fitted.calibration.clone(),
        });
        match Checked::new(artifact, report).gate(&record.policy) {
            Ok(artifact) if meta_reasons.is_empty() => candidates.push(Candidate { fitted, artifact }),
            Ok(_) => reasons.extend(meta_reasons.iter().map(|r| format!("{}: {r}", fitted.name))),
            Err(rejected) => reasons.extend(rejected.reasons().iter().map(|r| format!("{}: {r}", fitted.name))),
        }
    }
    if candidates.is_empty() {
        return Err(record.close("models", &reasons));
    }
    record.gates.push(("models", Verdict::Passed));
    Ok(candidates)
}

/// Each expectation of the suite has its result, about its metric: none fell away between the file and the gate.
#[derive(Debug)]
struct MetricsChecked {
    metrics: Vec<String>,
}

impl MetricsChecked {
    fn new(suite: &ModelSuite) -> Self {
        Self { metrics: suite.expectations.iter().map(|e| e.metric().as_str().to_owned()).collect() }
    }
}

impl Check<Report> for MetricsChecked {
    fn name(&self) -> &str {
        "every_metric_was_checked"
    }

    fn check(&self, report: &Report) -> CheckResult {
        let checked = report.results.iter().map(|r| r.column.as_deref().unwrap_or_default());
        CheckResult::judged(self.name(), checked.eq(self.metrics.iter().map(String::as_str)))
            .expected(format!("results about {}", self.metrics.join(", ")))
            .observed(report.results.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use med_model::{Metric, MetricExpectation};

    #[test]
    fn a_result_that_fell_away_is_noticed() {
        let expectation = |metric| MetricExpectation::at_least(metric, 0.0).unwrap();
        let suite =
            ModelSuite { name: "s".to_owned(), expectations: vec![expectation(Metric::R2), expectation(Metric::Gini)] };
        let metrics = RegressionMetrics::of(&[1.0, 2.0, 4.0], &[1.0, 2.0, 3.0], None).unwrap();
        let mut report = metrics.report("model", &suite.expectations);
        assert!(MetricsChecked::new(&suite).check(&report).passed());
        report.results.pop();
        assert!(!MetricsChecked::new(&suite).check(&report).passed());
    }
}
