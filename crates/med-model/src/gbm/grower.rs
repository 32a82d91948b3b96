//! One tree, leaf by leaf: always the leaf is split that gains most.

use super::binning::BinnedMatrix;
use super::histogram::{FixedPoint, GradientPair, Histogram, Sums};
use super::splitter::{Split, SplitRules, Splitter};
use crate::error::BrokenModel;
use crate::tree::{Child, Leaf as TreeLeaf, Split as TreeSplit, Test, Tree};

/// How large a tree may become.
#[derive(Debug, Clone, Copy)]
pub(super) struct GrowthLimits {
    pub(super) num_leaves: usize,
    pub(super) max_depth: Option<usize>,
}

/// Grows trees on one binned matrix; keeps its buffers from tree to tree.
#[derive(Debug)]
pub(super) struct Grower<'a> {
    binned: &'a BinnedMatrix,
    rules: SplitRules,
    limits: GrowthLimits,
    learning_rate: f64,
    /// All rows, those of a leaf beside one another.
    rows: Vec<u32>,
    /// Room for the right side of a split.
    spare_rows: Vec<u32>,
    spare_histograms: Vec<Histogram>,
}

/// A node of a tree that grows.
#[derive(Debug, Clone, Copy)]
enum Node {
    Split { feature: u32, threshold: f64, missing_left: bool, left: u32, right: u32 },
    Leaf { value: f64 },
}

/// Splits and leaves apart, each in the order of the nodes.
fn tree(nodes: &[Node]) -> Result<Tree, BrokenModel> {
    let (mut n_splits, mut n_leaves) = (0, 0);
    let place = |node: &Node| {
        let (count, child): (&mut u32, fn(u32) -> Child) = match node {
            Node::Split { .. } => (&mut n_splits, Child::Split),
            Node::Leaf { .. } => (&mut n_leaves, Child::Leaf),
        };
        *count += 1;
        child(*count - 1)
    };
    let places: Vec<Child> = nodes.iter().map(place).collect();
    let (mut splits, mut leaves) = (Vec::new(), Vec::new());
    for node in nodes {
        match *node {
            Node::Leaf { value } => leaves.push(TreeLeaf { value, cover: 0.0, hessian: 0.0 }),
            Node::Split { feature, threshold, missing_left, left, right } => splits.push(TreeSplit {
                feature,
                test: Test::AtMost(threshold),
                missing_left,
                zero_is_missing: false,
                left: places[left as usize],
                right: places[right as usize],
                gain: 0.0,
                value: 0.0,
                cover: 0.0,
                hessian: 0.0,
            }),
        }
    }
    Tree::new(splits, leaves)
}

/// What is the same for all splits of one tree.
#[derive(Debug, Clone, Copy)]
struct Round<'r> {
    pairs: &'r [GradientPair],
    splitter: Splitter<'r>,
}

#[derive(Debug)]
struct Leaf {
    node: usize,
    start: usize,
    len: usize,
    depth: usize,
    sums: Sums,
    /// There while the leaf may still be split.
    candidate: Option<(Split, Histogram)>,
}

impl<'a> Grower<'a> {
    pub(super) fn new(binned: &'a BinnedMatrix, rules: SplitRules, limits: GrowthLimits, learning_rate: f64) -> Self {
        let (rows, spare_rows) = ((0..binned.n_rows() as u32).collect(), Vec::with_capacity(binned.n_rows()));
        Self { binned, rules, limits, learning_rate, rows, spare_rows, spare_histograms: Vec::new() }
    }

