//! The parameters of boosting, by LightGBM's names and, as aliases, those of its interfaces.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ParameterError;
use crate::parameters::{Parameters, require};

/// What boosting minimises. Names are LightGBM's, `auto` is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Objective {
    /// Tweedie deviance for a target without negative values, else squared error.
    #[default]
    Auto,
    /// Squared error, `(y - f)^2`; predicts the mean.
    #[serde(alias = "regression_l2", alias = "l2", alias = "mse", alias = "mean_squared_error", alias = "l2_root")]
    #[serde(alias = "rmse", alias = "root_mean_squared_error", alias = "squared_error")]
    Regression,
    /// Absolute error, `|y - f|`; predicts the median.
    #[serde(rename = "regression_l1", alias = "l1", alias = "mae", alias = "mean_absolute_error")]
    #[serde(alias = "absolute_error")]
    RegressionL1,
    /// Squared error near the target, absolute error farther away than `alpha` (Huber 1964).
    Huber,
    /// Pinball loss; predicts the quantile `alpha`.
    Quantile,
    /// Poisson deviance with log link; predicts the mean of a target >= 0.
    Poisson,
    /// Gamma deviance with log link; predicts the mean of a target > 0.
    Gamma,
    /// Tweedie deviance with log link; predicts the mean of a target >= 0.
    Tweedie,
    /// Logistic loss; predicts the probability of 1 of a target of 0 and 1.
    Binary,
}

impl Objective {
    /// LightGBM's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Regression => "regression",
            Self::RegressionL1 => "regression_l1",
            Self::Huber => "huber",
            Self::Quantile => "quantile",
            Self::Poisson => "poisson",
            Self::Gamma => "gamma",
            Self::Tweedie => "tweedie",
            Self::Binary => "binary",
        }
    }
}

/// In which order the leaves of a tree are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GrowPolicy {
    /// Always the leaf that gains most, as LightGBM.
    #[default]
    #[serde(alias = "leafwise", alias = "lossguide")]
    LeafWise,
    /// Level by level, as XGBoost.
    #[serde(alias = "depthwise")]
    DepthWise,
}

/// How the bins of the training part are kept. The model is the same, to the bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BinLayout {
    /// Twice, row by row and column by column: sums read rows and splits columns. LightGBM's `force_row_wise`.
    #[default]
    Double,
    /// Row by row, and the third of the columns that splits ask for most: less memory and a little more time. With fewer
    /// than 65,536 rows as `double`.
    Partial,
    /// Once, for less memory and more time, as LightGBM's `force_col_wise`; but row by row, where LightGBM keeps columns.
    Single,
}

/// Directions in which a prediction may move with a feature: 1 up only, -1 down only, 0 either way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum MonotoneConstraints {
    /// By column; columns left out are free.
    ByName(BTreeMap<String, i8>),
    /// One a column, in the order of the columns.
    ByPosition(Vec<i8>),
}

impl Default for MonotoneConstraints {
    fn default() -> Self {
        Self::ByName(BTreeMap::new())
    }
}

impl MonotoneConstraints {
    fn directions(&self) -> impl Iterator<Item = i8> + '_ {
        let (by_name, by_position) = match self {
            Self::ByName(map) => (Some(map.values()), None),
            Self::ByPosition(list) => (None, Some(list.iter())),
        };
        by_name.into_iter().flatten().chain(by_position.into_iter().flatten()).copied()
    }

    /// Whether any column is bound.
    pub(super) fn any(&self) -> bool {
        self.directions().any(|d| d != 0)
    }
}

/// Whether predictions are made to add up to the target on the training part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Calibration {
    /// For the objectives with log link; the others are left as they are.
    #[default]
    Auto,
    /// Never.
    None,
}

