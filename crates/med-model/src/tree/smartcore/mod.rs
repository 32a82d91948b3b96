//! Decision trees and forests as smartcore grows them: for comparison with our own, which are faster, take missing values
//! and categories, and are what the names `decision_tree` and `random_forest` stand for.

mod cart;
mod forest;
mod grown;

pub use cart::{DecisionTree, DecisionTreeParams};
pub use forest::{RandomForest, RandomForestParams};
