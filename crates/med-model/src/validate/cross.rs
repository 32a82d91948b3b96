//! Cross-validation: each fold is fitted on its own rows and judged on the others.

use med_schema::{Dataset, DatasetError};
use rayon::prelude::*;

use super::Folds;
use crate::input::annualised;
use crate::{FitError, Metric, Model, PredictError, RegressionMetrics, Regressor};

/// A cross-validation that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CrossValidationError {
    /// Folds of another table.
    #[error("the folds are of {folds} rows, the dataset has {rows}")]
    Folds {
        /// Rows the folds divide.
        folds: usize,
        /// Rows there are.
        rows: usize,
    },
    /// Rows that are no dataset.
    #[error("fold {fold}: {source}")]
    Dataset {
        /// The fold, from 0.
        fold: usize,
        /// What is wrong.
        source: DatasetError,
    },
    /// A fit that failed.
    #[error("fold {fold}: {source}")]
    Fit {
        /// The fold, from 0.
        fold: usize,
        /// Why.
        source: FitError,
    },
    /// A prediction that failed.
    #[error("fold {fold}: {source}")]
    Predict {
        /// The fold, from 0.
        fold: usize,
        /// Why.
        source: PredictError,
    },
}

/// How one fold did.
#[derive(Debug, Clone, PartialEq)]
pub struct FoldScore {
    /// Rows fitted on.
    pub train_rows: usize,
    /// Rows judged on.
    pub test_rows: usize,
    /// Metrics on the rows judged.
    pub metrics: RegressionMetrics,
}

/// A metric over the folds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricSummary {
    /// Mean over the folds.
    pub mean: f64,
    /// Standard deviation between folds over the root of their number. Folds share rows they are fitted on, so it is
    /// somewhat too small.
    pub standard_error: f64,
}

/// What cross-validation found.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossValidation {
    /// One score a fold.
    pub folds: Vec<FoldScore>,
    /// Prediction of each row by the model that had not seen it; `None` for rows no fold judges.
    pub predictions: Vec<Option<f64>>,
    /// Metrics of all rows judged together.
    pub pooled: RegressionMetrics,
}

impl CrossValidation {
    /// Mean and standard error of a metric; `None` when a fold has none.
    pub fn summary(&self, metric: Metric) -> Option<MetricSummary> {
        let values: Vec<f64> = self.folds.iter().map(|f| f.metrics.get(metric)).collect::<Option<_>>()?;
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        let standard_error = if values.len() > 1 { (squares / (n - 1.0) / n).sqrt() } else { 0.0 };
        values.first().map(|_| MetricSummary { mean, standard_error })
    }
}

