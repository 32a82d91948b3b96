//! Predicted against actual values, by bin of the predicted ones.

use askama::Template;
use serde::{Deserialize, Serialize};

use super::{MOST_BINS, Scale, Tick, WIDTH, label};
use crate::ReportError;

const HEIGHT: f64 = 300.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = WIDTH - 12.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = HEIGHT - 44.0;

/// One bin of a calibration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationBin {
    /// Mean of the predicted values.
    pub predicted: f64,
    /// Mean of the actual values of the same rows.
    pub actual: f64,
    /// How many rows.
    pub rows: u64,
}

/// Mean predicted against mean actual values: on the diagonal, the model is right on average at every level of cost.
/// It shows means only, no single person's cost, as long as the bins are not tiny.
///
/// ```
/// use med_report::Calibration;
/// let (predicted, actual) = ([100.0, 200.0, 300.0, 400.0], [110.0, 210.0, 280.0, 400.0]);
/// let calibration = Calibration::of("linear", &predicted, &actual, 2)?;
/// assert_eq!((calibration.bins()[0].predicted, calibration.bins()[0].actual), (150.0, 160.0));
/// # Ok::<(), med_report::ReportError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Calibration {
    title: String,
    bins: Vec<CalibrationBin>,
    skipped: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    title: String,
    bins: Vec<CalibrationBin>,
    #[serde(default)]
    skipped: u64,
}

impl TryFrom<Parts> for Calibration {
    type Error = ReportError;

    fn try_from(parts: Parts) -> Result<Self, ReportError> {
        Ok(Self { skipped: parts.skipped, ..Self::new(parts.title, parts.bins)? })
    }
}

#[derive(Template)]
#[template(path = "calibration.svg")]
struct CalibrationSvg {
    id: u32,
    title: String,
    bins: usize,
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    points: Vec<(f64, f64)>,
}

impl Calibration {
    /// From bins made elsewhere.
    ///
    /// # Errors
    /// More than 100 bins, or a mean that is not finite.
    pub fn new(title: impl Into<String>, bins: Vec<CalibrationBin>) -> Result<Self, ReportError> {
        let title = title.into();
        if bins.len() > MOST_BINS {
            return Err(ReportError::Bins { title, found: bins.len(), most: MOST_BINS });
        }
        if let Some((bin, b)) =
            bins.iter().enumerate().find(|(_, b)| !(b.predicted.is_finite() && b.actual.is_finite()))
        {
            return Err(ReportError::Mean { title, bin, predicted: b.predicted, actual: b.actual });
        }
        Ok(Self { title, bins, skipped: 0 })
    }

    /// Sorts the rows by predicted value and cuts them into bins of as equal a number of rows as can be. Rows with a
    /// value that is not finite are skipped and counted. Ties keep their order, so the same rows give the same bins.
    ///
    /// # Errors
    /// Slices of different length, or other than 1 to 100 bins.
    pub fn of(title: impl Into<String>, predicted: &[f64], actual: &[f64], bins: usize) -> Result<Self, ReportError> {
        let title = title.into();
        if predicted.len() != actual.len() {
            return Err(ReportError::Length { title, predicted: predicted.len(), actual: actual.len() });
        }
        if !(1..=MOST_BINS).contains(&bins) {
            return Err(ReportError::Bins { title, found: bins, most: MOST_BINS });
        }
        let pairs = predicted.iter().copied().zip(actual.iter().copied());
        let mut pairs: Vec<(f64, f64)> = pairs.filter(|(p, a)| p.is_finite() && a.is_finite()).collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let skipped = (predicted.len() - pairs.len()) as u64;
        let bins = bins.min(pairs.len());
        let cut = |i: usize| i * pairs.len() / bins.max(1);
        let bins = (0..bins).map(|i| {
            let part = &pairs[cut(i)..cut(i + 1)];
            CalibrationBin {
                predicted: mean(part.iter().map(|p| p.0)),
                actual: mean(part.iter().map(|p| p.1)),
                rows: part.len() as u64,
            }
        });
        let bins = bins.collect();
        Ok(Self { skipped, ..Self::new(title, bins)? })
    }

    /// What is shown.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The bins, by rising predicted value if made by [`Calibration::of`].
    pub fn bins(&self) -> &[CalibrationBin] {
        &self.bins
    }

    /// How many rows were left out, as one of their values was not finite.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The chart as an `<svg>` element: a point a bin, and the diagonal. `id` must be another one for each chart of a page.
    ///
    /// # Errors
    /// [`ReportError::Template`], should the template not be filled.
    pub fn svg(&self, id: u32) -> Result<String, ReportError> {
        let values = || self.bins.iter().flat_map(|b| [b.predicted, b.actual]);
        // Both axes have one range, or the diagonal would not be where the two are equal.
        let low = values().reduce(f64::min).unwrap_or(0.0);
        let high = values().reduce(f64::max).unwrap_or(1.0);
        let margin = (high / 20.0 - low / 20.0).min(f64::MAX / 4.0);
        let (low, high) = ((low - margin).max(f64::MIN), (high + margin).min(f64::MAX));
        let (x, y) = (Scale::new(low, high, LEFT, RIGHT), Scale::new(low, high, BOTTOM, TOP));
        let svg = CalibrationSvg {
            id,
            title: label(&self.title, usize::MAX - 1),
            bins: self.bins.len(),
            width: WIDTH,
            height: HEIGHT,
            left: LEFT,
            right: RIGHT,
            top: TOP,
            bottom: BOTTOM,
            x_ticks: x.ticks(),
            y_ticks: y.ticks(),
            points: self.bins.iter().map(|b| (x.at(b.predicted), y.at(b.actual))).collect(),
        };
        Ok(svg.render()?)
    }
}

/// The mean as a running one: a sum of large values could overflow.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    values.enumerate().fold(0.0, |mean, (i, v)| {
        let n = (i + 1) as f64;
        mean * (i as f64 / n) + v / n
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_equal_numbers_of_rows() {
        let p: Vec<f64> = (0..10).rev().map(f64::from).collect();
        let c = Calibration::of("c", &p, &p, 3).unwrap();
        assert_eq!(c.bins().iter().map(|b| b.rows).collect::<Vec<_>>(), [3, 3, 4]);
        assert!(c.bins().iter().all(|b| (b.predicted - b.actual).abs() < 1e-12));
        assert!((c.bins()[0].predicted - 1.0).abs() < 1e-12);
    }

    #[test]
    fn rows_that_cannot_be_drawn_are_counted() {
        let c = Calibration::of("c", &[1.0, f64::NAN, 3.0], &[1.0, 2.0, f64::INFINITY], 5).unwrap();
        assert_eq!((c.bins().len(), c.skipped()), (1, 2));
        assert!(Calibration::of("none", &[], &[], 5).unwrap().svg(1).unwrap().contains("no rows"));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(matches!(
            Calibration::of("c", &[1.0], &[], 5),
            Err(ReportError::Length { predicted: 1, actual: 0, .. })
        ));
        assert!(matches!(Calibration::of("c", &[], &[], 0), Err(ReportError::Bins { found: 0, .. })));
        let bad = vec![CalibrationBin { predicted: 1.0, actual: f64::NAN, rows: 1 }];
        assert!(matches!(Calibration::new("c", bad), Err(ReportError::Mean { bin: 0, .. })));
    }
}
