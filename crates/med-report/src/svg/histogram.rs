//! Counts by bins of equal width.

use askama::Template;
use serde::{Deserialize, Serialize};

use super::{MOST_BINS, Scale, Tick, WIDTH, label};
use crate::ReportError;

const HEIGHT: f64 = 220.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = WIDTH - 12.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = HEIGHT - 28.0;

/// A histogram with bins of equal width; the last bin holds its upper end too.
///
/// ```
/// use med_report::Histogram;
/// let costs = Histogram::of("Annual cost", &[100.0, 150.0, 900.0, f64::NAN], 2)?;
/// assert_eq!((costs.low(), costs.high(), costs.counts()), (100.0, 900.0, &[2, 1][..]));
/// assert_eq!(costs.skipped(), 1);
/// # Ok::<(), med_report::ReportError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts")]
pub struct Histogram {
    title: String,
    low: f64,
    high: f64,
    counts: Vec<u64>,
    skipped: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    title: String,
    low: f64,
    high: f64,
    counts: Vec<u64>,
    #[serde(default)]
    skipped: u64,
}

impl TryFrom<Parts> for Histogram {
    type Error = ReportError;

    fn try_from(parts: Parts) -> Result<Self, ReportError> {
        Ok(Self { skipped: parts.skipped, ..Self::new(parts.title, parts.low, parts.high, parts.counts)? })
    }
}

#[derive(Template)]
#[template(path = "histogram.svg")]
struct HistogramSvg {
    id: u32,
    title: String,
    rows: String,
    range: (String, String),
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    bottom: f64,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    bars: Vec<Column>,
    empty: bool,
}

struct Column {
    name: String,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Histogram {
    /// From counts made elsewhere, of bins of equal width from `low` to `high`.
    ///
    /// # Errors
    /// A range that is not finite or falls, or other than 1 to 100 bins.
    pub fn new(title: impl Into<String>, low: f64, high: f64, counts: Vec<u64>) -> Result<Self, ReportError> {
        let title = title.into();
        if !(low.is_finite() && high.is_finite() && low <= high) {
            return Err(ReportError::Range { title, low, high });
        }
        if !(1..=MOST_BINS).contains(&counts.len()) {
            return Err(ReportError::Bins { title, found: counts.len(), most: MOST_BINS });
        }
        Ok(Self { title, low, high, counts, skipped: 0 })
    }

    /// Counts these values, from the least to the greatest. Values that are not finite are skipped and counted; if all
    /// values are equal there is one bin, and without any it is one empty bin from 0 to 0.
    ///
    /// # Errors
    /// Other than 1 to 100 bins.
    pub fn of(title: impl Into<String>, values: &[f64], bins: usize) -> Result<Self, ReportError> {
        let finite = || values.iter().copied().filter(|v| v.is_finite());
        let low = finite().reduce(f64::min).unwrap_or(0.0);
        let high = finite().reduce(f64::max).unwrap_or(0.0);
        let bins = if low == high && bins > 0 { 1 } else { bins };
        let empty = Self::new(title, low, high, vec![0; bins.min(MOST_BINS + 1)])?;
        let mut counts = empty.counts.clone();
        // Halves, because the whole range may be wider than an f64 is.
        let span = high / 2.0 - low / 2.0;
        for value in finite() {
            let bin = ((value / 2.0 - low / 2.0) / span * bins as f64) as usize;
            counts[bin.min(bins - 1)] += 1;
        }
        Ok(Self { counts, skipped: (values.len() - finite().count()) as u64, ..empty })
    }

    /// What is shown.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Lower end of the first bin.
    pub fn low(&self) -> f64 {
        self.low
    }

    /// Upper end of the last bin.
    pub fn high(&self) -> f64 {
        self.high
    }

    /// Counts, bin by bin.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// How many values were left out, as they are not finite.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// All that was counted.
    pub fn rows(&self) -> u64 {
        self.counts.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// The edge between bin `i - 1` and bin `i`.
    pub fn edge(&self, i: usize) -> f64 {
        let share = i as f64 / self.counts.len() as f64;
        self.low * (1.0 - share) + self.high * share
    }

    /// The chart as an `<svg>` element. `id` must be another one for each chart of a page.
    ///
    /// # Errors
    /// [`ReportError::Template`], should the template not be filled.
    pub fn svg(&self, id: u32) -> Result<String, ReportError> {
        let most = self.counts.iter().max().copied().unwrap_or(0);
        let y = Scale::new(0.0, most.max(1) as f64, BOTTOM, TOP);
        let across = Scale::new(0.0, self.counts.len() as f64, LEFT, RIGHT);
        let x = Scale::new(self.low, self.high, LEFT, RIGHT);
        let (low, high) = (crate::cell::number(self.low), crate::cell::number(self.high));
        let column = |(i, n): (usize, &u64)| {
            let (from, to, top) = (across.at(i as f64), across.at(i as f64 + 1.0), y.at(*n as f64));
            let edge = |i| crate::cell::number(self.edge(i));
            Column {
                name: format!("{} to {}: {}", edge(i), edge(i + 1), crate::cell::count(*n)),
                x: from,
                y: top,
                // A gap between bars, where there is room for one.
                width: super::tenth((to - from - 1.0).max(1.0)),
                height: super::tenth(BOTTOM - top),
            }
        };
        let svg = HistogramSvg {
            id,
            title: label(&self.title, usize::MAX - 1),
            rows: crate::cell::count(self.rows()),
            range: (low, high),
            width: WIDTH,
            height: HEIGHT,
            left: LEFT,
            right: RIGHT,
            bottom: BOTTOM,
            x_ticks: x.ticks(),
            y_ticks: y.ticks(),
            bars: self.counts.iter().enumerate().map(column).collect(),
            empty: self.rows() == 0,
        };
        Ok(svg.render()?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_fall_into_their_bins() {
        let h = Histogram::of("h", &[0.0, 0.5, 1.0, 1.5, 4.0], 4).unwrap();
        assert_eq!(h.counts(), [2, 2, 0, 1]);
        assert_eq!((h.edge(0), h.edge(1), h.edge(4)), (0.0, 1.0, 4.0));
        let same = Histogram::of("h", &[7.0; 3], 10).unwrap();
        assert_eq!((same.counts(), same.low(), same.high()), (&[3][..], 7.0, 7.0));
        assert!(Histogram::of("h", &[f64::NAN], 3).unwrap().svg(1).unwrap().contains("no values"));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert!(matches!(Histogram::of("h", &[1.0], 0), Err(ReportError::Bins { found: 0, .. })));
        assert!(matches!(Histogram::of("h", &[1.0, 2.0], 101), Err(ReportError::Bins { .. })));
        assert!(matches!(Histogram::new("h", 1.0, f64::NAN, vec![1]), Err(ReportError::Range { .. })));
        assert!(serde_json::from_str::<Histogram>(r#"{"title":"h","low":2,"high":1,"counts":[1]}"#).is_err());
    }

    proptest! {
        #[test]
        fn every_value_is_counted_once(values in prop::collection::vec(any::<f64>(), 0..50), bins in 1_usize..100) {
            let h = Histogram::of("h", &values, bins).unwrap();
            prop_assert_eq!(h.rows() + h.skipped(), values.len() as u64);
            let svg = h.svg(1).unwrap();
            prop_assert!(!svg.contains("NaN") && !svg.contains("inf"));
        }
    }
}
