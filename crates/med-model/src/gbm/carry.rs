//! The root's histogram of the next tree, from those of the leaves of the last.
//!
//! A tree adds one value to the scores of all rows of a leaf. For most objectives that changes the sums of first and second
//! derivatives over any rows of the leaf by one linear map, the same for all of them: with a step `d`, squared error has
//! `G' = G + d H` and `H' = H`, Poisson `H' = e^d H`. So the next root's histogram is the sum of the mapped histograms of
//! the leaves, which are there already, and no pass over the rows is needed: `O(leaves x cells)` instead of `O(rows x
//! tracks)`.
//!
//! The maps are applied in 64-bit floating point, in the order of the leaves. What differs from a sum over the rows is the
//! rounding of the rows' derivatives to 32 bits. It does not grow from tree to tree, for each map takes the rounding of
//! the last sums away and the new ones bring their own.

use rayon::prelude::*;

use super::derivatives::{Units, to_integer};
use super::histogram::{CELLS, Cell, Histogram, Sums};
use crate::kernel::vectorised;

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
        let tracks = (0..n_tracks).into_par_iter().map(track).collect();
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
