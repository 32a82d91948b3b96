//! Trees as flat arrays, and the sum of many of them: what single trees, forests and boosting predict with.

use med_schema::{FeatureMatrix, FeatureSchema};
use serde::{Deserialize, Serialize};

use crate::error::BrokenModel;
use crate::input::{Missing, prediction_columns};
use crate::{FitError, Model, PredictError};

/// Rows walked through one tree before the next: their partial sums stay in the first-level cache.
const BLOCK: usize = 512;

/// One node. Children stand behind their parent, so a walk always ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Node {
    /// Left if `x[feature] <= threshold`, or if it is missing and `missing_left`.
    Split {
        feature: u32,
        threshold: f64,
        missing_left: bool,
        left: u32,
        right: u32,
    },
    Leaf {
        value: f64,
    },
}

/// One tree; the root is node 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "TreeArrays", into = "TreeArrays")]
pub(crate) struct FlatTree {
    nodes: Vec<Node>,
}

/// The form in files: one array a field. A leaf has itself for both children and its value in `value`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TreeArrays {
    feature: Vec<u32>,
    value: Vec<f64>,
    missing_left: Vec<u8>,
    left: Vec<u32>,
    right: Vec<u32>,
}

impl From<FlatTree> for TreeArrays {
    fn from(tree: FlatTree) -> Self {
        let n = tree.nodes.len();
        let mut arrays = Self {
            feature: Vec::with_capacity(n),
            value: Vec::with_capacity(n),
            missing_left: Vec::with_capacity(n),
            left: Vec::with_capacity(n),
            right: Vec::with_capacity(n),
        };
        for (i, node) in tree.nodes.into_iter().enumerate() {
            let (feature, value, missing_left, left, right) = match node {
                Node::Split { feature, threshold, missing_left, left, right } => {
                    (feature, threshold, missing_left, left, right)
                }
                Node::Leaf { value } => (0, value, false, i as u32, i as u32),
            };
            arrays.feature.push(feature);
            arrays.value.push(value);
            arrays.missing_left.push(u8::from(missing_left));
            arrays.left.push(left);
            arrays.right.push(right);
        }
        arrays
    }
}

impl TryFrom<TreeArrays> for FlatTree {
    type Error = BrokenModel;

    fn try_from(arrays: TreeArrays) -> Result<Self, BrokenModel> {
        let n = arrays.value.len();
        BrokenModel::same_length("feature of a tree", n, arrays.feature.len())?;
        BrokenModel::same_length("missing_left of a tree", n, arrays.missing_left.len())?;
        BrokenModel::same_length("left of a tree", n, arrays.left.len())?;
        BrokenModel::same_length("right of a tree", n, arrays.right.len())?;
        let node = |i: usize| {
            let (left, right, value) = (arrays.left[i], arrays.right[i], arrays.value[i]);
            if left as usize == i && right as usize == i {
                Node::Leaf { value }
            } else {
                let (feature, missing_left) = (arrays.feature[i], arrays.missing_left[i] != 0);
                Node::Split { feature, threshold: value, missing_left, left, right }
            }
        };
        Self::new((0..n).map(node).collect())
    }
}

impl FlatTree {
    /// Checks that every walk stays inside and ends.
    pub(crate) fn new(nodes: Vec<Node>) -> Result<Self, BrokenModel> {
        if nodes.is_empty() {
            return Err(BrokenModel::new("nodes of a tree", "at least one", 0));
        }
        for (i, node) in nodes.iter().enumerate() {
            if let Node::Split { left, right, .. } = *node {
                for child in [left, right] {
                    if child as usize <= i || child as usize >= nodes.len() {
                        let expected = format!("an index from {} to {}", i + 1, nodes.len() - 1);
                        return Err(BrokenModel::new("child of a tree node", expected, child));
                    }
                }
            }
        }
        Ok(Self { nodes })
    }

    fn largest_feature(&self) -> Option<u32> {
        let feature = |n: &Node| match n {
            Node::Split { feature, .. } => Some(*feature),
            Node::Leaf { .. } => None,
        };
        self.nodes.iter().filter_map(feature).max()
    }

    fn all_finite(&self) -> bool {
        self.nodes.iter().all(|n| match n {
            Node::Split { threshold: value, .. } | Node::Leaf { value } => value.is_finite(),
        })
    }

    pub(crate) fn n_leaves(&self) -> usize {
        self.nodes.iter().filter(|n| matches!(n, Node::Leaf { .. })).count()
    }

    /// The value of the leaf that this row falls into.
    fn leaf(&self, columns: &[&[f64]], row: usize) -> f64 {
        let mut node = &self.nodes[0];
        loop {
            match *node {
                Node::Leaf { value } => return value,
                Node::Split { feature, threshold, missing_left, left, right } => {
                    let x = columns[feature as usize][row];
                    let goes_left = x <= threshold || (x.is_nan() && missing_left);
                    node = &self.nodes[if goes_left { left } else { right } as usize];
                }
            }
        }
    }

