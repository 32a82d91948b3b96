//! What can keep a page from being made.

/// A page or chart that cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// Predicted and actual values of different number.
    #[error("calibration {title:?}: {predicted} predicted values and {actual} actual ones, expected as many of both")]
    Length {
        /// Title of the chart.
        title: String,
        /// How many predicted values there are.
        predicted: usize,
        /// How many actual values there are.
        actual: usize,
    },
    /// Too few or too many bins.
    #[error("chart {title:?}: expected 1 to {most} bins, found {found}")]
    Bins {
        /// Title of the chart.
        title: String,
        /// How many were asked for or given.
        found: usize,
        /// The most there may be.
        most: usize,
    },
    /// A histogram whose range is not one.
    #[error("histogram {title:?}: expected a finite range with low <= high, found {low} to {high}")]
    Range {
        /// Title of the chart.
        title: String,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// A bin whose means are not finite numbers.
    #[error("calibration {title:?}, bin {bin}: expected finite means, found {predicted} predicted and {actual} actual")]
    Mean {
        /// Title of the chart.
        title: String,
        /// The bin, from 0.
        bin: usize,
        /// Mean of the predicted values.
        predicted: f64,
        /// Mean of the actual values.
        actual: f64,
    },
    /// The template could not be filled.
    #[error("the page could not be written")]
    Template(#[from] askama::Error),
}
