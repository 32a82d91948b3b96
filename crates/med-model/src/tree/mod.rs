//! Decision trees and forests of them; how any tree is held, stored and predicted with.
//!
//! One idea a file: `structure` is a tree, `stored` its form in files, `ensemble` the sum of many, `predictor` the fast way
//! to it; `grow` grows trees for `cart` and `forest`, `fitted` is what comes of them.

mod cart;
pub(crate) mod ensemble;
mod fitted;
mod forest;
mod grow;
mod predictor;
pub mod smartcore;
mod stored;
pub(crate) mod structure;

pub use cart::{DecisionTree, DecisionTreeParams, Thresholds};
pub(crate) use ensemble::Ensemble;
pub use fitted::TreeEnsemble;
pub use forest::{ExtraTrees, ExtraTreesParams, OutOfBag, RandomForest, RandomForestParams};
pub(crate) use structure::{Child, Leaf, LevelSet, Split, Test, Tree};
