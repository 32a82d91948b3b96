//! Generalised linear models: `g(E y) = intercept + x'b + offset`, `Var y = dispersion * V(E y) / weight`.
//!
//! Objective, with `W` the sum of the weights, as in glum and glmnet:
//!
//! ```text
//! 1/(2W) deviance(b) + alpha (l1_ratio |b|_1 + (1 - l1_ratio)/2 |b|_2^2)
//! ```
//!
//! McCullagh and Nelder 1989, *Generalized Linear Models*. Fitted by iteratively reweighted least squares
//! (`solver.rs`), one pass over the rows a step (`pass.rs`), on numeric columns and coded categories as they stand in memory
//! (`design.rs`). A step costs `O(n (k^2 + c k + c^2))` with `k` numeric and `c` categorical columns, however many levels these
//! have, and `O(p^3)` with all `p` coefficients. The same input gives the same bits, for any number of threads.

mod columns;
mod design;
mod factor;
mod family;
mod fit;
mod inference;
mod kernels;
mod model;
mod params;
mod pass;
mod sample;
mod solver;
mod sums;
mod tweedie;

pub(crate) use columns::{ColumnFit, ColumnSolution, Standard};

pub use family::{Family, Link};
pub use inference::{GlmSummary, GlmSummaryOptions, WeightMeaning};
pub use model::{GlmCoefficient, GlmModel};
pub use params::{
    Calibration, Glm, GlmGamma, GlmGammaParams, GlmParams, GlmPoisson, GlmPoissonParams, GlmTweedie, GlmTweedieParams,
    PowerMethod, Reference, Unseen,
};
