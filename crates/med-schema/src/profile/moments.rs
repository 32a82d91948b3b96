//! Count, mean and central moments up to the fourth, mergeable.
//!
//! `M_p = sum (x - mean)^p`. A block of values is summed in two passes (mean, then powers of the distances), and two sets are
//! merged by the formulas of Chan, Golub and LeVeque (1979) for `M_2` and of Pébay (2008) for `M_3` and `M_4`; with `d` the
//! distance of the means and `n = n_a + n_b`:
//!
//! ```text
//! mean = mean_a + d n_b / n
//! M2 = M2a + M2b + d^2 n_a n_b / n
//! M3 = M3a + M3b + d^3 n_a n_b (n_a - n_b) / n^2 + 3 d (n_a M2b - n_b M2a) / n
//! M4 = M4a + M4b + d^4 n_a n_b (n_a^2 - n_a n_b + n_b^2) / n^3
//!      + 6 d^2 (n_a^2 M2b + n_b^2 M2a) / n^2 + 4 d (n_a M3b - n_b M3a) / n
//! ```
//!
//! The sums are not exact: another order of merging may change the last bits (tests hold
//! 1e-12 of the largest value for the mean and of its own scale for each power). The same blocks merged in the same order give the same bits.

use serde::{Deserialize, Serialize};

use super::number;

/// Moments of finite numbers.
///
/// ```
/// use med_schema::Moments;
/// let mut all = Moments::of(&[1.0, 2.0]);
/// all.merge(&Moments::of(&[3.0, 6.0]));
/// assert_eq!((all.count(), all.mean()), (4, Some(3.0)));
/// assert_eq!(all.variance(), Some(14.0 / 3.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moments {
    count: u64,
    #[serde(with = "number::one")]
    mean: f64,
    #[serde(with = "number::one")]
    m2: f64,
    #[serde(with = "number::one")]
    m3: f64,
    #[serde(with = "number::one")]
    m4: f64,
}

/// Sums run in this many lanes, so that they are quick; the order of additions is fixed.
const LANES: usize = 8;

impl Moments {
    /// Of these values, which are finite.
    pub fn of(values: &[f64]) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        let count = values.len() as f64;
        let [sum] = sums(values, |v| [v]);
        let mean = sum / count;
        // The mean is rounded, so the distances do not sum to 0 exactly; their sum corrects the powers.
        let [rest, m2, m3, m4] = sums(values, |v| {
            let d = v - mean;
            let square = d * d;
            [d, square, square * d, square * square]
        });
        let shift = rest / count;
        Self {
            count: values.len() as u64,
            mean: mean + shift,
            m2: m2 - shift * rest,
            m3: m3 - 3.0 * shift * m2,
            m4: m4 - 4.0 * shift * m3,
        }
    }

    /// Takes another part's moments in.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        let (a, b) = (self.count as f64, other.count as f64);
        let n = a + b;
        let d = other.mean - self.mean;
        let (share_a, share_b) = (a / n, b / n);
        let d2 = d * d;
        let m4 = self.m4
            + other.m4
            + d2 * d2 * a * share_b * (share_a * share_a - share_a * share_b + share_b * share_b)
            + 6.0 * d2 * (share_a * share_a * other.m2 + share_b * share_b * self.m2)
            + 4.0 * d * (share_a * other.m3 - share_b * self.m3);
        let m3 = self.m3
            + other.m3
            + d2 * d * a * share_b * (share_a - share_b)
            + 3.0 * d * (share_a * other.m2 - share_b * self.m2);
        let m2 = self.m2 + other.m2 + d2 * a * share_b;
        *self = Self { count: self.count + other.count, mean: self.mean + d * share_b, m2, m3, m4 };
    }

    /// Values seen.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The arithmetic mean; none of no values, or where it overflowed.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0 && self.mean.is_finite()).then_some(self.mean)
    }

    /// The sum, as mean times count.
    pub fn sum(&self) -> Option<f64> {
        let sum = self.mean * self.count as f64;
        sum.is_finite().then_some(sum)
    }

    /// The sample variance (n - 1); none of fewer than two values, or where it overflowed.
    pub fn variance(&self) -> Option<f64> {
        let variance = self.m2.max(0.0) / (self.count as f64 - 1.0);
        (self.count > 1 && self.m2.is_finite() && variance.is_finite()).then_some(variance)
    }

    /// The sample standard deviation (n - 1).
    pub fn std(&self) -> Option<f64> {
        self.variance().map(f64::sqrt)
    }

    /// The skewness `sqrt(n) M3 / M2^1.5`, without correction for small samples; none where all values are equal.
    pub fn skewness(&self) -> Option<f64> {
        let skewness = (self.count as f64).sqrt() * self.m3 / self.m2.powf(1.5);
        (self.m2 > 0.0 && skewness.is_finite()).then_some(skewness)
    }

    /// The excess kurtosis `n M4 / M2^2 - 3`, without correction for small samples; none where all values are equal.
    pub fn excess_kurtosis(&self) -> Option<f64> {
        let kurtosis = self.count as f64 * self.m4 / (self.m2 * self.m2) - 3.0;
        (self.m2 > 0.0 && kurtosis.is_finite()).then_some(kurtosis)
    }
}

