//! What a saved model needs for intervals at any level.

use serde::{Deserialize, Serialize};

use super::{Interval, check_level, check_rows, place, range};
use crate::ParameterError;

/// Most numbers kept.
const GRID: usize = 1001;

/// The distribution of absolute residuals relative to a scale that grows with the prediction, as a grid of its quantiles: costs that
/// are predicted high are missed by more. With more than 1,001 rows only every so many-th residual is kept, rounded
/// up, so that coverage is not lost; no row's own values can be told from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct ResidualQuantiles {
    n: usize,
    floor: f64,
    not_negative: bool,
    /// Ascending.
    quantiles: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    n: usize,
    floor: f64,
    not_negative: bool,
    quantiles: Vec<f64>,
}

impl From<ResidualQuantiles> for Stored {
    fn from(ResidualQuantiles { n, floor, not_negative, quantiles }: ResidualQuantiles) -> Self {
        Self { n, floor, not_negative, quantiles }
    }
}

impl TryFrom<Stored> for ResidualQuantiles {
    type Error = ParameterError;

    fn try_from(Stored { n, floor, not_negative, quantiles }: Stored) -> Result<Self, ParameterError> {
        if n == 0 || quantiles.len() != n.min(GRID) {
            return Err(range("quantiles", "as many as rows, at most 1001", quantiles.len()));
        }
        if !(floor > 0.0 && floor.is_finite()) {
            return Err(range("floor", "a finite number above 0", floor));
        }
        if !quantiles.iter().all(|q| *q >= 0.0 && q.is_finite()) || !quantiles.is_sorted() {
            return Err(range("quantiles", "ascending numbers from 0 on", "others"));
        }
        Ok(Self { n, floor, not_negative, quantiles })
    }
}

/// The scale of a row with this prediction: `|prediction|`, at least `floor`.
pub fn interval_scale(predicted: f64, floor: f64) -> f64 {
    predicted.abs().max(floor)
}

impl ResidualQuantiles {
    /// From targets and out-of-sample predictions (of folds, or of a part held back). The scale's floor is a tenth of the mean
    /// absolute prediction. With `not_negative` lower ends are cut at 0, or at the prediction where that is
    /// below 0.
    ///
    /// # Errors
    /// When there is no row, lengths differ or a value is not finite.
    pub fn new(targets: &[f64], predicted: &[f64], not_negative: bool) -> Result<Self, ParameterError> {
        check_rows("predicted", targets.len(), predicted)?;
        check_rows("targets", targets.len(), targets)?;
        let n = targets.len();
        if n == 0 {
            return Err(range("targets", "at least one row", 0));
        }
        let mean = predicted.iter().map(|p| p.abs() / n as f64).sum::<f64>();
        let floor = if mean > 0.0 { 0.1 * mean } else { 1.0 };
        let score = |(y, p): (&f64, &f64)| (y - p).abs() / interval_scale(*p, floor);
        let mut scores: Vec<f64> = targets.iter().zip(predicted).map(score).collect();
        scores.sort_unstable_by(f64::total_cmp);
        // The grid's last point is the largest, the others stand for those below them.
        let quantiles = match n {
            0..=GRID => scores,
            _ => (1..=GRID).map(|g| scores[(g * n).div_ceil(GRID) - 1]).collect(),
        };
        Self::try_from(Stored { n, floor, not_negative, quantiles })
    }

    /// Rows it was made from.
    pub fn n_rows(&self) -> usize {
        self.n
    }

    /// The interval around a prediction at this level; infinite where the rows were too few for it.
    ///
    /// # Errors
    /// When the level is not between 0 and 1.
    pub fn around(&self, predicted: f64, level: f64) -> Result<Interval, ParameterError> {
        check_level(level)?;
        let place = place(self.n, level);
        // The first grid point that is not below the score wanted.
        let at = (place * self.quantiles.len()).div_ceil(self.n) - 1;
        let margin =
            if place > self.n { f64::INFINITY } else { self.quantiles.get(at).copied().unwrap_or(f64::INFINITY) };
        let margin = margin * interval_scale(predicted, self.floor);
        let interval = Interval { lower: predicted - margin, upper: predicted + margin };
        // No target is below 0, but a prediction may be; it stays within its interval.
        let least = if self.not_negative { predicted.min(0.0) } else { f64::NEG_INFINITY };
        Ok(Interval { lower: interval.lower.max(least), ..interval })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_never_gives_less_than_the_scores_themselves() {
        for n in [1, 5, 1000, 1001, 1002, 2500, 7919] {
            let targets: Vec<f64> = (0..n).map(|i| 100.0 + ((i * 7907) % n) as f64).collect();
            let residuals = ResidualQuantiles::new(&targets, &vec![100.0; n], false).unwrap();
            for level in [0.1, 0.5, 0.8, 0.9, 0.95, 0.999] {
                let exact = place(n, level);
                let margin = residuals.around(100.0, level).unwrap().upper - 100.0;
                if exact > n {
                    assert!(margin.is_infinite());
                } else {
                    let off = margin - (exact - 1) as f64;
                    assert!(off > -1e-9 && off <= n as f64 / 1001.0 + 1.0, "{n} {level}: {margin}");
                }
            }
        }
    }

    #[test]
    fn a_prediction_is_within_its_interval_and_the_cut_at_zero_takes_no_target_out() {
        let residuals = ResidualQuantiles::new(&[1.0, 5.0, 2.0], &[2.0, 4.0, 2.0], true).unwrap();
        for predicted in [-100.0, -1.0, -0.0, 0.0, 0.1, 2.0, 50.0] {
            let Interval { lower, upper } = residuals.around(predicted, 0.5).unwrap();
            assert!(lower <= predicted && predicted <= upper, "{lower} {predicted} {upper}");
            assert!(lower >= predicted.min(0.0), "{lower} of {predicted}");
        }
        assert_eq!(residuals.around(0.1, 0.9).unwrap().lower, 0.0);
    }

    #[test]
    fn files_with_other_numbers_are_refused() {
        let good = ResidualQuantiles::new(&[1.0, 5.0, 2.0], &[2.0, 4.0, 2.0], true).unwrap();
        let json = serde_json::to_string(&good).unwrap();
        assert_eq!(serde_json::from_str::<ResidualQuantiles>(&json).unwrap(), good);
        assert!(good.around(2.0, 0.5).unwrap().lower >= 0.0);
        for bad in [
            r#"{"n":2,"floor":1.0,"not_negative":true,"quantiles":[2.0,1.0]}"#,
            r#"{"n":3,"floor":1.0,"not_negative":true,"quantiles":[1.0,2.0]}"#,
            r#"{"n":1,"floor":0.0,"not_negative":true,"quantiles":[1.0]}"#,
        ] {
            assert!(serde_json::from_str::<ResidualQuantiles>(bad).is_err(), "{bad}");
        }
        assert!(good.around(2.0, 1.0).is_err());
    }
}
