//! Trees in files: one array a field.
//!
//! A child is the place of a split, or the complement (`-1 - place`) of the place of a leaf. Flag 1 is "missing left",
//! flag 2 "zero is missing", flag 4 "one of": then `threshold` is a place in `levels`, which has each set once. Arrays of nothing but
//! zeros are left out. Files of version 1 hold splits and leaves in one sequence, and only what prediction needs; they are read
//! into the same trees, with zeros for the rest.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::structure::{Child, Leaf, LevelSet, Split, Test, Tree};
use crate::error::BrokenModel;

const MISSING_LEFT: u8 = 1;
const ZERO_IS_MISSING: u8 = 2;
const ONE_OF: u8 = 4;

fn is_empty<T>(values: &[T]) -> bool {
    values.is_empty()
}

/// The arrays of either version.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct StoredTree {
    feature: Vec<u32>,
    left: Vec<i64>,
    right: Vec<i64>,
    #[serde(skip_serializing_if = "is_empty")]
    threshold: Vec<f64>,
    #[serde(skip_serializing_if = "is_empty")]
    flags: Vec<u8>,
    #[serde(skip_serializing_if = "is_empty")]
    levels: Vec<Vec<u32>>,
    #[serde(skip_serializing_if = "is_empty")]
    gain: Vec<f64>,
    #[serde(skip_serializing_if = "is_empty")]
    node_value: Vec<f64>,
    #[serde(skip_serializing_if = "is_empty")]
    cover: Vec<f64>,
    #[serde(skip_serializing_if = "is_empty")]
    hessian: Vec<f64>,
    leaf_value: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "is_empty")]
    leaf_cover: Vec<f64>,
    #[serde(skip_serializing_if = "is_empty")]
    leaf_hessian: Vec<f64>,
    /// Version 1: the threshold of a split, the value of a leaf.
    #[serde(skip_serializing)]
    value: Vec<f64>,
    /// Version 1.
    #[serde(skip_serializing)]
    missing_left: Vec<u8>,
}

/// The field of each node; nothing when all are zero.
fn array<T, V: PartialEq + Default>(nodes: &[T], field: impl Fn(&T) -> V) -> Vec<V> {
    let values: Vec<V> = nodes.iter().map(field).collect();
    if values.iter().all(|v| *v == V::default()) { Vec::new() } else { values }
}

impl From<Tree> for StoredTree {
    fn from(Tree { splits, leaves }: Tree) -> Self {
        let child = |child: Child| match child {
            Child::Split(place) => i64::from(place),
            Child::Leaf(place) => -1 - i64::from(place),
        };
        let (mut levels, mut places) = (Vec::new(), HashMap::new());
        let thresholds: Vec<f64> = splits
            .iter()
            .map(|s| match &s.test {
                Test::AtMost(threshold) => *threshold,
                Test::OneOf(set) => {
                    let place = *places.entry(set).or_insert_with(|| {
                        levels.push(set.codes().collect());
                        levels.len() - 1
                    });
                    place as f64
                }
            })
            .collect();
        let flags = |s: &Split| {
            let flag = |set: bool, flag: u8| if set { flag } else { 0 };
            flag(s.missing_left, MISSING_LEFT)
                | flag(s.zero_is_missing, ZERO_IS_MISSING)
                | flag(matches!(s.test, Test::OneOf(_)), ONE_OF)
        };
        Self {
            feature: splits.iter().map(|s| s.feature).collect(),
            left: splits.iter().map(|s| child(s.left)).collect(),
            right: splits.iter().map(|s| child(s.right)).collect(),
            // Not by comparison with zero, which -0.0 equals.
            threshold: thresholds,
            flags: array(&splits, flags),
            levels,
            gain: array(&splits, |s| s.gain),
            node_value: array(&splits, |s| s.value),
            cover: array(&splits, |s| s.cover),
            hessian: array(&splits, |s| s.hessian),
            leaf_value: Some(leaves.iter().map(|l| l.value).collect()),
            leaf_cover: array(&leaves, |l| l.cover),
            leaf_hessian: array(&leaves, |l| l.hessian),
            ..Self::default()
        }
    }
}

impl TryFrom<StoredTree> for Tree {
    type Error = BrokenModel;

    fn try_from(stored: StoredTree) -> Result<Self, BrokenModel> {
        match &stored.leaf_value {
            Some(values) => stored.tree(values),
            None => stored.tree_of_version_1(),
        }
    }
}

