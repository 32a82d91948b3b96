//! Which trial to take: the best, or the simplest that is not clearly worse.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::search::{Trial, TrialOutcome};
use crate::Metric;

/// A parameter, and which of its values are simpler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Simpler {
    /// Smaller values of this parameter.
    Smaller(String),
    /// Larger values of this parameter.
    Larger(String),
}

/// How a trial is chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrialSelection {
    /// The best mean.
    Best,
    /// Of the trials whose mean is within one standard error of the best one's (its own standard error), the simplest:
    /// by the first of these parameters that differ, then by mean, then by the order of trials (Breiman, Friedman, Olshen
    /// and Stone 1984, section 3.4.3).
    OneStandardError(Vec<Simpler>),
}

impl Default for TrialSelection {
    /// One standard error, in the order: fewer leaves, less depth, fewer trees, more rows a leaf, a smaller learning
    /// rate, larger penalties (`lambda_l2`, `lambda_l1`, `alpha`), more neighbours. Parameters a model does not have are
    /// passed over.
    fn default() -> Self {
        let smaller = |n: &str| Simpler::Smaller(n.to_owned());
        let larger = |n: &str| Simpler::Larger(n.to_owned());
        Self::OneStandardError(vec![
            smaller("num_leaves"),
            smaller("max_depth"),
            smaller("num_iterations"),
            smaller("n_trees"),
            larger("min_data_in_leaf"),
            smaller("learning_rate"),
            larger("lambda_l2"),
            larger("lambda_l1"),
            larger("alpha"),
            larger("k"),
        ])
    }
}

/// The value of a metric such that less is better.
pub(super) fn loss(metric: Metric, value: f64) -> f64 {
    match metric {
        Metric::Rmse | Metric::Mse | Metric::Mae | Metric::Medae | Metric::Mape => value,
        Metric::Bias => value.abs(),
        // Shares explained, concentration, Cumming's measure: more is better.
        _ => -value,
    }
}

fn simplicity(by: &[Simpler], a: &Value, b: &Value) -> Ordering {
    let number = |params: &Value, name: &str| {
        let value = params.get(name).and_then(Value::as_f64);
        // "0 or less for no limit": the least simple of all.
        if name == "max_depth" { value.map(|v| if v <= 0.0 { f64::INFINITY } else { v }) } else { value }
    };
    let order = |simpler: &Simpler| {
        let (name, reversed) = match simpler {
            Simpler::Smaller(name) => (name, false),
            Simpler::Larger(name) => (name, true),
        };
        match (number(a, name), number(b, name)) {
            (Some(x), Some(y)) if reversed => y.total_cmp(&x),
            (Some(x), Some(y)) => x.total_cmp(&y),
            _ => Ordering::Equal,
        }
    };
    by.iter().map(order).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

/// The place of the trial to take among those that were judged on the whole resource.
pub(super) fn choose(trials: &[Trial], metric: Metric, selection: &TrialSelection) -> Option<usize> {
    let scored: Vec<(usize, f64, f64)> = trials
        .iter()
        .enumerate()
        .filter(|(_, t)| t.share == 1.0)
        .filter_map(|(i, t)| match &t.outcome {
            TrialOutcome::Scored(s) => Some((i, loss(metric, s.mean), s.standard_error)),
            TrialOutcome::Failed(_) => None,
        })
        .collect();
    let best = scored.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    match selection {
        TrialSelection::Best => Some(best.0),
        TrialSelection::OneStandardError(by) => scored
            .iter()
            .filter(|t| t.1 <= best.1 + best.2)
            .min_by(|a, b| {
                simplicity(by, &trials[a.0].params, &trials[b.0].params).then(a.1.total_cmp(&b.1)).then(a.0.cmp(&b.0))
            })
            .map(|t| t.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MetricSummary;
    use serde_json::json;

    fn trial(params: Value, mean: f64, standard_error: f64) -> Trial {
        Trial { params, share: 1.0, outcome: TrialOutcome::Scored(MetricSummary { mean, standard_error }) }
    }

    #[test]
    fn the_simplest_within_one_standard_error() {
        let trials = [
            trial(json!({ "num_leaves": 63, "lambda_l2": 0.0 }), 100.0, 5.0),
            trial(json!({ "num_leaves": 15, "lambda_l2": 0.0 }), 104.0, 0.1),
            trial(json!({ "num_leaves": 15, "lambda_l2": 9.0 }), 104.9, 0.1),
            trial(json!({ "num_leaves": 3, "lambda_l2": 9.0 }), 105.1, 50.0),
        ];
        assert_eq!(choose(&trials, Metric::Rmse, &TrialSelection::Best), Some(0));
        assert_eq!(choose(&trials, Metric::Rmse, &TrialSelection::default()), Some(2));
        // Of R², more is better.
        assert_eq!(choose(&trials, Metric::R2, &TrialSelection::Best), Some(3));
        let failed = Trial { params: json!({}), share: 1.0, outcome: TrialOutcome::Failed("no".to_owned()) };
        assert_eq!(choose(&[failed], Metric::R2, &TrialSelection::Best), None);
    }

    #[test]
    fn no_limit_on_depth_is_not_simple() {
        let by = [Simpler::Smaller("max_depth".to_owned())];
        assert_eq!(simplicity(&by, &json!({ "max_depth": -1 }), &json!({ "max_depth": 9 })), Ordering::Greater);
    }
}
