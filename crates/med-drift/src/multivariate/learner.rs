//! The learning that this crate does not do itself.

use std::fmt;

use med_schema::FeatureMatrix;

/// What a learner may fail with.
pub type LearnerError = Box<dyn std::error::Error + Send + Sync>;

/// Something that learns the expected value of a number from features: a boosted core, any regression. Fitting must be deterministic for results to be.
///
/// A closure `Fn(&FeatureMatrix, &[f64]) -> Result<Box<dyn Predictor>, LearnerError>` is one, and one `Fn(&FeatureMatrix) -> Result<Vec<f64>, LearnerError>` is a
/// [`Predictor`].
///
/// ```
/// use med_drift::multivariate::{Learner, LearnerError, Predictor};
/// use med_schema::FeatureMatrix;
/// /// Knows no better than the mean.
/// fn mean(_: &FeatureMatrix, y: &[f64]) -> Result<Box<dyn Predictor>, LearnerError> {
///     let mean = y.iter().sum::<f64>() / y.len() as f64;
///     Ok(Box::new(move |x: &FeatureMatrix| -> Result<Vec<f64>, LearnerError> { Ok(vec![mean; x.n_rows()]) }))
/// }
/// let x = FeatureMatrix::new(vec![med_schema::FeatureColumn::numeric("age", vec![20.0, 40.0])])?;
/// assert_eq!(mean.fit(&x, &[1.0, 3.0]).and_then(|fitted| fitted.predict(&x)).map_err(|e| e.to_string())?, [2.0, 2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Learner: Sync {
    /// Learns `y`, one value a row of `x`.
    ///
    /// # Errors
    /// Whatever keeps it from learning.
    fn fit(&self, x: &FeatureMatrix, y: &[f64]) -> Result<Box<dyn Predictor>, LearnerError>;
}

/// What was learnt.
pub trait Predictor: Send + Sync {
    /// The expected value of each row. The columns are those of the fit; levels may be new.
    ///
    /// # Errors
    /// Whatever keeps it from predicting.
    fn predict(&self, x: &FeatureMatrix) -> Result<Vec<f64>, LearnerError>;
}

impl<F> Learner for F
where
    F: Fn(&FeatureMatrix, &[f64]) -> Result<Box<dyn Predictor>, LearnerError> + Sync,
{
    fn fit(&self, x: &FeatureMatrix, y: &[f64]) -> Result<Box<dyn Predictor>, LearnerError> {
        self(x, y)
    }
}

impl<F> Predictor for F
where
    F: Fn(&FeatureMatrix) -> Result<Vec<f64>, LearnerError> + Send + Sync,
{
    fn predict(&self, x: &FeatureMatrix) -> Result<Vec<f64>, LearnerError> {
        self(x)
    }
}

impl fmt::Debug for dyn Predictor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Predictor")
    }
}
