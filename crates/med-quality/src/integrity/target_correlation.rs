//! Features that tell the target too well.

use med_schema::{Check, CheckResult, Column, Role, Severity, Table};
use polars::prelude::Column as FrameColumn;
use rayon::prelude::*;

use super::predictive_power::{Side, predictive_power};
use super::values::{Codes, columns, numbers};
use super::{Finding, not_a_share, result_of, unreadable};
use crate::error::RunError;

/// No feature alone predicts the target with a predictive power score of this or more: it may be the target in another dress. Without
/// a target it is an error. A score that is not defined (fewer than four rows with both values) is null and passes.
///
/// The score: rows with both values, at most 5,000; four folds after a seeded shuffle; a decision tree on the one column grown out;
/// `max(0, 1 - MAE / MAE of the median)` for numbers, the same of the weighted F1 score against the mode for classes.
///
/// deepchecks: FeatureLabelCorrelation, whose shuffle is not seeded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TargetCorrelation {
    /// The score. From 0 to 1; default 0.8.
    pub threshold: f64,
    /// How much a failure matters. Default critical.
    pub severity: Severity,
}

impl Default for TargetCorrelation {
    fn default() -> Self {
        Self { threshold: 0.8, severity: Severity::Critical }
    }
}

impl Check<Table> for TargetCorrelation {
    fn name(&self) -> &str {
        "target_correlation"
    }

    fn check(&self, table: &Table) -> CheckResult {
        if let Some(error) = not_a_share(self.name(), self.severity, self.threshold) {
            return error;
        }
        let expected = format!("predictive power scores below {}", self.threshold);
        let scored = |spec: &Column| spec.role == Role::Feature;
        scores(self.name(), self.severity, table, expected, scored, |score| score < self.threshold)
    }
}

/// Quantities, days and moments as numbers, all else as categories.
pub(super) fn side(spec: &Column, column: &FrameColumn) -> Result<Side, RunError> {
    let number = spec.kind.is_quantity()
        || matches!(spec.value_type, med_schema::ValueType::Date | med_schema::ValueType::Timestamp)
        || (spec.kind == med_schema::Kind::Identifier && spec.value_type == med_schema::ValueType::Integer);
    if number { numbers(spec, column).map(Side::Numbers) } else { Codes::of(spec, column).map(Side::Categories) }
}

pub(super) fn no_target(name: &str, severity: Severity) -> CheckResult {
    CheckResult::error(name, "no column has the role target").severity(severity)
}

/// The scores of some columns for the target.
pub(super) fn scores(
    name: &str,
    severity: Severity,
    table: &Table,
    expected: String,
    scored: impl Fn(&Column) -> bool,
    fine: impl Fn(f64) -> bool + Sync,
) -> CheckResult {
    let Some((spec, column)) = columns(table).find(|(spec, _)| spec.role == Role::Target) else {
        return no_target(name, severity).expected(expected);
    };
    let target = match side(spec, column) {
        Ok(target) => target,
        Err(error) => return unreadable(name, severity, &error),
    };
    let finding = |(spec, column): &(&Column, &FrameColumn)| {
        let score = predictive_power(&side(spec, column)?, &target, table.n_rows());
        Ok(Finding { column: spec.name.clone(), observed: score.into(), expected: score.is_none_or(&fine) })
    };
    let scored: Vec<(&Column, &FrameColumn)> = columns(table).filter(|(spec, _)| scored(spec)).collect();
    match scored.par_iter().map(finding).collect::<Result<Vec<_>, RunError>>() {
        Ok(findings) => result_of(name, severity, expected, findings),
        Err(error) => unreadable(name, severity, &error),
    }
}
