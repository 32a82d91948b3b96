//! Random forests and extra trees.

use med_schema::Dataset;
use rand::RngExt;
use rand_pcg::Pcg64;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::TreeEnsemble;
use super::ensemble;
use super::grow::{BinnedColumns, BinnedNodes, Choice, OrderedLevels, Rows, Rules, grow};
use super::structure::Tree;
use crate::counted::{Counted, of_counted};
use crate::parameters::{Parameters, checked_estimator, require};
use crate::{FitError, ParameterError, Regressor};

/// Rows of a thread's piece of work.
const CHUNK: usize = 4096;

macro_rules! forest_params {
    ($(#[$doc:meta])* $params:ident, $model:literal, min_samples_leaf: $min_samples_leaf:literal, bootstrap: $bootstrap:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $params {
            /// Number of trees.
            pub n_trees: usize,
            /// Features a split may choose from.
            pub max_features: Option<usize>,
            /// Splits between root and leaf.
            pub max_depth: Option<u16>,
            /// Leaves of a tree.
            pub max_leaf_nodes: Option<usize>,
            /// Rows a leaf must keep.
            pub min_samples_leaf: usize,
            /// Rows a node must have to be split.
            pub min_samples_split: usize,
            /// Squared error that a split must save, per unit of weight of all rows.
            pub min_impurity_decrease: f64,
            /// Whether each tree is grown on rows drawn with replacement.
            pub bootstrap: bool,
            /// Seed of all that chance decides.
            pub seed: u64,
        }

        impl Default for $params {
            fn default() -> Self {
                Self {
                    n_trees: 50,
                    max_features: None,
                    max_depth: None,
                    max_leaf_nodes: None,
                    min_samples_leaf: $min_samples_leaf,
                    min_samples_split: 2,
                    min_impurity_decrease: 0.0,
                    bootstrap: $bootstrap,
                    seed: 0,
                }
            }
        }

        impl Parameters for $params {
            const MODEL: &'static str = $model;

            fn check(&self) -> Result<(), ParameterError> {
                let Self { n_trees, max_features, max_depth, max_leaf_nodes, min_samples_leaf, .. } = *self;
                require::<Self>(n_trees >= 1, "n_trees", "at least 1", n_trees)?;
                require::<Self>(max_features != Some(0), "max_features", "null or at least 1", "0")?;
                require::<Self>(max_depth != Some(0), "max_depth", "null or at least 1", "0")?;
                let leaves = max_leaf_nodes.is_none_or(|n| n >= 2);
                require::<Self>(leaves, "max_leaf_nodes", "null or at least 2", max_leaf_nodes.unwrap_or(0))?;
                require::<Self>(min_samples_leaf >= 1, "min_samples_leaf", "at least 1", min_samples_leaf)?;
                let split = self.min_samples_split;
                require::<Self>(split >= 2, "min_samples_split", "at least 2", split)?;
                let least = self.min_impurity_decrease;
                let in_range = least >= 0.0 && least.is_finite();
                require::<Self>(in_range, "min_impurity_decrease", "a finite number >= 0", least)
            }
        }

        impl $params {
            fn plan(&self, choice: Choice) -> Plan {
                Plan {
                    model: Self::MODEL,
                    n_trees: self.n_trees,
                    bootstrap: self.bootstrap,
                    seed: self.seed,
                    rules: Rules {
                        choice,
                        max_depth: self.max_depth.map(usize::from),
                        max_leaf_nodes: self.max_leaf_nodes,
                        min_samples_leaf: self.min_samples_leaf,
                        min_samples_split: self.min_samples_split,
                        min_impurity_decrease: self.min_impurity_decrease,
                        max_features: self.max_features,
                    },
                }
            }
        }
    };
}

