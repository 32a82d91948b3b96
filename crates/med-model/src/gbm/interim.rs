//! The engine's interface on the first grower, until the new engine takes its place.

use med_schema::FeatureMatrix;

use super::binning::BinnedMatrix;
use super::grower::{Grower as OldGrower, GrowthLimits};
use super::histogram::{FixedPoint, GradientPair};
use super::splitter::SplitRules;
use crate::FitError;
use crate::input::{Missing, numeric_columns};
use crate::tree::{Tree, ensemble};

#[derive(Debug, Clone)]
pub(crate) struct BinOptions {
    pub(crate) max_bin: usize,
    pub(crate) min_data_in_bin: usize,
}

#[derive(Debug)]
pub(crate) struct Binned {
    x: FeatureMatrix,
    matrix: BinnedMatrix,
}

impl Binned {
    pub(crate) fn new(x: &FeatureMatrix, options: &BinOptions) -> Result<Self, FitError> {
        let columns = numeric_columns(x, "gbdt", Missing::Allowed)?;
        let matrix = BinnedMatrix::new(&columns, options.max_bin);
        Ok(Self { x: x.clone(), matrix })
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Hessians {
    One,
    Fixed(Vec<f32>),
    Each(Vec<f32>),
}

#[derive(Debug, Clone)]
pub(crate) struct Derivatives {
    pub(crate) gradients: Vec<f32>,
    pub(crate) hessians: Hessians,
}

#[derive(Debug, Clone)]
pub(crate) struct Growth {
    pub(crate) num_leaves: usize,
    pub(crate) max_depth: Option<usize>,
    pub(crate) min_data_in_leaf: usize,
    pub(crate) min_sum_hessian_in_leaf: f64,
    pub(crate) min_gain_to_split: f64,
    pub(crate) lambda_l2: f64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample<'a> {
    pub(crate) rows: Option<&'a [u32]>,
    pub(crate) features: Option<&'a [bool]>,
}

#[derive(Debug)]
pub(crate) struct Grower<'a> {
    binned: &'a Binned,
    old: OldGrower<'a>,
    leaf_rows: Vec<Vec<u32>>,
}

impl<'a> Grower<'a> {
    pub(crate) fn new(binned: &'a Binned, growth: Growth) -> Self {
        let rules = SplitRules {
            lambda_l2: growth.lambda_l2,
            min_data_in_leaf: growth.min_data_in_leaf,
            min_sum_hessian_in_leaf: growth.min_sum_hessian_in_leaf,
            min_gain_to_split: growth.min_gain_to_split,
        };
        let limits = GrowthLimits { num_leaves: growth.num_leaves, max_depth: growth.max_depth };
        Self { binned, old: OldGrower::new(&binned.matrix, rules, limits, 1.0), leaf_rows: Vec::new() }
    }

    pub(crate) fn grow(&mut self, d: &Derivatives, _sample: Sample<'_>) -> Option<Tree> {
        let n = d.gradients.len();
        let gradients: Vec<f64> = d.gradients.iter().map(|&g| f64::from(g)).collect();
        let hessians: Vec<f64> = match &d.hessians {
            Hessians::One => vec![1.0; n],
            Hessians::Fixed(h) | Hessians::Each(h) => h.iter().map(|&h| f64::from(h)).collect(),
        };
        let (gp, hp) = (FixedPoint::for_sums_of(&gradients, n), FixedPoint::for_sums_of(&hessians, n));
        let pairs: Vec<GradientPair> = gradients
            .iter()
            .zip(&hessians)
            .map(|(&g, &h)| GradientPair { gradient: gp.to_integer(g), hessian: hp.to_integer(h) })
            .collect();
        let tree = self.old.grow(&pairs, gp, hp, &mut vec![0.0; n])?.ok()?;
        self.leaf_rows = vec![Vec::new(); tree.n_leaves()];
        let columns = ensemble::columns(&self.binned.x);
        for row in 0..n {
            self.leaf_rows[tree.leaf_of(|j| columns[j].value(row))].push(row as u32);
        }
        Some(tree)
    }

    pub(crate) fn leaf_rows(&self, leaf: usize) -> &[u32] {
        self.leaf_rows.get(leaf).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn add_scores(&self, tree: &Tree, scores: &mut [f64]) {
        for (leaf, rows) in tree.leaves.iter().zip(&self.leaf_rows) {
            for &row in rows {
                scores[row as usize] += leaf.value;
            }
        }
    }
}
