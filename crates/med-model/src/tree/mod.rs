//! Decision trees and forests of them, grown by smartcore, held and walked as flat trees of our own.

mod cart;
mod flat;
mod forest;
mod grown;
mod structure;

pub use cart::{DecisionTree, DecisionTreeParams};
pub use flat::TreeEnsemble;
pub(crate) use flat::{FlatTree, Node, add_trees, check_features};
pub use forest::{RandomForest, RandomForestParams};