    /// Grows a tree for these gradients and adds its values to `scores`; `None` when there is nothing to split.
    pub(super) fn grow(
        &mut self,
        pairs: &[GradientPair],
        gradient_point: FixedPoint,
        hessian_point: FixedPoint,
        scores: &mut [f64],
    ) -> Option<Result<Tree, BrokenModel>> {
        let splitter = Splitter { binned: self.binned, rules: self.rules, gradient_point, hessian_point };
        let round = Round { pairs, splitter };
        // In their own order again: the first pass over them is the longest.
        self.rows.iter_mut().zip(0..).for_each(|(row, i)| *row = i);
        let mut histogram = self.histogram();
        histogram.fill(self.binned, &self.rows, pairs);
        let sums = Sums::of(&self.rows, pairs);
        let root = Leaf { node: 0, start: 0, len: self.rows.len(), depth: 0, sums, candidate: None };
        let mut leaves = vec![self.with_candidate(root, histogram, &splitter)];
        let mut nodes = vec![Node::Leaf { value: 0.0 }];
        while leaves.len() < self.limits.num_leaves {
            let Some(position) = most_gaining(&leaves) else { break };
            let Some((split, histogram)) = leaves[position].candidate.take() else { break };
            let is_last = leaves.len() + 1 == self.limits.num_leaves;
            let (left, right) = self.split(&leaves[position], &split, histogram, &mut nodes, round, is_last);
            leaves[position] = left;
            leaves.push(right);
        }
        self.spare_histograms.extend(leaves.iter_mut().filter_map(|l| l.candidate.take()).map(|(_, h)| h));
        if leaves.len() == 1 {
            return None;
        }
        for leaf in &leaves {
            let value = self.learning_rate * splitter.leaf_value(leaf.sums);
            nodes[leaf.node] = Node::Leaf { value };
            for &row in &self.rows[leaf.start..leaf.start + leaf.len] {
                scores[row as usize] += value;
            }
        }
        Some(tree(&nodes))
    }

    fn split(
        &mut self,
        leaf: &Leaf,
        split: &Split,
        mut parent: Histogram,
        nodes: &mut Vec<Node>,
        round: Round<'_>,
        is_last: bool,
    ) -> (Leaf, Leaf) {
        let Round { pairs, splitter } = round;
        let n_left = self.partition(leaf.start, leaf.len, split);
        let depth = leaf.depth + 1;
        let child = |node, start, len, sums| Leaf { node, start, len, depth, sums, candidate: None };
        let left = child(nodes.len(), leaf.start, n_left, split.left);
        let right = child(nodes.len() + 1, leaf.start + n_left, leaf.len - n_left, leaf.sums.less(split.left));
        nodes[leaf.node] = Node::Split {
            feature: split.feature as u32,
            threshold: self.binned.features[split.feature].threshold(split.bin),
            missing_left: split.missing_left,
            left: left.node as u32,
            right: right.node as u32,
        };
        nodes.extend([Node::Leaf { value: 0.0 }; 2]);
        let full = is_last || self.limits.max_depth.is_some_and(|d| depth >= d);
        if full || !(splitter.may_split(left.sums) || splitter.may_split(right.sums)) {
            self.spare_histograms.push(parent);
            return (left, right);
        }
        // Only the smaller child is summed; what is left of the parent is the larger one.
        let smaller = if left.len <= right.len { &left } else { &right };
        let mut summed = self.histogram();
        summed.fill(self.binned, &self.rows[smaller.start..smaller.start + smaller.len], pairs);
        parent.subtract(&summed);
        let (of_left, of_right) = if left.len <= right.len { (summed, parent) } else { (parent, summed) };
        (self.with_candidate(left, of_left, &splitter), self.with_candidate(right, of_right, &splitter))
    }

    /// Moves the rows that go left before those that go right, each in their order; how many go left.
    fn partition(&mut self, start: usize, len: usize, split: &Split) -> usize {
        let rows = &mut self.rows[start..start + len];
        self.spare_rows.clear();
        let mut n_left = 0;
        for i in 0..len {
            let row = rows[i];
            if split.goes_left(self.binned.bin(row, split.feature)) {
                rows[n_left] = row;
                n_left += 1;
            } else {
                self.spare_rows.push(row);
            }
        }
        rows[n_left..].copy_from_slice(&self.spare_rows);
        n_left
    }

    fn with_candidate(&mut self, mut leaf: Leaf, histogram: Histogram, splitter: &Splitter<'_>) -> Leaf {
        match splitter.best(&histogram, leaf.sums) {
            Some(split) => leaf.candidate = Some((split, histogram)),
            None => self.spare_histograms.push(histogram),
        }
        leaf
    }

    fn histogram(&mut self) -> Histogram {
        self.spare_histograms.pop().unwrap_or_else(|| Histogram::empty(self.binned))
    }
}

/// The leaf whose split gains most; of equal ones the first.
fn most_gaining(leaves: &[Leaf]) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (i, leaf) in leaves.iter().enumerate() {
        if let Some((split, _)) = &leaf.candidate
            && best.is_none_or(|(_, gain)| split.gain > gain)
        {
            best = Some((i, split.gain));
        }
    }
    best.map(|(i, _)| i)
}
