//! Trees cut into regions of at most 64 leaves, and each leaf's path.

use crate::tree::{Child, Split, Tree};

/// Leaves of a region: one bit each.
pub(super) const LEAVES: usize = 64;

/// What the way from the root to one leaf asks, feature by feature.
#[derive(Debug, Clone, Default)]
pub(super) struct Path {
    /// Distinct features on the way.
    pub(super) features: Vec<u32>,
    /// For each of them the share of the training rows that its splits let pass, given the splits before.
    pub(super) fractions: Vec<f64>,
    /// The leaf's value.
    pub(super) value: f64,
}

impl Path {
    fn step(&mut self, feature: u32, fraction: f64) {
        match self.features.iter().position(|&f| f == feature) {
            Some(place) => self.fractions[place] *= fraction,
            None => {
                self.features.push(feature);
                self.fractions.push(fraction);
            }
        }
    }
}

/// A split of a region, with the leaves on each side of it.
#[derive(Debug)]
pub(super) struct Inner<'t> {
    pub(super) split: &'t Split,
    pub(super) left: u64,
    pub(super) right: u64,
}

/// A node with at most [`LEAVES`] leaves below it.
#[derive(Debug)]
pub(super) struct Region<'t> {
    /// The splits on the way to it, and whether the way goes left.
    pub(super) above: Vec<(&'t Split, bool)>,
    pub(super) inner: Vec<Inner<'t>>,
    /// In depth-first order, left first.
    pub(super) leaves: Vec<Path>,
}

/// Cuts a tree into the largest regions, left to right. Leaf values are multiplied by `weight`.
pub(super) fn regions(tree: &Tree, weight: f64) -> Vec<Region<'_>> {
    let mut below = vec![0_usize; tree.splits.len()];
    for (place, split) in tree.splits.iter().enumerate().rev() {
        below[place] = n_leaves(&below, split.left) + n_leaves(&below, split.right);
    }
    let root = if tree.splits.is_empty() { Child::Leaf(0) } else { Child::Split(0) };
    let mut found = Vec::new();
    let mut open = vec![(root, Vec::new(), Path::default())];
    while let Some((node, above, path)) = open.pop() {
        match node {
            Child::Split(place) if n_leaves(&below, node) > LEAVES => {
                let split = &tree.splits[place as usize];
                for left in [false, true] {
                    let mut above = above.clone();
                    above.push((split, left));
                    open.push((split.child(left), above, stepped(&path, tree, split, left)));
                }
            }
            _ => found.push(region(tree, &below, node, above, path, weight)),
        }
    }
    found
}

fn region<'t>(
    tree: &'t Tree,
    below: &[usize],
    node: Child,
    above: Vec<(&'t Split, bool)>,
    path: Path,
    weight: f64,
) -> Region<'t> {
    let mut region = Region { above, inner: Vec::new(), leaves: Vec::new() };
    let mut open = vec![(node, path)];
    while let Some((node, mut path)) = open.pop() {
        match node {
            Child::Leaf(place) => {
                path.value = tree.leaves[place as usize].value * weight;
                region.leaves.push(path);
            }
            Child::Split(place) => {
                let split = &tree.splits[place as usize];
                let (left, right) = (n_leaves(below, split.left), n_leaves(below, split.right));
                let first = region.leaves.len();
                region.inner.push(Inner { split, left: bits(first, left), right: bits(first + left, right) });
                open.push((split.right, stepped(&path, tree, split, false)));
                open.push((split.left, stepped(&path, tree, split, true)));
            }
        }
    }
    region
}

/// `n` ones from bit `first` on.
fn bits(first: usize, n: usize) -> u64 {
    u64::MAX.checked_shr(LEAVES as u32 - n as u32).unwrap_or(0) << first
}

fn n_leaves(below: &[usize], node: Child) -> usize {
    match node {
        Child::Leaf(_) => 1,
        Child::Split(place) => below[place as usize],
    }
}

fn cover(tree: &Tree, node: Child) -> f64 {
    match node {
        Child::Leaf(place) => tree.leaves[place as usize].cover,
        Child::Split(place) => tree.splits[place as usize].cover,
    }
}

/// The share of the training rows at this split that went this way.
pub(super) fn fraction(tree: &Tree, split: &Split, left: bool) -> f64 {
    let (own, other) = (cover(tree, split.child(left)), cover(tree, split.child(!left)));
    // Where no row came, both ways are as good.
    if own + other > 0.0 { own / (own + other) } else { 0.5 }
}

fn stepped(path: &Path, tree: &Tree, split: &Split, left: bool) -> Path {
    let mut path = path.clone();
    path.step(split.feature, fraction(tree, split, left));
    path
}
