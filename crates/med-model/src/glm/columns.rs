//! Fits of plain columns of numbers, for models that have a regression inside.

use super::design::{Design, Place};
use super::family::{Family, Link};
use super::fit::solve;
use super::params::{GlmParams, Settings};
use super::pass::Rows;
use crate::FitError;

/// A regression with an intercept on columns that are known to be finite.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ColumnFit<'a> {
    pub(crate) model: &'static str,
    pub(crate) family: Family,
    pub(crate) link: Link,
    pub(crate) columns: &'a [&'a [f64]],
    pub(crate) y: &'a [f64],
    pub(crate) weights: Option<&'a [f64]>,
    /// Weight of half the squared coefficients of the standardised columns, for weight 1.
    pub(crate) ridge: f64,
    pub(crate) max_iterations: usize,
    pub(crate) tolerance: f64,
}

/// How a column was brought to mean 0 and standard deviation 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standard {
    pub(crate) mean: f64,
    /// One over the standard deviation; 0 for a constant.
    pub(crate) inverse: f64,
}

/// What was found, the intercept first.
#[derive(Debug)]
pub(crate) struct ColumnSolution {
    /// Coefficients of the standardised columns.
    pub(crate) coefficients: Vec<f64>,
    pub(crate) standard: Vec<Standard>,
    /// Which coefficients carry something new, ascending.
    pub(crate) free: Vec<usize>,
    pub(crate) iterations: usize,
}

impl ColumnFit<'_> {
    pub(crate) fn fit(&self) -> Result<ColumnSolution, FitError> {
        let settings = Settings {
            model: self.model,
            family: self.family,
            link: self.link,
            alpha: self.ridge,
            max_iterations: self.max_iterations,
            tolerance: self.tolerance,
            ..GlmParams::default().settings()
        };
        let numeric = self.columns.iter().map(|values| ("a column", *values)).collect();
        let places = (0..self.columns.len()).map(Place::Numeric).collect();
        let design = Design::of(&settings, numeric, Vec::new(), places, self.y.len(), self.weights)?;
        let rows = Rows { y: self.y, weights: self.weights, offset: None };
        let found = solve(&settings, &design, rows, 0.0)?;
        let mut free = design.free();
        free.retain(|j| !found.aliased.contains(j));
        let standard = design.numeric.iter().map(|c| Standard { mean: c.centre, inverse: c.inverse });
        Ok(ColumnSolution {
            coefficients: found.coefficients,
            standard: standard.collect(),
            free,
            iterations: found.iterations,
        })
    }
}
