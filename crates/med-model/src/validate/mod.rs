//! How good a model is on rows it has not seen.
//!
//! `folds` says which rows are fitted and which are judged; `cross` fits and judges. Nothing is carried from one fold to
//! the next, so what is chosen inside a fit (a power, a calibration, early stopping) is chosen on that fold's own rows.

mod cross;
mod folds;

pub use cross::{CrossValidation, CrossValidationError, FoldScore, MetricSummary, cross_validate};
pub(crate) use folds::below;
pub use folds::{Fold, FoldError, Folds};
