//! Growing regression trees: the core of single trees, forests and extra trees.
//!
//! Two ways to see the rows of a node. `sorted` keeps every column in order and moves all of them at each split: thresholds
//! are exact, in time `O(n p)` a level. `binned` keeps the rows once and sums them by the bins of boosting's columns, for the
//! features that a node looks at: time `O(n m)` a level for `m` of them, with at most 255 thresholds a feature. Both
//! hand groups of rows to `search`, which finds the split that lowers the squared error most. To either a category of more than 255
//! levels is a number (`levels`).
//!
//! With a limit on leaves the node that gains most is split first, so that the limit keeps the best of them. Otherwise the
//! order makes no difference, and the newest is taken: its rows are still in the cache.

mod binned;
mod levels;
mod rows;
mod search;
mod sorted;

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::structure::{Child, Leaf, Split, Test, Tree};
use crate::FitError;
pub(super) use binned::{BinnedColumns, BinnedNodes};
pub(super) use levels::OrderedLevels;
pub(super) use rows::{Rows, Sums};
use search::Candidate;
pub(super) use search::{Choice, Rules};
pub(super) use sorted::{SortedColumns, SortedNodes};

/// Cells (rows times features) of a node from which on its features go to several threads.
const WORTH_THREADS: usize = 1 << 16;

/// The rows that a tree is grown on, those of a node together.
pub(super) trait Nodes {
    /// All rows of the tree: their number, and what they add up to.
    fn total(&self) -> (usize, Sums);

    /// Whether the `len` rows from `start` on have the same target.
    fn is_constant(&self, start: usize, len: usize) -> bool;

    /// The best split of these rows, which add up to `sums`.
    fn search(&mut self, start: usize, len: usize, sums: Sums) -> Option<Candidate>;

    /// Moves those that go left before the others, unless nobody will ask for them; the sums of those on the left.
    fn partition(&mut self, start: usize, len: usize, candidate: &Candidate, needed: bool) -> Sums;

    /// What the split asks of a value.
    fn test(&self, candidate: &Candidate) -> Test;
}

/// An open node.
#[derive(Debug)]
struct Node {
    start: usize,
    len: usize,
    depth: usize,
    sums: Sums,
    /// Parent and side.
    parent: Option<(usize, bool)>,
    /// What is split first: the gain, or the newest.
    priority: f64,
    /// Its place among the nodes there were.
    order: usize,
    candidate: Candidate,
}

/// By priority; of equal ones the older.
impl Ord for Node {
    fn cmp(&self, other: &Self) -> Ordering {
        self.priority.total_cmp(&other.priority).then(other.order.cmp(&self.order))
    }
}

impl PartialOrd for Node {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Node {}

struct Grower<'a, N> {
    rows: &'a Rows,
    rules: &'a Rules,
    nodes: N,
    splits: Vec<Split>,
    leaves: Vec<Leaf>,
    n_nodes: usize,
    /// Gain that a split needs.
    least: f64,
}

/// Grows a tree.
pub(super) fn grow(rows: &Rows, rules: &Rules, nodes: impl Nodes, model: &'static str) -> Result<Tree, FitError> {
    let (n, total) = nodes.total();
    if n == 0 {
        return Ok(Tree::constant(rows.mean));
    }
    let least = rules.min_impurity_decrease * rows.weight(total);
    let (splits, leaves) = (Vec::new(), Vec::new());
    let mut grower = Grower { rows, rules, nodes, splits, leaves, n_nodes: 0, least };
    let mut open = BinaryHeap::new();
    grower.place(0, n, 0, total, None, &mut open);
    while let Some(node) = open.pop() {
        // Each open node ends in a leaf at least, and this one in two.
        let full = rules.max_leaf_nodes.is_some_and(|most| grower.leaves.len() + open.len() + 2 > most);
        if full {
            grower.add_leaf(node.sums, node.len, node.parent);
        } else {
            grower.split(node, &mut open);
        }
    }
    Tree::new(grower.splits, grower.leaves).map_err(|_| FitError::Overflow { model, what: "a split or leaf of a tree" })
}

impl<N: Nodes> Grower<'_, N> {
    /// A node becomes open when a split is worth it, else a leaf.
    fn place(
        &mut self,
        start: usize,
        len: usize,
        depth: usize,
        sums: Sums,
        parent: Option<(usize, bool)>,
        open: &mut BinaryHeap<Node>,
    ) {
        let order = self.n_nodes;
        self.n_nodes += 1;
        // Without spread there is nothing to gain, and rounding must not invent it.
        let candidate = if self.may_split(len, depth) && !self.nodes.is_constant(start, len) {
            self.nodes.search(start, len, sums).filter(|c| self.rows.gain(c.gain) >= self.least)
        } else {
            None
        };
        match candidate {
            Some(candidate) => {
                let priority = if self.rules.max_leaf_nodes.is_some() { candidate.gain } else { order as f64 };
                open.push(Node { start, len, depth, sums, parent, priority, order, candidate });
            }
            None => self.add_leaf(sums, len, parent),
        }
    }

    fn may_split(&self, len: usize, depth: usize) -> bool {
        len >= self.rules.min_samples_split.max(self.rules.min_samples_leaf.saturating_mul(2))
            && self.rules.max_depth.is_none_or(|most| depth < most)
    }

    fn split(&mut self, node: Node, open: &mut BinaryHeap<Node>) {
        let Node { start, len, depth, sums, parent, candidate, .. } = node;
        let depth = depth + 1;
        let n_left = candidate.n_left;
        let needed = self.may_split(n_left, depth) || self.may_split(len - n_left, depth);
        let left = self.nodes.partition(start, len, &candidate, needed);
        let right = sums.less(left);
        let place = self.splits.len();
        self.splits.push(Split {
            feature: candidate.feature as u32,
            test: self.nodes.test(&candidate),
            missing_left: candidate.missing_left,
            zero_is_missing: false,
            left: Child::Leaf(0),
            right: Child::Leaf(0),
            gain: self.rows.gain(candidate.gain),
            value: self.rows.value(sums, len),
            cover: self.rows.weight(sums),
            hessian: self.rows.weight(sums),
        });
        self.connect(parent, Child::Split(place as u32));
        self.place(start, n_left, depth, left, Some((place, true)), open);
        self.place(start + n_left, len - n_left, depth, right, Some((place, false)), open);
    }

    fn add_leaf(&mut self, sums: Sums, len: usize, parent: Option<(usize, bool)>) {
        let weight = self.rows.weight(sums);
        self.connect(parent, Child::Leaf(self.leaves.len() as u32));
        self.leaves.push(Leaf { value: self.rows.value(sums, len), cover: weight, hessian: weight });
    }

    fn connect(&mut self, parent: Option<(usize, bool)>, child: Child) {
        if let Some((parent, is_left)) = parent {
            let parent = &mut self.splits[parent];
            *(if is_left { &mut parent.left } else { &mut parent.right }) = child;
        }
    }
}
