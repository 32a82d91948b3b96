//! Metrics by run, and checks of a new run against the earlier ones.
//!
//! A [`MetricHistory`] is a plain value that its owner keeps, as JSON for example. Only accepted runs are looked back at: a run that
//! a gate rejected stays in the history and out of every baseline. [`HistorySuite`] judges a new run and answers with a
//! [`Report`]; where fewer accepted runs know a metric than a rule needs, or the new run does not know it, the verdict is
//! [`Verdict::Error`](med_schema::Verdict::Error), which no gate lets pass unless told to.
//!
//! | rule | passes when, for the new value x |
//! | --- | --- |
//! | [`HistoryRule::ChangeWithin`] | `\|x - last\| <= absolute` |
//! | [`HistoryRule::RelativeChangeWithin`] | `\|x - last\| <= share \|last\|` |
//! | [`HistoryRule::WithinStdevs`] | `\|x - mean\| <= k s`, s with n - 1 |
//! | [`HistoryRule::WithinMads`] | `\|x - median\| <= k 1.4826 MAD`, MAD the median distance from the median |
//! | [`HistoryRule::NoTrend`] | `\|Z\| < z` of the test of Mann (1945) and Kendall (1975) over the earlier values and x |
//!
//! The test counts `S`, the pairs that rise less those that fall; with ties in groups of `t`,
//! `Var = (n (n - 1) (2 n + 5) - sum t (t - 1) (2 t + 5)) / 18` and `Z = (S - sign S) / sqrt(Var)`. The slope that is told along is that of
//! Theil (1950) and Sen (1968), the median of the slopes of all pairs, a run. For 8 runs and more the normal approximation is good;
//! `z = 1.96` alarms on 5 % of histories without trend, `2.576` on 1 %.
//!
//! Baselines without spread (all earlier values equal) accept the same value alone; give [`HistoryRule::WithinStdevs`] and
//! [`HistoryRule::WithinMads`] a floor where that is too strict.

mod rule;

use std::collections::BTreeMap;

use med_schema::{Check, CheckResult, Profile, Report, Severity};
use serde::{Deserialize, Serialize};

pub use rule::HistoryRule;

/// The metrics of one run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunMetrics {
    /// Names the run.
    pub run: String,
    /// Whether it was let through. A rejected run enters no baseline.
    pub accepted: bool,
    /// Values by name, such as `age.mean`. Finite.
    pub metrics: BTreeMap<String, f64>,
}

impl RunMetrics {
    /// A run without metrics, accepted.
    pub fn new(run: impl Into<String>) -> Self {
        Self { run: run.into(), accepted: true, metrics: BTreeMap::new() }
    }

    /// With one more metric; what is not finite is left out, and so unknown.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: f64) -> Self {
        if value.is_finite() {
            self.metrics.insert(name.into(), value);
        }
        self
    }

    /// The same run, let through or not.
    #[must_use]
    pub fn accepted(mut self, accepted: bool) -> Self {
        self.accepted = accepted;
        self
    }

    /// The metrics of a profile: `rows`; for each column `missing_share` and `distinct`, and for numbers `mean`, `std`, `min`, `max`,
    /// `q05`, `q50`, `q95`, each after the column's name and a dot.
    pub fn of_profile(run: impl Into<String>, profile: &Profile) -> Self {
        let mut metrics = Self::new(run).with("rows", profile.rows() as f64);
        for column in profile.columns() {
            let quantiles = column.quantiles().map(|q| q.quantiles(&[0.05, 0.5, 0.95])).unwrap_or_default();
            let quantile = |i: usize| quantiles.get(i).copied().flatten();
            let (low, high) = column.range().unzip();
            let values = [
                ("missing_share", (column.rows() > 0).then(|| column.missing() as f64 / column.rows() as f64)),
                ("distinct", Some(column.distinct() as f64)),
                ("mean", column.moments().and_then(med_schema::Moments::mean)),
                ("std", column.moments().and_then(med_schema::Moments::std)),
                ("min", low.and_then(med_schema::Item::as_number)),
                ("max", high.and_then(med_schema::Item::as_number)),
                ("q05", quantile(0)),
                ("q50", quantile(1)),
                ("q95", quantile(2)),
            ];
            for (name, value) in values {
                metrics = metrics.with(format!("{}.{name}", column.column().name), value.unwrap_or(f64::NAN));
            }
        }
        metrics
    }
}

