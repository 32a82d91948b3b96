//! Significance of the two-sample Kolmogorov-Smirnov statistic.

use std::f64::consts::PI;

/// Exact P(D >= gap / (nm)) for samples of n and m rows without ties.
///
/// Each order of the pooled sample is a lattice path from (0, 0) to (n, m); the walk reaches a gap of at least D when
/// it leaves the band abs(x m - y n) < gap. Q(x, y), the share of the paths to (x, y) that leave it, is 1 outside the
/// band and inside (x Q(x-1, y) + y Q(x, y-1)) / (x + y). All terms are positive, so that even the smallest p-value
/// keeps its digits. Time O(n * width of the band), memory O(min(n, m)).
pub(crate) fn kolmogorov_exact(n: usize, m: usize, gap: u64) -> f64 {
    let (n, m) = (n.max(m), n.min(m));
    let (long, short) = (n as u64, m as u64);
    if gap == 0 {
        return 1.0;
    }
    let inverse: Vec<f64> = (0..=n + m).map(|sum| 1.0 / sum as f64).collect();
    // Q(x, 0..=m); rows outside the band stay at 1.
    let mut shares = vec![1.0; m + 1];
    let (mut low, mut high) = (0_usize, 0_usize);
    for x in 0..=n {
        let middle = x as u64 * short;
        // Ys with abs(middle - y * long) < gap are those from `low` to before `high`.
        while low <= m && middle >= gap && low as u64 * long <= middle - gap {
            shares[low] = 1.0;
            low += 1;
        }
        while high <= m && (high as u64 * long) < middle + gap {
            high += 1;
        }
        let weight = x as f64;
        let mut left = if low == 0 { 0.0 } else { 1.0 };
        for y in low..high {
            let value = if x == 0 && y == 0 { 0.0 } else { (shares[y] * weight + left * y as f64) * inverse[x + y] };
            shares[y] = value;
            left = value;
        }
    }
    shares[m].min(1.0)
}

/// Kolmogorov's limit: P(sqrt(nm / (n + m)) D > x) for large samples.
pub(crate) fn kolmogorov_limit(x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    if x < 1.0 {
        // 1 - sqrt(2 pi) / x * sum e^(-(2k - 1)^2 pi^2 / (8 x^2)), quick for small x.
        let term = |k: i32| (-f64::from(2 * k - 1).powi(2) * PI * PI / (8.0 * x * x)).exp();
        return 1.0 - (2.0 * PI).sqrt() / x * (1..=6).map(term).sum::<f64>();
    }
    // 2 sum (-1)^(k - 1) e^(-2 k^2 x^2), quick for large x.
    let term = |k: i32| (-2.0 * f64::from(k * k) * x * x).exp() * if k % 2 == 1 { 1.0 } else { -1.0 };
    2.0 * (1..=6).map(term).sum::<f64>()
}

/// Kuiper's limit: P(sqrt(nm / (n + m)) V > x), 2 sum (4 k^2 x^2 - 1) e^(-2 k^2 x^2), for large samples.
pub(crate) fn kuiper_limit(x: f64) -> f64 {
    // Below this the probability is 1 to fifteen digits, and the series cancels.
    if x < 0.4 {
        return 1.0;
    }
    let term = |k: i32| {
        let square = f64::from(k * k) * x * x;
        (4.0 * square - 1.0) * (-2.0 * square).exp()
    };
    (2.0 * (1..=12).map(term).sum::<f64>()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts all orders of the pooled sample.
    fn by_counting(n: usize, m: usize, gap: u64) -> f64 {
        let (mut all, mut far) = (0_u64, 0_u64);
        for mask in 0_u32..1 << (n + m) {
            if mask.count_ones() as usize != n {
                continue;
            }
            let (mut x, mut y, mut widest) = (0, 0, 0);
            for bit in 0..n + m {
                if mask >> bit & 1 == 1 {
                    x += 1
                } else {
                    y += 1
                }
                widest = widest.max((x * m as u64).abs_diff(y * n as u64));
            }
            all += 1;
            far += u64::from(widest >= gap);
        }
        far as f64 / all as f64
    }

    #[test]
    fn exact_is_what_counting_gives() {
        for (n, m) in [(1, 1), (1, 5), (5, 5), (4, 7), (7, 4), (6, 9)] {
            for gap in 0..=(n * m) as u64 {
                let (found, expected) = (kolmogorov_exact(n, m, gap), by_counting(n, m, gap));
                assert!((found - expected).abs() <= 1e-14 * expected, "{n} {m} {gap}: {found} is not {expected}");
            }
        }
    }

    #[test]
    fn kuipers_limit_is_that_of_the_tables() {
        for (x, expected) in [(1.620, 0.1), (1.747, 0.05), (2.001, 0.01)] {
            assert!((kuiper_limit(x) / expected - 1.0).abs() < 0.01, "{x}: {}", kuiper_limit(x));
        }
        assert!(kuiper_limit(0.4) > 0.999_999);
    }

    #[test]
    fn exact_tends_to_the_limit() {
        let n = 4000_u64;
        for x in [0.5, 1.0, 1.5, 2.0] {
            let gap = (x * (2.0 / n as f64).sqrt() * (n * n) as f64) as u64;
            let exact = kolmogorov_exact(n as usize, n as usize, gap);
            assert!((exact / kolmogorov_limit(x) - 1.0).abs() < 0.06, "{x}: {exact}");
        }
        assert!((kolmogorov_limit(1.0 - 1e-9) - kolmogorov_limit(1.0)).abs() < 1e-8);
    }
}
