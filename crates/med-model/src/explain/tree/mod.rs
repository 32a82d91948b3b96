//! Exact path-dependent Shapley values of trees (TreeSHAP), by quadrature.
//!
//! A tree's conditional expectation follows the row where the feature is known and both ways, weighed by the cover of the
//! children, where it is not (Lundberg et al. 2018, arXiv 1802.03888, algorithm 1); its Shapley values are the sums of those
//! of its leaves. `game` has one leaf's, as an integral; `quadrature` the rule that integrates it exactly; `steps` plays the
//! games of all leaves of a tree together, `flow` for many rows at once. Interaction values and values against a background go
//! leaf by leaf: `region` cuts trees into regions of 64 leaves, `cells` maps values to what tests can tell apart, `compiled`
//! these to the rows' answers to each leaf.
//!
//! Cost of the values: a few additions and multiplications for each split, point and row, with half as many points as the
//! longest path has distinct features. Each row has a sum of its own, of all trees in their order: the result does
//! not depend on the number of threads, nor on the other rows.

mod cells;
mod compiled;
mod flow;
mod game;
mod interventional;
mod quadrature;
mod region;
mod steps;

use rayon::prelude::*;

use crate::tree::ensemble::Column;
use crate::tree::{Child, Split, Tree};
use cells::Cells;
use compiled::{Compiled, Scratch};
use flow::{LANES, POINTS, add_values};
use quadrature::Rule;
use region::{Region, fraction, regions};
use steps::{Steps, most_players};

pub(super) use interventional::interventional;

/// Regions whose features are cut into cells together: more cells, but a row's are looked up less often.
const REGIONS: usize = 32;

/// Rows taken through one region before the next.
const BLOCK: usize = 128;

/// Most and fewest rows of a chunk, the unit of work of a thread, which writes the steps of all trees for itself.
const CHUNK: std::ops::RangeInclusive<usize> = 64..=1024;

/// Most numbers of a chunk: they stay in the second-level cache.
const NUMBERS: usize = 1 << 18;

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
        self.trees.iter().fold(self.base, |sum, tree| sum + self.weight * expected(tree))
    }
}

fn expected(tree: &Tree) -> f64 {
    let mut reach = vec![1.0; tree.splits.len()];
    let mut sum = if tree.splits.is_empty() { tree.leaves[0].value } else { 0.0 };
    for (place, split) in tree.splits.iter().enumerate() {
        for left in [true, false] {
            let share = reach[place] * fraction(tree, split, left);
            match split.child(left) {
                Child::Split(child) => reach[child as usize] = share,
                Child::Leaf(leaf) => sum += share * tree.leaves[leaf as usize].value,
            }
        }
    }
    sum
}

/// The Shapley values of each row, `columns.len()` numbers a row.
pub(super) fn path_dependent(sum: &TreeSum<'_>, columns: &[Column<'_>], n_rows: usize) -> Vec<f64> {
    let n_features = columns.len().max(1);
    let mut values = vec![0.0; n_rows * columns.len()];
    let players: Vec<usize> = sum.trees.iter().map(|tree| most_players(tree, columns.len())).collect();
    let rules = Rule::up_to(players.iter().copied().max().unwrap_or(0));
    let rules: Vec<&Rule> = players.iter().map(|players| &rules[players.div_ceil(2)]).collect();
    let (fewest, most) = CHUNK.into_inner();
    let most = most.min(n_rows.div_ceil(rayon::current_num_threads())).min(NUMBERS / n_features).max(fewest);
    let chunks = values.par_chunks_mut(most * n_features).enumerate();
    chunks.for_each(|(chunk, out)| values_into(sum, &rules, columns, chunk * most, out));
    values
}

/// The values of the rows from `first` on.
fn values_into(sum: &TreeSum<'_>, rules: &[&Rule], columns: &[Column<'_>], first: usize, out: &mut [f64]) {
    let n_rows = out.len() / columns.len();
    let stride = n_rows.div_ceil(LANES);
    let mut x = vec![[0.0; LANES]; stride * columns.len()];
    for (column, x) in columns.iter().zip(x.chunks_mut(stride)) {
        (first..first + n_rows).zip(x.as_flattened_mut()).for_each(|(row, x)| *x = column.value(row));
    }
    let mut values = vec![[0.0; LANES]; x.len()];
    for (tree, rule) in sum.trees.iter().zip(rules) {
        for points in rule.parts(POINTS) {
            add_values(&Steps::new(tree, sum.weight, columns.len(), points), &x, stride, &mut values);
        }
    }
    for (feature, values) in values.chunks(stride).enumerate() {
        let row = out.chunks_mut(columns.len());
        row.zip(values.as_flattened()).for_each(|(out, value)| out[feature] = *value);
    }
}

/// The Shapley interaction values of each row: a symmetric matrix a row, whose rows sum to the Shapley values.
pub(super) fn interactions(sum: &TreeSum<'_>, columns: &[Column<'_>], n_rows: usize) -> Vec<f64> {
    let n = columns.len();
    let mut values = vec![0.0; n_rows * n * n];
    in_batches(sum, columns, |batch| {
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
        let of = |(cells, column): (&Option<Cells>, &Column<'_>)| match cells {
            Some(cells) => rows.clone().map(|row| cells.of(column.value(row))).collect(),
            None => Vec::new(),
        };
        self.cells.iter().zip(columns).map(of).collect()
    }
}

/// Compiles the regions of all trees, some at a time, and hands them on in the order of the trees.
fn in_batches(sum: &TreeSum<'_>, columns: &[Column<'_>], mut work: impl FnMut(&Batch)) {
    let rules = Rule::up_to(columns.len());
    let mut waiting: Vec<Region<'_>> = Vec::new();
    let mut trees = sum.trees.iter();
    loop {
        let tree = trees.next();
        waiting.extend(tree.into_iter().flat_map(|tree| regions(tree, sum.weight)));
        while waiting.len() >= REGIONS || (tree.is_none() && !waiting.is_empty()) {
            let rest = waiting.split_off(waiting.len().min(REGIONS));
            let cells = cells_asked(&waiting, columns.len());
            let regions = waiting.iter().map(|region| Compiled::new(region, &cells, &rules)).collect();
            work(&Batch { cells, regions });
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

#[cfg(test)]
mod tests;
