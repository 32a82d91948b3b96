//! A single regression tree by smartcore.

use med_schema::Dataset;
use serde::{Deserialize, Serialize};
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::tree::decision_tree_regressor::{DecisionTreeRegressor, DecisionTreeRegressorParameters};

use super::super::TreeEnsemble;
use super::grown::{GrownTree, dense, reread};
use crate::counted::of_counted;
use crate::input::{Missing, TrainingSet, Weights};
use crate::parameters::{Parameters, checked_estimator, require};
use crate::{FitError, ParameterError, Regressor};

/// Parameters of [`DecisionTree`].
///
/// | parameter | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `max_depth` | splits between root and leaf; `null` for no limit | `null` | [1, 65535] |
/// | `min_samples_leaf` | rows a leaf must keep | 10 | [1, inf) |
/// | `min_samples_split` | rows a node must have to be split | 2 | [2, inf) |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionTreeParams {
    /// Splits between root and leaf.
    pub max_depth: Option<u16>,
    /// Rows a leaf must keep.
    pub min_samples_leaf: usize,
    /// Rows a node must have to be split.
    pub min_samples_split: usize,
}

impl Default for DecisionTreeParams {
    fn default() -> Self {
        Self { max_depth: None, min_samples_leaf: 10, min_samples_split: 2 }
    }
}

impl Parameters for DecisionTreeParams {
    const MODEL: &'static str = "smartcore decision_tree";

    fn check(&self) -> Result<(), ParameterError> {
        let Self { max_depth, min_samples_leaf, min_samples_split } = *self;
        require::<Self>(max_depth != Some(0), "max_depth", "null or at least 1", "0")?;
        require::<Self>(min_samples_leaf >= 1, "min_samples_leaf", "at least 1", min_samples_leaf)?;
        require::<Self>(min_samples_split >= 2, "min_samples_split", "at least 2", min_samples_split)
    }
}

checked_estimator! {
    /// A regression tree (Breiman, Friedman, Olshen and Stone 1984): each split is the one that lowers the squared error
    /// most, each leaf predicts the mean of its rows. Grown by smartcore; weights weigh the error. `O(n p log n)`.
    DecisionTree from DecisionTreeParams
}

#[derive(Deserialize)]
struct Grown {
    tree_regressor: GrownTree,
}

impl Regressor for DecisionTree {
    type Fitted = TreeEnsemble;

    fn fit(&self, train: &Dataset) -> Result<TreeEnsemble, FitError> {
        of_counted(train, DecisionTreeParams::MODEL, |train| self.fit_counted(train))
    }
}

impl DecisionTree {
    fn fit_counted(&self, train: &Dataset) -> Result<TreeEnsemble, FitError> {
        const MODEL: &str = DecisionTreeParams::MODEL;
        let set = TrainingSet::new(train, MODEL, Missing::Refused, Weights::Honoured)?;
        let (x, y) = (dense(MODEL, &set)?, set.y.to_vec());
        let DecisionTreeParams { max_depth, min_samples_leaf, min_samples_split } = self.params;
        // The seed only orders the features a split looks at, which matters for ties.
        let parameters =
            DecisionTreeRegressorParameters { max_depth, min_samples_leaf, min_samples_split, seed: Some(0) };
        let grown: Result<DecisionTreeRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>, _> = match &set.weights {
            Some(weights) => DecisionTreeRegressor::fit_with_weights(&x, &y, weights, parameters),
            None => DecisionTreeRegressor::fit(&x, &y, parameters),
        };
        let grown = grown.map_err(|source| FitError::Backend { model: MODEL, source: Box::new(source) })?;
        let grown: Grown = reread(MODEL, &grown)?;
        TreeEnsemble::new(MODEL, set.features, vec![grown.tree_regressor.flatten(MODEL)?])
    }
}
