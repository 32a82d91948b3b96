//! The best split of a leaf, from its histogram.
//!
//! The gain of a split is what the scores of its sides (see `value`) exceed that of the leaf by. Of equal gains the first
//! feature's is taken, at its lowest threshold, with missing values on the right.

mod categorical;
mod numeric;
mod value;

use super::binning::{Binned, Bins};
use super::derivatives::Units;
use super::growth::{Growth, mix};
use super::histogram::{Cell, Histogram, Sums};
use super::rule::Rule;
use numeric::Prefix;
pub(super) use value::{Bounds, Valuation};

/// What is left and right of a split, and what it brings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) gain: f64,
    pub(super) feature: usize,
    pub(super) rule: Rule,
    pub(super) left: Sums,
    /// Penalty on the values of the children beside `lambda_l2`.
    pub(super) more_l2: f64,
}

/// The best candidate so far, with the gain that the next must exceed.
#[derive(Debug)]
struct Best {
    gain: f64,
    found: Option<Candidate>,
}

impl Best {
    fn set(&mut self, gain: f64, feature: usize, rule: Rule, left: Sums, more_l2: f64) {
        self.gain = gain;
        self.found = Some(Candidate { gain, feature, rule, left, more_l2 });
    }
}

/// What a split of a leaf goes by, beside its histogram.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    pub(super) sums: Sums,
    pub(super) bounds: Bounds,
    /// A number for the way from the root, which randomness follows.
    pub(super) path: u64,
}

/// A leaf to split.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf<'a> {
    pub(super) sums: Sums,
    pub(super) bounds: Bounds,
    valuation: Valuation,
    score: f64,
    /// Features that may be used.
    allowed: Option<&'a [bool]>,
    /// A number for the way from the root, which randomness follows.
    pub(super) path: u64,
}

/// Finds splits in the histograms of one tree.
#[derive(Debug)]
pub(super) struct Search<'a> {
    binned: &'a Binned,
    growth: &'a Growth,
    units: Units,
    /// What one unit of a gradient and of a second derivative is.
    per: (f64, f64),
    min_count: u32,
    /// Features that the tree may use.
    features: Option<&'a [bool]>,
}

/// Room to search in.
#[derive(Debug)]
pub(super) struct Scratch<C> {
    /// Histograms of features that share a track.
    shared: Histogram<C>,
    prefix: Box<Prefix<C>>,
}

impl<C: Cell> Scratch<C> {
    pub(super) fn new(binned: &Binned) -> Self {
        Self { shared: binned.tracks().shared_histogram(), prefix: Box::default() }
    }
}

impl<'a> Search<'a> {
    pub(super) fn new(binned: &'a Binned, growth: &'a Growth, units: Units, features: Option<&'a [bool]>) -> Self {
        let min_count = growth.min_data_in_leaf.clamp(1, u32::MAX as usize / 2) as u32;
        Self { binned, growth, units, per: (1.0 / units.gradient, 1.0 / units.hessian), min_count, features }
    }

    /// Sums of first and second derivatives as numbers.
    pub(super) fn floats(&self, sums: Sums) -> (f64, f64) {
        // Units are powers of two, so this is as good as a division.
        (sums.gradient as f64 * self.per.0, sums.hessian as f64 * self.per.1)
    }

    /// Whether a leaf with these sums could be split at all.
    pub(super) fn may_split(&self, sums: Sums) -> bool {
        sums.count >= 2 * self.min_count
    }

    fn gain(&self, leaf: &Leaf<'_>, valuation: &Valuation, left: Sums) -> f64 {
        let right = leaf.sums.less(left);
        if left.count < self.min_count || right.count < self.min_count {
            return f64::NEG_INFINITY;
        }
        let ((gl, hl), (gr, hr)) = (self.floats(left), self.floats(right));
        let enough = self.growth.min_sum_hessian_in_leaf;
        if hl < enough || hr < enough {
            return f64::NEG_INFINITY;
        }
        valuation.score(gl, hl) + valuation.score(gr, hr) - leaf.score
    }

    /// The split with the largest gain. `splittable` tells features that have more than one value left, and is kept so.
    pub(super) fn best<C: Cell>(
        &self,
        histogram: &Histogram<C>,
        scratch: &mut Scratch<C>,
        Open { sums, bounds, path }: Open,
        allowed: Option<&[bool]>,
        splittable: &mut [bool],
    ) -> Option<Candidate> {
        if !self.may_split(sums) {
            return None;
        }
        let valuation = Valuation::new(self.growth, 0.0, bounds);
        let (g, h) = self.floats(sums);
        let score = valuation.score(g, h);
        let leaf = Leaf { sums, bounds, valuation, score, allowed, path };
        // A gain below the rounding of its terms is none.
        let mut best = Best { gain: self.growth.min_gain_to_split.max(1e-12 * score), found: None };
        let drawn = self.drawn(&leaf);
        let Scratch { shared, prefix } = scratch;
        let tracks = self.binned.tracks();
        let drawn = |feature: usize| drawn.as_ref().is_none_or(|drawn| drawn[self.binned.source(feature)]);
        let may_use = |feature: usize| self.may_use(&leaf, self.binned.source(feature));
        let wanted = |splittable: &[bool], f: usize| splittable[f] && may_use(f) && drawn(f);
        tracks.marginals(histogram, |feature| wanted(splittable, feature), shared);
        for (feature, bins) in self.binned.features().iter().enumerate() {
            if !wanted(splittable, feature) {
                continue;
            }
            let (cells, n_bins) = tracks.cells(feature, histogram, shared);
            let could = match bins {
                Bins::Numeric(_) => numeric::search(self, &leaf, feature, (cells, n_bins), prefix, &mut best),
                Bins::Categorical(_) => categorical::search(self, &leaf, feature, &cells[..n_bins], &mut best),
            };
            // Its parts have no more rows; a random threshold tells nothing of the others.
            splittable[feature] = could || self.growth.extra_trees;
        }
        best.found
    }

    /// Of a feature of the matrix.
    fn may_use(&self, leaf: &Leaf<'_>, feature: usize) -> bool {
        self.features.is_none_or(|f| f.get(feature).copied().unwrap_or(false))
            && leaf.allowed.is_none_or(|f| f.get(feature).copied().unwrap_or(false))
    }

    /// The features of the matrix drawn for this node, where not all are.
    fn drawn(&self, leaf: &Leaf<'_>) -> Option<Vec<bool>> {
        let fraction = self.growth.feature_fraction_bynode;
        if fraction >= 1.0 {
            return None;
        }
        let n = self.binned.n_sources();
        let node = mix(self.growth.seed, leaf.path);
        let mut usable: Vec<(u64, usize)> =
            (0..n).filter(|&j| self.may_use(leaf, j)).map(|j| (mix(node, j as u64), j)).collect();
        usable.sort_unstable();
        let share = ((usable.len() as f64 * fraction).round() as usize).max(1);
        let mut drawn = vec![false; n];
        usable.iter().take(share).for_each(|&(_, j)| drawn[j] = true);
        Some(drawn)
    }
}
