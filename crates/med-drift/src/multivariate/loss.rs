//! Performance without labels: the loss that a model can be expected to make on new rows.
//!
//! On the reference, where targets are known, a learner learns the loss of each row from its features and its prediction; on new rows the learnt loss is averaged. It
//! sees a model that meets more of the rows it was never good at; it cannot see a relation between features and target that has changed, for that needs labels. The
//! reference should be rows that the model was not trained on, else its losses are too small.
//!
//! | metric | loss of a row | of a chunk of n rows | its sampling error |
//! | --- | --- | --- | --- |
//! | `mae` | abs(y - p) | mean | sd / sqrt n |
//! | `mse` | (y - p)^2 | mean | sd / sqrt n |
//! | `rmse` | (y - p)^2 | root of the mean | sd / (2 sqrt(n mean)) |
//!
//! sd (divisor n) and mean are those of the reference's losses. A chunk alarms when its estimate is not strictly between mean - d sd and mean + d sd of the losses that the chunks of the
//! reference really had (not below 0). The estimates of the reference's own chunks come from learners that did not see them, so that they tell how good an estimate is;
//! NannyML, whose method this is, estimates them with the learner that was fitted on them.

use med_schema::{FeatureColumn, FeatureMatrix};
use serde::{Deserialize, Serialize};

use crate::random::{generator, shuffle};
use crate::statistics::Moments;
use crate::{Chunking, DriftError};

use super::classifier::{failed, take};
use super::learner::{Learner, Predictor};

/// Parameters of [`LossEstimator`].
///
/// | field | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `chunks` | size of a chunk and width of the band in standard deviations | 10 chunks, 3 | [`Chunking`], `deviations` given |
/// | `folds` | learners for the estimates of the reference | 5 | 2 to rows |
/// | `seed` | of the folds | 0 | |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossParams {
    /// Chunks, on each side.
    pub chunks: Chunking,
    /// Folds.
    pub folds: usize,
    /// Seed.
    pub seed: u64,
}

impl Default for LossParams {
    fn default() -> Self {
        Self { chunks: Chunking::default(), folds: 5, seed: 0 }
    }
}

/// What is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LossMetric {
    /// Mean absolute error.
    Mae,
    /// Mean squared error.
    Mse,
    /// Its root.
    Rmse,
}

impl LossMetric {
    fn of_mean(self, mean: f64) -> f64 {
        if self == Self::Rmse { mean.sqrt() } else { mean }
    }
}

/// The learnt losses of a reference.
#[derive(Debug)]
pub struct LossEstimator {
    params: LossParams,
    losses: [Learnt; 2],
}

#[derive(Debug)]
struct Learnt {
    fitted: Box<dyn Predictor>,
    moments: Moments,
    realised: Vec<f64>,
    estimated: Vec<f64>,
}

/// Estimated losses of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LossEstimates {
    /// One entry a metric.
    pub metrics: Vec<MetricEstimate>,
    /// Whether any chunk is outside of its band.
    pub drifted: bool,
}

/// One metric, chunk by chunk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricEstimate {
    /// The metric.
    pub metric: LossMetric,
    /// What it really was in the chunks of the reference.
    pub reference_realised: Vec<f64>,
    /// What it was estimated to be there, by learners that did not see the rows.
    pub reference_estimated: Vec<f64>,
    /// The estimates of the current chunks.
    pub estimated: Vec<f64>,
    /// Their sampling errors.
    pub sampling_errors: Vec<f64>,
    /// A chunk above this alarms.
    pub upper: f64,
    /// A chunk below this alarms.
    pub lower: f64,
    /// Which chunks do.
    pub drifted: Vec<bool>,
    /// The estimate over the whole current table.
    pub whole: f64,
}

impl LossEstimator {
    /// Learns the losses of `predictions` of `targets`, one a row of the reference.
    ///
    /// # Errors
    /// When there are other numbers of predictions or targets than rows, one is not finite, a parameter is outside its range, or the learner fails.
    pub fn fit(
        reference: &FeatureMatrix,
        predictions: &[f64],
        targets: &[f64],
        learner: &dyn Learner,
        params: LossParams,
    ) -> Result<Self, DriftError> {
        params.validate(reference.n_rows())?;
        finite("target", targets, reference.n_rows())?;
        let x = with_predictions(reference, predictions)?;
        let errors: Vec<f64> = targets.iter().zip(predictions).map(|(y, p)| (y - p).abs()).collect();
        let absolute = Learnt::of(&x, &errors, learner, &params)?;
        let squares: Vec<f64> = errors.iter().map(|e| e * e).collect();
        let squared = Learnt::of(&x, &squares, learner, &params)?;
        Ok(Self { params, losses: [absolute, squared] })
    }

    /// Estimates the losses of the predictions for a table without targets.
    ///
    /// # Errors
    /// When there are other numbers of predictions than rows, one is not finite, or the learner fails.
    pub fn estimate(&self, current: &FeatureMatrix, predictions: &[f64]) -> Result<LossEstimates, DriftError> {
        let x = with_predictions(current, predictions)?;
        let [absolute, squared] = &self.losses;
        let (of_absolute, of_squared) = (predict(&*absolute.fitted, &x)?, predict(&*squared.fitted, &x)?);
        let metrics = vec![
            self.metric(LossMetric::Mae, absolute, &of_absolute),
            self.metric(LossMetric::Mse, squared, &of_squared),
            self.metric(LossMetric::Rmse, squared, &of_squared),
        ];
        let drifted = metrics.iter().any(|m| m.drifted.contains(&true));
        Ok(LossEstimates { metrics, drifted })
    }

