//! How a tree may grow.

/// Limits, penalties and constraints, the same for all trees of a fit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Growth {
    pub(crate) num_leaves: usize,
    /// Splits between root and leaf.
    pub(crate) max_depth: Option<usize>,
    /// Whether leaves nearest to the root are split first, rather than those that gain most.
    pub(crate) depth_wise: bool,
    /// Rows of weight above zero that a leaf must keep; a row of weight two is one row.
    pub(crate) min_data_in_leaf: usize,
    pub(crate) min_sum_hessian_in_leaf: f64,
    pub(crate) min_gain_to_split: f64,
    pub(crate) lambda_l1: f64,
    pub(crate) lambda_l2: f64,
    /// Largest leaf value; 0 for no limit.
    pub(crate) max_delta_step: f64,
    /// Smoothing of a level's mean gradient when levels are sorted.
    pub(crate) cat_smooth: f64,
    /// Added to `lambda_l2` in splits on several levels.
    pub(crate) cat_l2: f64,
    /// Levels on the smaller side of a split.
    pub(crate) max_cat_threshold: usize,
    /// Up to so many levels, one against the rest.
    pub(crate) max_cat_to_onehot: usize,
    /// Rows that each step along sorted levels takes.
    pub(crate) min_data_per_group: usize,
    /// 1, 0 or -1 a feature; empty for none.
    pub(crate) monotone: Vec<i8>,
    /// Features of a path lie in one of these groups; empty for no constraint.
    pub(crate) interactions: Vec<Vec<u32>>,
    /// Share of the features that a split may use.
    pub(crate) feature_fraction_bynode: f64,
    /// One random threshold a feature and node.
    pub(crate) extra_trees: bool,
    pub(crate) seed: u64,
}

impl Default for Growth {
    fn default() -> Self {
        Self {
            num_leaves: 31,
            max_depth: None,
            depth_wise: false,
            min_data_in_leaf: 20,
            min_sum_hessian_in_leaf: 1e-3,
            min_gain_to_split: 0.0,
            lambda_l1: 0.0,
            lambda_l2: 0.0,
            max_delta_step: 0.0,
            cat_smooth: 10.0,
            cat_l2: 10.0,
            max_cat_threshold: 32,
            max_cat_to_onehot: 4,
            min_data_per_group: 100,
            monotone: Vec::new(),
            interactions: Vec::new(),
            feature_fraction_bynode: 1.0,
            extra_trees: false,
            seed: 0,
        }
    }
}

/// A well mixed number (Steele, Lea and Flood 2014, SplitMix64): the same for the same inputs, whenever it is asked for.
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(b).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
