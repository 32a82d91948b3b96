//! Gradient-boosted trees: the parameters, the boosting loop, the model.
//!
//! Friedman 2001 (Ann Stat 29:1189) with second-order leaf values (Chen and Guestrin 2016), on binned features
//! (LightGBM: Ke et al. 2017), grown leaf by leaf. One idea a file: `binning` turns values into bytes, `histogram` sums
//! gradients, `splitter` finds the best split, `grower` grows a tree.
//!
//! Gradients are summed as integers, which add up the same in any order. So the model does not depend on the order of
//! the rows, and the histogram of one child is exactly its parent's less its sibling's.

mod binning;
mod grower;
mod histogram;
mod splitter;

use med_schema::{Dataset, FeatureMatrix, FeatureSchema};
use serde::{Deserialize, Serialize};

use crate::error::BrokenModel;
use crate::explain::TreeSum;
use crate::input::{Missing, TrainingSet, Weights, prediction_columns};
use crate::parameters::{Parameters, checked_estimator, require};
use crate::tree::{Ensemble, Tree, ensemble};
use crate::{FitError, Model, ParameterError, PredictError, Regressor};
use binning::BinnedMatrix;
use grower::{Grower, GrowthLimits};
use histogram::{FixedPoint, GradientPair};
use splitter::SplitRules;

/// What boosting minimises. Names are LightGBM's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Objective {
    /// Squared error, `1/2 sum w (y - f)^2`; predicts the mean.
    #[default]
    #[serde(alias = "regression_l2", alias = "l2", alias = "mse", alias = "mean_squared_error")]
    Regression,
}

/// Parameters of [`Gbdt`], with LightGBM's names, defaults and ranges.
///
/// | parameter | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `objective` | what is minimised: `regression` (squared error) | `regression` | |
/// | `num_iterations` | trees | 100 | [1, inf) |
/// | `learning_rate` | share of each tree's step that is taken | 0.1 | (0, 1] |
/// | `num_leaves` | leaves of a tree | 31 | [2, 131072] |
/// | `max_depth` | splits between root and leaf; 0 or less for no limit | -1 | |
/// | `max_bin` | bins of a feature, beside the one for missing values | 255 | [2, 255] |
/// | `min_data_in_leaf` | rows a leaf must keep | 20 | [1, inf) |
/// | `min_sum_hessian_in_leaf` | sum of weights a leaf must keep | 0.001 | [0, inf) |
/// | `min_gain_to_split` | gain a split must bring | 0 | [0, inf) |
/// | `lambda_l2` | penalty on leaf values | 0 | [0, inf) |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GbdtParams {
    /// What is minimised.
    pub objective: Objective,
    /// Trees.
    pub num_iterations: usize,
    /// Share of each tree's step that is taken.
    pub learning_rate: f64,
    /// Leaves of a tree.
    pub num_leaves: usize,
    /// Splits between root and leaf; 0 or less for no limit.
    pub max_depth: i32,
    /// Bins of a feature, beside the one for missing values.
    pub max_bin: usize,
    /// Rows a leaf must keep.
    pub min_data_in_leaf: usize,
    /// Sum of weights a leaf must keep.
    pub min_sum_hessian_in_leaf: f64,
    /// Gain a split must bring.
    pub min_gain_to_split: f64,
    /// Penalty on leaf values.
    pub lambda_l2: f64,
}

impl Default for GbdtParams {
    fn default() -> Self {
        Self {
            objective: Objective::Regression,
            num_iterations: 100,
            learning_rate: 0.1,
            num_leaves: 31,
            max_depth: -1,
            max_bin: 255,
            min_data_in_leaf: 20,
            min_sum_hessian_in_leaf: 1e-3,
            min_gain_to_split: 0.0,
            lambda_l2: 0.0,
        }
    }
}

impl Parameters for GbdtParams {
    const MODEL: &'static str = "gbdt";

    fn check(&self) -> Result<(), ParameterError> {
        let not_negative = |v: f64| v >= 0.0 && v.is_finite();
        let Self { num_iterations, learning_rate, num_leaves, max_bin, min_data_in_leaf, .. } = *self;
        require::<Self>(num_iterations >= 1, "num_iterations", "at least 1", num_iterations)?;
        let rate = learning_rate > 0.0 && learning_rate <= 1.0;
        require::<Self>(rate, "learning_rate", "a number above 0 and at most 1", learning_rate)?;
        require::<Self>((2..=131_072).contains(&num_leaves), "num_leaves", "2 to 131072", num_leaves)?;
        require::<Self>((2..=255).contains(&max_bin), "max_bin", "2 to 255", max_bin)?;
        require::<Self>(min_data_in_leaf >= 1, "min_data_in_leaf", "at least 1", min_data_in_leaf)?;
        for (name, value) in [
            ("min_sum_hessian_in_leaf", self.min_sum_hessian_in_leaf),
            ("min_gain_to_split", self.min_gain_to_split),
            ("lambda_l2", self.lambda_l2),
        ] {
            require::<Self>(not_negative(value), name, "a finite number >= 0", value)?;
        }
        Ok(())
    }
}

