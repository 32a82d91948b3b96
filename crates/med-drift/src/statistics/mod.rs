//! The numbers behind the measures: moments, quantiles, contingency tables and the tails of distributions.

mod contingency;
mod exact_ranks;
mod kolmogorov;
mod moments;
mod sort;
mod tail;

pub(crate) use contingency::{expected, homogeneity_p_value, ln_binomial_tail, new_levels_p_value, pearson};
pub(crate) use exact_ranks::{cramer_von_mises_exact, mann_whitney_exact};
pub(crate) use kolmogorov::{kolmogorov_exact, kolmogorov_limit, kuiper_limit};
pub(crate) use moments::{Moments, pairwise_sum, quantile};
pub(crate) use sort::{Scratch, sorted_numbers};
pub(crate) use tail::{chi_square_sf, cramer_von_mises_limit_sf, f_sf, gamma_sf, normal_sf, student_two_sided};

/// Ranks from 1, equal values sharing the mean of theirs; NaN has none and stays.
pub(crate) fn midranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<(f64, u32)> =
        values.iter().zip(0_u32..).filter(|(v, _)| !v.is_nan()).map(|(v, row)| (v + 0.0, row)).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut ranks = vec![f64::NAN; values.len()];
    let mut first = 0;
    while first < order.len() {
        let ties = order[first..].iter().take_while(|o| o.0 == order[first].0).count();
        let rank = first as f64 + (ties as f64 + 1.0) / 2.0;
        order[first..first + ties].iter().for_each(|o| ranks[o.1 as usize] = rank);
        first += ties;
    }
    ranks
}
