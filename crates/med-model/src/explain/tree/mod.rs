//! Exact path-dependent Shapley values of trees (TreeSHAP), by lookup tables.
//!
//! A tree's conditional expectation follows the row where the feature is known and both ways, weighed by the cover of the
//! children, where it is not (Lundberg et al. 2018, arXiv 1802.03888, algorithm 1); its Shapley values are the sums of those
//! of its leaves. `game` computes one leaf's exactly, `region` cuts trees into regions of 64 leaves, `cells` maps
//! values to what tests can tell apart, `compiled` sums the leaves' values into tables (after Yang 2021, arXiv 2109.09847,
//! who tabulates leaf by leaf), `quadrature` has the rule that replaces sums over all sets (as Yu et al. 2022, arXiv
//! 2209.08192, replace them by polynomials).
//!
//! Cost: a table lookup and as many additions as a group of leaves has features, for each group, tree and row; leaves with too
//! many features for a table cost `O(d^2)`. Tables are made for one region a thread at a time, so memory is bounded and
//! they stay in the cache. Each row has a sum of its own, of all trees in their order: the result does not depend on the
//! number of threads. It does depend, in the last bits, on the number of rows: few rows are not worth large tables.

mod cells;
mod compiled;
mod game;
mod interventional;
mod quadrature;
mod region;

use rayon::prelude::*;

use crate::tree::ensemble::Column;
use crate::tree::{Split, Tree};
use cells::Cells;
use compiled::{Compiled, Limits, Scratch};
use quadrature::Rule;
use region::{Region, regions};

pub(super) use interventional::interventional;

/// Regions whose features are cut into cells together: more cells, but a row's are looked up less often.
const REGIONS: usize = 32;

/// Most rows of a chunk, the unit of work of a thread: a table is in the cache for all of them.
const CHUNK: usize = 8192;

/// Rows taken through one region before the next.
const BLOCK: usize = 128;

/// Rows of a pass over all trees, which bounds the memory of their cells.
const ROWS: usize = 1 << 16;

/// Most cells of the table of a group.
const CELLS: usize = 16_384;

/// Most answers to a leaf that has a table.
const ANSWERS: usize = 4096;

/// A sum of trees: `base + weight sum of trees`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TreeSum<'a> {
    pub(crate) base: f64,
    pub(crate) weight: f64,
    pub(crate) trees: &'a [Tree],
}

impl TreeSum<'_> {
    /// Whether the trees say how many training rows came to each node.
    pub(super) fn has_covers(&self) -> bool {
        self.trees.iter().filter_map(|t| t.splits.first()).all(|root| root.cover > 0.0)
    }

    /// The mean over the training rows, as the covers tell it.
    pub(super) fn expected(&self) -> f64 {
        let of =
            |tree| regions(tree, self.weight).iter().flat_map(|r| &r.leaves).map(|leaf| leaf.expected()).sum::<f64>();
        self.trees.iter().fold(self.base, |sum, tree| sum + of(tree))
    }
}

/// The Shapley values of each row, `columns.len()` numbers a row.
pub(super) fn path_dependent(sum: &TreeSum<'_>, columns: &[Column<'_>], n_rows: usize) -> Vec<f64> {
    // What a table costs to make must come back by the rows that use it.
    let limit = Limits { cells: (2 * n_rows).min(CELLS), answers: (n_rows / 2).min(ANSWERS) };
    by_tables(sum, columns, n_rows, limit)
}

fn by_tables(sum: &TreeSum<'_>, columns: &[Column<'_>], n_rows: usize, limit: Limits) -> Vec<f64> {
    let n_features = columns.len();
    let mut values = vec![0.0; n_rows * n_features];
    let n_threads = rayon::current_num_threads();
    for (pass, values) in values.chunks_mut((ROWS * n_features).max(1)).enumerate() {
        let (first, n_rows) = (pass * ROWS, values.len() / n_features);
        let most = n_rows.div_ceil(n_threads).clamp(BLOCK, CHUNK);
        let chunks = || (0..n_rows.div_ceil(most)).map(|c| first + c * most..first + n_rows.min((c + 1) * most));
        each_batch(sum, n_features, |regions, cells, rules| {
            let codes: Vec<Vec<Vec<u32>>> = if n_rows > most {
                let chunks: Vec<_> = chunks().collect();
                chunks.into_par_iter().map(|rows| codes_of(cells, columns, rows)).collect()
            } else {
                chunks().map(|rows| codes_of(cells, columns, rows)).collect()
            };
            // One region a thread at a time: its tables are still in the cache when the rows come.
            for some in regions.chunks(n_threads) {
                let compiled = compiled(some, cells, rules, limit);
                let add = |(out, codes): (&mut [f64], &Vec<Vec<u32>>)| add_into(&compiled, codes, n_features, out);
                if n_rows > most {
                    values.par_chunks_mut(most * n_features).zip(&codes).for_each(add);
                } else {
                    values.chunks_mut(most * n_features).zip(&codes).for_each(add);
                }
            }
        });
    }
    values
}

