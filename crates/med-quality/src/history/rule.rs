//! The rules about one metric over time.

use med_schema::CheckResult;
use serde::{Deserialize, Serialize};

/// What is expected of a new value beside the earlier ones. See the module's page for the formulas.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum HistoryRule {
    /// Changed by no more than this since the last accepted run.
    ChangeWithin {
        /// The most it may change, from 0.
        absolute: f64,
        /// Accepted runs needed.
        runs: usize,
    },
    /// Changed by no more than this share of the last accepted run's value.
    RelativeChangeWithin {
        /// The share, from 0.
        share: f64,
        /// Accepted runs needed.
        runs: usize,
    },
    /// Within so many sample standard deviations of the mean of the accepted runs.
    WithinStdevs {
        /// How many.
        k: f64,
        /// A distance that is always fine.
        floor: f64,
        /// Accepted runs needed, at least 2.
        runs: usize,
    },
    /// Within so many scaled median absolute deviations of the median of the accepted runs. One odd run does not move it.
    WithinMads {
        /// How many; scaled by 1.4826, so that they are standard deviations where values are normal.
        k: f64,
        /// A distance that is always fine.
        floor: f64,
        /// Accepted runs needed, at least 2.
        runs: usize,
    },
    /// Neither rises nor falls steadily over the accepted runs and the new one.
    NoTrend {
        /// The most that the test's Z may be.
        z: f64,
        /// Accepted runs needed, at least 3.
        runs: usize,
    },
}

impl HistoryRule {
    /// [`HistoryRule::ChangeWithin`], of one run.
    pub fn change_within(absolute: f64) -> Self {
        Self::ChangeWithin { absolute, runs: 1 }
    }

    /// [`HistoryRule::RelativeChangeWithin`], of one run.
    pub fn relative_change_within(share: f64) -> Self {
        Self::RelativeChangeWithin { share, runs: 1 }
    }

    /// [`HistoryRule::WithinStdevs`], of five runs, without a floor.
    pub fn within_stdevs(k: f64) -> Self {
        Self::WithinStdevs { k, floor: 0.0, runs: 5 }
    }

    /// [`HistoryRule::WithinMads`], of five runs, without a floor.
    pub fn within_mads(k: f64) -> Self {
        Self::WithinMads { k, floor: 0.0, runs: 5 }
    }

    /// [`HistoryRule::NoTrend`], of eight runs.
    pub fn no_trend(z: f64) -> Self {
        Self::NoTrend { z, runs: 8 }
    }

    /// Needs so many accepted runs, though never fewer than the rule is defined for.
    #[must_use]
    pub fn at_least(mut self, needed: usize) -> Self {
        match &mut self {
            Self::ChangeWithin { runs, .. }
            | Self::RelativeChangeWithin { runs, .. }
            | Self::WithinStdevs { runs, .. }
            | Self::WithinMads { runs, .. }
            | Self::NoTrend { runs, .. } => *runs = needed,
        }
        self
    }

    /// A distance that is always fine; of the two rules about spread, others stay as they are.
    #[must_use]
    pub fn floor(mut self, distance: f64) -> Self {
        if let Self::WithinStdevs { floor, .. } | Self::WithinMads { floor, .. } = &mut self {
            *floor = distance;
        }
        self
    }