checked_estimator! {
    /// Gradient-boosted regression trees. Takes missing values: each split learns which way they go.
    ///
    /// ```
    /// use med_model::{Gbdt, GbdtParams, Model, Regressor};
    /// use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
    /// let bmi: Vec<f64> = (0..200).map(|i| if i % 10 == 0 { f64::NAN } else { f64::from(i % 40) }).collect();
    /// let cost: Vec<f64> = bmi.iter().map(|&b| if b > 30.0 { 9000.0 } else { 2000.0 }).collect();
    /// let x = FeatureMatrix::new(vec![FeatureColumn::numeric("bmi", bmi)])?;
    /// let boosting = Gbdt::new(GbdtParams { learning_rate: 0.5, ..GbdtParams::default() })?;
    /// let model = boosting.fit(&Dataset::new(x.clone(), "cost", cost)?)?;
    /// assert!((model.predict(&x)?[35] - 9000.0).abs() < 1.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Gbdt from GbdtParams
}

/// A fitted boosted model: a start value and the sum of its trees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "GbdtParts", into = "GbdtParts")]
pub struct GbdtModel {
    features: FeatureSchema,
    ensemble: Ensemble,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GbdtParts {
    features: FeatureSchema,
    base: f64,
    trees: Vec<Tree>,
}

impl From<GbdtModel> for GbdtParts {
    fn from(GbdtModel { features, ensemble }: GbdtModel) -> Self {
        Self { features, base: ensemble.base, trees: ensemble.trees }
    }
}

impl TryFrom<GbdtParts> for GbdtModel {
    type Error = BrokenModel;

    fn try_from(GbdtParts { features, base, trees }: GbdtParts) -> Result<Self, BrokenModel> {
        let ensemble = Ensemble::new(base, trees);
        ensemble.check(&features)?;
        Ok(Self { features, ensemble })
    }
}

impl GbdtModel {
    /// The prediction before the first tree: the weighted mean of the target.
    pub fn base(&self) -> f64 {
        self.ensemble.base
    }

    /// Number of trees. Fewer than `num_iterations` when no split was left to make.
    pub fn n_trees(&self) -> usize {
        self.ensemble.trees.len()
    }

    pub(crate) fn tree_sum(&self) -> TreeSum<'_> {
        TreeSum { base: self.ensemble.base, weight: 1.0, trees: &self.ensemble.trees }
    }

    /// Number of leaves of all trees together.
    pub fn n_leaves(&self) -> usize {
        self.ensemble.n_leaves()
    }
}

impl Regressor for Gbdt {
    type Fitted = GbdtModel;

    fn fit(&self, train: &Dataset) -> Result<GbdtModel, FitError> {
        const MODEL: &str = GbdtParams::MODEL;
        let set = TrainingSet::new(train, MODEL, Missing::Allowed, Weights::Honoured)?;
        let n = set.n_rows();
        if u32::try_from(n).is_err() {
            return Err(FitError::Backend { model: MODEL, source: "more than 4294967295 rows".into() });
        }
        let params = &self.params;
        let binned = BinnedMatrix::new(&set.columns, params.max_bin);
        let weights = set.weights.as_deref();
        let base = weighted_mean(&set.y, weights);
        let rules = SplitRules {
            lambda_l2: params.lambda_l2,
            min_data_in_leaf: params.min_data_in_leaf,
            min_sum_hessian_in_leaf: params.min_sum_hessian_in_leaf,
            min_gain_to_split: params.min_gain_to_split,
        };
        let limits = GrowthLimits {
            num_leaves: params.num_leaves,
            max_depth: usize::try_from(params.max_depth).ok().filter(|&d| d > 0),
        };
        let mut grower = Grower::new(&binned, rules, limits, params.learning_rate);
        // Squared loss: the second derivative is the weight, in every round.
        let hessian_point = FixedPoint::for_sums_of(weights.unwrap_or(&[1.0]), n);
        let mut pairs = vec![GradientPair::default(); n];
        for (i, pair) in pairs.iter_mut().enumerate() {
            pair.hessian = hessian_point.to_integer(weights.map_or(1.0, |w| w[i]));
        }
        let mut scores = vec![base; n];
        let mut gradients = vec![0.0; n];
        let mut trees = Vec::with_capacity(params.num_iterations);
        for _ in 0..params.num_iterations {
            for (i, gradient) in gradients.iter_mut().enumerate() {
                *gradient = (scores[i] - set.y[i]) * weights.map_or(1.0, |w| w[i]);
            }
            if gradients.iter().any(|g| !g.is_finite()) {
                return Err(FitError::Overflow { model: MODEL, what: "a gradient" });
            }
            let gradient_point = FixedPoint::for_sums_of(&gradients, n);
            pairs.iter_mut().zip(&gradients).for_each(|(p, g)| p.gradient = gradient_point.to_integer(*g));
            let Some(tree) = grower.grow(&pairs, gradient_point, hessian_point, &mut scores) else { break };
            trees.push(tree.map_err(|source| FitError::Backend { model: MODEL, source: Box::new(source) })?);
        }
        if !base.is_finite() || scores.iter().any(|s| !s.is_finite()) {
            return Err(FitError::Overflow { model: MODEL, what: "a prediction" });
        }
        Ok(GbdtModel { features: set.features, ensemble: Ensemble::new(base, trees) })
    }
}

