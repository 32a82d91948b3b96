//! Many trees whose leaf values add up: what forests, boosting and models of other libraries predict with.
//!
//! The sum of a row is `((base + t_0) + t_1) + ...`, in the order of the trees and in 64-bit floating point. Every way
//! to predict adds in this order, so all of them give the same bits, whatever the number of rows or threads.

use std::sync::{Arc, OnceLock};

use med_schema::{FeatureKind, FeatureMatrix, FeatureSchema, FeatureValues, MISSING};

use super::predictor::Predictor;
use super::structure::{Test, Tree};
use crate::error::BrokenModel;
use crate::kernel::vectorised;
use crate::{InputError, PredictError};

/// Rows walked through one tree before the next: their sums stay in the first-level cache.
const BLOCK: usize = 512;
/// Fewer rows are walked: making the tables would take longer.
const WORTH_TABLES: usize = 256;

/// The values of one feature.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column<'a> {
    /// Missing is NaN.
    Numbers(&'a [f64]),
    /// Missing is [`MISSING`].
    Codes(&'a [u32]),
}

impl Column<'_> {
    /// As [`super::structure::Split::goes_left`] takes it.
    #[inline]
    pub(crate) fn value(&self, row: usize) -> f64 {
        match self {
            Self::Numbers(values) => values[row],
            Self::Codes(codes) => code_value(codes[row]),
        }
    }
}

#[inline]
fn code_value(code: u32) -> f64 {
    if code == MISSING { f64::NAN } else { f64::from(code) }
}

/// The columns of a matrix, in order.
pub(crate) fn columns(x: &FeatureMatrix) -> Vec<Column<'_>> {
    let columns = x.columns().iter().map(|column| match column.values() {
        FeatureValues::Numeric(values) => Column::Numbers(values.as_slice()),
        FeatureValues::Categorical { codes, .. } => Column::Codes(codes),
    });
    columns.collect()
}

/// A start value and trees to add to it; neither changes once there.
#[derive(Debug, Clone)]
pub(crate) struct Ensemble {
    pub(crate) base: f64,
    pub(crate) trees: Vec<Tree>,
    /// Made when first needed; `None` in it if the trees are not of a size that it takes.
    predictor: OnceLock<Option<Arc<Predictor>>>,
}

/// What follows from the trees is not compared.
impl PartialEq for Ensemble {
    fn eq(&self, other: &Self) -> bool {
        self.base == other.base && self.trees == other.trees
    }
}

impl Ensemble {
    pub(crate) fn new(base: f64, trees: Vec<Tree>) -> Self {
        Self { base, trees, predictor: OnceLock::new() }
    }

    /// Whether every split is on a feature there is and asks what can be asked of it.
    pub(crate) fn check(&self, features: &FeatureSchema) -> Result<(), BrokenModel> {
        let features = features.features();
        for split in self.trees.iter().flat_map(|t| &t.splits) {
            match (features.get(split.feature as usize).map(|f| &f.kind), &split.test) {
                (None, _) => {
                    let expected = format!("an index below {}", features.len());
                    return Err(BrokenModel::new("feature of a split", expected, split.feature));
                }
                (Some(FeatureKind::Categorical { .. }), Test::AtMost(_)) => {
                    return Err(BrokenModel::new("split on a categorical feature", "a set of levels", "a threshold"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Number of leaves of all trees together.
    pub(crate) fn n_leaves(&self) -> usize {
        self.trees.iter().map(Tree::n_leaves).sum()
    }

    /// Writes each row's sum into `out`. Every column has the length of `out`.
    pub(crate) fn predict_into(&self, columns: &[Column<'_>], out: &mut [f64]) {
        out.fill(self.base);
        let predictor = match self.predictor.get() {
            None if out.len() < WORTH_TABLES => None,
            _ => self.predictor.get_or_init(|| Predictor::new(&self.trees, columns).map(Arc::new)).as_ref(),
        };
        if !predictor.is_some_and(|p| p.add(columns, out)) {
            add_by_walking(&self.trees, columns, out);
        }
    }

    /// Writes the sum of each row of `x` into `out`, when it has these features. Levels are matched by name, and those that
    /// are not known are missing.
    pub(crate) fn predict_checked(
        &self,
        features: &FeatureSchema,
        x: &FeatureMatrix,
        model: &'static str,
        out: &mut [f64],
    ) -> Result<(), PredictError> {
        let x = features.align(x)?;
        if out.len() != x.n_rows() {
            return Err(PredictError::Length { expected: x.n_rows(), found: out.len() });
        }
        let columns = columns(&x);
        for (feature, column) in features.names().zip(&columns) {
            if let Column::Numbers(values) = column
                && let Some(row) = first_infinite(values)
            {
                return Err(InputError::Infinite { column: feature.to_owned(), row, model }.into());
            }
        }
        self.predict_into(&columns, out);
        Ok(())
    }

    /// The sum of one row; nothing is allocated. A feature past the end of `row` is missing.
    pub(crate) fn predict_row(&self, row: &[f64]) -> f64 {
        let value = |j: usize| row.get(j).copied().unwrap_or(f64::NAN);
        self.trees.iter().fold(self.base, |sum, tree| sum + tree.predict(value))
    }
}

/// The row of the first infinite value, by blocks so that the common case is a plain loop.
fn first_infinite(values: &[f64]) -> Option<usize> {
    let any = |block: &[f64]| block.iter().fold(false, |any, v| any | v.is_infinite());
    let block = vectorised(|| values.chunks(BLOCK).position(any))?;
    values.iter().skip(block * BLOCK).position(|v| v.is_infinite()).map(|i| block * BLOCK + i)
}

/// Whether a single row has a value for each feature, none of them infinite, and for each categorical one
/// missing or the code of a level.
pub(crate) fn check_row(features: &FeatureSchema, row: &[f64]) -> Result<(), PredictError> {
    check_row_but_infinities(features, row)?;
    match features.features().iter().zip(row).find(|(_, value)| value.is_infinite()) {
        Some((feature, _)) => {
            let column = feature.name.clone();
            Err(InputError::Infinite { column, row: 0, model: "a tree model" }.into())
        }
        None => Ok(()),
    }
}

/// The same, but numeric features may be infinite.
pub(crate) fn check_row_but_infinities(features: &FeatureSchema, row: &[f64]) -> Result<(), PredictError> {
    let features = features.features();
    if row.len() != features.len() {
        return Err(PredictError::RowLength { expected: features.len(), found: row.len() });
    }
    for (feature, &value) in features.iter().zip(row) {
        if let FeatureKind::Categorical { levels } = &feature.kind {
            let is_code = value >= 0.0 && value < levels.len() as f64 && value.fract() == 0.0;
            if !is_code && !value.is_nan() {
                return Err(PredictError::Code { column: feature.name.clone(), levels: levels.len() });
            }
        }
    }
    Ok(())
}

/// The plain way: one row after another from the root down.
fn add_by_walking(trees: &[Tree], columns: &[Column<'_>], out: &mut [f64]) {
    for (b, block) in out.chunks_mut(BLOCK).enumerate() {
        for tree in trees {
            for (i, o) in block.iter_mut().enumerate() {
                *o += tree.predict(|j| columns[j].value(b * BLOCK + i));
            }
        }
    }
}
