//! The numbers behind the measures: moments, quantiles, contingency tables and the tails of distributions.

mod contingency;
mod exact_ranks;
mod kolmogorov;
mod moments;
mod sort;
mod tail;

pub(crate) use contingency::{expected, ln_binomial_tail, pearson};
pub(crate) use exact_ranks::{cramer_von_mises_exact, mann_whitney_exact};
pub(crate) use kolmogorov::{kolmogorov_exact, kolmogorov_limit, kuiper_limit};
pub(crate) use moments::{Moments, pairwise_sum, quantile};
pub(crate) use sort::sorted_numbers;
pub(crate) use tail::{chi_square_sf, cramer_von_mises_limit_sf, f_sf, normal_sf, student_two_sided};
