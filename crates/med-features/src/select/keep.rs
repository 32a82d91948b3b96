//! The rule that turns scores into a choice.

use serde::{Deserialize, Serialize};

use super::knockoff_threshold;
use super::score::Scored;
use super::selection::{FeatureScore, Selection};
use super::{Better, SelectionMethod};
use crate::FeatureError;
use crate::statistic::Adjustment;

/// Which features to keep. As JSON `{"top": 5}`, `{"threshold": 0.1}`, `{"fdr": 0.05}`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The `k` best; at least one. Features without a score are never among them.
    Top(usize),
    /// Scores on the good side of this: at most it where smaller is better; at least it, in absolute value where stronger is
    /// better, otherwise. At threshold 0, scores strictly above it: a variance or an information of 0 is none.
    Threshold(f64),
    /// Adjusted p-values at or below this: as Benjamini and Hochberg adjust, the expected share of false finds among those kept. For
    /// knockoffs, scores at or above the [threshold](super::knockoff_threshold) of this rate; for Boruta, confirmed at this level.
    Fdr(f64),
}

impl Keep {
    pub(super) fn validate(self, method: SelectionMethod) -> Result<(), FeatureError> {
        let refuse = |parameter, expected, found: String| Err(FeatureError::Parameter { parameter, expected, found });
        match self {
            Self::Top(0) => refuse("top", "at least 1", "0".to_owned()),
            Self::Threshold(x) if x.is_nan() => refuse("threshold", "a number", x.to_string()),
            Self::Fdr(q) if !(q > 0.0 && q < 1.0) => refuse("fdr", "a number strictly between 0 and 1", q.to_string()),
            Self::Fdr(_) if !method.controls_fdr() => Err(FeatureError::NoPValues { method }),
            _ => Ok(()),
        }
    }

    /// Decides over features that are in order, best first.
    pub(super) fn decide(self, method: SelectionMethod, adjustment: Adjustment, scored: Vec<Scored>) -> Selection {
        let p_values: Vec<Option<f64>> = scored.iter().map(|s| s.p_value).collect();
        let adjusted = if method.has_p_values() { adjustment.adjust(&p_values) } else { vec![None; scored.len()] };
        let knockoffs: Vec<f64> = match self {
            Self::Fdr(_) if method.has_knockoffs() => scored.iter().filter_map(|s| s.value).collect(),
            _ => Vec::new(),
        };
        let scores = scored.into_iter().zip(adjusted).enumerate().map(|(rank, (s, p_adjusted))| {
            // Rounds adjust for themselves.
            let p_adjusted = s.p_adjusted.or(p_adjusted);
            let selected = match (self, s.value) {
                // Below 0 it shifts between the parts: not among the best, however many are asked for.
                (_, Some(value)) if method == SelectionMethod::DriftAware && value < 0.0 => false,
                (Self::Top(k), value) => rank < k && value.is_some(),
                (Self::Threshold(x), Some(value)) => passes(method.better(), value, x),
                (Self::Fdr(q), Some(w)) if method.has_knockoffs() => {
                    knockoff_threshold(&knockoffs, q, 1).is_some_and(|t| w >= t)
                }
                (Self::Fdr(q), _) => p_adjusted.is_some_and(|p| p <= q),
                (Self::Threshold(_), None) => false,
            };
            FeatureScore {
                feature: s.feature,
                // JSON has no infinity; the reason says that it is one.
                score: s.value.filter(|v| v.is_finite()),
                p_value: s.p_value,
                p_adjusted,
                selected,
                reason: s.reason,
            }
        });
        Selection::new(method, self, adjustment, scores.collect())
    }
}

fn passes(better: Better, value: f64, threshold: f64) -> bool {
    match better {
        Better::Smaller => value <= threshold,
        Better::Stronger if threshold == 0.0 => value != 0.0,
        Better::Stronger => value.abs() >= threshold,
        Better::Larger if threshold == 0.0 => value > 0.0,
        Better::Larger => value >= threshold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(values: &[Option<f64>]) -> Vec<Scored> {
        let one = |(i, value): (usize, &Option<f64>)| Scored {
            feature: format!("x{i}"),
            value: *value,
            p_value: value.map(|v| v.abs() / 100.0),
            ..Scored::default()
        };
        values.iter().enumerate().map(one).collect()
    }

    #[track_caller]
    fn check(method: SelectionMethod, keep: Keep, values: &[Option<f64>], expected: &[bool]) {
        let selection = keep.decide(method, Adjustment::FdrBh, scored(values));
        assert_eq!(selection.scores().iter().map(|s| s.selected).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn each_rule_in_each_direction() {
        use SelectionMethod::{Pearson, StdStability, Variance, Vif};
        check(Variance, Keep::Top(2), &[Some(3.0), Some(2.0), Some(1.0)], &[true, true, false]);
        check(Variance, Keep::Top(9), &[Some(3.0), None], &[true, false]);
        check(Variance, Keep::Threshold(0.0), &[Some(1.0), Some(0.0)], &[true, false]);
        check(
            StdStability,
            Keep::Threshold(0.1),
            &[Some(0.0), Some(0.1), Some(0.2), None],
            &[true, true, false, false],
        );
        check(Vif, Keep::Threshold(10.0), &[Some(1.0), Some(f64::INFINITY)], &[true, false]);
        check(Pearson, Keep::Threshold(0.5), &[Some(-0.6), Some(0.5), Some(0.1)], &[true, true, false]);
        // p = 0.01, 0.04, 0.9 become q = 0.03, 0.06, 0.9.
        check(Pearson, Keep::Fdr(0.05), &[Some(1.0), Some(4.0), Some(90.0), None], &[true, false, false, false]);
        check(SelectionMethod::DriftAware, Keep::Top(3), &[Some(0.5), Some(0.0), Some(-0.4)], &[true, true, false]);
    }

    #[test]
    fn rules_out_of_range_are_refused() {
        let m = SelectionMethod::Pearson;
        for keep in [Keep::Top(0), Keep::Threshold(f64::NAN), Keep::Fdr(0.0), Keep::Fdr(f64::NAN), Keep::Fdr(1.0)] {
            assert!(keep.validate(m).is_err(), "{keep:?}");
        }
        assert!(matches!(Keep::Fdr(0.1).validate(SelectionMethod::Vif), Err(FeatureError::NoPValues { .. })));
    }
}