forest_params! {
    /// Parameters of [`RandomForest`].
    ///
    /// | parameter | meaning | default | range |
    /// | --- | --- | --- | --- |
    /// | `n_trees` | number of trees | 50 | [1, inf) |
    /// | `max_features` | features a split may choose from, all where there are fewer; `null` for a third of those that are not constant, rounded up | `null` | [1, inf) |
    /// | `max_depth` | splits between root and leaf; `null` for no limit | `null` | [1, 65535] |
    /// | `max_leaf_nodes` | leaves of a tree, those that gain most first; `null` for no limit | `null` | [2, inf) |
    /// | `min_samples_leaf` | rows a leaf must keep, one drawn twice counted once | 3 | [1, inf) |
    /// | `min_samples_split` | rows a node must have to be split | 2 | [2, inf) |
    /// | `min_impurity_decrease` | squared error, per unit of weight of all rows, that a split must save | 0 | [0, inf) |
    /// | `bootstrap` | whether each tree is grown on rows drawn with replacement | true | |
    /// | `seed` | of the bootstrap and of the choice of features | 0 | |
    RandomForestParams, "random_forest", min_samples_leaf: 3, bootstrap: true
}

forest_params! {
    /// Parameters of [`ExtraTrees`]: those of [`RandomForestParams`](crate::RandomForestParams), with `bootstrap` false by
    /// default. `seed` is that of the thresholds as well.
    ExtraTreesParams, "extra_trees", min_samples_leaf: 3, bootstrap: false
}

checked_estimator! {
    /// A random forest (Breiman 2001): the mean of trees, each grown on rows drawn with replacement, each split the best
    /// among a random share of the features.
    ///
    /// Takes missing values and categorical features as [`DecisionTree`](crate::DecisionTree) does; weights weigh the
    /// error of the rows drawn. Trees grow in parallel, each from a generator of its own (`Pcg64`, stream = number of the
    /// tree), so the forest has the same bits for any number of threads. Numbers are
    /// looked at through 255 bins; a category of more than 255 levels through as many groups of levels, which follow from the means of the levels
    /// over all rows. Out-of-bag rows have a say in these groups. Memory: 2 bytes a value, and 48 bytes a row for each tree at work.
    RandomForest from RandomForestParams
}

checked_estimator! {
    /// Extremely randomised trees (Geurts, Ernst and Wehenkel 2006): as a random forest, but thresholds too are drawn by
    /// chance, uniform between the smallest and the largest value of the node, and the best of these splits is taken. Of a
    /// categorical feature a random set of levels goes left; of one of more than 255 levels those up to a random place in the order of
    /// their means. Each tree sees all rows unless `bootstrap` is set.
    ExtraTrees from ExtraTreesParams
}

struct Plan {
    model: &'static str,
    n_trees: usize,
    bootstrap: bool,
    seed: u64,
    rules: Rules,
}

impl Plan {
    fn generator(&self, tree: usize) -> Pcg64 {
        Pcg64::new(u128::from(self.seed), tree as u128)
    }

    /// How often each row is drawn for a tree: as many draws as there are rows of a weight above 0.
    fn draws(&self, rows: &Rows, generator: &mut Pcg64) -> Vec<u32> {
        let candidates: Vec<usize> = (0..rows.sums.len()).filter(|&r| rows.weights[r] > 0.0).collect();
        let mut draws = vec![0; rows.sums.len()];
        for _ in 0..candidates.len() {
            draws[candidates[generator.random_range(0..candidates.len())]] += 1;
        }
        draws
    }

    fn tree(&self, rows: &Rows, columns: &BinnedColumns, tree: usize) -> Result<Tree, FitError> {
        let mut generator = self.generator(tree);
        let draws = self.bootstrap.then(|| self.draws(rows, &mut generator));
        let nodes = BinnedNodes::new(rows, draws.as_deref(), &self.rules, columns, Some(generator));
        grow(rows, &self.rules, nodes, self.model)
    }

    fn fit(&self, train: &Dataset) -> Result<TreeEnsemble, FitError> {
        of_counted(train, self.model, |train| self.fit_rows(train, &Rows::new(train, self.model)?))
    }

    fn fit_rows(&self, train: &Dataset, rows: &Rows) -> Result<TreeEnsemble, FitError> {
        let ordered = OrderedLevels::new(train.x(), &rows.sums, self.model)?;
        let columns = BinnedColumns::new(ordered.x(), self.model)?;
        let tree = |t: usize| self.tree(rows, &columns, t).map(|tree| ordered.on_levels(tree));
        let trees: Vec<_> = (0..self.n_trees).into_par_iter().map(tree).collect();
        TreeEnsemble::new(self.model, train.x().schema(), trees.into_iter().collect::<Result<_, _>>()?)
    }
}

