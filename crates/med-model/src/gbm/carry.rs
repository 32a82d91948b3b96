//! The root's histogram of the next tree, from those of the leaves of the last.
//!
//! A tree adds one value to the scores of all rows of a leaf. For most objectives that changes the sums of first and second
//! derivatives over any rows of the leaf by one linear map, the same for all of them: with a step `d`, squared error has
//! `G' = G + d H` and `H' = H`, Poisson `H' = e^d H`. So the next root's histogram is the sum of the mapped histograms of
//! the leaves, which are there already, and no pass over the rows is needed: `O(leaves x cells)` instead of `O(rows x
//! tracks)`.
//!
//! The maps are applied in 64-bit floating point, in the order of the leaves. What differs from a sum over the rows is the
//! rounding of the rows' derivatives to 32 bits: a share of about 1e-7 of the sums, which does not grow from tree to tree,
//! for each map takes the rounding of the last sums away and the new ones bring their own. Of a carried root the larger
//! child is what the smaller leaves, and so is its larger child; where only a small part of the root is left, it is
//! summed from its rows, lest the rounding of the root weigh more in it.

use rayon::prelude::*;

use super::derivatives::{Units, to_integer};
use super::histogram::{CELLS, Cell, Histogram, Sums};
use crate::kernel::vectorised;
use crate::threads::alone;

/// What must be left of a carried root, as one in so many.
const LEFT: i64 = 32;
/// Rows for a leaf and track from which on carrying is less work than summing.
const WORTH: usize = 2 * CELLS;

/// How a step changes sums of derivatives: `G' = gg G + gh H`, `H' = hg G + hh H`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Change {
    pub(super) gg: f64,
    pub(super) gh: f64,
    pub(super) hg: f64,
    pub(super) hh: f64,
}

/// Sums in units of one.
#[derive(Debug, Clone, Copy, Default)]
struct Total {
    gradient: f64,
    hessian: f64,
    count: u32,
}

impl Total {
    #[inline(always)]
    fn add(&mut self, sums: Sums, per: (f64, f64), change: Change) {
        let (g, h) = (sums.gradient as f64 * per.0, sums.hessian as f64 * per.1);
        self.gradient += change.gg * g + change.gh * h;
        self.hessian += change.hg * g + change.hh * h;
        self.count += sums.count;
    }

    #[inline(always)]
    fn sums(self, units: Units) -> Sums {
        Sums {
            gradient: to_integer(self.gradient * units.gradient),
            hessian: to_integer(self.hessian * units.hessian),
            count: self.count,
        }
    }
}

/// The root of the next tree.
#[derive(Debug)]
pub(super) struct Carried {
    tracks: Vec<[Total; CELLS]>,
    root: Total,
}

/// Whether a tree of so many leaves, on so many rows, is worth it.
pub(super) fn is_worth_it(n_rows: usize, n_leaves: usize) -> bool {
    n_rows / n_leaves.max(1) >= WORTH
}

/// Whether so little of a carried root is left that it should be summed from its rows.
pub(super) fn is_too_little(left: Sums, root: Sums) -> bool {
    i64::from(left.count) < i64::from(root.count) / LEFT || left.hessian < root.hessian / LEFT
}

impl Carried {
    /// From the leaves of a tree on all rows, each with its sums and its histogram, in order.
    pub(super) fn new<C: Cell>(leaves: &[(Sums, Histogram<C>)], units: Units, changes: &[Change]) -> Self {
        let per = (1.0 / units.gradient, 1.0 / units.hessian);
        let n_tracks = leaves.first().map_or(0, |(_, histogram)| histogram.len());
        let track = |t: usize| {
            vectorised(
                #[inline(always)]
                || {
                    let mut totals = [Total::default(); CELLS];
                    for ((_, histogram), &change) in leaves.iter().zip(changes) {
                        for (total, cell) in totals.iter_mut().zip(&histogram[t]) {
                            total.add(cell.sums(units), per, change);
                        }
                    }
                    totals
                },
            )
        };
        let tracks = 0..n_tracks;
        let tracks = if alone() { tracks.map(track).collect() } else { tracks.into_par_iter().map(track).collect() };
        let mut root = Total::default();
        leaves.iter().zip(changes).for_each(|((sums, _), &change)| root.add(*sums, per, change));
        Self { tracks, root }
    }

    /// Writes the histogram in the units of the next tree; the sums of all rows.
    pub(super) fn write<C: Cell>(&self, units: Units, histogram: &mut Histogram<C>) -> Sums {
        for (cells, totals) in histogram.iter_mut().zip(&self.tracks) {
            vectorised(
                #[inline(always)]
                || {
                    for (cell, total) in cells.iter_mut().zip(totals) {
                        *cell = C::from_sums(total.sums(units), units);
                    }
                },
            );
        }
        self.root.sums(units)
    }
}

