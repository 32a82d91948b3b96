//! A random forest of regression trees by smartcore.

use med_schema::Dataset;
use serde::{Deserialize, Serialize};
use smartcore::ensemble::random_forest_regressor::{RandomForestRegressor, RandomForestRegressorParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

use super::super::TreeEnsemble;
use super::grown::{GrownTree, dense, reread};
use crate::counted::of_counted;
use crate::input::{Missing, TrainingSet, Weights};
use crate::parameters::{Parameters, checked_estimator, require};
use crate::{FitError, ParameterError, Regressor};

/// Parameters of [`RandomForest`].
///
/// | parameter | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `n_trees` | number of trees | 50 | [1, inf) |
/// | `max_features` | features a split may choose from; `null` for a third of them, rounded up | `null` | [1, features] |
/// | `max_depth` | splits between root and leaf; `null` for no limit | `null` | [1, 65535] |
/// | `min_samples_leaf` | rows a leaf must keep | 5 | [1, inf) |
/// | `min_samples_split` | rows a node must have to be split | 2 | [2, inf) |
/// | `seed` | of the bootstrap and of the choice of features | 0 | |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandomForestParams {
    /// Number of trees.
    pub n_trees: usize,
    /// Features a split may choose from.
    pub max_features: Option<usize>,
    /// Splits between root and leaf.
    pub max_depth: Option<u16>,
    /// Rows a leaf must keep.
    pub min_samples_leaf: usize,
    /// Rows a node must have to be split.
    pub min_samples_split: usize,
    /// Seed of the bootstrap and of the choice of features.
    pub seed: u64,
}

impl Default for RandomForestParams {
    fn default() -> Self {
        Self { n_trees: 50, max_features: None, max_depth: None, min_samples_leaf: 5, min_samples_split: 2, seed: 0 }
    }
}

impl Parameters for RandomForestParams {
    const MODEL: &'static str = "smartcore random_forest";

    fn check(&self) -> Result<(), ParameterError> {
        let Self { n_trees, max_features, max_depth, min_samples_leaf, min_samples_split, .. } = *self;
        require::<Self>(n_trees >= 1, "n_trees", "at least 1", n_trees)?;
        require::<Self>(max_features != Some(0), "max_features", "null or at least 1", "0")?;
        require::<Self>(max_depth != Some(0), "max_depth", "null or at least 1", "0")?;
        require::<Self>(min_samples_leaf >= 1, "min_samples_leaf", "at least 1", min_samples_leaf)?;
        require::<Self>(min_samples_split >= 2, "min_samples_split", "at least 2", min_samples_split)
    }
}

checked_estimator! {
    /// A random forest (Breiman 2001): the mean of trees, each grown on rows drawn with replacement, each split chosen
    /// among a random share of the features. Grown by smartcore on one thread; weights are the odds of being drawn.
    RandomForest from RandomForestParams
}

#[derive(Deserialize)]
struct Grown {
    forest_regressor: GrownTrees,
}

#[derive(Deserialize)]
struct GrownTrees {
    trees: Vec<GrownTree>,
}

impl Regressor for RandomForest {
    type Fitted = TreeEnsemble;

    fn fit(&self, train: &Dataset) -> Result<TreeEnsemble, FitError> {
        of_counted(train, RandomForestParams::MODEL, |train| self.fit_counted(train))
    }
}

impl RandomForest {
    fn fit_counted(&self, train: &Dataset) -> Result<TreeEnsemble, FitError> {
        const MODEL: &str = RandomForestParams::MODEL;
        let set = TrainingSet::new(train, MODEL, Missing::Refused, Weights::Honoured)?;
        let (x, y) = (dense(MODEL, &set)?, set.y.to_vec());
        let RandomForestParams { n_trees, max_features, max_depth, min_samples_leaf, min_samples_split, seed } =
            self.params;
        let p = set.columns.len();
        let parameters = RandomForestRegressorParameters {
            max_depth,
            min_samples_leaf,
            min_samples_split,
            n_trees,
            m: Some(max_features.unwrap_or(p.div_ceil(3)).min(p)),
            keep_samples: false,
            seed,
        };
        let grown: Result<RandomForestRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>, _> = match &set.weights {
            Some(weights) => RandomForestRegressor::fit_with_weights(&x, &y, weights, parameters),
            None => RandomForestRegressor::fit(&x, &y, parameters),
        };
        let grown = grown.map_err(|source| FitError::Backend { model: MODEL, source: Box::new(source) })?;
        let grown: Grown = reread(MODEL, &grown)?;
        let trees = grown.forest_regressor.trees.iter().map(|t| t.flatten(MODEL)).collect::<Result<_, _>>()?;
        TreeEnsemble::new(MODEL, set.features, trees)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Model;
    use med_schema::{FeatureColumn, FeatureMatrix};

    #[test]
    fn flattened_trees_predict_what_smartcore_predicts_to_the_bit() {
        let column = |k: u64| (0..300_u64).map(|i| ((i * k) % 97) as f64 * 0.37).collect::<Vec<f64>>();
        let (a, b, c) = (column(31), column(17), column(59));
        let y: Vec<f64> = (0..300).map(|i| a[i] * b[i] + c[i] / 3.0).collect();
        let columns = [("a", a), ("b", b), ("c", c)].map(|(name, values)| FeatureColumn::numeric(name, values));
        let data = Dataset::new(FeatureMatrix::new(columns.to_vec()).unwrap(), "y", y.clone()).unwrap();
        let params = RandomForestParams { n_trees: 7, seed: 3, min_samples_leaf: 2, ..Default::default() };
        let ours = RandomForest::new(params).unwrap().fit(&data).unwrap();
        let set = TrainingSet::new(&data, "test", Missing::Refused, Weights::Honoured).unwrap();
        let x = dense("test", &set).unwrap();
        let parameters = RandomForestRegressorParameters::default()
            .with_n_trees(7)
            .with_seed(3)
            .with_m(1)
            .with_min_samples_leaf(2)
            .with_min_samples_split(2);
        let theirs = RandomForestRegressor::fit(&x, &y, parameters).unwrap().predict(&x).unwrap();
        let ours = ours.predict(data.x()).unwrap();
        assert!(ours.iter().zip(&theirs).all(|(a, b)| a.to_bits() == b.to_bits()));
    }
}
