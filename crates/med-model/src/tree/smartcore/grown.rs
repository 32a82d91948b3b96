//! The one place that knows how smartcore holds its trees.
//!
//! smartcore keeps the nodes private but serialises them, so they are read from their serialised form, once, after
//! fitting. Flat trees of our own are smaller in files, faster to walk, and checked when read: a broken file is an
//! error here and would be an index out of bounds there.

use serde::Deserialize;
use smartcore::linalg::basic::matrix::DenseMatrix;

use super::super::structure::{Child, Leaf, Split, Test, Tree};
use crate::FitError;
use crate::input::TrainingSet;

#[derive(Deserialize)]
pub(super) struct GrownTree {
    nodes: Vec<GrownNode>,
}

#[derive(Deserialize)]
struct GrownNode {
    output: f64,
    split_feature: usize,
    split_value: Option<f64>,
    true_child: Option<usize>,
    false_child: Option<usize>,
}

/// Reads the serialised form of `grown` as a `T`.
pub(super) fn reread<T: for<'de> Deserialize<'de>>(
    model: &'static str,
    grown: &impl serde::Serialize,
) -> Result<T, FitError> {
    let backend = |source: serde_json::Error| FitError::Backend { model, source: Box::new(source) };
    let json = serde_json::to_vec(grown).map_err(backend)?;
    serde_json::from_slice(&json).map_err(backend)
}

impl GrownTree {
    /// In depth-first order, children behind their parents, whatever the order it grew in.
    pub(super) fn flatten(&self, model: &'static str) -> Result<Tree, FitError> {
        let (mut splits, mut leaves) = (Vec::<Split>::new(), Vec::new());
        // A node of smartcore's, and where its place goes: parent and side.
        let mut open: Vec<(usize, Option<(usize, bool)>)> = vec![(0, None)];
        while let Some((index, parent)) = open.pop() {
            let Some(node) = self.nodes.get(index).filter(|_| splits.len() < self.nodes.len()) else { break };
            let place = match (node.true_child, node.false_child, node.split_value) {
                (Some(low), Some(high), Some(threshold)) => {
                    let place = splits.len();
                    splits.push(Split {
                        feature: node.split_feature as u32,
                        test: Test::AtMost(threshold),
                        missing_left: false,
                        zero_is_missing: false,
                        left: Child::Leaf(0),
                        right: Child::Leaf(0),
                        gain: 0.0,
                        value: node.output,
                        cover: 0.0,
                        hessian: 0.0,
                    });
                    open.push((high, Some((place, false))));
                    open.push((low, Some((place, true))));
                    Child::Split(place as u32)
                }
                _ => {
                    leaves.push(Leaf { value: node.output, cover: 0.0, hessian: 0.0 });
                    Child::Leaf(leaves.len() as u32 - 1)
                }
            };
            if let Some((parent, is_left)) = parent {
                let parent = &mut splits[parent];
                *(if is_left { &mut parent.left } else { &mut parent.right }) = place;
            }
        }
        Tree::new(splits, leaves).map_err(|source| FitError::Backend { model, source: Box::new(source) })
    }
}

/// The features as smartcore takes them: one block, column by column.
pub(super) fn dense(model: &'static str, set: &TrainingSet<'_>) -> Result<DenseMatrix<f64>, FitError> {
    DenseMatrix::new(set.n_rows(), set.columns.len(), set.columns.concat(), true)
        .map_err(|source| FitError::Backend { model, source: Box::new(source) })
}
