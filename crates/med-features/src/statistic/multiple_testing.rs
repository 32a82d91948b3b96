//! Many tests at once.

/// Benjamini and Hochberg's adjusted p-values (1995): with the `m` p-values ascending,
///
/// ```text
/// q_(i) = min over j >= i of  m p_(j) / j,  at most 1
/// ```
///
/// Keeping what has `q <= alpha` keeps the expected share of false finds at or below `alpha` when the tests are independent or
/// positively dependent. Features without a p-value (`None`) are taken out before `m` is counted and stay `None`.
///
/// ```
/// use med_features::statistic::benjamini_hochberg;
/// let q = benjamini_hochberg(&[Some(0.01), None, Some(0.04), Some(0.03)]);
/// assert_eq!(q, [Some(0.03), None, Some(0.04), Some(0.04)]);
/// ```
pub fn benjamini_hochberg(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut ranked: Vec<(usize, f64)> = p_values.iter().enumerate().filter_map(|(i, p)| Some((i, (*p)?))).collect();
    ranked.sort_by(|a, b| a.1.total_cmp(&b.1));
    let m = ranked.len() as f64;
    let mut adjusted = vec![None; p_values.len()];
    let mut least = 1.0_f64;
    for (rank, &(i, p)) in ranked.iter().enumerate().rev() {
        least = least.min(m * p / (rank + 1) as f64);
        adjusted[i] = Some(least);
    }
    adjusted
}
