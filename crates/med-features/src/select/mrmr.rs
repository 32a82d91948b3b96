//! Minimum redundancy, maximum relevance.

use crate::statistic::correlation_rows;

/// How relevance and redundancy are set against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MrmrScheme {
    /// Relevance less redundancy.
    Difference,
    /// Relevance over redundancy; redundancy at least 0.001.
    Quotient,
}

const LEAST_REDUNDANCY: f64 = 0.001;

/// Features in the order of a greedy choice that wants each to say much of the target and little of what the ones chosen before
/// it say (Peng, Long and Ding, 2005; here with correlations):
///
/// ```text
/// relevance(j) = |r(x_j, y)|      redundancy(j) = mean over chosen i of |r(x_j, x_i)|
/// next = argmax relevance - redundancy   (or relevance / redundancy)
/// ```
///
/// Returns positions with the value of the criterion when chosen (of the first: its relevance), which need not fall from one to the
/// next. At a tie the earlier column is chosen. Over the rows complete in all columns; constants are left out.
pub fn mrmr(features: &[&[f64]], y: &[f64], scheme: MrmrScheme) -> Vec<(usize, f64)> {
    let p = features.len();
    let all: Vec<&[f64]> = features.iter().copied().chain([y]).collect();
    let r = correlation_rows(&all);
    let relevance: Vec<f64> = (0..p).map(|j| r[(j, p)].abs()).collect();
    let mut left: Vec<usize> = (0..p).filter(|&j| !relevance[j].is_nan()).collect();
    let mut redundancy = vec![0.0; p];
    let mut chosen: Vec<(usize, f64)> = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let criterion = |j: usize| match (chosen.len(), scheme) {
            (0, _) => relevance[j],
            (n, MrmrScheme::Difference) => relevance[j] - redundancy[j] / n as f64,
            (n, MrmrScheme::Quotient) => relevance[j] / (redundancy[j] / n as f64).max(LEAST_REDUNDANCY),
        };
        let mut best = (0, criterion(left[0]));
        for (at, &j) in left.iter().enumerate().skip(1) {
            let value = criterion(j);
            if value > best.1 {
                best = (at, value);
            }
        }
        let next = left.remove(best.0);
        chosen.push((next, best.1));
        left.iter().for_each(|&j| redundancy[j] += r[(j, next)].abs());
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_comes_after_something_new() {
        let a: Vec<f64> = (0..40).map(f64::from).collect();
        let copy: Vec<f64> = a.iter().map(|v| v + (v % 3.0) / 10.0).collect();
        let b: Vec<f64> = (0..40).map(|i| f64::from(i * 17 % 37)).collect();
        let constant = [1.0; 40];
        let y: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a + 0.5 * b).collect();
        for scheme in [MrmrScheme::Difference, MrmrScheme::Quotient] {
            let order: Vec<usize> = mrmr(&[&a, &copy, &b, &constant], &y, scheme).iter().map(|c| c.0).collect();
            assert_eq!(order.len(), 3);
            assert_eq!(order[1], 2, "{scheme:?}");
        }
        assert_eq!(mrmr(&[], &y, MrmrScheme::Difference), []);
    }
}
