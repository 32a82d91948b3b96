//! Small charts as SVG text.
//!
//! The same numbers give the same bytes. All text is escaped by the template, values that are not finite are never
//! drawn, and each chart has a title and a description for those who don't see it. Shapes carry classes, so that a page
//! can colour them, and attributes that make them visible without any style sheet.

mod bars;
mod calibration;
mod histogram;

pub use bars::{Bar, BarChart, Emphasis};
pub use calibration::{Calibration, CalibrationBin};
pub use histogram::Histogram;

/// Width of every chart in its own units. Narrow, so that its text stays readable on a telephone.
const WIDTH: f64 = 360.0;
/// Width of a character of the charts' text, about.
const CHARACTER: f64 = 6.6;
/// The most bins of a chart.
const MOST_BINS: usize = 100;

/// Maps values to positions.
#[derive(Debug, Clone, Copy)]
struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// From `low..high` to `from..to`. Bounds of no width are moved apart; both must be finite.
    fn new(low: f64, high: f64, from: f64, to: f64) -> Self {
        let (low, high) = if low < high { (low, high) } else { (low - apart(low), low + apart(low)) };
        Self { low: low.max(f64::MIN), high: high.min(f64::MAX), from, to }
    }

    /// The position of a value, to a tenth; values outside lie on the border.
    fn at(&self, value: f64) -> f64 {
        // Halves, because the whole range may be wider than an f64 is.
        let share = (value / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0);
        let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
        tenth(self.from + share * (self.to - self.from))
    }

    /// Round values inside the bounds, about five of them.
    fn ticks(&self) -> Vec<Tick> {
        let rough = self.high / 4.0 - self.low / 4.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|step| *step >= 0.75 * rough).unwrap_or(rough);
        let first = (self.low / step).ceil();
        if !(step > 0.0 && step.is_finite() && first.is_finite()) {
            return Vec::new();
        }
        let values = (0..=8).map(|i| (first + f64::from(i)) * step).filter(|v| (self.low..=self.high).contains(v));
        // A step too small for the size of the values would give the same tick again and again.
        let mut ticks: Vec<Tick> = values.map(|v| Tick { at: self.at(v), label: crate::cell::short(v) }).collect();
        ticks.dedup_by(|a, b| a.label == b.label);
        ticks
    }
}

/// A labelled position on an axis.
#[derive(Debug)]
struct Tick {
    at: f64,
    label: String,
}

fn apart(value: f64) -> f64 {
    if value == 0.0 { 1.0 } else { value.abs() / 10.0 }
}

fn tenth(position: f64) -> f64 {
    // Adding zero turns -0 into 0, which would be other bytes.
    (position * 10.0).round() / 10.0 + 0.0
}

/// A text in at most this many characters, without control characters, which XML does not know.
fn label(text: &str, most: usize) -> String {
    let mut clean: Vec<char> = text.chars().take(most.max(1) + 1).map(printable).collect();
    if clean.len() > most.max(1) {
        clean.truncate(most.max(1) - 1);
        clean.push('…');
    }
    clean.into_iter().collect()
}

fn printable(c: char) -> char {
    if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') { '\u{fffd}' } else { c }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_round() {
        let labels = |low, high| -> Vec<String> {
            Scale::new(low, high, 0.0, 100.0).ticks().into_iter().map(|t| t.label).collect()
        };
        assert_eq!(labels(0.0, 1.0), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(labels(0.0, 40_000.0), ["0", "10k", "20k", "30k", "40k"]);
        assert_eq!(labels(-1.0, 3.0), ["−1", "0", "1", "2", "3"]);
        assert_eq!(labels(7.0, 7.0), ["6.5", "7", "7.5"]);
    }

    #[test]
    fn labels_are_cut_and_clean() {
        assert_eq!(
            (label("abcdef", 6), label("abcdef", 5), label("a\u{0}b", 5)),
            ("abcdef".to_owned(), "abcd…".to_owned(), "a\u{fffd}b".to_owned())
        );
    }

    proptest! {
        #[test]
        fn positions_stay_inside(low in any::<f64>(), high in any::<f64>(), v in any::<f64>()) {
            prop_assume!(low.is_finite() && high.is_finite());
            let scale = Scale::new(low, high, 10.0, 90.0);
            prop_assert!((10.0..=90.0).contains(&scale.at(v)));
            for tick in scale.ticks() {
                prop_assert!((10.0..=90.0).contains(&tick.at));
            }
        }
    }
}
