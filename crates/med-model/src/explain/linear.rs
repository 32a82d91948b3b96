//! Shapley values of linear predictors: `value_j = b_j (x_j - mean_j)`, the base value is the predictor at the means.
//!
//! These are the interventional Shapley values with the training rows as background, whatever the features' correlations
//! (Strumbelj and Kononenko 2014; Lundberg and Lee 2017, corollary 1).

use ndarray::Array2;

use super::{Shap, ShapScale};

/// For numeric columns. Without means (files of older releases) the base value is the intercept, where all features are 0.
pub(crate) fn linear(
    intercept: f64,
    coefficients: &[f64],
    means: &[f64],
    columns: &[&[f64]],
    n_rows: usize,
    scale: ShapScale,
) -> Shap {
    let mut values = Array2::zeros((n_rows, coefficients.len()));
    let mut base_value = intercept;
    for (j, (column, &b)) in columns.iter().zip(coefficients).enumerate() {
        let mean = means.get(j).copied().unwrap_or(0.0);
        base_value += b * mean;
        values.column_mut(j).iter_mut().zip(*column).for_each(|(v, x)| *v = b * (x - mean));
    }
    Shap { base_value, values, scale }
}
