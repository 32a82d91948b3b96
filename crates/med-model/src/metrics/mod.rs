//! How good predictions are, and checks over that.

mod cost;
mod expectation;
mod lorenz;
mod regression;

pub use cost::{CostPredictions, GroupRatio, IntervalScore, interval_score};
pub use expectation::MetricExpectation;
pub use regression::{Metric, RegressionMetrics, TWEEDIE_POWER};

use med_schema::Dataset;

use crate::input::annualised;
use crate::{Model, PredictError};

/// Predicts the dataset's rows and judges the predictions.
///
/// With an exposure, cost per year is judged, weighted by `weight * exposure`: what the models are fitted on.
///
/// ```
/// use med_model::{Linear, Regressor, evaluate};
/// use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
/// let x = FeatureMatrix::new(vec![FeatureColumn::numeric("age", vec![30.0, 40.0, 60.0])])?;
/// let data = Dataset::new(x, "cost", vec![700.0, 950.0, 1300.0])?;
/// let metrics = evaluate(&Linear::default().fit(&data)?, &data)?;
/// assert!(metrics.r2.is_some_and(|r2| r2 > 0.98));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the model cannot predict these rows: other columns, values it cannot take.
pub fn evaluate(model: &(impl Model + ?Sized), data: &Dataset) -> Result<RegressionMetrics, PredictError> {
    let mut predicted = vec![0.0; data.n_rows()];
    model.predict_into(data.x(), &mut predicted)?;
    let (y, weights) = annualised(data);
    Ok(RegressionMetrics::unchecked(&y, &predicted, weights.as_deref()))
}
