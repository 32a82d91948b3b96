//! Pearson's and Spearman's correlation.

use super::moments::{mean, sum_of, sum_pairs};
use super::tail::correlation_p;
use super::{Tested, is_constant, mid_ranks};

/// Pearson's product-moment correlation of two columns without missing values:
///
/// ```text
/// r = sum (x - x̄)(y - ȳ) / sqrt( sum (x - x̄)^2  sum (y - ȳ)^2 )
/// ```
///
/// with the two-sided p of `t = r sqrt((n - 2) / (1 - r^2))` on `n - 2` degrees of freedom. Pearson (1895). `None` with fewer
/// than three rows, a constant, an infinite value, or values whose squares overflow or vanish. Costs are skewed: one huge bill can make or break r.
pub fn pearson(x: &[f64], y: &[f64]) -> Option<Tested> {
    if x.len() != y.len() {
        return None;
    }
    pearson_with(x, y, Spread::of(y)?)
}

/// [`pearson`] where the spread of `y` is known.
pub(crate) fn pearson_with(x: &[f64], y: &[f64], of_y: Spread) -> Option<Tested> {
    let r = Spread::of(x)?.coefficient(x, y, of_y)?;
    Some(Tested { value: r, p_value: correlation_p(r, x.len() as f64 - 2.0)? })
}

/// The coefficient alone.
pub(crate) fn coefficient(x: &[f64], y: &[f64]) -> Option<f64> {
    if x.len() != y.len() {
        return None;
    }
    Spread::of(x)?.coefficient(x, y, Spread::of(y)?)
}

/// Mean of a column and the sum of squares about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    mean: f64,
    squares: f64,
}

impl Spread {
    /// `None` with fewer than three rows, of a constant, or where the squares are beyond the range of doubles.
    pub(crate) fn of(x: &[f64]) -> Option<Self> {
        if x.len() < 3 || is_constant(x) {
            return None;
        }
        let mean = mean(x)?;
        let squares = sum_of(x, |v| (v - mean) * (v - mean));
        squares.is_normal().then_some(Self { mean, squares })
    }

    fn coefficient(self, x: &[f64], y: &[f64], of_y: Self) -> Option<f64> {
        let (xx, yy) = (self.squares, of_y.squares);
        // One root gives 1 of a column with itself; where the product overflows or vanishes, roots apart do not.
        let norm = if (xx * yy).is_normal() { (xx * yy).sqrt() } else { xx.sqrt() * yy.sqrt() };
        let r = sum_pairs(x, y, |x, y| (x - self.mean) * (y - of_y.mean)) / norm;
        r.is_finite().then(|| r.clamp(-1.0, 1.0))
    }
}

/// Spearman's rank correlation: [`pearson`] of [`mid_ranks`](super::mid_ranks), which is right with ties, unlike `1 - 6 sum d^2 / (n^3 - n)`.
/// Spearman (1904). Sees any monotone relation and is not moved by the size of outliers.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<Tested> {
    pearson(&mid_ranks(x), &mid_ranks(y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_beyond_doubles_have_no_correlation() {
        let line = |unit: f64| (0..40).map(|i| f64::from(i) * unit).collect::<Vec<_>>();
        let y: Vec<f64> = (0..40).map(|i| f64::from(i) + f64::from(i * 7 % 5)).collect();
        let expected = pearson(&line(1.0), &y).unwrap().value;
        for unit in [1e140, 1e-140] {
            assert!((pearson(&line(unit), &y).unwrap().value - expected).abs() < 1e-12);
        }
        for unit in [1.5e160, 1e-200] {
            assert_eq!(pearson(&line(unit), &y), None);
            assert_eq!(pearson(&y, &line(unit)), None);
        }
    }

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
}
