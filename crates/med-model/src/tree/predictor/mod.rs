//! Batches of rows through many trees, several times faster than one row after another from the root down.
//!
//! A model asks a finite number of questions of each feature, so each feature falls into few *bins* whose values no split
//! tells apart ([`bins`]). Rows are binned a block at a time, then trees look at bins only:
//!
//! - trees of up to 64 leaves by bit vectors (QuickScorer: Lucchese et al. 2015, here on bins; [`masks`]): each bin of a
//!   feature rules out a set of leaves, one bit each, of every tree; the sets of a row's bins, intersected, leave the leaf
//!   it falls into. No branch, no pointer; missing values and sets of levels are bins like any other;
//! - larger trees by walking several rows at once without branches ([`walk`]).
//!
//! A tree's value is the same number, added in the same order, as in the plain walk, so the sums have the same bits. Rows
//! do not depend on one another: blocks of them go to as many threads as there are.

mod bins;
mod masks;
#[cfg(test)]
mod tests;
mod walk;

use rayon::prelude::*;

use super::ensemble::Column;
use super::structure::Tree;
use bins::{FeatureBins, RowBlock};
use masks::MaskBlock;
use walk::WalkedTree;

/// Rows that are binned at a time.
const BLOCK: usize = 512;
/// Rows of a thread's piece of work.
const CHUNK: usize = 16 * BLOCK;

/// The trees of a model in the form that predicts fast.
#[derive(Debug)]
pub(super) struct Predictor {
    /// The features that splits are on.
    features: Vec<FeatureBins>,
    trees: Compiled,
}

#[derive(Debug)]
enum Compiled {
    Masks(Vec<MaskBlock>),
    Walks(Vec<WalkedTree>),
}

impl Predictor {
    /// `None` when there are more bins, levels or features than fit 16 bits.
    pub(super) fn new(trees: &[Tree], columns: &[Column<'_>]) -> Option<Self> {
        let features = bins::of_features(trees, columns)?;
        let small = trees.iter().all(|t| t.n_leaves() <= masks::MAX_LEAVES);
        let masks = small.then(|| trees.chunks(masks::TREES).map(|t| MaskBlock::new(t, &features)).collect());
        let trees = match masks.flatten() {
            Some(blocks) => Compiled::Masks(blocks),
            None => Compiled::Walks(trees.iter().map(|t| WalkedTree::new(t, &features)).collect::<Option<_>>()?),
        };
        Some(Self { features, trees })
    }

    /// Adds the trees' values to each row of `out`; `false`, and nothing done, when the columns are of other kinds than
    /// those this was made for.
    pub(super) fn add(&self, columns: &[Column<'_>], out: &mut [f64]) -> bool {
        if !self.features.iter().all(|f| f.takes(columns)) {
            return false;
        }
        if out.len() >= 2 * CHUNK && rayon::current_num_threads() > 1 {
            out.par_chunks_mut(CHUNK).enumerate().for_each(|(c, chunk)| self.add_chunk(columns, c * CHUNK, chunk));
        } else {
            self.add_chunk(columns, 0, out);
        }
        true
    }

    fn add_chunk(&self, columns: &[Column<'_>], start: usize, out: &mut [f64]) {
        let mut rows = RowBlock::new(self.features.len());
        for (b, block) in out.chunks_mut(BLOCK).enumerate() {
            rows.fill(&self.features, columns, start + b * BLOCK, block.len());
            match &self.trees {
                Compiled::Masks(blocks) => blocks.iter().for_each(|trees| trees.add(&rows, block)),
                Compiled::Walks(trees) => trees.iter().for_each(|tree| tree.add(&rows, block)),
            }
        }
    }
}