/// Runs, oldest first.
///
/// ```
/// use med_quality::{HistoryRule, HistorySuite, MetricHistory, RunMetrics};
/// use med_schema::Verdict;
/// let mut history = MetricHistory::default();
/// for (run, mean, accepted) in [("a", 10.0, true), ("b", 90.0, false), ("c", 11.0, true), ("d", 10.5, true)] {
///     history.record(RunMetrics::new(run).with("cost.mean", mean).accepted(accepted));
/// }
/// let suite = HistorySuite::new("monthly").expect("cost.mean", HistoryRule::within_mads(5.0).at_least(3));
/// let verdict = |mean| suite.report(&history, &RunMetrics::new("e").with("cost.mean", mean)).verdict();
/// assert_eq!((verdict(10.9), verdict(90.0)), (Verdict::Passed, Verdict::Failed));
/// let young = MetricHistory::default();
/// assert!(suite.ready(&young, &RunMetrics::new("e")).checks().is_empty());
/// assert_eq!(suite.report(&young, &RunMetrics::new("e").with("cost.mean", 10.0)).verdict(), Verdict::Error);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricHistory {
    runs: Vec<RunMetrics>,
}

impl MetricHistory {
    /// Adds a run as the newest. A run of the same name is taken out first, so that recording twice changes nothing.
    pub fn record(&mut self, run: RunMetrics) {
        self.runs.retain(|known| known.run != run.run);
        self.runs.push(run);
    }

    /// Changes whether a run is let through; false if there is none of this name.
    pub fn set_accepted(&mut self, run: &str, accepted: bool) -> bool {
        let found = self.runs.iter_mut().find(|known| known.run == run);
        found.map(|known| known.accepted = accepted).is_some()
    }

    /// The runs, oldest first.
    pub fn runs(&self) -> &[RunMetrics] {
        &self.runs
    }

    /// The values of a metric in the accepted runs other than this one, oldest first.
    pub fn baseline(&self, metric: &str, but: &str) -> Vec<f64> {
        let runs = self.runs.iter().filter(|run| run.accepted && run.run != but);
        runs.filter_map(|run| run.metrics.get(metric).copied()).filter(|v| v.is_finite()).collect()
    }
}

/// A new run beside the history it is judged by.
#[derive(Debug, Clone, Copy)]
pub struct InHistory<'a> {
    /// The earlier runs.
    pub history: &'a MetricHistory,
    /// The new one. Where the history has it already, its entry is passed over.
    pub run: &'a RunMetrics,
}

/// One rule about one metric: a check of a run in its history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryCheck {
    /// The metric.
    pub metric: String,
    /// The rule.
    #[serde(flatten)]
    pub rule: HistoryRule,
    /// How much a failure matters.
    #[serde(default)]
    pub severity: Severity,
}

impl Check<InHistory<'_>> for HistoryCheck {
    fn name(&self) -> &str {
        self.rule.name()
    }

    fn check(&self, subject: &InHistory<'_>) -> CheckResult {
        let past = subject.history.baseline(&self.metric, &subject.run.run);
        let now = subject.run.metrics.get(&self.metric).copied();
        self.rule.judge(&past, now).severity(self.severity).column(self.metric.as_str())
    }
}

/// Rules about the metrics of a run, with a name. Serde both ways.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistorySuite {
    name: String,
    checks: Vec<HistoryCheck>,
}

impl HistorySuite {
    /// No rules yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), checks: Vec::new() }
    }

    /// With a rule about a metric, critical.
    #[must_use]
    pub fn expect(self, metric: impl Into<String>, rule: HistoryRule) -> Self {
        self.with(HistoryCheck { metric: metric.into(), rule, severity: Severity::default() })
    }

    /// With one more check.
    #[must_use]
    pub fn with(mut self, check: HistoryCheck) -> Self {
        self.checks.push(check);
        self
    }

    /// The checks.
    pub fn checks(&self) -> &[HistoryCheck] {
        &self.checks
    }

    /// The checks that this history is long enough for, as a suite: for a pipeline whose first runs have none to look back at. It may
    /// be empty. A metric that the run lacks is no excuse; its checks stay.
    #[must_use]
    pub fn ready(&self, history: &MetricHistory, run: &RunMetrics) -> Self {
        let enough = |check: &&HistoryCheck| history.baseline(&check.metric, &run.run).len() >= check.rule.needed();
        Self { name: self.name.clone(), checks: self.checks.iter().filter(enough).cloned().collect() }
    }

    /// Judges a run by the earlier ones.
    pub fn report(&self, history: &MetricHistory, run: &RunMetrics) -> Report {
        let subject = InHistory { history, run };
        let results = self.checks.iter().map(|check| check.check(&subject)).collect();
        Report { results, ..Report::new(self.name.as_str()) }
    }
}