/// Parameters of [`Gbdt`](crate::Gbdt), with LightGBM's names, defaults and ranges. Its usual aliases (`n_estimators`, `eta`,
/// `reg_lambda`, `subsample`, ...) are read too.
///
/// | parameter | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `objective` | what is minimised: `auto`, `regression`, `regression_l1`, `huber`, `quantile`, `poisson`, `gamma`, `tweedie` | `auto` | |
/// | `num_iterations` | trees | 100 | [1, inf) |
/// | `learning_rate` | share of each tree's step that is taken | 0.1 | (0, 1] |
/// | `num_leaves` | leaves of a tree | 31 | [2, 131072] |
/// | `max_depth` | splits between root and leaf; 0 or less for no limit | -1 | |
/// | `max_bin` | bins of a feature, beside the one for missing values | 255 | [2, 255] |
/// | `min_data_in_bin` | rows a bin must have | 1 | [1, inf) |
/// | `bin_layout` | `double`; `partial` takes less memory and more time, `single` the least and the most. LightGBM: `force_row_wise`, `force_col_wise` | `double` | |
/// | `min_data_in_leaf` | rows a leaf must keep | 20 | [1, inf) |
/// | `min_sum_hessian_in_leaf` | sum of second derivatives a leaf must keep | 0.001 | [0, inf) |
/// | `min_gain_to_split` | gain a split must bring | 0 | [0, inf) |
/// | `lambda_l1`, `lambda_l2` | penalties on leaf values | 0 | [0, inf) |
/// | `max_delta_step` | largest leaf value before shrinkage; 0 for no limit (10 on a log link) | 0 | [0, inf) |
/// | `bagging_fraction` | share of the rows a tree is grown on, drawn without replacement | 1 | (0, 1] |
/// | `bagging_freq` | trees between two draws of rows; 0 for no bagging | 0 | [0, inf) |
/// | `feature_fraction` | share of the features a tree may use | 1 | (0, 1] |
/// | `feature_fraction_bynode` | share of these a split may use | 1 | (0, 1] |
/// | `extra_trees` | one random threshold a feature and node instead of the best | false | |
/// | `grow_policy` | `leaf_wise` or `depth_wise` | `leaf_wise` | |
/// | `monotone_constraints` | 1, 0 or -1 by column name, or a list of one a column | none | {-1, 0, 1} |
/// | `interaction_constraints` | groups of column names; all columns on a path lie in one of them | none | |
/// | `cat_smooth` | smoothing of a level's mean gradient when levels are sorted | 10 | [0, inf) |
/// | `cat_l2` | `lambda_l2` beside the other one for splits on several levels | 10 | [0, inf) |
/// | `max_cat_threshold` | levels on the smaller side of a split | 32 | [1, inf) |
/// | `max_cat_to_onehot` | up to so many levels, one against the rest | 4 | [1, inf) |
/// | `min_data_per_group` | rows a side of a split on levels must have | 100 | [1, inf) |
/// | `early_stopping_round` | trees without improvement on the validation part after which to stop; 0 for never | 0 | [0, inf) |
/// | `validation_fraction` | share of the rows held back for early stopping where no validation part is given | 0.1 | (0, 1) |
/// | `alpha` | Huber's bend, in units of the target; the quantile | 0.9 | (0, inf); quantile (0, 1) |
/// | `poisson_max_delta_step` | safeguard of Poisson: second derivatives are multiplied by its exponential | 0.7 | (0, inf) |
/// | `tweedie_variance_power` | `p` of `Var y = phi mu^p`; `null` to estimate it | `null` | (1, 2) |
/// | `boost_from_average` | start at the best constant rather than 0 (1 on a log link) | true | |
/// | `calibration` | `auto`: on a log link, predictions add up to the costs of the training part; `none` | `auto` | |
/// | `seed` | of all random draws | 0 | |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GbdtParams {
    /// What is minimised.
    #[serde(alias = "objective_type", alias = "app", alias = "application", alias = "loss")]
    pub objective: Objective,
    /// Trees.
    #[serde(alias = "num_iteration", alias = "n_iter", alias = "num_tree", alias = "num_trees", alias = "num_round")]
    #[serde(alias = "num_rounds", alias = "nrounds", alias = "num_boost_round", alias = "n_estimators")]
    #[serde(alias = "max_iter")]
    pub num_iterations: usize,
    /// Share of each tree's step that is taken.
    #[serde(alias = "shrinkage_rate", alias = "eta")]
    pub learning_rate: f64,
    /// Leaves of a tree.
    #[serde(alias = "num_leaf", alias = "max_leaves", alias = "max_leaf", alias = "max_leaf_nodes")]
    pub num_leaves: usize,
    /// Splits between root and leaf; 0 or less for no limit.
    pub max_depth: i32,
    /// Bins of a feature, beside the one for missing values.
    #[serde(alias = "max_bins")]
    pub max_bin: usize,
    /// Rows a bin must have.
    pub min_data_in_bin: usize,
    /// How bins are kept.
    pub bin_layout: BinLayout,
    /// Rows a leaf must keep.
    #[serde(alias = "min_data_per_leaf", alias = "min_data", alias = "min_child_samples", alias = "min_samples_leaf")]
    pub min_data_in_leaf: usize,
    /// Sum of second derivatives a leaf must keep.
    #[serde(alias = "min_sum_hessian_per_leaf", alias = "min_sum_hessian", alias = "min_hessian")]
    #[serde(alias = "min_child_weight")]
    pub min_sum_hessian_in_leaf: f64,
    /// Gain a split must bring.
    #[serde(alias = "min_split_gain")]
    pub min_gain_to_split: f64,
    /// Penalty on the absolute value of leaves.
    #[serde(alias = "reg_alpha", alias = "l1_regularization")]
    pub lambda_l1: f64,
    /// Penalty on the square of leaves.
    #[serde(alias = "reg_lambda", alias = "lambda", alias = "l2_regularization")]
    pub lambda_l2: f64,
    /// Largest leaf value before shrinkage.
    #[serde(alias = "max_tree_output", alias = "max_leaf_output")]
    pub max_delta_step: f64,
    /// Share of the rows a tree is grown on.
    #[serde(alias = "sub_row", alias = "subsample", alias = "bagging")]
    pub bagging_fraction: f64,
    /// Trees between two draws of rows.
    #[serde(alias = "subsample_freq")]
    pub bagging_freq: usize,
    /// Share of the features a tree may use.
    #[serde(alias = "sub_feature", alias = "colsample_bytree")]
    pub feature_fraction: f64,
    /// Share of these a split may use.
    #[serde(alias = "sub_feature_bynode", alias = "colsample_bynode")]
    pub feature_fraction_bynode: f64,
    /// One random threshold a feature and node instead of the best.
    #[serde(alias = "extra_tree")]
    pub extra_trees: bool,
    /// In which order leaves are split.
    pub grow_policy: GrowPolicy,
    /// Directions by column.
    #[serde(alias = "mc", alias = "monotone_constraint", alias = "monotonic_cst")]
    pub monotone_constraints: MonotoneConstraints,
    /// Groups of columns that may meet on a path.
    #[serde(alias = "interaction_cst")]
    pub interaction_constraints: Vec<Vec<String>>,
    /// Smoothing of a level's mean gradient.
    pub cat_smooth: f64,
    /// Penalty on the square of leaves behind splits on several levels.
    pub cat_l2: f64,
    /// Levels on the smaller side of a split.
    pub max_cat_threshold: usize,
    /// Up to so many levels, one against the rest.
    pub max_cat_to_onehot: usize,
    /// Rows a side of a split on levels must have.
    pub min_data_per_group: usize,
    /// Trees without improvement after which to stop.
    #[serde(alias = "early_stopping_rounds", alias = "early_stopping", alias = "n_iter_no_change")]
    pub early_stopping_round: usize,
    /// Share of the rows held back.
    pub validation_fraction: f64,
    /// Huber's bend, or the quantile.
    pub alpha: f64,
    /// Safeguard of Poisson.
    pub poisson_max_delta_step: f64,
    /// Tweedie power; `None` to estimate it.
    pub tweedie_variance_power: Option<f64>,
    /// Start at the best constant.
    pub boost_from_average: bool,
    /// Whether predictions add up to the costs.
    pub calibration: Calibration,
    /// Of all random draws.
    #[serde(alias = "random_seed", alias = "random_state")]
    pub seed: u64,
}

