//! One regression tree as flat arrays: what growing makes, prediction walks and explanation weighs.
//!
//! A row's way is decided by [`Split::goes_left`] alone. Values of a row are numbers; the value of a categorical feature
//! is the code of its level, and NaN is a missing value of either kind.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::stored::StoredTree;
use crate::error::BrokenModel;

/// Zeros of models that count zeros as missing reach this far: LightGBM's `kZeroThreshold`, the float next to `1e-35`.
pub(crate) const ZERO_REACH: f64 = 1e-35_f32 as f64;

/// What follows a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Child {
    /// Another split, by its place in [`Tree::splits`]; always behind its parent, so that a walk ends.
    Split(u32),
    /// The end, by its place in [`Tree::leaves`].
    Leaf(u32),
}

/// A set of category codes, one bit each; shared by its copies, since many splits may ask for the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct LevelSet(Arc<Vec<u64>>);

impl LevelSet {
    pub(crate) fn insert(&mut self, code: u32) {
        let (words, word) = (Arc::make_mut(&mut self.0), code as usize / 64);
        if words.len() <= word {
            words.resize(word + 1, 0);
        }
        words[word] |= 1 << (code % 64);
    }

    /// Codes past the end are not in it.
    pub(crate) fn contains(&self, code: u32) -> bool {
        self.0.get(code as usize / 64).is_some_and(|word| word >> (code % 64) & 1 == 1)
    }

    /// The codes in it, ascending.
    pub(crate) fn codes(&self) -> impl Iterator<Item = u32> + '_ {
        (0..).zip(&*self.0).flat_map(|(w, &word)| (0..64).filter(move |b| word >> b & 1 == 1).map(move |b| 64 * w + b))
    }
}

impl FromIterator<u32> for LevelSet {
    fn from_iter<I: IntoIterator<Item = u32>>(codes: I) -> Self {
        let mut set = Self::default();
        codes.into_iter().for_each(|code| set.insert(code));
        set
    }
}

/// What is asked of a value. Those for which it holds go left.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    /// A number at most this.
    AtMost(f64),
    /// A level among these. On a numeric column (models of other libraries) the code is the value cut to an integer;
    /// values of -1 and below are missing.
    OneOf(LevelSet),
}

/// A node with two children.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Split {
    /// Place of the feature in the model's schema.
    pub(crate) feature: u32,
    pub(crate) test: Test,
    /// Where missing values go, unseen levels among them.
    pub(crate) missing_left: bool,
    /// Whether zeros count as missing (models of other libraries only).
    pub(crate) zero_is_missing: bool,
    pub(crate) left: Child,
    pub(crate) right: Child,
    /// What the split brought, in units of the objective.
    pub(crate) gain: f64,
    /// What the node would predict as a leaf, on the scale of the leaves.
    pub(crate) value: f64,
    /// Sum of the weights of the training rows that came here; their number when there were no weights.
    pub(crate) cover: f64,
    /// Sum of second derivatives of the rows that came here.
    pub(crate) hessian: f64,
}

impl Split {
    /// Whether a row with this value of the feature goes left.
    #[inline]
    pub(crate) fn goes_left(&self, value: f64) -> bool {
        if value.is_nan() || (self.zero_is_missing && value.abs() <= ZERO_REACH) {
            return self.missing_left;
        }
        match &self.test {
            Test::AtMost(threshold) => value <= *threshold,
            Test::OneOf(_) if value <= -1.0 => self.missing_left,
            Test::OneOf(levels) => levels.contains(value as u32),
        }
    }

    pub(crate) fn child(&self, left: bool) -> Child {
        if left { self.left } else { self.right }
    }
}

/// A node without children.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Leaf {
    pub(crate) value: f64,
    /// As [`Split::cover`].
    pub(crate) cover: f64,
    /// As [`Split::hessian`].
    pub(crate) hessian: f64,
}

/// A binary tree. The root is split 0, or leaf 0 of a tree without splits. Invariant: there is one leaf more than splits,
/// and each split but the root, and each leaf, is the child of exactly one split before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredTree", into = "StoredTree")]
pub(crate) struct Tree {
    pub(crate) splits: Vec<Split>,
    pub(crate) leaves: Vec<Leaf>,
}