/// Summed as integers, so that the order of the rows does not matter.
fn weighted_mean(y: &[f64], weights: Option<&[f64]>) -> f64 {
    let sum = |values: &[f64]| {
        let point = FixedPoint::for_sums_of(values, values.len());
        point.to_float(values.iter().map(|&v| point.to_integer(v)).sum())
    };
    match weights {
        None => sum(y) / y.len() as f64,
        Some(w) => sum(&y.iter().zip(w).map(|(y, w)| y * w).collect::<Vec<_>>()) / sum(w),
    }
}

impl Model for GbdtModel {
    fn features(&self) -> &FeatureSchema {
        &self.features
    }

    fn predict_into(&self, x: &FeatureMatrix, out: &mut [f64]) -> Result<(), PredictError> {
        prediction_columns(&self.features, x, out, GbdtParams::MODEL, Missing::Allowed)?;
        self.ensemble.predict_into(&ensemble::columns(x), out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use med_schema::FeatureColumn;

    fn data(n: usize) -> Dataset {
        let a: Vec<f64> = (0..n).map(|i| ((i * 37) % 101) as f64).collect();
        let b: Vec<f64> = (0..n).map(|i| if i % 6 == 0 { f64::NAN } else { ((i * 13) % 7) as f64 }).collect();
        let y = a.iter().zip(&b).map(|(a, b)| if b.is_nan() { 500.0 } else { a * b }).collect::<Vec<_>>();
        let x = FeatureMatrix::new(vec![FeatureColumn::numeric("a", a), FeatureColumn::numeric("b", b)]).unwrap();
        Dataset::new(x, "y", y).unwrap()
    }

    fn error(model: &GbdtModel, data: &Dataset) -> f64 {
        let p = model.predict(data.x()).unwrap();
        (&p - &data.y()).mapv(|e| e * e).sum()
    }

    #[test]
    fn more_trees_fit_better_and_missing_values_are_learnt() {
        let data = data(600);
        let fit = |num_iterations| {
            let params = GbdtParams { num_iterations, min_data_in_leaf: 5, ..Default::default() };
            Gbdt::new(params).unwrap().fit(&data).unwrap()
        };
        let (one, few, many) = (error(&fit(1), &data), error(&fit(10), &data), error(&fit(200), &data));
        assert!(one > few && few > many && many < 0.001 * one, "{one} {few} {many}");
    }

    #[test]
    fn one_full_step_to_pure_leaves_reproduces_the_target() {
        let x = FeatureMatrix::new(vec![FeatureColumn::numeric("a", vec![1.0, 2.0, 3.0, f64::NAN])]).unwrap();
        let data = Dataset::new(x, "y", vec![10.0, -4.0, 7.5, 100.0]).unwrap();
        let params = GbdtParams { num_iterations: 1, learning_rate: 1.0, min_data_in_leaf: 1, ..Default::default() };
        let model = Gbdt::new(params).unwrap().fit(&data).unwrap();
        for (p, y) in model.predict(data.x()).unwrap().iter().zip(data.y()) {
            assert!((p - y).abs() < 1e-12, "{p} {y}");
        }
    }

    #[test]
    fn a_target_without_variance_needs_no_tree() {
        let x = FeatureMatrix::new(vec![FeatureColumn::numeric("a", (0..50).map(f64::from).collect::<Vec<_>>())]);
        let data = Dataset::new(x.unwrap(), "y", vec![12.5; 50]).unwrap();
        let model = Gbdt::default().fit(&data).unwrap();
        assert_eq!((model.base(), model.n_trees()), (12.5, 0));
    }

    #[test]
    fn the_l2_penalty_shrinks_leaves() {
        let data = data(300);
        let spread = |lambda_l2| {
            let params = GbdtParams { lambda_l2, num_iterations: 1, ..Default::default() };
            let p = Gbdt::new(params).unwrap().fit(&data).unwrap().predict(data.x()).unwrap();
            p.std(0.0)
        };
        assert!(spread(0.0) > spread(100.0) && spread(100.0) > spread(10_000.0));
    }

    #[test]
    fn depth_limits_hold() {
        let params = GbdtParams { max_depth: 2, num_iterations: 3, min_data_in_leaf: 1, ..Default::default() };
        let model = Gbdt::new(params).unwrap().fit(&data(300)).unwrap();
        assert!(model.ensemble.trees.iter().all(|t| t.n_leaves() <= 4));
    }
}