#[cfg(test)]
mod tests {
    use med_schema::{FeatureColumn, FeatureMatrix};

    use super::super::binning::{BinOptions, Binned, LevelOptions};
    use super::super::derivatives::{Derivatives, Hessians};
    use super::super::grower::{Grower, Sample};
    use super::super::growth::{Growth, mix};
    use super::super::objective::{Loss, Pass, Rows, Start};
    use super::super::params::{BinLayout, Objective};
    use super::*;
    use crate::tree::Tree;

    const N: usize = 40_000;

    fn uniform(row: usize, purpose: u64) -> f64 {
        (mix(row as u64, purpose) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Trees of some rounds, and the scores after them.
    fn boost(binned: &Binned, y: &[f64], weights: Option<&[f64]>, loss: Loss, keep: bool) -> (Vec<Tree>, Vec<f64>) {
        let growth = Growth { num_leaves: 12, min_data_in_leaf: 20, ..Growth::default() };
        let mut grower = Grower::new(binned, growth);
        let hessians = match (loss.has_constant_hessian(), weights) {
            (true, None) => None,
            (true, Some(_)) => Some(Hessians::Fixed),
            _ => Some(Hessians::Each),
        };
        let mut derivatives = Derivatives::zero(N, hessians);
        let base = loss.start(&Start { y, weights, offset: None });
        let (mut scores, mut trees) = (vec![base; N], Vec::new());
        for _ in 0..12 {
            Pass::new(loss).derivatives(Rows { y, scores: &scores, weights }, &mut derivatives).unwrap();
            let mut tree = grower.grow_and_keep(&derivatives, Sample::default(), keep).unwrap();
            tree.leaves.iter_mut().for_each(|leaf| leaf.value *= 0.3);
            grower.add_scores(&tree, &mut scores);
            let changes: Vec<Change> = tree.leaves.iter().map(|leaf| loss.change(leaf.value).unwrap()).collect();
            grower.carry(&changes);
            assert_eq!(grower.carries(), keep);
            trees.push(tree);
        }
        (trees, scores)
    }

    #[test]
    fn carried_roots_give_the_trees_of_summed_ones() {
        let column =
            |name: &str, f: &dyn Fn(usize) -> f64| FeatureColumn::numeric(name, (0..N).map(f).collect::<Vec<_>>());
        let columns = vec![
            column("a", &|i| uniform(i, 1)),
            column("b", &|i| if uniform(i, 2) < 0.1 { f64::NAN } else { (uniform(i, 3) * 30.0).floor() }),
            column("c", &|i| (uniform(i, 4) * 3.0).floor()),
            column("d", &|i| f64::from(u8::from(uniform(i, 5) < 0.2))),
        ];
        let options = BinOptions { max_bin: 255, min_data_in_bin: 3, levels: LevelOptions::ONE };
        let binned = Binned::new(&FeatureMatrix::new(columns).unwrap(), &options, BinLayout::Double).unwrap();
        let cost = |i: usize| {
            let tail = if uniform(i, 6) > 0.9995 { 60.0 } else { 1.0 };
            (0.2 + uniform(i, 1) * (1.0 + (uniform(i, 4) * 3.0).floor())) * -uniform(i, 7).ln() * tail
        };
        let weights: Vec<f64> = (0..N).map(|i| (uniform(i, 8) * 4.0).floor()).collect();
        for objective in [Objective::Regression, Objective::Poisson, Objective::Gamma, Objective::Tweedie] {
            let zeros = !matches!(objective, Objective::Gamma);
            let y: Vec<f64> = (0..N).map(|i| if zeros && uniform(i, 9) < 0.4 { 0.0 } else { cost(i) }).collect();
            for weights in [None, Some(weights.as_slice())] {
                let loss = Loss::new(objective, 0.9, 0.7, 1.5);
                let (summed, plain) = boost(&binned, &y, weights, loss, false);
                let (carried, scores) = boost(&binned, &y, weights, loss, true);
                // Which of two features parts the same rows may differ, but not what that gains.
                for (a, b) in summed.iter().zip(&carried) {
                    let gains = |tree: &Tree| tree.splits.iter().map(|s| s.gain).sum::<f64>();
                    let far = (gains(a) - gains(b)).abs() / gains(a);
                    assert!(a.n_leaves() == b.n_leaves() && far < 1e-5, "{objective:?}: {far}");
                }
                let far = plain.iter().zip(&scores).map(|(a, b)| (a - b).abs() / (1.0 + a.abs())).fold(0.0, f64::max);
                assert!(far < 1e-5, "{objective:?}: {far}");
            }
        }
    }

    #[test]
    fn few_rows_a_leaf_are_not_worth_it() {
        assert!(is_worth_it(1_000_000, 63) && !is_worth_it(20_000, 63));
    }
}