impl Tree {
    /// Checks the invariant, and that all numbers are finite.
    pub(crate) fn new(splits: Vec<Split>, leaves: Vec<Leaf>) -> Result<Self, BrokenModel> {
        BrokenModel::same_length("leaves of a tree", splits.len() + 1, leaves.len())?;
        let mut split_has_parent = vec![false; splits.len()];
        let mut leaf_has_parent = vec![false; leaves.len()];
        for (i, split) in splits.iter().enumerate() {
            for child in [split.left, split.right] {
                let (seen, place, first) = match child {
                    Child::Split(place) => (&mut split_has_parent, place as usize, i + 1),
                    Child::Leaf(place) => (&mut leaf_has_parent, place as usize, 0),
                };
                match seen.get_mut(place) {
                    Some(seen) if !*seen && place >= first => *seen = true,
                    _ => {
                        let expected = format!("a node from {first} to {} without a parent", seen.len().max(1) - 1);
                        return Err(BrokenModel::new("child of a split", expected, place));
                    }
                }
            }
            let threshold = if let Test::AtMost(threshold) = split.test { threshold } else { 0.0 };
            let numbers = [threshold, split.gain, split.value, split.cover, split.hessian];
            if let Some(bad) = numbers.iter().find(|v| !v.is_finite()) {
                return Err(BrokenModel::new("numbers of a split", "finite ones", bad));
            }
        }
        for leaf in &leaves {
            if let Some(bad) = [leaf.value, leaf.cover, leaf.hessian].iter().find(|v| !v.is_finite()) {
                return Err(BrokenModel::new("numbers of a leaf", "finite ones", bad));
            }
        }
        Ok(Self { splits, leaves })
    }

    /// A tree that predicts the same for every row.
    pub(crate) fn constant(value: f64) -> Self {
        Self { splits: Vec::new(), leaves: vec![Leaf { value, cover: 0.0, hessian: 0.0 }] }
    }

    pub(crate) fn n_leaves(&self) -> usize {
        self.leaves.len()
    }

    /// The leaf of the row whose feature `j` has the value `value(j)`.
    #[inline]
    pub(crate) fn leaf_of(&self, value: impl Fn(usize) -> f64) -> usize {
        let mut node = if self.splits.is_empty() { Child::Leaf(0) } else { Child::Split(0) };
        loop {
            match node {
                Child::Leaf(leaf) => return leaf as usize,
                Child::Split(place) => {
                    let split = &self.splits[place as usize];
                    node = split.child(split.goes_left(value(split.feature as usize)));
                }
            }
        }
    }

    /// The value of that leaf.
    #[inline]
    pub(crate) fn predict(&self, value: impl Fn(usize) -> f64) -> f64 {
        self.leaves[self.leaf_of(value)].value
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn split(feature: u32, test: Test, missing_left: bool, left: Child, right: Child) -> Split {
        let (gain, value, cover, hessian) = (0.0, 0.0, 0.0, 0.0);
        Split { feature, test, missing_left, zero_is_missing: false, left, right, gain, value, cover, hessian }
    }

    pub(crate) fn leaf(value: f64) -> Leaf {
        Leaf { value, cover: 0.0, hessian: 0.0 }
    }

    #[test]
    fn rows_fall_into_their_leaves_missing_ones_too() {
        let (left, right) = (Child::Leaf(0), Child::Leaf(1));
        let tree = |test, missing_left| {
            Tree::new(vec![split(0, test, missing_left, left, right)], vec![leaf(-1.0), leaf(1.0)]).unwrap()
        };
        let leaves = |tree: &Tree, values: &[f64]| values.iter().map(|&v| tree.leaf_of(|_| v)).collect::<Vec<_>>();
        let numbers = tree(Test::AtMost(1.5), true);
        assert_eq!(leaves(&numbers, &[1.5, 1.6, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]), [0, 1, 0, 1, 0]);
        let levels = tree(Test::OneOf([1, 70].into_iter().collect()), false);
        assert_eq!(leaves(&levels, &[1.0, 1.9, 70.0, 0.0, 71.0, 1e12, -1.0, f64::NAN]), [0, 0, 0, 1, 1, 1, 1, 1]);
        let mut zeros = numbers;
        zeros.splits[0].zero_is_missing = true;
        zeros.splits[0].missing_left = false;
        assert_eq!(leaves(&zeros, &[0.0, -0.0, 1e-36, 1e-34, f64::NAN, 1.0]), [1, 1, 1, 0, 1, 0]);
        assert_eq!(Tree::constant(3.0).predict(|_| f64::NAN), 3.0);
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        let two = || vec![leaf(0.0); 2];
        let at_most = |left, right| split(0, Test::AtMost(0.0), false, left, right);
        let twice = vec![at_most(Child::Leaf(0), Child::Leaf(0))];
        assert!(Tree::new(twice, two()).is_err());
        let past = vec![at_most(Child::Leaf(0), Child::Leaf(2))];
        assert!(Tree::new(past, two()).is_err());
        let to_itself = vec![at_most(Child::Split(0), Child::Leaf(0))];
        assert!(Tree::new(to_itself, two()).is_err());
        assert!(Tree::new(Vec::new(), two()).is_err());
        let nan = vec![split(0, Test::AtMost(f64::NAN), false, Child::Leaf(0), Child::Leaf(1))];
        assert!(Tree::new(nan, two()).is_err());
        let good = vec![at_most(Child::Split(1), Child::Leaf(2)), at_most(Child::Leaf(1), Child::Leaf(0))];
        assert!(Tree::new(good, vec![leaf(1.0); 3]).is_ok());
    }

    #[test]
    fn level_sets_tell_their_codes() {
        let set: LevelSet = [64, 3, 200, 0].into_iter().collect();
        assert_eq!(set.codes().collect::<Vec<_>>(), [0, 3, 64, 200]);
    }
}
