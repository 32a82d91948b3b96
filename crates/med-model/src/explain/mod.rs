//! Why a model predicts what it predicts: Shapley values (SHAP).
//!
//! A prediction is shared out among the features: `prediction = base_value + sum_j value_j` (Lundberg and Lee 2017). The
//! values are those of a game in which a feature is known or not; what "not known" means depends on the model:
//!
//! | model | not known | file |
//! | --- | --- | --- |
//! | trees, forests, boosting | both ways are taken, weighed by the training rows that took them | `tree` |
//! | the same, [`ExplainTrees::interventional`] | the values of the rows of a background sample | `tree/interventional.rs` |
//! | linear models | the mean of the training rows | `linear.rs` |

mod linear;
mod model;
mod tree;

use med_schema::{FeatureMatrix, FeatureSchema};
use ndarray::{Array1, Array2, Array3};

use crate::{InputError, Model, PredictError};

pub(crate) use linear::linear;
pub(crate) use tree::TreeSum;

/// The scale on which values add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShapScale {
    /// That of predictions: cost per unit of exposure.
    Response,
    /// The logarithm of predictions: values multiply what is predicted by their exponential.
    Log,
    /// The linear predictor of another link.
    Link,
}

/// Shapley values of some rows.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Shap {
    /// What is predicted when nothing is known of a row, on `scale`.
    pub base_value: f64,
    /// One row a row, one column a feature, in the order of the model's features.
    pub values: Array2<f64>,
    /// The scale of both.
    pub scale: ShapScale,
}

impl Shap {
    /// The mean absolute value of each feature: how much it moves predictions. 0 without rows.
    pub fn mean_abs(&self) -> Array1<f64> {
        let n = self.values.nrows().max(1) as f64;
        self.values.columns().into_iter().map(|column| column.iter().map(|v| v.abs()).sum::<f64>() / n).collect()
    }

    /// What the values of each row add up to with the base value: the prediction, on `scale`. That of a GLM is not cut to
    /// the range of finite predictions here: beyond it only the sum tells rows apart.
    pub fn sums(&self) -> Array1<f64> {
        self.values.rows().into_iter().map(|row| self.base_value + row.sum()).collect()
    }
}

/// A model whose predictions can be shared out among its features.
///
/// ```
/// use med_model::{Explain, Linear, Model, Regressor};
/// use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
/// let x = FeatureMatrix::new(vec![
///     FeatureColumn::numeric("age", vec![30.0, 40.0, 60.0, 50.0]),
///     FeatureColumn::numeric("visits", vec![1.0, 0.0, 2.0, 1.0]),
/// ])?;
/// let model = Linear::default().fit(&Dataset::new(x.clone(), "cost", vec![700.0, 850.0, 1500.0, 1100.0])?)?;
/// let shap = model.explain(&x)?;
/// let predicted = model.predict(&x)?;
/// assert!((&shap.sums() - &predicted).iter().all(|d| d.abs() < 1e-9));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Explain: Model {
    /// The Shapley values of each row. Those of a row and the base value sum to the prediction on the scale given, up to
    /// rounding (for a GLM, before its linear predictor is cut so that predictions stay finite).
    ///
    /// # Errors
    /// As [`Model::predict_into`], and when there are no Shapley values for this kind of model, or it does not hold what
    /// they need.
    fn explain(&self, x: &FeatureMatrix) -> Result<Shap, PredictError>;
}

/// What else can be said of sums of trees.
pub trait ExplainTrees: Explain {
    /// Shapley values against a background: a feature that is not known has the values of the rows of `background`, whatever the
    /// other features are. The base value is the mean prediction over the background. Cost grows with the distinct
    /// rows of the background; some hundred are usual.
    ///
    /// # Errors
    /// As [`Explain::explain`], for either matrix; when the background has no row.
    fn interventional(&self, x: &FeatureMatrix, background: &FeatureMatrix) -> Result<Shap, PredictError>;

    /// Shapley interaction values: for each row a symmetric matrix whose sums by row are the Shapley values; off the diagonal the
    /// effect of two features together, half of it at each of the two places.
    ///
    /// # Errors
    /// As [`Explain::explain`].
    fn interactions(&self, x: &FeatureMatrix) -> Result<Array3<f64>, PredictError>;
}

/// The error of models that have no Shapley values here.
pub(crate) fn unexplained(model: &'static str) -> PredictError {
    PredictError::Unexplained {
        model,
        reason: "there are Shapley values for trees, forests, boosting, linear models and GLMs only",
    }
}

/// What trees need of rows: the model's columns, by its levels, without infinite values.
fn checked(features: &FeatureSchema, x: &FeatureMatrix, model: &'static str) -> Result<FeatureMatrix, PredictError> {
    let aligned = features.align(x)?;
    for column in aligned.columns() {
        let infinite = column.as_numeric().and_then(|values| values.iter().position(|v| v.is_infinite()));
        if let Some(row) = infinite {
            return Err(InputError::Infinite { column: column.name().to_owned(), row, model }.into());
        }
    }
    Ok(aligned)
}
