//! Trees of any size, walked by several rows at once without branches.
//!
//! Siblings stand beside one another, so a step is a comparison and an addition; a leaf leads to itself, so rows that
//! have arrived wait for the others.

use super::BLOCK;
use super::bins::{FeatureBins, RowBlock};
use crate::tree::structure::{Child, Split, Test, Tree};

/// Rows that walk together.
const LANES: usize = 16;
/// Steps between two looks at whether all have arrived.
const STEPS: usize = 4;
/// In [`Node::feature`]: missing values go right.
const MISSING_RIGHT: u16 = 1 << 15;

/// Goes left if the bin is at most `bin`, else one further.
#[derive(Debug, Clone, Copy)]
struct Node {
    feature: u16,
    /// Less one where missing values go right: then bins are too, and the one of missing values becomes the largest.
    bin: u16,
    left: u32,
}

/// One tree.
#[derive(Debug)]
pub(super) struct WalkedTree {
    nodes: Vec<Node>,
    /// By node; 0 at splits.
    values: Vec<f64>,
    /// Where each node's answers start, by the word; `None` if comparisons are all that is asked.
    answers: Option<Answers>,
}

/// Which bins go right at the splits that no comparison answers: sets of levels, zeros that are missing.
#[derive(Debug)]
struct Answers {
    /// By node; [`Answers::COMPARE`] for comparisons.
    start: Vec<u32>,
    words: Vec<u64>,
}

impl Answers {
    const COMPARE: u32 = u32::MAX;
}

fn is_comparison(split: &Split) -> bool {
    matches!(split.test, Test::AtMost(_)) && !split.zero_is_missing
}

impl WalkedTree {
    /// `None` when there are too many features.
    pub(super) fn new(tree: &Tree, features: &[FeatureBins]) -> Option<Self> {
        let n = tree.splits.len() + tree.leaves.len();
        let leaf = |node: usize| Node { feature: 0, bin: u16::MAX, left: node as u32 };
        let mut walked = Self { nodes: Vec::with_capacity(n), values: Vec::with_capacity(n), answers: None };
        let mut answers = Answers { start: vec![Answers::COMPARE; n], words: Vec::new() };
        // The tree's node for each of ours, in the order of ours.
        let mut open = vec![if tree.splits.is_empty() { Child::Leaf(0) } else { Child::Split(0) }];
        while let Some(&child) = open.get(walked.nodes.len()) {
            let node = walked.nodes.len();
            let place = match child {
                Child::Leaf(place) => {
                    walked.nodes.push(leaf(node));
                    walked.values.push(tree.leaves[place as usize].value);
                    continue;
                }
                Child::Split(place) => place,
            };
            let split = &tree.splits[place as usize];
            let slot = features.binary_search_by_key(&(split.feature as usize), |f| f.feature).ok()?;
            let feature = u16::try_from(slot).ok().filter(|f| f & MISSING_RIGHT == 0)?;
            let bins = &features[slot];
            let left = open.len() as u32;
            let bin = match split.test {
                Test::AtMost(threshold) if is_comparison(split) => bins.bin_at_most(threshold) as u16,
                _ => {
                    answers.start[node] = answers.words.len() as u32;
                    let start = answers.words.len();
                    answers.words.resize(start + bins.n_bins().div_ceil(64), 0);
                    for (bin, goes_left) in bins.goes_left(split).enumerate() {
                        answers.words[start + bin / 64] |= u64::from(!goes_left) << (bin % 64);
                    }
                    1
                }
            };
            walked.nodes.push(if split.missing_left || !is_comparison(split) {
                Node { feature, bin, left }
            } else {
                Node { feature: feature | MISSING_RIGHT, bin: bin - 1, left }
            });
            walked.values.push(0.0);
            open.extend([split.left, split.right]);
        }
        if !answers.words.is_empty() {
            walked.answers = Some(answers);
        }
        Some(walked)
    }

    /// Adds the tree's value to each row of `out`.
    pub(super) fn add(&self, rows: &RowBlock, out: &mut [f64]) {
        if self.nodes.len() == 1 {
            out.iter_mut().for_each(|o| *o += self.values[0]);
            return;
        }
        for (group, sums) in out.chunks_mut(LANES).enumerate() {
            // The last group walks left-over rows too; BLOCK is a multiple of LANES.
            let mut nodes = [0_u32; LANES];
            loop {
                let before = nodes;
                for _ in 0..STEPS {
                    for (lane, node) in nodes.iter_mut().enumerate() {
                        *node = self.step(rows.bins(), group * LANES + lane, *node);
                    }
                }
                if nodes == before {
                    break;
                }
            }
            for (sum, node) in sums.iter_mut().zip(nodes) {
                *sum += self.values[node as usize];
            }
        }
    }

    #[inline(always)]
    fn step(&self, bins: &[[u16; BLOCK]], row: usize, node: u32) -> u32 {
        let Node { feature, bin, left } = self.nodes[node as usize];
        let value = bins[usize::from(feature & !MISSING_RIGHT)][row];
        if let Some(answers) = &self.answers {
            let start = answers.start[node as usize];
            if start != Answers::COMPARE {
                let word = answers.words[start as usize + usize::from(value / 64)];
                return left + (word >> (value % 64) & 1) as u32;
            }
        }
        left + u32::from(value.wrapping_sub(feature >> 15) > bin)
    }
}