/// Adds the values of these regions' leaves for the rows with these cells.
fn add_into(regions: &[Compiled], codes: &[Vec<u32>], n_features: usize, out: &mut [f64]) {
    let mut scratch = Scratch::default();
    for region in regions {
        for (block, out) in out.chunks_mut(BLOCK * n_features).enumerate() {
            let rows = block * BLOCK..block * BLOCK + out.len() / n_features;
            region.add_into(codes, rows, n_features, &mut scratch, out);
        }
    }
}

/// The Shapley interaction values of each row: a symmetric matrix a row, whose rows sum to the Shapley values.
pub(super) fn interactions(sum: &TreeSum<'_>, columns: &[Column<'_>], n_rows: usize) -> Vec<f64> {
    let n = columns.len();
    let mut values = vec![0.0; n_rows * n * n];
    in_batches(sum, columns, Limits::NONE, |batch| {
        values.par_chunks_mut(BLOCK * n * n).enumerate().for_each(|(chunk, out)| {
            let rows = chunk * BLOCK..chunk * BLOCK + out.len() / (n * n);
            let cells = batch.cells_of(columns, rows.clone());
            let mut scratch = Scratch::default();
            for region in &batch.regions {
                region.visit(&cells, 0..rows.len(), &mut scratch, |(_, game), row, answer, products| {
                    let out = &mut out[row * n * n..][..n * n];
                    let passes = |player| compiled::passes(answer, player);
                    game.values(passes, products, |feature, value| out[feature * n + feature] += value);
                    game.pairs(passes, products, |a, b, value| {
                        out[a * n + b] += value;
                        out[b * n + a] += value;
                        out[a * n + a] -= value;
                        out[b * n + b] -= value;
                    });
                });
            }
        });
    });
    values
}

/// Some regions, ready for rows.
struct Batch {
    /// By feature; nothing where no region asks it.
    cells: Vec<Option<Cells>>,
    regions: Vec<Compiled>,
}

impl Batch {
    /// The cells of the values of these rows, by feature.
    fn cells_of(&self, columns: &[Column<'_>], rows: std::ops::Range<usize>) -> Vec<Vec<u32>> {
        codes_of(&self.cells, columns, rows)
    }
}

/// The cells of the values of these rows, by feature.
fn codes_of(cells: &[Option<Cells>], columns: &[Column<'_>], rows: std::ops::Range<usize>) -> Vec<Vec<u32>> {
    let of = |(cells, column): (&Option<Cells>, &Column<'_>)| match cells {
        Some(cells) => rows.clone().map(|row| cells.of(column.value(row))).collect(),
        None => Vec::new(),
    };
    cells.iter().zip(columns).map(of).collect()
}

/// Compiles the regions of all trees, some at a time, and hands them on in the order of the trees.
fn in_batches(sum: &TreeSum<'_>, columns: &[Column<'_>], limit: Limits, mut work: impl FnMut(&Batch)) {
    each_batch(sum, columns.len(), |regions, cells, rules| {
        let regions = compiled(regions, cells, rules, limit);
        work(&Batch { cells: std::mem::take(cells), regions });
    });
}

/// Hands on the regions of all trees, some at a time in the order of the trees, with the cells of their features.
fn each_batch(
    sum: &TreeSum<'_>,
    n_features: usize,
    mut work: impl FnMut(&[Region<'_>], &mut Vec<Option<Cells>>, &[Rule]),
) {
    let rules = Rule::up_to(n_features);
    let mut waiting: Vec<Region<'_>> = Vec::new();
    let mut trees = sum.trees.iter();
    loop {
        let tree = trees.next();
        waiting.extend(tree.into_iter().flat_map(|tree| regions(tree, sum.weight)));
        while waiting.len() >= REGIONS || (tree.is_none() && !waiting.is_empty()) {
            let rest = waiting.split_off(waiting.len().min(REGIONS));
            work(&waiting, &mut cells_asked(&waiting, n_features), &rules);
            waiting = rest;
        }
        if tree.is_none() {
            return;
        }
    }
}

/// What the splits of these regions tell apart, by feature; nothing where none asks it.
fn cells_asked(regions: &[Region<'_>], n_features: usize) -> Vec<Option<Cells>> {
    let mut splits: Vec<Vec<&Split>> = vec![Vec::new(); n_features];
    for region in regions {
        let all = region.above.iter().map(|(split, _)| *split).chain(region.inner.iter().map(|i| i.split));
        all.for_each(|split| splits[split.feature as usize].push(split));
    }
    splits.iter().map(|s| (!s.is_empty()).then(|| Cells::new(s.iter().copied()))).collect()
}

fn compiled(regions: &[Region<'_>], cells: &[Option<Cells>], rules: &[Rule], limit: Limits) -> Vec<Compiled> {
    let compile = |region: &Region<'_>| Compiled::new(region, cells, rules, limit);
    // Without tables there is not enough to do for threads.
    if limit.cells >= 256 && regions.len() > 1 {
        regions.par_iter().map(compile).collect()
    } else {
        regions.iter().map(compile).collect()
    }
}

#[cfg(test)]
mod tests;
