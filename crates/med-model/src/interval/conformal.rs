//! Split-conformal intervals of all kinds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{check_level, check_rows, place, range};
use crate::ParameterError;

/// Lower and upper end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end; minus infinity where the calibration rows were too few.
    pub lower: f64,
    /// Upper end; infinity likewise.
    pub upper: f64,
}

impl Interval {
    /// Whether the value lies in it, ends included.
    pub fn contains(&self, value: f64) -> bool {
        self.lower <= value && value <= self.upper
    }

    /// Cut at 0, for targets that are never negative.
    #[must_use]
    pub fn not_negative(self) -> Self {
        Self { lower: self.lower.max(0.0), upper: self.upper.max(0.0) }
    }
}

/// A calibrated margin: how far from the model's prediction (or quantiles) targets of new rows stay, at one level.
///
/// ```
/// use med_model::Conformal;
/// let residuals_of_40_rows: (Vec<f64>, Vec<f64>) = ((1..=40).map(f64::from).collect(), vec![0.0; 40]);
/// let margin = Conformal::split(&residuals_of_40_rows.0, &residuals_of_40_rows.1, 0.9)?;
/// let interval = margin.around(100.0);
/// assert_eq!((interval.lower, interval.upper), (63.0, 137.0)); // the 37th of 40 residuals, 0.9 x 41 rounded up
/// # Ok::<(), med_model::ParameterError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Conformal {
    level: f64,
    /// `None` where the rows were too few: infinite.
    margin: Option<f64>,
    groups: BTreeMap<String, Option<f64>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    level: f64,
    margin: Option<f64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    groups: BTreeMap<String, Option<f64>>,
}

impl From<Conformal> for Stored {
    fn from(Conformal { level, margin, groups }: Conformal) -> Self {
        Self { level, margin, groups }
    }
}

impl TryFrom<Stored> for Conformal {
    type Error = ParameterError;

    fn try_from(Stored { level, margin, groups }: Stored) -> Result<Self, ParameterError> {
        check_level(level)?;
        if let Some(bad) = groups.values().chain([&margin]).flatten().find(|m| !m.is_finite()) {
            return Err(range("margin", "a finite number or null", bad));
        }
        Ok(Self { level, margin, groups })
    }
}

impl Conformal {
    /// From targets and predictions of calibration rows that the model was not fitted on. Scores are absolute residuals.
    ///
    /// # Errors
    /// When the lengths differ, a value is not finite, or the level is not between 0 and 1.
    pub fn split(targets: &[f64], predicted: &[f64], level: f64) -> Result<Self, ParameterError> {
        check_rows("predicted", targets.len(), predicted)?;
        check_rows("targets", targets.len(), targets)?;
        Self::of_scores(targets.iter().zip(predicted).map(|(y, p)| (y - p).abs()).collect(), level)
    }

    /// As [`Conformal::split`], with residuals divided by a scale of each row, such as its predicted absolute residual.
    ///
    /// # Errors
    /// As [`Conformal::split`], and when a scale is not above 0.
    pub fn normalised(targets: &[f64], predicted: &[f64], scales: &[f64], level: f64) -> Result<Self, ParameterError> {
        check_rows("predicted", targets.len(), predicted)?;
        check_rows("targets", targets.len(), targets)?;
        check_rows("scales", targets.len(), scales)?;
        if let Some(row) = scales.iter().position(|s| *s <= 0.0) {
            return Err(range("scales", "numbers above 0", format!("another in row {row}")));
        }
        let scores = targets.iter().zip(predicted).zip(scales).map(|((y, p), s)| (y - p).abs() / s);
        Self::of_scores(scores.collect(), level)
    }

    /// From the lower and upper quantiles that two models predict. Scores are how far the target lies outside, negative inside:
    /// intervals that are too wide become narrower.
    ///
    /// # Errors
    /// As [`Conformal::split`].
    pub fn quantile(targets: &[f64], lower: &[f64], upper: &[f64], level: f64) -> Result<Self, ParameterError> {
        check_rows("lower", targets.len(), lower)?;
        check_rows("upper", targets.len(), upper)?;
        check_rows("targets", targets.len(), targets)?;
        let scores = targets.iter().zip(lower).zip(upper).map(|((y, lo), hi)| (lo - y).max(y - hi));
        Self::of_scores(scores.collect(), level)
    }

    /// As [`Conformal::split`] with a margin for each group: the level holds within each of them. Rows of other groups get
    /// the margin of all rows together.
    ///
    /// # Errors
    /// As [`Conformal::split`].
    pub fn by_group(
        targets: &[f64],
        predicted: &[f64],
        groups: &[impl AsRef<str>],
        level: f64,
    ) -> Result<Self, ParameterError> {
        let mut all = Self::split(targets, predicted, level)?;
        if groups.len() != targets.len() {
            let (expected, found) = (format!("{} values", targets.len()), format!("{} values", groups.len()));
            return Err(range("groups", &expected, found));
        }
        let mut scores: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for ((y, p), group) in targets.iter().zip(predicted).zip(groups) {
            scores.entry(group.as_ref()).or_default().push((y - p).abs());
        }
        for (group, scores) in scores {
            all.groups.insert(group.to_owned(), Self::of_scores(scores, level)?.margin);
        }
        Ok(all)
    }

    fn of_scores(mut scores: Vec<f64>, level: f64) -> Result<Self, ParameterError> {
        check_level(level)?;
        scores.sort_unstable_by(f64::total_cmp);
        let margin = scores.get(place(scores.len(), level) - 1).copied();
        Ok(Self { level, margin, groups: BTreeMap::new() })
    }

    /// The share of new rows to cover.
    pub fn level(&self) -> f64 {
        self.level
    }

    /// What is added to both ends; infinite where the calibration rows were too few for the level.
    pub fn margin(&self) -> f64 {
        self.margin.unwrap_or(f64::INFINITY)
    }

    /// Around a prediction.
    pub fn around(&self, predicted: f64) -> Interval {
        self.between(predicted, predicted)
    }

    /// Around a prediction with this scale, for margins from [`Conformal::normalised`].
    pub fn scaled(&self, predicted: f64, scale: f64) -> Interval {
        let margin = self.margin() * scale;
        Interval { lower: predicted - margin, upper: predicted + margin }
    }

    /// Around two predicted quantiles. Where they are closer than the margin takes away, the interval is their middle.
    pub fn between(&self, lower: f64, upper: f64) -> Interval {
        let (lower, upper) = (lower - self.margin(), upper + self.margin());
        if lower <= upper {
            return Interval { lower, upper };
        }
        let middle = 0.5 * (lower + upper);
        Interval { lower: middle, upper: middle }
    }

    /// Around the prediction of a row of this group, for margins from [`Conformal::by_group`].
    pub fn in_group(&self, predicted: f64, group: &str) -> Interval {
        let margin = self.groups.get(group).map_or(self.margin(), |m| m.unwrap_or(f64::INFINITY));
        Interval { lower: predicted - margin, upper: predicted + margin }
    }
}
