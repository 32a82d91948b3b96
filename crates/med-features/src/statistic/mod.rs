//! The statistics of selection, each written out over plain slices.
//!
//! A statistic that is not defined on the given numbers (a constant, too few rows) is `None`, never NaN. Missing values are
//! NaN in features; [`complete_pairs`] takes them out, so a univariate statistic is over the rows where the feature has a
//! value. Sums run in a fixed order, so the same numbers give the same bits whatever the thread count.

mod anova;
mod correlation;
mod distance;
mod joint;
mod kendall;
mod matrix;
mod moments;
mod multiple_testing;
mod mutual_information;
mod quantile;
mod ranks;
mod tail;
mod two_sample;

pub use anova::{Anova, anova};
pub(crate) use correlation::{Spread, pearson_with};
pub use correlation::{pearson, spearman};
pub use distance::distance_correlation;
pub(crate) use joint::symmetric_eigen;
pub use joint::{Joint, joint};
pub use kendall::kendall;
pub use matrix::CorrelationMatrix;
pub(crate) use matrix::{centred_products, correlation_rows};
pub use moments::{mean, skewness, std_stability, sum, variance};
pub use multiple_testing::{Adjustment, benjamini_hochberg, benjamini_yekutieli, bonferroni, holm};
pub use mutual_information::{mutual_information, mutual_information_of_levels};
pub(crate) use quantile::{more_than_two, quantile, sorted_present};
pub use ranks::mid_ranks;
pub(crate) use tail::{binomial_upper, one_sided_t, one_sided_weighted_t, weighted_moments};
pub use two_sample::{homogeneity, ks_two_sample};

/// A statistic with the probability of one as extreme when there is no relation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tested {
    /// The statistic.
    pub value: f64,
    /// Two-sided p-value.
    pub p_value: f64,
}

/// The rows where `x` has a value, as two vectors.
pub fn complete_pairs(x: &[f64], y: &[f64]) -> (Vec<f64>, Vec<f64>) {
    x.iter().zip(y).filter(|(x, y)| !x.is_nan() && !y.is_nan()).map(|(&x, &y)| (x, y)).unzip()
}

/// Whether no value is missing or infinite.
pub(crate) fn all_finite(x: &[f64]) -> bool {
    const SIGN: u64 = 1 << 63;
    // The largest bits of a block, not the first odd value: that is a loop without a way out, which is quick.
    let largest = |block: &[f64]| block.iter().fold(0, |most: u64, v| most.max(v.to_bits() & !SIGN));
    x.chunks(1 << 12).all(|block| largest(block) < f64::INFINITY.to_bits())
}

/// Whether all values are the same. Compares values, since a rounded mean makes the variance of a constant not quite 0.
pub(crate) fn is_constant(x: &[f64]) -> bool {
    x.windows(2).all(|w| w[0] == w[1])
}