/// Fits `regressor` on the training rows of each fold and judges it on the others. With an exposure, cost per year is
/// judged, weighted by `weight * exposure`, as [`evaluate`](crate::evaluate) does.
///
/// Folds run in parallel on the caller's rayon pool; the result does not depend on the number of threads.
///
/// ```
/// use med_model::{Folds, Metric, Ridge, cross_validate};
/// use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
/// let age: Vec<f64> = (0..60).map(f64::from).collect();
/// let cost: Vec<f64> = age.iter().map(|a| 100.0 + 30.0 * a + (a * 7.0) % 11.0).collect();
/// let x = FeatureMatrix::new(vec![FeatureColumn::numeric("age", age)])?;
/// let data = Dataset::new(x, "cost", cost)?;
/// let found = cross_validate(&Ridge::default(), &data, &Folds::shuffled(60, 5, 42)?)?;
/// let r2 = found.summary(Metric::R2).ok_or("all costs are equal")?;
/// assert!(r2.mean > 0.99 && r2.standard_error < 0.01);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the folds are of another table, or a fold cannot be fitted or predicted: the first such fold.
pub fn cross_validate<R: Regressor + Sync>(
    regressor: &R,
    data: &Dataset,
    folds: &Folds,
) -> Result<CrossValidation, CrossValidationError> {
    if folds.n_rows() != data.n_rows() {
        return Err(CrossValidationError::Folds { folds: folds.n_rows(), rows: data.n_rows() });
    }
    let one = |fold: usize| -> Result<(RegressionMetrics, Vec<f64>), CrossValidationError> {
        let rows = &folds.as_slice()[fold];
        let part = |rows: &[usize]| data.take(rows).map_err(|source| CrossValidationError::Dataset { fold, source });
        let model = regressor.fit(&part(rows.train())?).map_err(|source| CrossValidationError::Fit { fold, source })?;
        let test = part(rows.test())?;
        let mut predicted = vec![0.0; test.n_rows()];
        model
            .predict_into(test.x(), &mut predicted)
            .map_err(|source| CrossValidationError::Predict { fold, source })?;
        let (y, weights) = annualised(&test);
        let metrics = RegressionMetrics::of(&y, &predicted, weights.as_deref())
            .map_err(|source| CrossValidationError::Predict { fold, source })?;
        Ok((metrics, predicted))
    };
    // All folds are run, and the first error by number is told, so that this too is the same for any number of threads.
    let results: Vec<_> = (0..folds.len()).into_par_iter().map(one).collect();
    let mut predictions = vec![None; data.n_rows()];
    let mut scores = Vec::with_capacity(folds.len());
    for (fold, result) in folds.iter().zip(results) {
        let (metrics, predicted) = result?;
        for (&row, &p) in fold.test().iter().zip(&predicted) {
            predictions[row] = Some(p);
        }
        scores.push(FoldScore { train_rows: fold.train().len(), test_rows: fold.test().len(), metrics });
    }
    let (y, weights) = annualised(data);
    let judged: Vec<usize> = (0..data.n_rows()).filter(|&r| predictions[r].is_some()).collect();
    let own = |values: &[f64]| judged.iter().map(|&r| values[r]).collect::<Vec<f64>>();
    let predicted: Vec<f64> = predictions.iter().copied().flatten().collect();
    let own_weights = weights.as_deref().map(own);
    let pooled = RegressionMetrics::of(&own(&y), &predicted, own_weights.as_deref())
        .map_err(|source| CrossValidationError::Predict { fold: 0, source })?;
    Ok(CrossValidation { folds: scores, predictions, pooled })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Knn, KnnParams, Linear};
    use med_schema::{FeatureColumn, FeatureMatrix};

    fn data() -> Dataset {
        let a: Vec<f64> = (0..90).map(|i| f64::from(i * 31 % 89)).collect();
        let y: Vec<f64> = a.iter().map(|a| 40.0 + 3.0 * a + (a * 5.0) % 7.0).collect();
        Dataset::new(FeatureMatrix::new(vec![FeatureColumn::numeric("a", a)]).unwrap(), "y", y).unwrap()
    }

    #[test]
    fn rows_do_not_see_themselves() {
        // The nearest neighbour of a row that was seen is the row itself: the error would be 0.
        let data = data();
        let knn = Knn::new(KnnParams { k: 1, ..Default::default() }).unwrap();
        let found = cross_validate(&knn, &data, &Folds::shuffled(90, 5, 1).unwrap()).unwrap();
        assert!(found.folds.iter().all(|f| f.metrics.mae.unwrap() > 0.5));
        assert!(found.predictions.iter().all(Option::is_some));
    }

    #[test]
    fn threads_do_not_matter_and_pooled_is_over_all_rows() {
        let data = data();
        let folds = Folds::shuffled(90, 4, 1).unwrap();
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| cross_validate(&Linear::default(), &data, &folds).unwrap())
        };
        let found = on(1);
        assert_eq!(found, on(3));
        let mse = |f: &FoldScore| f.metrics.mse.unwrap() * f.test_rows as f64;
        let total: f64 = found.folds.iter().map(mse).sum();
        assert!((total / 90.0 - found.pooled.mse.unwrap()).abs() < 1e-9);
    }

    #[test]
    fn errors_name_the_fold() {
        let data = data();
        assert!(cross_validate(&Linear::default(), &data, &Folds::shuffled(80, 4, 1).unwrap()).is_err());
        let knn = Knn::new(KnnParams { k: 50, ..Default::default() }).unwrap();
        let error = cross_validate(&knn, &data, &Folds::shuffled(90, 2, 1).unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("fold 0: "), "{error}");
    }
}
