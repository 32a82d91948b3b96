//! How far two samples of one column are apart.

use super::Tested;
use super::tail::chi_square_p;

/// Kolmogorov and Smirnov's distance of two samples without missing values, the largest difference of their distribution functions.
///
/// The p-value is `2 sum (-1)^(k-1) exp(-2 k^2 l^2)` at `l = (sqrt(m) + 0.12 + 0.11 / sqrt(m)) D`, `m = n_a n_b / (n_a + n_b)`
/// (Stephens, 1970): near the exact one from some ten rows a side on, and too large with ties. `None` when a sample is empty.
///
/// ```
/// use med_features::statistic::ks_two_sample;
/// assert_eq!(ks_two_sample(&[1.0, 2.0], &[3.0, 4.0, 5.0]).map(|t| t.value), Some(1.0));
/// assert_eq!(ks_two_sample(&[1.0, 2.0], &[2.0, 1.0]).map(|t| t.value), Some(0.0));
/// ```
pub fn ks_two_sample(a: &[f64], b: &[f64]) -> Option<Tested> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let sorted = |x: &[f64]| {
        let mut x = x.to_vec();
        x.sort_unstable_by(f64::total_cmp);
        x
    };
    let (a, b) = (sorted(a), sorted(b));
    let (n, m) = (a.len() as f64, b.len() as f64);
    let (mut i, mut j, mut value) = (0, 0, 0.0_f64);
    while i < a.len() && j < b.len() {
        let at = a[i].min(b[j]);
        while i < a.len() && a[i] <= at {
            i += 1;
        }
        while j < b.len() && b[j] <= at {
            j += 1;
        }
        value = value.max((i as f64 / n - j as f64 / m).abs());
    }
    let root = (n * m / (n + m)).sqrt();
    Some(Tested { value, p_value: kolmogorov((root + 0.12 + 0.11 / root) * value) })
}

/// Upper tail of Kolmogorov's distribution.
fn kolmogorov(l: f64) -> f64 {
    // Below, the sum needs many terms and is 1 to twelve digits.
    if l < 0.2 {
        return 1.0;
    }
    let mut total = 0.0;
    for k in 1..=100 {
        let term = (-2.0 * f64::from(k * k) * l * l).exp();
        total += if k % 2 == 1 { term } else { -term };
        if term < 1e-17 * total {
            break;
        }
    }
    (2.0 * total).clamp(0.0, 1.0)
}

/// Total variation `sum |a_l / n_a - b_l / n_b| / 2` of two samples of a category, given as counts of each level, with the p-value of
/// Pearson's chi-square test of homogeneity on (levels - 1) degrees of freedom.
///
/// `None` when a sample is empty. Levels without a row on either side do not count.
pub fn homogeneity(counts: &[(usize, usize)]) -> Option<Tested> {
    let (n, m) = counts.iter().fold((0, 0), |(n, m), (a, b)| (n + a, m + b));
    if n == 0 || m == 0 {
        return None;
    }
    let (n, m) = (n as f64, m as f64);
    let (mut value, mut chi, mut levels) = (0.0, 0.0, 0);
    for &(a, b) in counts.iter().filter(|(a, b)| a + b > 0) {
        let (a, b) = (a as f64, b as f64);
        value += (a / n - b / m).abs() / 2.0;
        let difference = (m / n).sqrt() * a - (n / m).sqrt() * b;
        chi += difference * difference / (a + b);
        levels += 1;
    }
    Some(Tested { value, p_value: chi_square_p(chi, f64::from(levels - 1)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_kolmogorovs() {
        // Critical values of the table: 5 % at 1.358, 1 % at 1.628.
        assert!((kolmogorov(1.358) - 0.05).abs() < 1e-4 && (kolmogorov(1.628) - 0.01).abs() < 1e-4);
        assert_eq!(kolmogorov(0.0), 1.0);
        assert!((kolmogorov(0.21) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn levels_are_compared_by_share() {
        let same = homogeneity(&[(10, 20), (30, 60), (0, 0)]).unwrap();
        assert!(same.value.abs() < 1e-15 && (same.p_value - 1.0).abs() < 1e-12);
        // 2 x 2 by hand: 60 (10 * 10 - 20 * 20)^2 / 30^4 = 6.67 on one degree.
        let apart = homogeneity(&[(10, 20), (20, 10)]).unwrap();
        assert!((apart.value - 1.0 / 3.0).abs() < 1e-15);
        assert!((apart.p_value - 0.009_823_274_507_519_249).abs() < 1e-12, "{}", apart.p_value);
        assert_eq!(homogeneity(&[(1, 0)]), None);
    }
}
