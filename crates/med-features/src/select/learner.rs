//! Models that a selection may fit.

use std::error::Error;
use std::fmt::Debug;

use med_schema::{Dataset, FeatureMatrix};

use crate::FeatureError;

/// What a model says that could not be fitted or used.
pub type LearnerError = Box<dyn Error + Send + Sync>;

/// A model that `boruta`, `permutation` and `drift_aware` may fit as often as they need: boosted trees, a forest, or the crate's
/// own [`LinearLearner`](super::LinearLearner). Fitting the same rows twice must give the same model.
///
/// ```
/// use med_features::select::{Learner, LearnerError, Learnt};
/// use med_schema::{Dataset, FeatureMatrix};
///
/// /// Always the mean.
/// #[derive(Debug)]
/// struct Mean;
/// struct FittedMean { mean: f64, n_features: usize }
///
/// impl Learner for Mean {
///     fn fit(&self, train: &Dataset) -> Result<Box<dyn Learnt>, LearnerError> {
///         let mean = train.y().sum() / train.n_rows() as f64;
///         Ok(Box::new(FittedMean { mean, n_features: train.x().n_columns() }))
///     }
/// }
/// impl Learnt for FittedMean {
///     fn predict(&self, x: &FeatureMatrix) -> Result<Vec<f64>, LearnerError> {
///         Ok(vec![self.mean; x.n_rows()])
///     }
///     fn importance(&self) -> Result<Vec<f64>, LearnerError> {
///         Ok(vec![0.0; self.n_features])
///     }
/// }
/// ```
pub trait Learner: Debug + Sync {
    /// Fits the model, with the weights of the rows where there are any. Features are numeric or categorical and may have missing values.
    ///
    /// # Errors
    /// When the model cannot be fitted to these rows.
    fn fit(&self, train: &Dataset) -> Result<Box<dyn Learnt>, LearnerError>;
}

/// A fitted [`Learner`].
pub trait Learnt: Sync {
    /// The expected target of each row; `x` has the columns of fitting, in that order.
    ///
    /// # Errors
    /// When a row cannot be predicted.
    fn predict(&self, x: &FeatureMatrix) -> Result<Vec<f64>, LearnerError>;

    /// How much the model uses each feature, in the order of the columns it was fitted on: numbers >= 0 of one unit, 0 for a
    /// feature that it does not use.
    ///
    /// # Errors
    /// When the model cannot tell.
    fn importance(&self) -> Result<Vec<f64>, LearnerError>;
}

/// Fits, with the crate's error.
pub(super) fn fit(learner: &dyn Learner, train: &Dataset) -> Result<Box<dyn Learnt>, FeatureError> {
    learner.fit(train).map_err(|e| failed("fitting", &e))
}

/// With these weights of the rows, where there are any.
pub(super) fn weighted(train: Dataset, weights: Option<Vec<f64>>) -> Result<Dataset, FeatureError> {
    Ok(match weights {
        Some(weights) => train.with_weights(weights)?,
        None => train,
    })
}

/// Predicts, with the crate's error; one finite number a row.
pub(super) fn predict(model: &dyn Learnt, x: &FeatureMatrix) -> Result<Vec<f64>, FeatureError> {
    let predicted = model.predict(x).map_err(|e| failed("predicting", &e))?;
    whole(predicted, x.n_rows(), "the predictions of the model")
}

/// Importances, with the crate's error; one finite number a feature.
pub(super) fn importance(model: &dyn Learnt, features: usize) -> Result<Vec<f64>, FeatureError> {
    let found = model.importance().map_err(|e| failed("telling importances", &e))?;
    whole(found, features, "the importances of the model")
}

fn failed(doing: &'static str, error: &LearnerError) -> FeatureError {
    FeatureError::Learner { doing, reason: error.to_string() }
}

fn whole(values: Vec<f64>, expected: usize, part: &'static str) -> Result<Vec<f64>, FeatureError> {
    if values.len() != expected {
        return Err(FeatureError::Rows { part, found: values.len(), expected });
    }
    match values.iter().position(|v| !v.is_finite()) {
        Some(at) => Err(FeatureError::Learner { doing: part, reason: format!("number {at} is not finite") }),
        None => Ok(values),
    }
}
