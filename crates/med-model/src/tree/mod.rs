//! Decision trees and forests of them, grown by smartcore, held and walked as flat trees of our own.

mod cart;
pub(crate) mod ensemble;
mod fitted;
mod forest;
mod grown;
mod stored;
pub(crate) mod structure;

pub use cart::{DecisionTree, DecisionTreeParams};
pub(crate) use ensemble::Ensemble;
pub use fitted::TreeEnsemble;
pub use forest::{RandomForest, RandomForestParams};
pub(crate) use structure::{Child, Leaf, LevelSet, Split, Test, Tree};
