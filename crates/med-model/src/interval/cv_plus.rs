//! Intervals from the models of a cross-validation.

use super::{Interval, check_level, check_rows, place, range};
use crate::ParameterError;

/// CV+ (Barber et al. 2021): for one new row, from the predictions `fold_predictions[k]` of the models fitted without fold `k`, and
/// for each training row its absolute out-of-fold residual and its fold. At least `2 level - 1` of new rows are covered in
/// theory, about `level` in practice; with one fold a row this is the jackknife+. O(n log n) a new row.
///
/// # Errors
/// When lengths differ, a fold has no prediction, a value is not finite, or the level is not between 0 and 1.
pub fn cv_plus(
    fold_predictions: &[f64],
    folds: &[usize],
    residuals: &[f64],
    level: f64,
) -> Result<Interval, ParameterError> {
    check_level(level)?;
    check_rows("fold_predictions", fold_predictions.len(), fold_predictions)?;
    check_rows("residuals", folds.len(), residuals)?;
    let (mut lower, mut upper) = (Vec::with_capacity(folds.len()), Vec::with_capacity(folds.len()));
    for (&fold, &residual) in folds.iter().zip(residuals) {
        let Some(predicted) = fold_predictions.get(fold) else {
            return Err(range("folds", &format!("numbers below {}", fold_predictions.len()), fold));
        };
        lower.push(predicted - residual.abs());
        upper.push(predicted + residual.abs());
    }
    lower.sort_unstable_by(f64::total_cmp);
    upper.sort_unstable_by(f64::total_cmp);
    let (n, place) = (folds.len(), place(folds.len(), level));
    // The lower end is the place-th from the top.
    let lower = n.checked_sub(place).and_then(|at| lower.get(at)).copied().unwrap_or(f64::NEG_INFINITY);
    Ok(Interval { lower, upper: upper.get(place - 1).copied().unwrap_or(f64::INFINITY) })
}
