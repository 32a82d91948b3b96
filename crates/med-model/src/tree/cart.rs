//! A single regression tree.

use med_schema::Dataset;
use serde::{Deserialize, Serialize};

use super::TreeEnsemble;
use super::grow::{BinnedColumns, BinnedNodes, Choice, OrderedLevels, Rows, Rules, SortedColumns, SortedNodes, grow};
use crate::counted::of_counted;
use crate::parameters::{Parameters, checked_estimator, require};
use crate::{FitError, ParameterError, Regressor};

/// [`Thresholds::Auto`] is exact up to so many rows.
const EXACT_ROWS: usize = 20_000;

/// Where a [`DecisionTree`] may cut a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thresholds {
    /// Exact up to 20,000 rows, binned from there on.
    #[default]
    Auto,
    /// Midway between any two neighbouring values of a node.
    Exact,
    /// Between the bins of a feature, 255 of about equal numbers of rows; each value has its own where there are no more
    /// of them. Some ten times as fast on many rows.
    Binned,
}

/// Parameters of [`DecisionTree`].
///
/// | parameter | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `max_depth` | splits between root and leaf; `null` for no limit | `null` | [1, 65535] |
/// | `max_leaf_nodes` | leaves of the tree, those that gain most first; `null` for no limit | `null` | [2, inf) |
/// | `min_samples_leaf` | rows a leaf must keep | 10 | [1, inf) |
/// | `min_samples_split` | rows a node must have to be split | 2 | [2, inf) |
/// | `min_impurity_decrease` | squared error, per unit of weight of all rows, that a split must save | 0 | [0, inf) |
/// | `thresholds` | `exact`, `binned`, or `auto`: exact up to 20,000 rows | `auto` | |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DecisionTreeParams {
    /// Splits between root and leaf.
    pub max_depth: Option<u16>,
    /// Leaves of the tree.
    pub max_leaf_nodes: Option<usize>,
    /// Rows a leaf must keep.
    pub min_samples_leaf: usize,
    /// Rows a node must have to be split.
    pub min_samples_split: usize,
    /// Squared error that a split must save, per unit of weight of all rows.
    pub min_impurity_decrease: f64,
    /// Where numbers may be cut.
    pub thresholds: Thresholds,
}

impl Default for DecisionTreeParams {
    fn default() -> Self {
        let (min_samples_leaf, min_samples_split) = (10, 2);
        Self {
            max_depth: None,
            max_leaf_nodes: None,
            min_samples_leaf,
            min_samples_split,
            min_impurity_decrease: 0.0,
            thresholds: Thresholds::Auto,
        }
    }
}

impl Parameters for DecisionTreeParams {
    const MODEL: &'static str = "decision_tree";

    fn check(&self) -> Result<(), ParameterError> {
        let Self { max_depth, max_leaf_nodes, min_samples_leaf, min_samples_split, min_impurity_decrease, .. } = *self;
        require::<Self>(max_depth != Some(0), "max_depth", "null or at least 1", "0")?;
        let leaves = max_leaf_nodes.is_none_or(|n| n >= 2);
        require::<Self>(leaves, "max_leaf_nodes", "null or at least 2", max_leaf_nodes.unwrap_or(0))?;
        require::<Self>(min_samples_leaf >= 1, "min_samples_leaf", "at least 1", min_samples_leaf)?;
        require::<Self>(min_samples_split >= 2, "min_samples_split", "at least 2", min_samples_split)?;
        let least = min_impurity_decrease >= 0.0 && min_impurity_decrease.is_finite();
        require::<Self>(least, "min_impurity_decrease", "a finite number >= 0", min_impurity_decrease)
    }
}

checked_estimator! {
    /// A regression tree (Breiman, Friedman, Olshen and Stone 1984): each split is the one that lowers the squared error
    /// most, each leaf predicts the mean of its rows.
    ///
    /// Thresholds are exact mid-points, or with many rows those between 255 bins ([`Thresholds`]). Takes missing values, for
    /// which each split learns a side, and categorical features, split into sets of levels; of more than 255 levels into sets of groups, which follow
    /// from the means of the levels over all rows. Weights weigh the error; a row of
    /// weight 0 is no row. `O(n p log n)` to sort, then `O(n p)` for each level of depth; the same bits for any number of
    /// threads, and for any order of the rows (bins: up to 200,000 rows).
    DecisionTree from DecisionTreeParams
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
        let rows = Rows::new(train, MODEL)?;
        let DecisionTreeParams { max_depth, max_leaf_nodes, min_samples_leaf, min_samples_split, .. } = self.params;
        let rules = Rules {
            choice: Choice::Best,
            max_depth: max_depth.map(usize::from),
            max_leaf_nodes,
            min_samples_leaf,
            min_samples_split,
            min_impurity_decrease: self.params.min_impurity_decrease,
            max_features: None,
        };
        let exact = match self.params.thresholds {
            Thresholds::Auto => train.n_rows() <= EXACT_ROWS,
            Thresholds::Exact => true,
            Thresholds::Binned => false,
        };
        let ordered = OrderedLevels::new(train.x(), &rows.sums, MODEL)?;
        let tree = if exact {
            let columns = SortedColumns::new(ordered.x(), MODEL)?;
            grow(&rows, &rules, SortedNodes::new(&rows, &rules, &columns), MODEL)?
        } else {
            let columns = BinnedColumns::new(ordered.x(), MODEL)?;
            grow(&rows, &rules, BinnedNodes::new(&rows, None, &rules, &columns, None), MODEL)?
        };
        TreeEnsemble::new(MODEL, train.x().schema(), vec![ordered.on_levels(tree)])
    }
}
