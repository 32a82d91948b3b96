//! One tree: leaf by leaf, always the one that gains most, or level by level.

use rand::RngExt;
use rand_pcg::Pcg64;

use super::binning::Binned;
use super::histogram::{FixedPoint, GradientPair, Histogram, Sums};
use super::splitter::{Bounds, Candidate, Split, SplitRules, Splitter};
use crate::tree::{Child, Leaf as TreeLeaf, Split as TreeSplit, Tree};

/// First and second derivatives of the objective, of all rows.
#[derive(Debug, Clone)]
pub(crate) struct Derivatives {
    pub(crate) gradients: Vec<f32>,
    pub(crate) hessians: Hessians,
}

/// Second derivatives, weights included.
#[derive(Debug, Clone)]
pub(crate) enum Hessians {
    /// 1 for every row, in every round.
    One,
    /// The same in every round.
    Fixed(Vec<f32>),
    /// Others in each round.
    Each(Vec<f32>),
}

impl Hessians {
    fn of(&self, row: usize) -> f32 {
        match self {
            Self::One => 1.0,
            Self::Fixed(values) | Self::Each(values) => values[row],
        }
    }
}

/// How trees grow.
#[derive(Debug, Clone)]
pub(crate) struct Growth {
    pub(crate) num_leaves: usize,
    pub(crate) max_depth: Option<usize>,
    /// Level by level instead of the most gaining leaf first.
    pub(crate) depth_wise: bool,
    pub(crate) rules: SplitRules,
    /// A direction a feature.
    pub(crate) monotone: Vec<i8>,
    /// Groups of features that may meet on a path; none for all.
    pub(crate) interactions: Vec<Vec<u32>>,
    pub(crate) feature_fraction_bynode: f64,
    pub(crate) extra_trees: bool,
    pub(crate) seed: u64,
}

/// What a tree may see.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample<'a> {
    /// Ascending; `None` for all.
    pub(crate) rows: Option<&'a [u32]>,
    pub(crate) features: Option<&'a [bool]>,
}

/// Grows trees on one binned matrix; keeps its buffers from tree to tree.
#[derive(Debug)]
pub(crate) struct Grower<'a> {
    binned: &'a Binned,
    growth: Growth,
    /// Trees grown so far.
    round: u64,
    /// The rows of the sample, those of a leaf beside one another.
    rows: Vec<u32>,
    /// Room for the right side of a split.
    spare_rows: Vec<u32>,
    spare_histograms: Vec<Histogram>,
    pairs: Vec<GradientPair>,
    /// Where the rows of each leaf of the last tree lie.
    leaves: Vec<(usize, usize)>,
    /// The splits of the last tree, by bins.
    splits: Vec<Split>,
}

/// What is the same for all splits of one tree.
#[derive(Debug)]
struct Round<'r> {
    splitter: Splitter,
    features: Option<&'r [bool]>,
    random: Pcg64,
    hessian_is_cover: bool,
}

#[derive(Debug)]
struct Node {
    start: usize,
    len: usize,
    depth: usize,
    sums: Sums,
    bounds: Bounds,
    value: f64,
    /// The split it hangs on, and whether on its left.
    parent: Option<(usize, bool)>,
    /// Features on the way here.
    path: Vec<u32>,
    /// There while the leaf may still be split.
    candidate: Option<(Split, Histogram)>,
}

impl<'a> Grower<'a> {
    pub(crate) fn new(binned: &'a Binned, growth: Growth) -> Self {
        Self {
            binned,
            growth,
            round: 0,
            rows: Vec::with_capacity(binned.n_rows()),
            spare_rows: Vec::with_capacity(binned.n_rows()),
            spare_histograms: Vec::new(),
            pairs: Vec::new(),
            leaves: Vec::new(),
            splits: Vec::new(),
        }
    }