/// What a forest predicts for its own training rows, each from the trees that did not see it.
#[derive(Debug, Clone, PartialEq)]
pub struct OutOfBag {
    /// One a row; NaN for rows that every tree has seen.
    pub predictions: Vec<f64>,
    /// Share of the weighted variance that they explain; none when no row was left out or the target does not vary.
    pub r2: Option<f64>,
}

impl OutOfBag {
    /// `rows` are those of `train` that count, which a tree may have seen.
    fn new(plan: &Plan, train: &Dataset, counted: &Counted<'_>, rows: &Rows, forest: &TreeEnsemble) -> Self {
        let n = train.n_rows();
        let columns = ensemble::columns(train.x());
        let (mut sums, mut counts) = (vec![0.0; n], vec![0_u32; n]);
        for (t, tree) in forest.trees().iter().enumerate() {
            let of_counted =
                if plan.bootstrap { plan.draws(rows, &mut plan.generator(t)) } else { vec![1; rows.y.len()] };
            let mut draws = vec![0; n];
            of_counted.iter().enumerate().for_each(|(row, &drawn)| draws[counted.place(row)] = drawn);
            let chunks = sums.par_chunks_mut(CHUNK).zip(counts.par_chunks_mut(CHUNK)).enumerate();
            chunks.for_each(|(c, (sums, counts))| {
                for (i, (sum, count)) in sums.iter_mut().zip(counts).enumerate() {
                    let row = c * CHUNK + i;
                    if draws[row] == 0 {
                        *sum += tree.predict(|j| columns[j].value(row));
                        *count += 1;
                    }
                }
            });
        }
        let predictions: Vec<f64> = sums.iter().zip(&counts).map(|(s, &n)| s / f64::from(n)).collect();
        let left_out = || (0..rows.y.len()).filter(|&r| counts[counted.place(r)] > 0 && rows.weights[r] > 0.0);
        let weighted = |value: &dyn Fn(usize) -> f64| left_out().map(|r| rows.weights[r] * value(r)).sum::<f64>();
        let mean = weighted(&|r| rows.y[r]) / weighted(&|_| 1.0);
        let spread = weighted(&|r| (rows.y[r] - mean).powi(2));
        let error = weighted(&|r| (rows.y[r] - predictions[counted.place(r)]).powi(2));
        Self { predictions, r2: (spread > 0.0).then(|| 1.0 - error / spread) }
    }
}

impl RandomForest {
    fn plan(&self) -> Plan {
        self.params.plan(Choice::Best)
    }

    /// Fits the forest and judges it by the rows that each tree did not see (Breiman 2001, section 3.1), without a
    /// held-back part.
    ///
    /// # Errors
    /// As [`Regressor::fit`].
    pub fn fit_with_out_of_bag(&self, train: &Dataset) -> Result<(TreeEnsemble, OutOfBag), FitError> {
        let (plan, counted) = (self.plan(), Counted::new(train, RandomForestParams::MODEL)?);
        counted.fit(|part| {
            let rows = Rows::new(part, RandomForestParams::MODEL)?;
            let forest = plan.fit_rows(part, &rows)?;
            let out_of_bag = OutOfBag::new(&plan, train, &counted, &rows, &forest);
            Ok((forest, out_of_bag))
        })
    }

    /// Every seed is in range, so this needs no check.
    pub(crate) fn reseed(&mut self, seed: u64) {
        self.params.seed = seed;
    }
}

impl Regressor for RandomForest {
    type Fitted = TreeEnsemble;

    fn fit(&self, train: &Dataset) -> Result<TreeEnsemble, FitError> {
        self.plan().fit(train)
    }
}

impl ExtraTrees {
    /// Every seed is in range, so this needs no check.
    pub(crate) fn reseed(&mut self, seed: u64) {
        self.params.seed = seed;
    }
}

impl Regressor for ExtraTrees {
    type Fitted = TreeEnsemble;

    fn fit(&self, train: &Dataset) -> Result<TreeEnsemble, FitError> {
        self.params.plan(Choice::Random).fit(train)
    }
}