impl Default for GbdtParams {
    fn default() -> Self {
        Self {
            objective: Objective::Auto,
            num_iterations: 100,
            learning_rate: 0.1,
            num_leaves: 31,
            max_depth: -1,
            max_bin: 255,
            min_data_in_bin: 1,
            bin_layout: BinLayout::Double,
            min_data_in_leaf: 20,
            min_sum_hessian_in_leaf: 1e-3,
            min_gain_to_split: 0.0,
            lambda_l1: 0.0,
            lambda_l2: 0.0,
            max_delta_step: 0.0,
            bagging_fraction: 1.0,
            bagging_freq: 0,
            feature_fraction: 1.0,
            feature_fraction_bynode: 1.0,
            extra_trees: false,
            grow_policy: GrowPolicy::LeafWise,
            monotone_constraints: MonotoneConstraints::default(),
            interaction_constraints: Vec::new(),
            cat_smooth: 10.0,
            cat_l2: 10.0,
            max_cat_threshold: 32,
            max_cat_to_onehot: 4,
            min_data_per_group: 100,
            early_stopping_round: 0,
            validation_fraction: 0.1,
            alpha: 0.9,
            poisson_max_delta_step: 0.7,
            tweedie_variance_power: None,
            boost_from_average: true,
            calibration: Calibration::Auto,
            seed: 0,
        }
    }
}