impl StoredTree {
    fn tree(&self, leaf_values: &[f64]) -> Result<Tree, BrokenModel> {
        let (n, n_leaves) = (self.feature.len(), leaf_values.len());
        BrokenModel::same_length("left of a tree", n, self.left.len())?;
        BrokenModel::same_length("right of a tree", n, self.right.len())?;
        BrokenModel::same_length("threshold of a tree", n, self.threshold.len())?;
        BrokenModel::same_length("value of a tree", 0, self.value.len())?;
        BrokenModel::same_length("missing_left of a tree", 0, self.missing_left.len())?;
        let optional = |part, expected, values: &[f64]| match values.len() {
            0 => Ok(()),
            found => BrokenModel::same_length(part, expected, found),
        };
        if !self.flags.is_empty() {
            BrokenModel::same_length("flags of a tree", n, self.flags.len())?;
        }
        optional("gain of a tree", n, &self.gain)?;
        optional("node_value of a tree", n, &self.node_value)?;
        optional("cover of a tree", n, &self.cover)?;
        optional("hessian of a tree", n, &self.hessian)?;
        optional("leaf_cover of a tree", n_leaves, &self.leaf_cover)?;
        optional("leaf_hessian of a tree", n_leaves, &self.leaf_hessian)?;
        let at = |values: &[f64], i: usize| values.get(i).copied().unwrap_or(0.0);
        let set = |codes: &Vec<u32>| codes.iter().map(|&code| level(code)).collect();
        let sets: Vec<LevelSet> = self.levels.iter().map(set).collect::<Result<_, _>>()?;
        let split = |i: usize| {
            let flags = self.flags.get(i).copied().unwrap_or(0);
            let threshold = self.threshold[i];
            let test = if flags & ONE_OF == 0 {
                Test::AtMost(threshold)
            } else {
                let set = sets.get(threshold as usize).filter(|_| threshold >= 0.0);
                let expected = || format!("an index below {}", sets.len());
                Test::OneOf(set.ok_or_else(|| BrokenModel::new("levels of a split", expected(), threshold))?.clone())
            };
            Ok(Split {
                feature: self.feature[i],
                test,
                missing_left: flags & MISSING_LEFT != 0,
                zero_is_missing: flags & ZERO_IS_MISSING != 0,
                left: child(self.left[i])?,
                right: child(self.right[i])?,
                gain: at(&self.gain, i),
                value: at(&self.node_value, i),
                cover: at(&self.cover, i),
                hessian: at(&self.hessian, i),
            })
        };
        let leaf = |i: usize| Leaf {
            value: leaf_values[i],
            cover: at(&self.leaf_cover, i),
            hessian: at(&self.leaf_hessian, i),
        };
        Tree::new((0..n).map(split).collect::<Result<_, _>>()?, (0..n_leaves).map(leaf).collect())
    }

    /// One sequence of nodes, children behind their parents; a leaf has itself for both children.
    fn tree_of_version_1(&self) -> Result<Tree, BrokenModel> {
        let n = self.value.len();
        BrokenModel::same_length("feature of a tree", n, self.feature.len())?;
        BrokenModel::same_length("missing_left of a tree", n, self.missing_left.len())?;
        BrokenModel::same_length("left of a tree", n, self.left.len())?;
        BrokenModel::same_length("right of a tree", n, self.right.len())?;
        let is_leaf = |i: usize| self.left[i] == i as i64 && self.right[i] == i as i64;
        // The place of each node among the splits or the leaves.
        let (mut n_splits, mut n_leaves) = (0, 0);
        let places: Vec<Child> = (0..n)
            .map(|i| {
                let count = if is_leaf(i) { &mut n_leaves } else { &mut n_splits };
                *count += 1;
                if is_leaf(i) { Child::Leaf(*count - 1) } else { Child::Split(*count - 1) }
            })
            .collect();
        let child = |node: i64| {
            let place = usize::try_from(node).ok().and_then(|i| places.get(i));
            place.copied().ok_or_else(|| BrokenModel::new("child of a split", format!("a node below {n}"), node))
        };
        let (mut splits, mut leaves) = (Vec::with_capacity(n_splits as usize), Vec::with_capacity(n_leaves as usize));
        for i in 0..n {
            if is_leaf(i) {
                leaves.push(Leaf { value: self.value[i], cover: 0.0, hessian: 0.0 });
            } else {
                splits.push(Split {
                    feature: self.feature[i],
                    test: Test::AtMost(self.value[i]),
                    missing_left: self.missing_left[i] != 0,
                    zero_is_missing: false,
                    left: child(self.left[i])?,
                    right: child(self.right[i])?,
                    gain: 0.0,
                    value: 0.0,
                    cover: 0.0,
                    hessian: 0.0,
                });
            }
        }
        Tree::new(splits, leaves)
    }
}

fn child(stored: i64) -> Result<Child, BrokenModel> {
    let (place, make): (i64, fn(u32) -> Child) =
        if stored >= 0 { (stored, Child::Split) } else { (-(stored + 1), Child::Leaf) };
    u32::try_from(place).map(make).map_err(|_| BrokenModel::new("child of a split", "a 32-bit place", stored))
}

