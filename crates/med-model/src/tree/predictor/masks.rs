//! Trees of up to 64 leaves as tables of bit vectors.
//!
//! Leaves are numbered from left to right. A row that goes right at a split cannot end in a leaf left below it, so that
//! split rules those out; of the leaves that no split rules out, the first one is where the row ends (Lucchese et al. 2015,
//! theorem 1): every leaf before it is left below a split of its path where the row goes right, and it is itself ruled out
//! by none. For each bin of a feature, what all splits on that feature rule out is one row of a table, with a word a tree.

use std::collections::HashMap;

use super::BLOCK;
use super::bins::{FeatureBins, RowBlock};
use crate::kernel::vectorised;
use crate::tree::structure::{Child, Test, Tree};

/// Leaves that fit a word.
pub(super) const MAX_LEAVES: usize = 64;
/// Trees of a block: their tables stay in the second-level cache.
pub(super) const TREES: usize = 32;
/// Rows whose sums go side by side.
const LANES: usize = 8;

/// A bit for each leaf that is still possible, of each tree.
type Masks = [u64; TREES];

/// Up to [`TREES`] trees.
#[derive(Debug)]
pub(super) struct MaskBlock {
    features: Vec<BlockFeature>,
    /// Rows of all features; bins with the same row share it.
    table: Vec<Masks>,
    /// Leaf values of each tree, by the place of the leaf from the left.
    values: Vec<[f64; MAX_LEAVES]>,
}

/// A feature that a tree of the block splits on.
#[derive(Debug)]
struct BlockFeature {
    /// Place among the binned features.
    slot: usize,
    /// The table row of each bin.
    rows: Vec<u16>,
}

/// What a split rules out for the rows that go right.
struct Ruling<'t> {
    tree: usize,
    split: &'t crate::tree::structure::Split,
    left_leaves: u64,
}

impl MaskBlock {
    /// `None` when the table has more rows than fit 16 bits.
    pub(super) fn new(trees: &[Tree], features: &[FeatureBins]) -> Option<Self> {
        let mut rulings: Vec<Vec<Ruling<'_>>> = features.iter().map(|_| Vec::new()).collect();
        let mut values = vec![[0.0; MAX_LEAVES]; trees.len()];
        for (t, tree) in trees.iter().enumerate() {
            let (left_leaves, order) = leaves_from_left(tree);
            for (value, &leaf) in values[t].iter_mut().zip(&order) {
                *value = tree.leaves[leaf as usize].value;
            }
            for (split, left_leaves) in tree.splits.iter().zip(left_leaves) {
                let slot = features.binary_search_by_key(&(split.feature as usize), |f| f.feature).ok()?;
                rulings[slot].push(Ruling { tree: t, split, left_leaves });
            }
        }
        let mut block = Self { features: Vec::new(), table: Vec::new(), values };
        for (slot, (bins, rulings)) in features.iter().zip(&rulings).enumerate() {
            if !rulings.is_empty() {
                block.add_feature(slot, bins, rulings)?;
            }
        }
        Some(block)
    }

    fn add_feature(&mut self, slot: usize, bins: &FeatureBins, rulings: &[Ruling<'_>]) -> Option<()> {
        let mut by_bin: Vec<Masks> = vec![[u64::MAX; TREES]; bins.n_bins()];
        for Ruling { tree, split, left_leaves } in rulings {
            let mut rule_out = |bin: &mut Masks| bin[*tree] &= !left_leaves;
            match split.test {
                // The common case, without asking for every bin.
                Test::AtMost(threshold) if !split.zero_is_missing => {
                    by_bin[bins.bin_at_most(threshold) + 1..].iter_mut().for_each(&mut rule_out);
                    if !split.missing_left {
                        rule_out(&mut by_bin[0]);
                    }
                }
                _ => by_bin
                    .iter_mut()
                    .zip(bins.goes_left(split))
                    .filter(|(_, left)| !left)
                    .for_each(|(bin, _)| rule_out(bin)),
            }
        }
        let mut known: HashMap<Masks, u16> = HashMap::new();
        let mut rows = Vec::with_capacity(by_bin.len());
        for masks in by_bin {
            let row = match known.get(&masks) {
                Some(&row) => row,
                None => {
                    let row = u16::try_from(self.table.len()).ok()?;
                    self.table.push(masks);
                    known.insert(masks, row);
                    row
                }
            };
            rows.push(row);
        }
        self.features.push(BlockFeature { slot, rows });
        Some(())
    }

    /// Adds the trees' values to the rows of `out`, one tree after another.
    pub(super) fn add(&self, rows: &RowBlock, out: &mut [f64]) {
        let mut masks = [[u64::MAX; TREES]; LANES];
        for (group, sums) in out.chunks_mut(LANES).enumerate() {
            vectorised(
                #[inline(always)]
                || {
                    // The last group of a block looks at left-over rows too; BLOCK is a multiple of LANES.
                    for (lane, masks) in masks.iter_mut().enumerate() {
                        *masks = self.masks(rows.bins(), group * LANES + lane);
                    }
                },
            );
            self.add_leaves(&masks, sums);
        }
    }

    /// Looks up the leaf that is left of each tree. Not compiled for wide vectors: gathering is slower than loading one by
    /// one.
    #[inline(never)]
    fn add_leaves(&self, masks: &[Masks; LANES], sums: &mut [f64]) {
        let mut lanes = [0.0; LANES];
        lanes[..sums.len()].copy_from_slice(sums);
        for (t, values) in self.values.iter().enumerate() {
            for (sum, masks) in lanes.iter_mut().zip(masks) {
                // One leaf at least is always left, so this is below 64, as the mask tells the compiler.
                *sum += values[masks[t % TREES].trailing_zeros() as usize & (MAX_LEAVES - 1)];
            }
        }
        sums.copy_from_slice(&lanes[..sums.len()]);
    }

    #[inline(always)]
    fn masks(&self, bins: &[[u16; BLOCK]], row: usize) -> Masks {
        let mut masks = [u64::MAX; TREES];
        for feature in &self.features {
            let bin = bins[feature.slot][row];
            let ruled = &self.table[feature.rows[bin as usize] as usize];
            for t in 0..TREES {
                masks[t] &= ruled[t];
            }
        }
        masks
    }
}

/// For each split the leaves left below it, as bits by their place from the left; and the leaves in that order.
fn leaves_from_left(tree: &Tree) -> (Vec<u64>, Vec<u32>) {
    // Splits stand behind their parents, so leaves below each are counted from the last one up.
    let mut below = vec![0_u32; tree.splits.len()];
    let n_below = |below: &[u32], child: Child| match child {
        Child::Leaf(_) => 1,
        Child::Split(place) => below[place as usize],
    };
    for (i, split) in tree.splits.iter().enumerate().rev() {
        below[i] = n_below(&below, split.left) + n_below(&below, split.right);
    }
    let mut first = vec![0_u32; tree.splits.len()];
    let mut order = vec![0_u32; tree.leaves.len()];
    let mut left_leaves = vec![0_u64; tree.splits.len()];
    for (i, split) in tree.splits.iter().enumerate() {
        let n_left = n_below(&below, split.left);
        // Between 1 and 63: the other side keeps one.
        left_leaves[i] = (u64::MAX >> (64 - n_left)) << first[i];
        for (child, first_leaf) in [(split.left, first[i]), (split.right, first[i] + n_left)] {
            match child {
                Child::Leaf(leaf) => order[first_leaf as usize] = leaf,
                Child::Split(place) => first[place as usize] = first_leaf,
            }
        }
    }
    (left_leaves, order)
}