    fn metric(&self, metric: LossMetric, learnt: &Learnt, losses: &[f64]) -> MetricEstimate {
        let chunks = &self.params.chunks;
        let means = |losses: &[f64]| -> Vec<f64> {
            let of = |(start, end): (usize, usize)| mean(&losses[start..end]);
            chunks.bounds(losses.len()).into_iter().map(of).map(|m| metric.of_mean(m)).collect()
        };
        let reference_realised = means(&learnt.realised);
        let moments = Moments::of(&reference_realised);
        let width = chunks.deviations.unwrap_or_default() * moments.std(0.0);
        let (lower, upper) = ((moments.mean - width).max(0.0), moments.mean + width);
        let estimated = means(losses);
        let error = |(start, end): (usize, usize)| {
            let of_mean = learnt.moments.std(0.0) / ((end - start) as f64).sqrt();
            if metric == LossMetric::Rmse { of_mean / (2.0 * learnt.moments.mean.sqrt()) } else { of_mean }
        };
        MetricEstimate {
            metric,
            reference_realised,
            reference_estimated: means(&learnt.estimated),
            sampling_errors: chunks.bounds(losses.len()).into_iter().map(error).collect(),
            drifted: estimated.iter().map(|&v| !(lower < v && v < upper)).collect(),
            estimated,
            upper,
            lower,
            whole: metric.of_mean(mean(losses)),
        }
    }
}

impl Learnt {
    fn of(x: &FeatureMatrix, losses: &[f64], learner: &dyn Learner, params: &LossParams) -> Result<Self, DriftError> {
        let fit = |rows: &[usize]| {
            let y: Vec<f64> = rows.iter().map(|&row| losses[row]).collect();
            learner.fit(&take(x, rows)?, &y).map_err(|e| failed(&e))
        };
        let mut order: Vec<usize> = (0..losses.len()).collect();
        let fitted = fit(&order)?;
        shuffle(&mut order, &mut generator(params.seed, 0));
        let mut estimated = vec![0.0; losses.len()];
        for fold in 0..params.folds {
            let (mut test, mut train) = (Vec::new(), Vec::new());
            order.iter().enumerate().for_each(
                |(i, &row)| {
                    if i % params.folds == fold { test.push(row) } else { train.push(row) }
                },
            );
            train.sort_unstable();
            let values = predict(&*fit(&train)?, &take(x, &test)?)?;
            test.iter().zip(values).for_each(|(&row, v)| estimated[row] = v);
        }
        Ok(Self { fitted, moments: Moments::of(losses), realised: losses.to_vec(), estimated })
    }
}

impl LossParams {
    fn validate(&self, rows: usize) -> Result<(), DriftError> {
        self.chunks.validate()?;
        let wrong = |parameter, expected, found| Err(DriftError::Parameter { parameter, expected, found });
        match self {
            Self { folds, .. } if !(2..=rows).contains(folds) => {
                wrong("folds", "at least 2 and at most the rows of the reference", *folds as f64)
            }
            Self { chunks: Chunking { deviations: None, .. }, .. } => wrong("deviations", "a number above 0", f64::NAN),
            _ => Ok(()),
        }
    }
}

/// A loss is not negative, whatever a learner thinks.
fn predict(fitted: &dyn Predictor, x: &FeatureMatrix) -> Result<Vec<f64>, DriftError> {
    let values = fitted.predict(x).map_err(|e| failed(&e))?;
    if values.len() != x.n_rows() || values.iter().any(|v| v.is_nan()) {
        return Err(DriftError::Learner { message: "expected a number for each row".to_owned() });
    }
    Ok(values.into_iter().map(|v| v.max(0.0)).collect())
}

fn mean(values: &[f64]) -> f64 {
    crate::statistics::pairwise_sum(values, |v| v) / values.len() as f64
}

pub(super) fn finite(what: &'static str, values: &[f64], rows: usize) -> Result<(), DriftError> {
    if values.len() != rows {
        return Err(DriftError::Length { what, expected: rows, found: values.len() });
    }
    match values.iter().position(|v| !v.is_finite()) {
        Some(row) => Err(DriftError::NotFinite { what, row }),
        None => Ok(()),
    }
}

/// The features and the prediction, under a name that no feature has.
fn with_predictions(x: &FeatureMatrix, predictions: &[f64]) -> Result<FeatureMatrix, DriftError> {
    finite("prediction", predictions, x.n_rows())?;
    let mut name = "prediction".to_owned();
    while x.names().any(|n| n == name) {
        name.push('_');
    }
    let column = FeatureColumn::numeric(name, predictions.to_vec());
    let columns = x.columns().iter().cloned().chain([column]).collect();
    FeatureMatrix::new(columns).map_err(|_| DriftError::NoColumns)
}