/// A set takes memory up to its largest code, so a broken file must not name a large one.
fn level(code: u32) -> Result<u32, BrokenModel> {
    const LARGEST: u32 = (1 << 24) - 1;
    if code <= LARGEST {
        Ok(code)
    } else {
        Err(BrokenModel::new("level of a split", format!("a code up to {LARGEST}"), code))
    }
}

#[cfg(test)]
mod tests {
    use super::super::structure::tests::{leaf, split};
    use super::*;

    fn tree() -> Tree {
        let mut root = split(0, Test::AtMost(1.5), true, Child::Split(1), Child::Leaf(0));
        (root.gain, root.cover, root.zero_is_missing) = (2.5, 4.0, true);
        let second = split(1, Test::OneOf([0, 66].into_iter().collect()), false, Child::Leaf(1), Child::Leaf(2));
        Tree::new(vec![root, second], vec![leaf(-1.0), leaf(1.0), leaf(0.5)]).unwrap()
    }

    #[test]
    fn the_file_form_is_arrays_and_comes_back() {
        let json = serde_json::to_string(&tree()).unwrap();
        assert_eq!(
            json,
            r#"{"feature":[0,1],"left":[1,-2],"right":[-1,-3],"threshold":[1.5,0.0],"flags":[3,4],"levels":[[0,66]],"#
                .to_owned()
                + r#""gain":[2.5,0.0],"cover":[4.0,0.0],"leaf_value":[-1.0,1.0,0.5]}"#
        );
        assert_eq!(serde_json::from_str::<Tree>(&json).unwrap(), tree());
        let constant = Tree::constant(-0.0);
        let json = serde_json::to_string(&constant).unwrap();
        assert_eq!(json, r#"{"feature":[],"left":[],"right":[],"leaf_value":[-0.0]}"#);
        assert_eq!(serde_json::from_str::<Tree>(&json).unwrap(), constant);
    }

    #[test]
    fn trees_of_version_1_are_read() {
        let json =
            r#"{"feature":[0,0,0],"value":[1.5,-1.0,1.0],"missing_left":[1,0,0],"left":[1,1,2],"right":[2,1,2]}"#;
        let tree: Tree = serde_json::from_str(json).unwrap();
        let predicted = [1.5, 1.6, f64::NAN, f64::INFINITY].map(|v| tree.predict(|_| v));
        assert_eq!(predicted, [-1.0, 1.0, -1.0, 1.0]);
    }

    #[test]
    fn broken_files_cannot_make_a_walk_go_astray() {
        for bad in [
            r#"{"feature":[0],"value":[1.0],"missing_left":[0],"left":[0],"right":[1]}"#,
            r#"{"feature":[0,0],"value":[1.0,2.0],"missing_left":[0,0],"left":[1,0],"right":[1,0]}"#,
            r#"{"feature":[],"value":[],"missing_left":[],"left":[],"right":[]}"#,
            r#"{"feature":[0],"value":[1.0,2.0],"missing_left":[0,0],"left":[0,1],"right":[0,1]}"#,
            r#"{}"#,
            r#"{"leaf_value":[]}"#,
            r#"{"leaf_value":[1.0,2.0]}"#,
            r#"{"feature":[0],"left":[0],"right":[-1],"threshold":[1.0],"leaf_value":[1.0,2.0]}"#,
            r#"{"feature":[0],"left":[-2],"right":[-3],"threshold":[1.0],"leaf_value":[1.0,2.0]}"#,
            r#"{"feature":[0],"left":[-2],"right":[-9223372036854775808],"threshold":[1.0],"leaf_value":[1.0,2.0]}"#,
            r#"{"feature":[0],"left":[-2],"right":[-1],"leaf_value":[1.0,2.0]}"#,
            r#"{"feature":[0],"left":[-2],"right":[-1],"threshold":[0.0],"flags":[4],"leaf_value":[1.0,2.0]}"#,
            r#"{"feature":[0],"left":[-2],"right":[-1],"threshold":[0.0],"gain":[1.0,2.0],"leaf_value":[1.0,2.0]}"#,
        ] {
            assert!(serde_json::from_str::<Tree>(bad).is_err(), "{bad}");
        }
        let good = r#"{"feature":[0],"left":[-2],"right":[-1],"threshold":[0.0],"leaf_value":[1.0,2.0]}"#;
        assert!(serde_json::from_str::<Tree>(good).is_ok());
        let huge = r#"{"feature":[0],"left":[-2],"right":[-1],"threshold":[0.0],"flags":[4],"levels":[[4294967295]],"#;
        assert!(serde_json::from_str::<Tree>(&(huge.to_owned() + r#""leaf_value":[1.0,2.0]}"#)).is_err());
    }
}