impl Parameters for GbdtParams {
    const MODEL: &'static str = "gbdt";

    const ALIASES: &'static [(&'static str, &'static str)] = &[
        ("loss", "objective"),
        ("num_trees", "num_iterations"),
        ("num_rounds", "num_iterations"),
        ("num_boost_round", "num_iterations"),
        ("n_estimators", "num_iterations"),
        ("max_iter", "num_iterations"),
        ("eta", "learning_rate"),
        ("shrinkage_rate", "learning_rate"),
        ("max_leaves", "num_leaves"),
        ("max_leaf_nodes", "num_leaves"),
        ("max_bins", "max_bin"),
        ("min_data", "min_data_in_leaf"),
        ("min_child_samples", "min_data_in_leaf"),
        ("min_samples_leaf", "min_data_in_leaf"),
        ("min_child_weight", "min_sum_hessian_in_leaf"),
        ("min_split_gain", "min_gain_to_split"),
        ("reg_alpha", "lambda_l1"),
        ("reg_lambda", "lambda_l2"),
        ("subsample", "bagging_fraction"),
        ("subsample_freq", "bagging_freq"),
        ("colsample_bytree", "feature_fraction"),
        ("colsample_bynode", "feature_fraction_bynode"),
        ("monotonic_cst", "monotone_constraints"),
        ("interaction_cst", "interaction_constraints"),
        ("early_stopping_rounds", "early_stopping_round"),
        ("random_seed", "seed"),
        ("random_state", "seed"),
    ];

    const FLAGS: &'static [(&'static str, &'static str, &'static str)] =
        &[("force_row_wise", "bin_layout", "double"), ("force_col_wise", "bin_layout", "single")];

    fn check(&self) -> Result<(), ParameterError> {
        let Self { num_iterations, learning_rate, num_leaves, max_bin, .. } = *self;
        require::<Self>(num_iterations >= 1, "num_iterations", "at least 1", num_iterations)?;
        require::<Self>((2..=131_072).contains(&num_leaves), "num_leaves", "2 to 131072", num_leaves)?;
        require::<Self>((2..=255).contains(&max_bin), "max_bin", "2 to 255", max_bin)?;
        for (name, value) in [
            ("min_data_in_bin", self.min_data_in_bin),
            ("min_data_in_leaf", self.min_data_in_leaf),
            ("max_cat_threshold", self.max_cat_threshold),
            ("max_cat_to_onehot", self.max_cat_to_onehot),
            ("min_data_per_group", self.min_data_per_group),
        ] {
            require::<Self>(value >= 1, name, "at least 1", value)?;
        }
        for (name, value) in [
            ("min_sum_hessian_in_leaf", self.min_sum_hessian_in_leaf),
            ("min_gain_to_split", self.min_gain_to_split),
            ("lambda_l1", self.lambda_l1),
            ("lambda_l2", self.lambda_l2),
            ("max_delta_step", self.max_delta_step),
            ("cat_smooth", self.cat_smooth),
            ("cat_l2", self.cat_l2),
        ] {
            require::<Self>(value >= 0.0 && value.is_finite(), name, "a finite number >= 0", value)?;
        }
        for (name, value) in [
            ("learning_rate", learning_rate),
            ("bagging_fraction", self.bagging_fraction),
            ("feature_fraction", self.feature_fraction),
            ("feature_fraction_bynode", self.feature_fraction_bynode),
        ] {
            require::<Self>(value > 0.0 && value <= 1.0, name, "a number above 0 and at most 1", value)?;
        }
        for (name, value) in [("alpha", self.alpha), ("poisson_max_delta_step", self.poisson_max_delta_step)] {
            require::<Self>(value > 0.0 && value.is_finite(), name, "a finite number above 0", value)?;
        }
        let fraction = self.validation_fraction;
        let is_fraction = fraction > 0.0 && fraction < 1.0;
        require::<Self>(is_fraction, "validation_fraction", "a number above 0 and below 1", fraction)?;
        let quantile = self.objective == Objective::Quantile;
        require::<Self>(!quantile || self.alpha < 1.0, "alpha", "a number above 0 and below 1", self.alpha)?;
        let power = self.tweedie_variance_power.unwrap_or(1.5);
        let expected = "null or a number above 1 and below 2";
        require::<Self>(power > 1.0 && power < 2.0, "tweedie_variance_power", expected, power)?;
        let wrong = self.monotone_constraints.directions().find(|d| !(-1..=1).contains(d));
        require::<Self>(wrong.is_none(), "monotone_constraints", "-1, 0 or 1", wrong.unwrap_or(0))?;
        // Leaves are set to quantiles of what they hold, which knows no direction (LightGBM refuses this too).
        let renewed = matches!(self.objective, Objective::RegressionL1 | Objective::Quantile);
        let free = !(renewed && self.monotone_constraints.any());
        require::<Self>(free, "monotone_constraints", "none with this objective", self.objective.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::from_json;
    use serde_json::{Value, json};

    #[test]
    fn aliases_are_read_both_ways_and_written_by_their_main_name() {
        let given = json!({ "n_estimators": 7, "eta": 0.3, "reg_lambda": 2.0, "objective": "l1", "random_state": 5 });
        let direct: GbdtParams = serde_json::from_value(given.clone()).unwrap();
        let checked: GbdtParams = from_json(&given).unwrap();
        assert_eq!(direct, checked);
        assert_eq!((direct.num_iterations, direct.objective, direct.seed), (7, Objective::RegressionL1, 5));
        assert_eq!(serde_json::to_value(direct).unwrap()["num_iterations"], 7);
        for (alias, name) in GbdtParams::ALIASES {
            let value = serde_json::to_value(GbdtParams::default()).unwrap()[*name].clone();
            assert!(serde_json::from_value::<GbdtParams>(json!({ *alias: value })).is_ok(), "{alias}");
        }
    }

    #[test]
    fn flags_of_lightgbm_say_how_bins_are_kept() {
        let layout = |given: Value| from_json::<GbdtParams>(&given).map(|params| params.bin_layout);
        for (given, expected) in [
            (json!({}), BinLayout::Double),
            (json!({ "bin_layout": "partial" }), BinLayout::Partial),
            (json!({ "bin_layout": "single" }), BinLayout::Single),
            (json!({ "force_col_wise": true }), BinLayout::Single),
            (json!({ "force_col_wise": true, "force_row_wise": false }), BinLayout::Single),
            (json!({ "force_col_wise": true, "bin_layout": "single" }), BinLayout::Single),
            (json!({ "force_row_wise": true }), BinLayout::Double),
            (json!({ "force_row_wise": false, "force_col_wise": false }), BinLayout::Double),
        ] {
            assert_eq!(layout(given.clone()).unwrap(), expected, "{given}");
        }
        for (given, expected) in [
            (json!({ "force_row_wise": true, "force_col_wise": true }), "parameter force_col_wise of gbdt: expected"),
            (json!({ "force_row_wise": true, "bin_layout": "single" }), "parameter force_row_wise of gbdt: expected"),
            (json!({ "force_row_wise": 3 }), "parameter force_row_wise of gbdt"),
        ] {
            let text = layout(given).unwrap_err().to_string();
            assert!(text.starts_with(expected), "{text}");
        }
    }

    #[test]
    fn constraints_are_read_by_name_and_by_position() {
        let params: GbdtParams = from_json(&json!({ "monotone_constraints": { "age": 1 } })).unwrap();
        assert!(params.monotone_constraints.any());
        let params: GbdtParams = from_json(&json!({ "monotone_constraints": [0, 0, 0] })).unwrap();
        assert!(!params.monotone_constraints.any());
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let error = |params: Value| from_json::<GbdtParams>(&params).unwrap_err().to_string();
        for (params, name) in [
            (json!({ "learning_rate": 0.0 }), "learning_rate"),
            (json!({ "bagging_fraction": 1.5 }), "bagging_fraction"),
            (json!({ "tweedie_variance_power": 2.0 }), "tweedie_variance_power"),
            (json!({ "objective": "quantile", "alpha": 1.0 }), "alpha"),
            (json!({ "monotone_constraints": { "age": 2 } }), "monotone_constraints"),
            (json!({ "objective": "l1", "monotone_constraints": { "age": 1 } }), "monotone_constraints"),
            (json!({ "validation_fraction": 1.0 }), "validation_fraction"),
            (json!({ "eta": 2.0 }), "learning_rate"),
        ] {
            let text = error(params);
            assert!(text.starts_with(&format!("parameter {name} of gbdt: expected")), "{text}");
        }
    }
}
