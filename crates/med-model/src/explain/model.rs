//! Explanations of the fitted models.

use std::borrow::Cow;

use med_schema::{FeatureMatrix, FeatureSchema};
use ndarray::{Array2, Array3};

use super::tree::{TreeSum, interactions, interventional, path_dependent};
use super::{Explain, ExplainTrees, Shap, ShapScale, checked, linear, unexplained};
use crate::input::{Missing, prediction_columns};
use crate::lightgbm::without_infinities;
use crate::tree::ensemble::columns;
use crate::{
    AnyModel, GbdtModel, GlmModel, LightGbmModel, LinearModel, Link, Model, PredictError, SavedModel, TreeEnsemble,
};

/// A sum of trees with what explaining it takes.
struct Trees<'a> {
    model: &'static str,
    features: &'a FeatureSchema,
    sum: TreeSum<'a>,
    scale: ShapScale,
}

impl Trees<'_> {
    fn explain(&self, x: &FeatureMatrix) -> Result<Shap, PredictError> {
        let x = self.checked(x)?;
        let values = path_dependent(&self.sum, &columns(&x), x.n_rows());
        self.shap(self.sum.expected(), &x, values)
    }

    fn interventional(&self, x: &FeatureMatrix, background: &FeatureMatrix) -> Result<Shap, PredictError> {
        let (x, background) = (checked(self.features, x, self.model)?, checked(self.features, background, self.model)?);
        if background.n_rows() == 0 {
            return Err(PredictError::Unexplained { model: self.model, reason: "the background has no row" });
        }
        let background_columns = columns(&background);
        let values = interventional(&self.sum, &columns(&x), x.n_rows(), &background_columns, background.n_rows());
        let predicted = |row: usize| {
            let value = |j: usize| background_columns[j].value(row);
            self.sum.trees.iter().fold(self.sum.base, |s, tree| s + self.sum.weight * tree.predict(value))
        };
        let mean = (0..background.n_rows()).map(predicted).sum::<f64>() / background.n_rows() as f64;
        self.shap(mean, &x, values)
    }

    fn interactions(&self, x: &FeatureMatrix) -> Result<Array3<f64>, PredictError> {
        let x = self.checked(x)?;
        let n = x.n_columns();
        let values = interactions(&self.sum, &columns(&x), x.n_rows());
        Array3::from_shape_vec((x.n_rows(), n, n), values).map_err(|source| self.backend(source))
    }

    fn checked(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, PredictError> {
        if !self.sum.has_covers() {
            let reason = "it does not hold how many rows came to each node; fit it again";
            return Err(PredictError::Unexplained { model: self.model, reason });
        }
        checked(self.features, x, self.model)
    }

    fn shap(&self, base_value: f64, x: &FeatureMatrix, values: Vec<f64>) -> Result<Shap, PredictError> {
        let values =
            Array2::from_shape_vec((x.n_rows(), x.n_columns()), values).map_err(|source| self.backend(source))?;
        Ok(Shap { base_value, values, scale: self.scale })
    }

    fn backend(&self, source: ndarray::ShapeError) -> PredictError {
        PredictError::Backend { model: self.model, source: Box::new(source) }
    }
}

macro_rules! explained_by_trees {
    ($model:ty, $rows:expr) => {
        impl Explain for $model {
            fn explain(&self, x: &FeatureMatrix) -> Result<Shap, PredictError> {
                self.explained().explain(&$rows(x))
            }
        }

        impl ExplainTrees for $model {
            fn interventional(&self, x: &FeatureMatrix, background: &FeatureMatrix) -> Result<Shap, PredictError> {
                self.explained().interventional(&$rows(x), &$rows(background))
            }

            fn interactions(&self, x: &FeatureMatrix) -> Result<Array3<f64>, PredictError> {
                self.explained().interactions(&$rows(x))
            }
        }
    };
}

explained_by_trees!(TreeEnsemble, Cow::Borrowed);
explained_by_trees!(GbdtModel, Cow::Borrowed);
explained_by_trees!(LightGbmModel, without_infinities);

impl TreeEnsemble {
    fn explained(&self) -> Trees<'_> {
        let (model, sum) = ("a tree model", self.tree_sum());
        Trees { model, features: self.features(), sum, scale: ShapScale::Response }
    }
}

impl GbdtModel {
    fn explained(&self) -> Trees<'_> {
        let (sum, scale) = self.tree_sum();
        Trees { model: "gbdt", features: self.features(), sum, scale }
    }
}

impl LightGbmModel {
    fn explained(&self) -> Trees<'_> {
        let (sum, scale) = self.tree_sum();
        Trees { model: "lightgbm", features: self.features(), sum, scale }
    }
}

impl Explain for LinearModel {
    fn explain(&self, x: &FeatureMatrix) -> Result<Shap, PredictError> {
        // Only the checks that come before a prediction: there is nothing to write into yet.
        let room = vec![0.0; x.n_rows()];
        let columns = prediction_columns(self.features(), x, &room, "a linear model", Missing::Refused)?;
        let scale = ShapScale::Response;
        Ok(linear(self.intercept(), self.coefficients(), self.means(), &columns, x.n_rows(), scale))
    }
}

impl Explain for GlmModel {
    /// On the scale of the linear predictor: what a feature adds to it, less the mean of that over the training rows. Values
    /// and base value sum to the linear predictor as it is (with a log link and the logarithm of the calibration factor),
    /// which is that of the prediction unless it had to be cut for that: see [`GlmModel`] for where.
    fn explain(&self, x: &FeatureMatrix) -> Result<Shap, PredictError> {
        let scale = match self.link() {
            Link::Identity => ShapScale::Response,
            Link::Log => ShapScale::Log,
            _ => ShapScale::Link,
        };
        let means = self.term_means();
        // A calibration factor is a constant on the scale of the logarithm.
        let shift = if scale == ShapScale::Log { self.calibration_factor().ln() } else { 0.0 };
        let base_value = self.intercept() + shift + means.iter().sum::<f64>();
        let mut values = self.linear_terms(x)?;
        for row in values.chunks_mut(means.len().max(1)) {
            row.iter_mut().zip(&means).for_each(|(value, mean)| *value -= mean);
        }
        let values = Array2::from_shape_vec((x.n_rows(), means.len()), values).map_err(|source| {
            PredictError::Backend { model: "a generalised linear model", source: Box::new(source) }
        })?;
        Ok(Shap { base_value, values, scale })
    }
}

impl Explain for AnyModel {
    fn explain(&self, x: &FeatureMatrix) -> Result<Shap, PredictError> {
        match self {
            Self::Linear(m) | Self::Ridge(m) | Self::Lasso(m) | Self::ElasticNet(m) => m.explain(x),
            Self::DecisionTree(m) | Self::RandomForest(m) | Self::ExtraTrees(m) => m.explain(x),
            Self::Gbdt(m) => m.explain(x),
            Self::LightGbm(m) => m.explain(x),
            Self::Glm(m) | Self::GlmGamma(m) | Self::GlmPoisson(m) | Self::GlmTweedie(m) => m.explain(x),
            _ => Err(unexplained(self.kind())),
        }
    }
}

impl Explain for SavedModel {
    fn explain(&self, x: &FeatureMatrix) -> Result<Shap, PredictError> {
        self.model().explain(x)
    }
}