    /// Accepted runs needed.
    pub fn needed(&self) -> usize {
        self.parameters().2
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::ChangeWithin { .. } => "metric_change_within",
            Self::RelativeChangeWithin { .. } => "metric_relative_change_within",
            Self::WithinStdevs { .. } => "metric_within_stdevs",
            Self::WithinMads { .. } => "metric_within_mads",
            Self::NoTrend { .. } => "metric_has_no_trend",
        }
    }

    /// The parameter, what it is called in words, and the runs needed.
    fn parameters(&self) -> (f64, String, usize) {
        let spread = |k: f64, floor: f64, what: &str| {
            let floor = if floor > 0.0 { format!(", or {floor}") } else { String::new() };
            format!("within {k} {what}{floor}")
        };
        match *self {
            Self::ChangeWithin { absolute, runs } => (absolute, format!("a change of at most {absolute}"), runs.max(1)),
            Self::RelativeChangeWithin { share, runs } => {
                (share, format!("a change of at most {} %", share * 100.0), runs.max(1))
            }
            Self::WithinStdevs { k, floor, runs } => {
                (k, spread(k, floor, "standard deviations of the mean"), runs.max(2))
            }
            Self::WithinMads { k, floor, runs } => (k, spread(k, floor, "scaled MADs of the median"), runs.max(2)),
            Self::NoTrend { z, runs } => (z, format!("no trend, Mann-Kendall Z below {z}"), runs.max(3)),
        }
    }

    /// Judges a value by the accepted ones before it.
    pub(super) fn judge(&self, past: &[f64], now: Option<f64>) -> CheckResult {
        let (parameter, expected, needed) = self.parameters();
        let error = |why: String| CheckResult::error(self.name(), why).expected(expected.as_str());
        if parameter.is_nan() || parameter < 0.0 {
            return error(format!("expected a parameter from 0, found {parameter}"));
        }
        let Some(now) = now.filter(|v| v.is_finite()) else {
            return error("the run has no value of this metric".to_owned());
        };
        if past.len() < needed {
            return error(format!("expected {needed} accepted runs with this metric, found {}", past.len()));
        }
        let (center, limit) = match *self {
            Self::NoTrend { z, .. } => return self.judge_trend(past, now, z).expected(expected),
            // There are `needed` values, at least one.
            Self::ChangeWithin { absolute, .. } => (past[past.len() - 1], absolute),
            Self::RelativeChangeWithin { share, .. } => (past[past.len() - 1], share * past[past.len() - 1].abs()),
            Self::WithinStdevs { k, floor, .. } => {
                let (mean, std) = mean_std(past);
                (mean, (k * std).max(floor))
            }
            Self::WithinMads { k, floor, .. } => {
                let center = median(past.to_vec());
                let mad = median(past.iter().map(|v| (v - center).abs()).collect());
                (center, (k * 1.4826 * mad).max(floor))
            }
        };
        // Rounding of the centre is no change.
        let slack = 1e-12 * center.abs().max(now.abs());
        CheckResult::judged(self.name(), (now - center).abs() <= limit + slack)
            .expected(expected)
            .observed(now)
            .detail("center", center)
            .detail("limit", limit)
            .detail("runs", past.len())
    }

    fn judge_trend(&self, past: &[f64], now: f64, z: f64) -> CheckResult {
        let values: Vec<f64> = past.iter().copied().chain([now]).collect();
        let statistic = mann_kendall(&values);
        CheckResult::judged(self.name(), statistic.abs() < z)
            .observed(statistic)
            .detail("slope_per_run", theil_sen(&values))
            .detail("runs", past.len())
    }
}

fn mean_std(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

/// Of at least one value; the mean of the middle two of an even number.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { 0.5 * (values[middle - 1] + values[middle]) }
}

/// Z of the Mann-Kendall test with correction for ties; 0 where all values are equal.
fn mann_kendall(values: &[f64]) -> f64 {
    let pairs = (0..values.len()).flat_map(|i| (0..i).map(move |j| (j, i)));
    let s: f64 =
        pairs.map(|(j, i)| f64::from(i32::from(values[i] > values[j]) - i32::from(values[i] < values[j]))).sum();
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let term = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0);
    let ties: f64 = sorted.chunk_by(|a, b| a == b).map(|tied| term(tied.len() as f64)).sum();
    let variance = (term(values.len() as f64) - ties) / 18.0;
    if variance <= 0.0 || s == 0.0 { 0.0 } else { (s - s.signum()) / variance.sqrt() }
}

