//! Sums, variance, skewness, and the standard-deviation stability score.

use std::borrow::Cow;

use ndarray::ArrayView1;
use ndarray_stats::SummaryStatisticsExt;

/// Rows summed one by one before halves are added: the block of pairwise summation.
const BLOCK: usize = 128;

/// Pairwise sum: halves are summed apart and added, so the rounding error grows with the logarithm of the length.
///
/// The tree of additions is that of numpy's `sum` over a contiguous array (blocks of 128 in eight interleaved sums, halves cut
/// at multiples of eight), so that scores computed with pandas can be matched to the bit.
pub fn sum(values: &[f64]) -> f64 {
    sum_of(values, |v| v)
}

/// [`sum`] of a function of each value, without a column of them.
pub(crate) fn sum_of(values: &[f64], f: impl Fn(f64) -> f64 + Copy) -> f64 {
    sum_pairs(values, values, |v, _| f(v))
}

/// [`sum`] of a function of the values of two columns of one length.
pub(crate) fn sum_pairs(x: &[f64], y: &[f64], f: impl Fn(f64, f64) -> f64 + Copy) -> f64 {
    let n = x.len().min(y.len());
    let (x, y) = (&x[..n], &y[..n]);
    if n < 8 {
        return x.iter().zip(y).fold(-0.0_f64, |total, (x, y)| total + f(*x, *y));
    }
    if n > BLOCK {
        let half = n / 2 - (n / 2) % 8;
        return sum_pairs(&x[..half], &y[..half], f) + sum_pairs(&x[half..], &y[half..], f);
    }
    let ((x_eights, x_rest), (y_eights, y_rest)) = (x.as_chunks::<8>(), y.as_chunks::<8>());
    let mut lanes = [-0.0_f64; 8];
    for (x, y) in x_eights.iter().zip(y_eights) {
        for (lane, (x, y)) in lanes.iter_mut().zip(x.iter().zip(y)) {
            *lane += f(*x, *y);
        }
    }
    let [a, b, c, d, e, f_, g, h] = lanes;
    let total = ((a + b) + (c + d)) + ((e + f_) + (g + h));
    x_rest.iter().zip(y_rest).fold(total, |total, (x, y)| total + f(*x, *y))
}

/// Arithmetic mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| sum(values) / values.len() as f64)
}

/// `sum (x - mean)^2 / (n - ddof)`; `None` with `ddof` values or fewer.
pub fn variance(values: &[f64], ddof: usize) -> Option<f64> {
    let free = values.len().checked_sub(ddof).filter(|&free| free > 0)?;
    let mean = mean(values)?;
    Some(sum_of(values, |v| (v - mean) * (v - mean)) / free as f64)
}

/// Skewness of a whole, `m3 / m2^1.5` with `mk` the mean of `(x - mean)^k`; 2 for an exponential distribution.
///
/// `None` of fewer than two values, of a constant, and of values that are not finite or too large to square.
///
/// ```
/// use med_features::statistic::skewness;
/// assert!((skewness(&[0.0, 0.0, 0.0, 4.0]).unwrap() - 2.0 / 3_f64.sqrt()).abs() < 1e-14);
/// ```
pub fn skewness(values: &[f64]) -> Option<f64> {
    if values.len() < 2 || super::is_constant(values) {
        return None;
    }
    ArrayView1::from(values).skewness().ok().filter(|s| s.is_finite())
}

/// Standard-deviation stability of a column between two parts:
///
/// ```text
/// |s_a - s_b| / (s_a + s_b)        s: sample standard deviation (ddof 1)
/// ```
///
/// 0 when both parts spread alike, 1 when one of them does not spread at all; a column constant in both (0/0) is 0. Missing
/// (NaN) and infinite values are left out. `None` when a part has fewer than two values left, or squares overflow or vanish.
///
/// The score sees neither the target nor a shift of the mean. By chance alone it is about
/// `sqrt((k - 1) (1/n + 1/m)) / 4` with `k` the kurtosis, so a fixed threshold is a stricter test for heavy tails.
///
/// ```
/// use med_features::statistic::std_stability;
/// assert_eq!(std_stability(&[1.0, 2.0, 3.0], &[10.0, 13.0, 16.0]), Some(0.5));
/// assert_eq!(std_stability(&[1.0, 1.0], &[5.0, 5.0]), Some(0.0));
/// ```
pub fn std_stability(a: &[f64], b: &[f64]) -> Option<f64> {
    let std = |values: &[f64]| {
        let present = if super::all_finite(values) {
            Cow::Borrowed(values)
        } else {
            values.iter().copied().filter(|v| v.is_finite()).collect()
        };
        let constant = super::is_constant(&present);
        variance(&present, 1)
            .filter(|&v| v.is_finite() && (constant || v > 0.0))
            .map(|v| if constant { 0.0 } else { v.sqrt() })
    };
    let (a, b) = (std(a)?, std(b)?);
    let total = a + b;
    Some(if total == 0.0 { 0.0 } else { (a - b).abs() / total })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_lose_little() {
        let values = vec![0.1; 1_000_000];
        assert!((sum(&values) - 100_000.0).abs() < 1e-9, "{}", sum(&values));
        assert_eq!(sum(&[]), 0.0);
        let ramp: Vec<f64> = (0..1000).map(f64::from).collect();
        assert_eq!(sum(&ramp), 499_500.0);
    }

    #[test]
    fn variance_knows_its_degrees_of_freedom() {
        assert_eq!(variance(&[1.0, 2.0, 3.0, 4.0], 1), Some(5.0 / 3.0));
        assert_eq!(variance(&[1.0, 2.0, 3.0, 4.0], 0), Some(1.25));
        assert_eq!(variance(&[1.0], 1), None);
    }

    #[test]
    fn skewness_is_of_the_third_moment() {
        assert!(skewness(&[1.0, 2.0, 3.0]).unwrap().abs() < 1e-14);
        assert!(skewness(&[-4.0, 0.0, 0.0, 0.0]).unwrap() < -1.1);
        for undefined in [&[][..], &[1.0], &[0.1; 3], &[1.0, f64::INFINITY], &[1e200, -1e200]] {
            assert_eq!(skewness(undefined), None);
        }
    }

    #[test]
    fn stability_of_odd_columns() {
        assert_eq!(std_stability(&[1.0, 1.0], &[1.0, 2.0]), Some(1.0));
        assert_eq!(std_stability(&[1.0, f64::NAN, 2.0], &[1.0, 2.0]), Some(0.0));
        assert_eq!(std_stability(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(std_stability(&[1e-300, 2e-300], &[1e-300, 4e-300]), None);
        assert_eq!(std_stability(&[1.0, f64::INFINITY], &[1.0, 2.0]), None);
        assert_eq!(std_stability(&[1.0, f64::INFINITY, 2.0], &[1.0, 2.0]), Some(0.0));
        // Blind to a shift of the mean.
        assert_eq!(std_stability(&[0.0, 1.0], &[100.0, 101.0]), Some(0.0));
        // 0.1 three times has a mean that is not 0.1.
        assert_eq!(std_stability(&[0.1; 3], &[0.1; 6]), Some(0.0));
    }
}