/// Sums of several terms of each value, in a fixed order.
fn sums<const N: usize>(values: &[f64], terms: impl Fn(f64) -> [f64; N]) -> [f64; N] {
    let mut lanes = [[0.0; LANES]; N];
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, value) in chunk.iter().enumerate() {
            for (sum, term) in lanes.iter_mut().zip(terms(*value)) {
                sum[lane] += term;
            }
        }
    }
    for (lane, value) in rest.iter().enumerate() {
        for (sum, term) in lanes.iter_mut().zip(terms(*value)) {
            sum[lane] += term;
        }
    }
    lanes.map(|lane| lane.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(a: f64, b: f64, scale: f64) -> bool {
        (a - b).abs() <= 1e-12 * scale.abs().max(1e-300)
    }

    #[test]
    fn known_moments() {
        // 2, 4, 4, 4, 5, 5, 7, 9: mean 5, M2 32, M3 42, M4 356.
        let m = Moments::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!((m.mean(), m.variance()), (Some(5.0), Some(32.0 / 7.0)));
        assert!((m.skewness().unwrap() - 0.656_25).abs() < 1e-15);
        assert!((m.excess_kurtosis().unwrap() - (356.0 * 8.0 / 1024.0 - 3.0)).abs() < 1e-15);
        assert_eq!((Moments::of(&[]).mean(), Moments::of(&[1.0]).variance()), (None, None));
        assert_eq!((Moments::of(&[3.0; 4]).std(), Moments::of(&[3.0; 4]).skewness()), (Some(0.0), None));
    }

    #[test]
    fn a_large_mean_costs_no_digits() {
        let values: Vec<f64> = (0..10_000).map(|i| 1e9 + f64::from(i % 2)).collect();
        let mut merged = Moments::default();
        values.chunks(333).for_each(|part| merged.merge(&Moments::of(part)));
        // The mean is known to 1e-7; sums of squares would have lost every digit.
        let expected = 0.25 * 10_000.0 / 9_999.0;
        assert!((merged.variance().unwrap() / expected - 1.0).abs() < 1e-9);
    }

    #[test]
    fn overflow_is_no_number_and_survives_json() {
        let m = Moments::of(&[f64::MAX, f64::MAX, -1.0]);
        assert_eq!((m.mean(), m.std()), (None, None));
        let back: Moments = serde_json::from_str(&serde_json::to_string(&m).unwrap()).unwrap();
        assert_eq!(format!("{back:?}"), format!("{m:?}"));
    }

    proptest! {
        /// However the values are cut and in whatever order the parts are merged.
        #[test]
        fn merging_parts_is_the_whole(
            values in prop::collection::vec(-1e3..1e3_f64, 1..300), cut in 1..50_usize, reversed: bool,
        ) {
            let whole = Moments::of(&values);
            let mut parts: Vec<Moments> = values.chunks(cut).map(Moments::of).collect();
            if reversed {
                parts.reverse();
            }
            let mut merged = Moments::default();
            parts.iter().for_each(|part| merged.merge(part));
            prop_assert_eq!(merged.count, whole.count);
            prop_assert!(near(merged.mean, whole.mean, 1e3));
            prop_assert!(near(merged.m2, whole.m2, whole.m2 + 1e3));
            prop_assert!(near(merged.m3, whole.m3, whole.m2 * 1e3 + 1e3), "{} {}", merged.m3, whole.m3);
            prop_assert!(near(merged.m4, whole.m4, whole.m4 + 1e6), "{} {}", merged.m4, whole.m4);
        }
    }
}