    /// Adds each row's leaf value to `out`; `start` is the row of `out[0]`.
    fn add_into(&self, columns: &[&[f64]], start: usize, out: &mut [f64]) {
        for (i, o) in out.iter_mut().enumerate() {
            *o += self.leaf(columns, start + i);
        }
    }
}

/// A fitted tree or forest: the sum of its trees' leaf values, divided by their number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "EnsembleParts", into = "EnsembleParts")]
pub struct TreeEnsemble {
    features: FeatureSchema,
    trees: Vec<FlatTree>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EnsembleParts {
    features: FeatureSchema,
    trees: Vec<FlatTree>,
}

impl From<TreeEnsemble> for EnsembleParts {
    fn from(TreeEnsemble { features, trees }: TreeEnsemble) -> Self {
        Self { features, trees }
    }
}

impl TryFrom<EnsembleParts> for TreeEnsemble {
    type Error = BrokenModel;

    fn try_from(EnsembleParts { features, trees }: EnsembleParts) -> Result<Self, BrokenModel> {
        if trees.is_empty() {
            return Err(BrokenModel::new("trees", "at least one", 0));
        }
        check_features(&trees, &features)?;
        Ok(Self { features, trees })
    }
}

/// Whether all splits are on features there are.
pub(crate) fn check_features(trees: &[FlatTree], features: &FeatureSchema) -> Result<(), BrokenModel> {
    let n = features.features().len();
    match trees.iter().filter_map(FlatTree::largest_feature).max() {
        Some(feature) if feature as usize >= n => {
            Err(BrokenModel::new("feature of a split", format!("an index below {n}"), feature))
        }
        _ => Ok(()),
    }
}

/// Adds the leaf values of all trees, in the order of the trees, to each row of `out`.
pub(crate) fn add_trees(trees: &[FlatTree], columns: &[&[f64]], out: &mut [f64]) {
    for (b, block) in out.chunks_mut(BLOCK).enumerate() {
        for tree in trees {
            tree.add_into(columns, b * BLOCK, block);
        }
    }
}

impl TreeEnsemble {
    pub(super) fn new(model: &'static str, features: FeatureSchema, trees: Vec<FlatTree>) -> Result<Self, FitError> {
        if trees.iter().any(|t| !t.all_finite()) {
            return Err(FitError::Overflow { model, what: "a split or leaf of a tree" });
        }
        Self::try_from(EnsembleParts { features, trees })
            .map_err(|source| FitError::Backend { model, source: Box::new(source) })
    }

    /// Number of trees.
    pub fn n_trees(&self) -> usize {
        self.trees.len()
    }

    /// Number of leaves of all trees together.
    pub fn n_leaves(&self) -> usize {
        self.trees.iter().map(FlatTree::n_leaves).sum()
    }
}

impl Model for TreeEnsemble {
    fn features(&self) -> &FeatureSchema {
        &self.features
    }

    fn predict_into(&self, x: &FeatureMatrix, out: &mut [f64]) -> Result<(), PredictError> {
        let columns = prediction_columns(&self.features, x, out, "a tree model", Missing::Refused)?;
        out.fill(0.0);
        add_trees(&self.trees, &columns, out);
        let n = self.trees.len() as f64;
        out.iter_mut().for_each(|o| *o /= n);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stump() -> FlatTree {
        FlatTree::new(vec![
            Node::Split { feature: 0, threshold: 1.5, missing_left: true, left: 1, right: 2 },
            Node::Leaf { value: -1.0 },
            Node::Leaf { value: 1.0 },
        ])
        .unwrap()
    }

    #[test]
    fn rows_fall_into_their_leaves_missing_ones_too() {
        let mut out = [0.0; 4];
        add_trees(&[stump()], &[&[1.5, 1.6, f64::NAN, f64::INFINITY]], &mut out);
        assert_eq!(out, [-1.0, 1.0, -1.0, 1.0]);
    }

    #[test]
    fn the_file_form_is_arrays_and_comes_back() {
        let json = serde_json::to_string(&stump()).unwrap();
        assert_eq!(
            json,
            r#"{"feature":[0,0,0],"value":[1.5,-1.0,1.0],"missing_left":[1,0,0],"left":[1,1,2],"right":[2,1,2]}"#
        );
        assert_eq!(serde_json::from_str::<FlatTree>(&json).unwrap(), stump());
    }

    #[test]
    fn broken_files_cannot_make_a_walk_go_astray() {
        for bad in [
            r#"{"feature":[0],"value":[1.0],"missing_left":[0],"left":[0],"right":[1]}"#,
            r#"{"feature":[0,0],"value":[1.0,2.0],"missing_left":[0,0],"left":[1,0],"right":[1,0]}"#,
            r#"{"feature":[],"value":[],"missing_left":[],"left":[],"right":[]}"#,
            r#"{"feature":[0],"value":[1.0,2.0],"missing_left":[0,0],"left":[0,1],"right":[0,1]}"#,
        ] {
            assert!(serde_json::from_str::<FlatTree>(bad).is_err(), "{bad}");
        }
    }
}
