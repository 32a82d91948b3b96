//! A fitted tree or forest: the mean of its trees.

use med_schema::{FeatureMatrix, FeatureSchema};
use serde::{Deserialize, Serialize};

use super::ensemble::{self, Ensemble};
use super::structure::Tree;
use crate::error::BrokenModel;
use crate::explain::TreeSum;
use crate::{FitError, LightGbmError, Model, PredictError};

/// A fitted tree or forest: the sum of its trees' leaf values, divided by their number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "EnsembleParts", into = "EnsembleParts")]
pub struct TreeEnsemble {
    features: FeatureSchema,
    ensemble: Ensemble,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnsembleParts {
    features: FeatureSchema,
    trees: Vec<Tree>,
}

impl From<TreeEnsemble> for EnsembleParts {
    fn from(TreeEnsemble { features, ensemble }: TreeEnsemble) -> Self {
        Self { features, trees: ensemble.trees }
    }
}

impl TryFrom<EnsembleParts> for TreeEnsemble {
    type Error = BrokenModel;

    fn try_from(EnsembleParts { features, trees }: EnsembleParts) -> Result<Self, BrokenModel> {
        if trees.is_empty() {
            return Err(BrokenModel::new("trees", "at least one", 0));
        }
        let ensemble = Ensemble::new(0.0, trees);
        ensemble.check(&features)?;
        Ok(Self { features, ensemble })
    }
}

impl TreeEnsemble {
    pub(super) fn new(model: &'static str, features: FeatureSchema, trees: Vec<Tree>) -> Result<Self, FitError> {
        Self::try_from(EnsembleParts { features, trees })
            .map_err(|source| FitError::Backend { model, source: Box::new(source) })
    }

    pub(crate) fn trees(&self) -> &[Tree] {
        &self.ensemble.trees
    }

    /// Number of trees.
    pub fn n_trees(&self) -> usize {
        self.ensemble.trees.len()
    }

    pub(crate) fn tree_sum(&self) -> TreeSum<'_> {
        TreeSum { base: 0.0, weight: 1.0 / self.n_trees() as f64, trees: &self.ensemble.trees }
    }

    /// Number of leaves of all trees together.
    pub fn n_leaves(&self) -> usize {
        self.ensemble.n_leaves()
    }

    /// The prediction of one row, without allocating: values in the order of the features, NaN for missing ones, the
    /// code of the level for categorical ones.
    ///
    /// # Errors
    /// When the row has another length than there are features, or a code has no level.
    pub fn predict_row(&self, row: &[f64]) -> Result<f64, PredictError> {
        ensemble::check_row(&self.features, row)?;
        Ok(self.ensemble.predict_row(row) / self.n_trees() as f64)
    }

    /// The model in LightGBM's text format, as a random forest (`average_output`).
    ///
    /// # Errors
    /// When two names of features are the same without their white space.
    pub fn to_lightgbm(&self) -> Result<String, LightGbmError> {
        crate::lightgbm::write(&self.features, &self.ensemble, "regression", true, None)
    }
}

impl Model for TreeEnsemble {
    fn features(&self) -> &FeatureSchema {
        &self.features
    }

    fn predict_into(&self, x: &FeatureMatrix, out: &mut [f64]) -> Result<(), PredictError> {
        self.ensemble.predict_checked(&self.features, x, "a tree model", out)?;
        let n = self.n_trees() as f64;
        out.iter_mut().for_each(|o| *o /= n);
        Ok(())
    }
}
