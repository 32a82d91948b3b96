//! Exact significance of two rank statistics on small samples.

use std::collections::BTreeMap;

/// P(U >= u) of Mann and Whitney's U for samples of n and m values without ties; `None` where the counts would not fit.
///
/// The number of orders with a given U is a coefficient of the Gaussian binomial, the product over i = 1..n of
/// (1 - q^(m + i)) / (1 - q^i), n the smaller sample. Whole numbers, hence exact. Time O(n * nm).
pub(crate) fn mann_whitney_exact(n: usize, m: usize, u: u64) -> Option<f64> {
    let (n, m) = (n.min(m), n.max(m));
    // C(n + m, n) must stay far below 2^127; what comes before may wrap around, which subtraction undoes.
    let orders: f64 = (1..=n).map(|i| (m + i) as f64 / i as f64).product();
    if orders > 1e37 || n.checked_mul(m)? > 1_000_000 {
        return None;
    }
    let mut counts = vec![0_i128; n * m + 1];
    counts[0] = 1;
    for i in 1..=n {
        for j in i..counts.len() {
            counts[j] = counts[j].wrapping_add(counts[j - i]);
        }
        for j in (m + i..counts.len()).rev() {
            counts[j] = counts[j].wrapping_sub(counts[j - m - i]);
        }
    }
    let from = usize::try_from(u).ok()?.min(counts.len());
    let at_least: i128 = counts[from..].iter().sum();
    Some(at_least as f64 / counts.iter().sum::<i128>() as f64)
}

/// P(T >= t) of the two-sample Cramer-von Mises criterion without ties, where t comes from `u` = n sum (r - i)^2 + m sum (s - j)^2.
///
/// Counts lattice paths by the sum of (i m - j n)^2 over their steps, which is a linear function of u. Xiao, Y., Gordon, A. and Yakovlev, A.
/// (2006). A C++ program for the Cramer-von Mises two-sample test. *J. Statistical Software* 17.
pub(crate) fn cramer_von_mises_exact(n: usize, m: usize, u: f64) -> f64 {
    let (wide, high) = (n as u64, m as u64);
    // sum over steps of (i m - j n)^2 = u - nm (4nm - 1) / 6 times (n + m) / (nm), brought to whole numbers.
    let pairs = (n * m) as f64;
    let rows = (n + m) as f64;
    let t = u / (pairs * rows) - (4.0 * pairs - 1.0) / (6.0 * rows);
    let least = (t * rows * rows * pairs).round() as u64;
    let mut columns: Vec<BTreeMap<u64, f64>> = vec![BTreeMap::new(); m + 1];
    for i in 0..=wide {
        for j in 0..=high {
            let mut here = if i == 0 && j == 0 { BTreeMap::from([(0, 1.0)]) } else { BTreeMap::new() };
            let cost = (i * high).abs_diff(j * wide).pow(2);
            if j > 0 {
                columns[j as usize - 1].iter().for_each(|(&sum, &ways)| *here.entry(sum + cost).or_default() += ways);
            }
            if i > 0 {
                columns[j as usize].iter().for_each(|(&sum, &ways)| *here.entry(sum + cost).or_default() += ways);
            }
            columns[j as usize] = here;
        }
    }
    let end = &columns[m];
    end.range(least..).map(|(_, ways)| ways).sum::<f64>() / end.values().sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// U and the criterion's u of every order of n and m values.
    fn orders(n: usize, m: usize) -> Vec<(u64, f64)> {
        (0_u32..1 << (n + m))
            .filter(|mask| mask.count_ones() as usize == n)
            .map(|mask| {
                let (mut x, mut y, mut larger) = (0_u64, 0_u64, 0_u64);
                let (mut of_x, mut of_y) = (0.0, 0.0);
                for bit in 0..n + m {
                    let rank = (bit + 1) as f64;
                    if mask >> bit & 1 == 1 {
                        x += 1;
                        larger += y;
                        of_x += (rank - x as f64).powi(2);
                    } else {
                        y += 1;
                        of_y += (rank - y as f64).powi(2);
                    }
                }
                (larger, n as f64 * of_x + m as f64 * of_y)
            })
            .collect()
    }

    #[test]
    fn both_are_what_counting_gives() {
        for (n, m) in [(1, 1), (1, 5), (4, 4), (3, 7), (6, 5)] {
            let all = orders(n, m);
            let share = |count: usize| count as f64 / all.len() as f64;
            for &(u, criterion) in &all {
                let larger = share(all.iter().filter(|o| o.0 >= u).count());
                assert!((mann_whitney_exact(n, m, u).unwrap() - larger).abs() < 1e-14);
                let further = share(all.iter().filter(|o| o.1 >= criterion - 1e-9).count());
                assert!((cramer_von_mises_exact(n, m, criterion) - further).abs() < 1e-14, "{n} {m} {criterion}");
            }
        }
        assert_eq!(mann_whitney_exact(1000, 5000, 3), None);
    }
}