    /// Grows a tree for these derivatives; `None` when there is nothing to split.
    pub(crate) fn grow(&mut self, derivatives: &Derivatives, sample: Sample<'_>) -> Option<Tree> {
        let n = self.binned.n_rows();
        self.rows.clear();
        match sample.rows {
            Some(rows) => self.rows.extend_from_slice(rows),
            None => self.rows.extend(0..n as u32),
        }
        let mut round = self.start(derivatives, sample.features);
        let mut histogram = self.histogram();
        histogram.fill(self.binned, &self.rows, &self.pairs);
        let sums = Sums::of(&self.rows, &self.pairs);
        let bounds = Bounds::NONE;
        let value = round.splitter.value(sums, self.growth.rules.lambda_l2, bounds);
        let (start, len, depth) = (0, self.rows.len(), 0);
        let root = Node { start, len, depth, sums, bounds, value, parent: None, path: Vec::new(), candidate: None };
        let mut leaves = vec![self.with_candidate(root, histogram, &mut round)];
        let mut splits: Vec<TreeSplit> = Vec::new();
        self.splits.clear();
        while leaves.len() < self.growth.num_leaves {
            let Some(position) = self.next(&leaves) else { break };
            let Some((split, histogram)) = leaves[position].candidate.take() else { break };
            let is_last = leaves.len() + 1 == self.growth.num_leaves;
            let node = &leaves[position];
            if let Some((parent, is_left)) = node.parent {
                let child = Child::Split(splits.len() as u32);
                if is_left { splits[parent].left = child } else { splits[parent].right = child }
            }
            splits.push(self.tree_split(node, &split, &round));
            self.splits.push(split);
            let (left, right) = self.split(node, &split, histogram, splits.len() - 1, &mut round, is_last);
            leaves[position] = left;
            leaves.push(right);
        }
        self.spare_histograms.extend(leaves.iter_mut().filter_map(|l| l.candidate.take()).map(|(_, h)| h));
        if splits.is_empty() {
            return None;
        }
        self.leaves = leaves.iter().map(|l| (l.start, l.len)).collect();
        for (k, leaf) in leaves.iter().enumerate() {
            if let Some((parent, is_left)) = leaf.parent {
                let child = Child::Leaf(k as u32);
                if is_left { splits[parent].left = child } else { splits[parent].right = child }
            }
        }
        let leaf = |leaf: &Node| {
            let hessian = round.splitter.hessian(leaf.sums);
            TreeLeaf { value: leaf.value, cover: cover(&round, leaf.sums), hessian }
        };
        let leaves = leaves.iter().map(leaf).collect();
        Some(Tree { splits, leaves })
    }

