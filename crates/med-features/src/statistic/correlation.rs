//! Pearson's and Spearman's correlation.

use super::moments::{mean, sum};
use super::tail::correlation_p;
use super::{Tested, is_constant};

/// Pearson's product-moment correlation of two columns without missing values:
///
/// ```text
/// r = sum (x - x̄)(y - ȳ) / sqrt( sum (x - x̄)^2  sum (y - ȳ)^2 )
/// ```
///
/// with the two-sided p of `t = r sqrt((n - 2) / (1 - r^2))` on `n - 2` degrees of freedom. Pearson (1895). `None` with fewer
/// than three rows, a constant, or an infinite value. Costs are skewed: one huge bill can make or break r.
pub fn pearson(x: &[f64], y: &[f64]) -> Option<Tested> {
    let r = coefficient(x, y)?;
    Some(Tested { value: r, p_value: correlation_p(r, x.len() as f64 - 2.0)? })
}

/// The coefficient alone.
pub(crate) fn coefficient(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() || x.len() < 3 || is_constant(x) || is_constant(y) {
        return None;
    }
    let (mx, my) = (mean(x)?, mean(y)?);
    let of = |f: &dyn Fn(f64, f64) -> f64| {
        let terms: Vec<f64> = x.iter().zip(y).map(|(x, y)| f(x - mx, y - my)).collect();
        sum(&terms)
    };
    let (xx, yy) = (of(&|x, _| x * x), of(&|_, y| y * y));
    // One root gives 1 of a column with itself; where the product overflows or vanishes, roots apart do not.
    let norm = if (xx * yy).is_normal() { (xx * yy).sqrt() } else { xx.sqrt() * yy.sqrt() };
    let r = of(&|x, y| x * y) / norm;
    r.is_finite().then(|| r.clamp(-1.0, 1.0))
}

/// Spearman's rank correlation: [`pearson`] of [`mid_ranks`], which is right with ties, unlike `1 - 6 sum d^2 / (n^3 - n)`.
/// Spearman (1904). Sees any monotone relation and is not moved by the size of outliers.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<Tested> {
    pearson(&mid_ranks(x), &mid_ranks(y))
}

/// Ranks from 1; equal values share the mean of their ranks.
///
/// ```
/// assert_eq!(med_features::statistic::mid_ranks(&[7.0, 3.0, 7.0]), [2.5, 1.0, 2.5]);
/// ```
pub fn mid_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for ties in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = before as f64 + (ties.len() as f64 + 1.0) / 2.0;
        ties.iter().for_each(|&row| ranks[row] = rank);
        before += ties.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_correlate_fully() {
        let x = [1.0, 2.0, 3.0, 4.0];
        let up: Vec<f64> = x.iter().map(|v| 3.0 * v + 1.0).collect();
        let r = pearson(&x, &up).unwrap();
        assert!((r.value - 1.0).abs() < 1e-15 && r.p_value < 1e-6);
        let curve: Vec<f64> = x.iter().map(|v| -v.exp()).collect();
        assert_eq!(spearman(&x, &curve).unwrap().value, -1.0);
    }

    #[test]
    fn what_has_no_correlation_has_none() {
        assert_eq!(pearson(&[0.1; 5], &[1.0, 2.0, 3.0, 4.0, 5.0]), None);
        assert_eq!(pearson(&[1.0, 2.0], &[1.0, 2.0]), None);
        assert_eq!(pearson(&[1.0, 2.0, f64::INFINITY], &[1.0, 2.0, 3.0]), None);
    }

    #[test]
    fn huge_and_tiny_numbers_correlate() {
        let x: Vec<f64> = (0..9).map(|i| f64::from(i * 5 % 9)).collect();
        let y: Vec<f64> = (0..9).map(f64::from).collect();
        let scaled = |by: f64| x.iter().map(|v| v * by).collect::<Vec<_>>();
        let r = pearson(&x, &y).unwrap().value;
        for by in [1e140, 1e-140] {
            assert!((pearson(&scaled(by), &y).unwrap().value - r).abs() < 1e-14);
        }
    }

    #[test]
    fn zero_and_minus_zero_tie() {
        assert_eq!(mid_ranks(&[0.0, -0.0, 1.0]), [1.5, 1.5, 3.0]);
    }
}
