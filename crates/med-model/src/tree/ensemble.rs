//! Many trees whose leaf values add up: what forests, boosting and models of other libraries predict with.
//!
//! The sum of a row is `((base + t_0) + t_1) + ...`, in the order of the trees and in 64-bit floating point. Every way
//! to predict adds in this order, so all of them give the same bits, whatever the number of rows or threads.

use med_schema::{FeatureKind, FeatureMatrix, FeatureSchema, FeatureValues, MISSING};

use super::structure::{Test, Tree};
use crate::error::BrokenModel;

/// Rows walked through one tree before the next: their sums stay in the first-level cache.
const BLOCK: usize = 512;

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

/// A start value and trees to add to it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ensemble {
    pub(crate) base: f64,
    pub(crate) trees: Vec<Tree>,
}

impl Ensemble {
    pub(crate) fn new(base: f64, trees: Vec<Tree>) -> Self {
        Self { base, trees }
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
        add_by_walking(&self.trees, columns, out);
    }

    /// The sum of one row; nothing is allocated. A feature past the end of `row` is missing.
    pub(crate) fn predict_row(&self, row: &[f64]) -> f64 {
        let value = |j: usize| row.get(j).copied().unwrap_or(f64::NAN);
        self.trees.iter().fold(self.base, |sum, tree| sum + tree.predict(value))
    }
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