/// The median of the slopes of all pairs.
fn theil_sen(values: &[f64]) -> f64 {
    let pairs = (0..values.len()).flat_map(|i| (0..i).map(move |j| (j, i)));
    median(pairs.map(|(j, i)| (values[i] - values[j]) / (i - j) as f64).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use med_schema::Verdict;

    fn verdict(rule: HistoryRule, past: &[f64], now: f64) -> Verdict {
        rule.judge(past, Some(now)).verdict
    }

    #[test]
    fn changes_are_since_the_last_run() {
        assert_eq!(verdict(HistoryRule::change_within(2.0), &[99.0, 10.0], 12.0), Verdict::Passed);
        assert_eq!(verdict(HistoryRule::change_within(2.0), &[10.0], 12.5), Verdict::Failed);
        assert_eq!(verdict(HistoryRule::relative_change_within(0.1), &[-10.0], -11.0), Verdict::Passed);
        assert_eq!(verdict(HistoryRule::relative_change_within(0.1), &[0.0], 0.1), Verdict::Failed);
    }

    #[test]
    fn one_odd_run_moves_the_mean_and_not_the_median() {
        let past = [10.0, 11.0, 9.0, 10.0, 500.0];
        assert_eq!(verdict(HistoryRule::within_stdevs(3.0), &past, 300.0), Verdict::Passed);
        assert_eq!(verdict(HistoryRule::within_mads(3.0), &past, 300.0), Verdict::Failed);
        assert_eq!(verdict(HistoryRule::within_mads(3.0), &past, 12.0), Verdict::Passed);
        assert_eq!(verdict(HistoryRule::within_stdevs(3.0), &[0.1; 6], 0.1), Verdict::Passed, "no spread, same value");
        assert_eq!(verdict(HistoryRule::within_stdevs(3.0), &[0.1; 6], 0.2), Verdict::Failed);
        assert_eq!(verdict(HistoryRule::within_stdevs(3.0).floor(0.2), &[0.1; 6], 0.2), Verdict::Passed);
    }

    #[test]
    fn a_short_history_is_an_error_and_says_how_short() {
        let result = HistoryRule::within_mads(3.0).judge(&[1.0, 2.0], Some(1.0));
        assert_eq!(result.verdict, Verdict::Error);
        assert_eq!(result.message.as_deref(), Some("expected 5 accepted runs with this metric, found 2"));
        assert_eq!(HistoryRule::change_within(1.0).at_least(0).judge(&[], Some(1.0)).verdict, Verdict::Error);
        assert_eq!(HistoryRule::change_within(1.0).judge(&[1.0], None).verdict, Verdict::Error);
        assert_eq!(HistoryRule::change_within(f64::NAN).judge(&[1.0], Some(1.0)).verdict, Verdict::Error);
    }

    #[test]
    fn trends_by_mann_kendall_and_theil_sen() {
        // S = 10 of 5 rising values; Var = 5 * 4 * 15 / 18; Z = 9 / sqrt(16.67).
        assert!((mann_kendall(&[1.0, 2.0, 3.0, 4.0, 5.0]) - 9.0 / (300.0_f64 / 18.0).sqrt()).abs() < 1e-12);
        // Slopes 2, 2, 2, 23, 33.5 and 65.
        assert_eq!((mann_kendall(&[2.0; 5]), theil_sen(&[1.0, 3.0, 5.0, 70.0])), (0.0, 12.5));
        let rising: Vec<f64> = (0..9).map(|i| f64::from(i) + f64::from(i % 2)).collect();
        assert_eq!(verdict(HistoryRule::no_trend(1.96), &rising, 9.5), Verdict::Failed);
        let level: Vec<f64> = (0..9).map(|i| f64::from(i % 3)).collect();
        assert_eq!(verdict(HistoryRule::no_trend(1.96), &level, 1.0), Verdict::Passed);
    }
}