    /// Derivatives in fixed point, and the random numbers of this tree.
    fn start<'r>(&mut self, derivatives: &Derivatives, features: Option<&'r [bool]>) -> Round<'r> {
        let n = self.binned.n_rows();
        let largest = |values: &[f32]| f64::from(values.iter().fold(0.0_f32, |m, v| m.max(v.abs())));
        let gradient_point = FixedPoint::for_sums_of(&[largest(&derivatives.gradients)], n);
        let hessian_point = match &derivatives.hessians {
            Hessians::One => FixedPoint::for_sums_of(&[1.0], n),
            Hessians::Fixed(values) | Hessians::Each(values) => FixedPoint::for_sums_of(&[largest(values)], n),
        };
        self.pairs.clear();
        self.pairs.extend(derivatives.gradients.iter().enumerate().map(|(row, &gradient)| GradientPair {
            gradient: gradient_point.to_integer(f64::from(gradient)),
            hessian: hessian_point.to_integer(f64::from(derivatives.hessians.of(row))),
        }));
        let state = u128::from(self.growth.seed) << 64 | u128::from(self.round);
        self.round += 1;
        Round {
            splitter: Splitter { rules: self.growth.rules, gradient_point, hessian_point },
            features,
            random: Pcg64::new(state, 4),
            hessian_is_cover: matches!(derivatives.hessians, Hessians::Fixed(_)),
        }
    }

    /// The leaf to split next.
    fn next(&self, leaves: &[Node]) -> Option<usize> {
        let mut best: Option<(usize, f64, usize)> = None;
        for (i, leaf) in leaves.iter().enumerate() {
            if let Some((split, _)) = &leaf.candidate {
                let better = match best {
                    None => true,
                    Some((_, _, depth)) if self.growth.depth_wise && leaf.depth != depth => leaf.depth < depth,
                    // Of equal ones the first.
                    Some((_, gain, _)) => split.gain > gain,
                };
                if better {
                    best = Some((i, split.gain, leaf.depth));
                }
            }
        }
        best.map(|(i, _, _)| i)
    }

    fn tree_split(&self, node: &Node, split: &Split, round: &Round<'_>) -> TreeSplit {
        TreeSplit {
            feature: split.feature as u32,
            test: self.binned.features[split.feature].test(&split.test),
            missing_left: split.missing_left,
            zero_is_missing: false,
            // Set when it is known what they are.
            left: Child::Leaf(0),
            right: Child::Leaf(0),
            gain: split.gain,
            value: node.value,
            cover: cover(round, node.sums),
            hessian: round.splitter.hessian(node.sums),
        }
    }

    fn split(
        &mut self,
        node: &Node,
        split: &Split,
        mut histogram: Histogram,
        place: usize,
        round: &mut Round<'_>,
        is_last: bool,
    ) -> (Node, Node) {
        let n_left = self.partition(node.start, node.len, split);
        let depth = node.depth + 1;
        let right_sums = node.sums.less(split.left);
        let value = |sums| round.splitter.value(sums, split.lambda_l2, node.bounds);
        let (of_left, of_right) = (value(split.left), value(right_sums));
        let (below, above) = node.bounds.split(self.growth.monotone[split.feature], of_left, of_right);
        let mut path = node.path.clone();
        if !self.growth.interactions.is_empty() && !path.contains(&(split.feature as u32)) {
            path.push(split.feature as u32);
        }
        let child = |start, len, sums, bounds, value, is_left, path| {
            let parent = Some((place, is_left));
            Node { start, len, depth, sums, bounds, value, parent, path, candidate: None }
        };
        let left = child(node.start, n_left, split.left, below, of_left, true, path.clone());
        let right = child(node.start + n_left, node.len - n_left, right_sums, above, of_right, false, path);
        let full = is_last || self.growth.max_depth.is_some_and(|d| depth >= d);
        if full || !(round.splitter.may_split(left.sums) || round.splitter.may_split(right.sums)) {
            self.spare_histograms.push(histogram);
            return (left, right);
        }
        // Only the smaller child is summed; what is left of the parent is the larger one.
        let smaller = if left.len <= right.len { &left } else { &right };
        let mut summed = self.histogram();
        summed.fill(self.binned, &self.rows[smaller.start..smaller.start + smaller.len], &self.pairs);
        histogram.subtract(&summed);
        let (of_left, of_right) = if left.len <= right.len { (summed, histogram) } else { (histogram, summed) };
        (self.with_candidate(left, of_left, round), self.with_candidate(right, of_right, round))
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

    fn with_candidate(&mut self, mut node: Node, histogram: Histogram, round: &mut Round<'_>) -> Node {
        let allowed = self.allowed(&node, round);
        let at: Vec<Option<f64>> = (0..self.binned.features.len())
            .map(|_| self.growth.extra_trees.then(|| round.random.random::<f64>()))
            .collect();
        let candidate = |feature: usize| Candidate {
            feature,
            bins: &self.binned.features[feature],
            cells: histogram.of_feature(self.binned, feature),
            total: node.sums,
            bounds: node.bounds,
            direction: self.growth.monotone[feature],
            at: at[feature],
        };
        let found = if round.splitter.may_split(node.sums) {
            let features = (0..self.binned.features.len()).filter(|&j| allowed.as_ref().is_none_or(|a| a[j]));
            round.splitter.best(node.sums, node.bounds, features.map(candidate))
        } else {
            None
        };
        match found {
            Some(split) => node.candidate = Some((split, histogram)),
            None => self.spare_histograms.push(histogram),
        }
        node
    }

    /// Whether each feature may split this node; `None` for all.
    fn allowed(&self, node: &Node, round: &mut Round<'_>) -> Option<Vec<bool>> {
        let (p, fraction) = (self.binned.features.len(), self.growth.feature_fraction_bynode);
        if round.features.is_none() && self.growth.interactions.is_empty() && fraction >= 1.0 {
            return None;
        }
        let mut allowed = round.features.map_or_else(|| vec![true; p], <[bool]>::to_vec);
        if !self.growth.interactions.is_empty() {
            let mut together = vec![false; p];
            for group in &self.growth.interactions {
                if node.path.iter().all(|j| group.contains(j)) {
                    group.iter().for_each(|&j| together[j as usize] = true);
                }
            }
            allowed.iter_mut().zip(together).for_each(|(a, t)| *a &= t);
        }
        if fraction < 1.0 {
            let mut left = allowed.iter().filter(|&&a| a).count();
            let mut wanted = ((left as f64 * fraction).round() as usize).max(1.min(left));
            for a in allowed.iter_mut().filter(|a| **a) {
                *a = round.random.random_range(0..left as u64) < wanted as u64;
                left -= 1;
                wanted -= usize::from(*a);
            }
        }
        Some(allowed)
    }

    fn histogram(&mut self) -> Histogram {
        self.spare_histograms.pop().unwrap_or_else(|| Histogram::empty(self.binned))
    }

    /// Rows of a leaf of the tree just grown, of the sample only.
    pub(crate) fn leaf_rows(&self, leaf: usize) -> &[u32] {
        self.leaves.get(leaf).map_or(&[], |&(start, len)| &self.rows[start..start + len])
    }

    /// Adds the leaf values of the tree just grown to the scores of all rows.
    pub(crate) fn add_scores(&self, tree: &Tree, scores: &mut [f64]) {
        if self.rows.len() == scores.len() {
            for (k, leaf) in tree.leaves.iter().enumerate() {
                self.leaf_rows(k).iter().for_each(|&row| scores[row as usize] += leaf.value);
            }
            return;
        }
        for (row, score) in scores.iter_mut().enumerate() {
            let mut child = Child::Split(0);
            while let Child::Split(place) = child {
                let split = &self.splits[place as usize];
                let goes_left = split.goes_left(self.binned.bin(row as u32, split.feature));
                child = tree.splits[place as usize].child(goes_left);
            }
            if let Child::Leaf(leaf) = child {
                *score += tree.leaves[leaf as usize].value;
            }
        }
    }
}

/// Sum of weights where the second derivatives are weights, else the number of rows.
fn cover(round: &Round<'_>, sums: Sums) -> f64 {
    if round.hessian_is_cover { round.splitter.hessian(sums) } else { f64::from(sums.count) }
}
