//! k nearest neighbours.

use std::fmt;

use med_schema::{Dataset, FeatureMatrix, FeatureSchema};
use serde::{Deserialize, Serialize};
use smartcore::algorithm::neighbour::KNNAlgorithmName;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::metrics::distance::euclidian::Euclidian;
use smartcore::neighbors::KNNWeightFunction;
use smartcore::neighbors::knn_regressor::{KNNRegressor, KNNRegressorParameters};

use crate::error::BrokenModel;
use crate::input::{Missing, TrainingSet, Weights, prediction_columns};
use crate::parameters::{Parameters, checked_estimator, require};
use crate::scaling::Scaling;
use crate::{FitError, Model, ParameterError, PredictError, Regressor};

/// How neighbours count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weighting {
    /// All the same.
    #[default]
    Uniform,
    /// By the inverse of their distance; neighbours at distance 0 count alone.
    Distance,
}

/// Parameters of [`Knn`].
///
/// | parameter | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `k` | neighbours | 10 | [1, rows] |
/// | `weighting` | `uniform` or `distance` | `uniform` | |
/// | `standardize` | whether features are brought to mean 0 and standard deviation 1 first | `true` | |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KnnParams {
    /// Neighbours.
    pub k: usize,
    /// How they count.
    pub weighting: Weighting,
    /// Whether features are brought to mean 0 and standard deviation 1 first.
    pub standardize: bool,
}

impl Default for KnnParams {
    fn default() -> Self {
        Self { k: 10, weighting: Weighting::Uniform, standardize: true }
    }
}

impl Parameters for KnnParams {
    const MODEL: &'static str = "knn";

    fn check(&self) -> Result<(), ParameterError> {
        require::<Self>(self.k >= 1, "k", "at least 1", self.k)
    }
}

checked_estimator! {
    /// The mean cost of the `k` nearest training rows by Euclidean distance (Cover and Hart 1967). Takes no weights.
    Knn from KnnParams
}

/// A fitted neighbour model. **It holds the training rows**: its file is personal data where they are.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "KnnParts", into = "KnnParts")]
pub struct KnnModel {
    parts: KnnParts,
    /// Built from the parts alone, so a loaded model is the saved one.
    index: std::sync::Arc<Index>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnnParts {
    features: FeatureSchema,
    params: KnnParams,
    scaling: Scaling,
    rows: Vec<Vec<f64>>,
    y: Vec<f64>,
}

struct Index(KNNRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>, Euclidian<f64>>);

impl PartialEq for Index {
    /// Decided by the parts.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for KnnModel {
    /// Without the rows: a log is no place for somebody's data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnnModel")
            .field("features", &self.parts.features)
            .field("params", &self.parts.params)
            .field("rows", &self.parts.rows.len())
            .finish_non_exhaustive()
    }
}

impl From<KnnModel> for KnnParts {
    fn from(model: KnnModel) -> Self {
        model.parts
    }
}

impl TryFrom<KnnParts> for KnnModel {
    type Error = BrokenModel;

    fn try_from(parts: KnnParts) -> Result<Self, BrokenModel> {
        let (n, p) = (parts.rows.len(), parts.features.features().len());
        BrokenModel::same_length("targets", n, parts.y.len())?;
        if let Some(row) = parts.rows.iter().find(|r| r.len() != p) {
            return Err(BrokenModel::new("row", format!("{p} values"), row.len()));
        }
        if parts.params.k == 0 || parts.params.k > n {
            return Err(BrokenModel::new("k", format!("1 to {n}"), parts.params.k));
        }
        if !parts.scaling.is_sound(p) {
            return Err(BrokenModel::new("scaling", "a finite mean and a positive deviation a feature", "others"));
        }
        let weight = match parts.params.weighting {
            Weighting::Uniform => KNNWeightFunction::Uniform,
            Weighting::Distance => KNNWeightFunction::Distance,
        };
        // A search through all rows: exact, and its ties do not depend on the shape of a tree.
        let parameters = KNNRegressorParameters::default()
            .with_k(parts.params.k)
            .with_weight(weight)
            .with_algorithm(KNNAlgorithmName::LinearSearch);
        let index = DenseMatrix::new(n, p, parts.rows.concat(), false)
            .and_then(|x| KNNRegressor::fit(&x, &parts.y, parameters))
            .map_err(|e| BrokenModel::new("rows", "rows that can be searched", e))?;
        Ok(Self { parts, index: std::sync::Arc::new(Index(index)) })
    }
}

impl Regressor for Knn {
    type Fitted = KnnModel;

    fn fit(&self, train: &Dataset) -> Result<KnnModel, FitError> {
        const MODEL: &str = KnnParams::MODEL;
        let set = TrainingSet::new(train, MODEL, Missing::Refused, Weights::Refused)?;
        if set.n_rows() < self.params.k {
            return Err(FitError::TooFewRows { model: MODEL, expected: self.params.k, found: set.n_rows() });
        }
        let scaling =
            if self.params.standardize { Scaling::of(&set.columns) } else { Scaling::none(set.columns.len()) };
        if !scaling.is_sound(set.columns.len()) {
            return Err(FitError::Overflow { model: MODEL, what: "the standard deviation of a feature" });
        }
        let rows = scaling.rows(&set.columns, set.n_rows());
        let parts =
            KnnParts { features: set.features, params: self.params.clone(), scaling, rows, y: set.y.into_owned() };
        KnnModel::try_from(parts).map_err(|source| FitError::Backend { model: MODEL, source: Box::new(source) })
    }
}

impl Model for KnnModel {
    fn features(&self) -> &FeatureSchema {
        &self.parts.features
    }

    fn predict_into(&self, x: &FeatureMatrix, out: &mut [f64]) -> Result<(), PredictError> {
        const MODEL: &str = KnnParams::MODEL;
        let columns = prediction_columns(&self.parts.features, x, out, MODEL, Missing::Refused)?;
        let rows = self.parts.scaling.rows(&columns, x.n_rows());
        let predicted = DenseMatrix::new(x.n_rows(), columns.len(), rows.concat(), false)
            .and_then(|x| self.index.0.predict(&x))
            .map_err(|source| PredictError::Backend { model: MODEL, source: Box::new(source) })?;
        out.copy_from_slice(&predicted);
        Ok(())
    }
}
