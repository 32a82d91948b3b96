//! Tables of counts: levels by side.

use statrs::function::gamma::ln_gamma;

use super::{chi_square_sf, gamma_sf};

/// Counts to be expected from the margins if level and side were independent.
pub(crate) fn expected(counts: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let sides = counts.iter().fold([0.0, 0.0], |sum, c| [sum[0] + c[0], sum[1] + c[1]]);
    let total = sides[0] + sides[1];
    counts.iter().map(|c| sides.map(|side| (c[0] + c[1]) * side / total)).collect()
}

/// Pearson's chi-square of the table. With `yates` every difference is reduced by 1/2, but not past 0.
pub(crate) fn pearson(counts: &[[f64; 2]], yates: bool) -> f64 {
    let term = |observed: f64, expected: f64| {
        let difference = (observed - expected).abs();
        let difference = if yates { difference - difference.min(0.5) } else { difference };
        difference * difference / expected
    };
    counts.iter().zip(expected(counts)).map(|(o, e)| term(o[0], e[0]) + term(o[1], e[1])).sum()
}

/// P-value of Pearson's chi-square that also holds where levels have few rows.
///
/// Where every count to be expected is 5 or more, that of chi-square with k - 1 degrees of freedom. Else that of the gamma distribution with the mean and the variance
/// the statistic has over all ways to deal the rows of each level to the two sides, see [`moments`].
/// No level is merged with another, so nothing depends on which side is the reference.
///
/// Haldane, J. B. S. (1940). The mean and variance of chi^2, when used as a test of homogeneity, when expectations are small. *Biometrika* 31, 346-355.
pub(crate) fn homogeneity_p_value(counts: &[[f64; 2]]) -> f64 {
    let statistic = pearson(counts, false);
    if expected(counts).iter().flatten().all(|&e| e >= 5.0) {
        return chi_square_sf(statistic, counts.len().saturating_sub(1));
    }
    let (mean, variance) = moments(counts);
    // Every deal has the same statistic: levels of one row each, or one level.
    if variance.is_nan() || variance <= 1e-9 * mean {
        return 1.0;
    }
    gamma_sf(statistic, mean * mean / variance, variance / mean)
}

/// Mean and variance of Pearson's chi-square over all deals of the rows of k levels to two sides of n and m rows, every level with rows.
///
/// With r = 2 sides: v1 = (N - 2) / (N - 1), v2 = (k - 1)(N - k) / (N - 1), w1 = (N / n + N / m - 4) / (N - 2), w2 = (sum N / c_j - k^2) / (N - 2);
/// the mean is N (k - 1) / (N - 1), the variance 2 N / (N - 3) (v1 - w1)(v2 - w2) + N^2 / (N - 1) w1 w2 (Haldane 1940).
fn moments(counts: &[[f64; 2]]) -> (f64, f64) {
    let [n, m] = counts.iter().fold([0.0, 0.0], |sum, c| [sum[0] + c[0], sum[1] + c[1]]);
    let (total, k) = (n + m, counts.len() as f64);
    let (v1, v2) = ((total - 2.0) / (total - 1.0), (k - 1.0) * (total - k) / (total - 1.0));
    let w1 = (total / n + total / m - 4.0) / (total - 2.0);
    let w2 = (counts.iter().map(|c| total / (c[0] + c[1])).sum::<f64>() - k * k) / (total - 2.0);
    let variance = 2.0 * total / (total - 3.0) * (v1 - w1) * (v2 - w2) + total * total / (total - 1.0) * w1 * w2;
    (total * (k - 1.0) / (total - 1.0), variance)
}

/// ln of C(m, c) / C(n + m, c): all of c rows drawn fall among m of n + m; -inf when there are not so many.
pub(crate) fn ln_binomial_tail(n: u64, m: u64, c: u64) -> f64 {
    if c > m {
        return f64::NEG_INFINITY;
    }
    if c <= 1000 {
        return (0..c).map(|i| ((m - i) as f64 / (n + m - i) as f64).ln()).sum();
    }
    let ln_factorial = |x: u64| ln_gamma(x as f64 + 1.0);
    ln_factorial(m) - ln_factorial(m - c) - ln_factorial(n + m) + ln_factorial(n + m - c)
}

/// A bound on how likely it is by chance that `rows` or more rows of a current side of m are of levels that the reference of n lacks. `levels`: rows of a level on both
/// sides together, and how many levels have so many.
///
/// Without drift the rows are dealt to the sides at random, and a level of c rows falls whole into the current side with probability q_c = C(m, c) / C(n + m, c). The
/// levels that do are negatively associated (Joag-Dev and Proschan 1983, *Annals of Statistics* 11), so that Chernoff's bound
/// inf over t > 0 of e^(-t rows) product (1 - q_c + q_c e^(t c)) holds for them as for independent ones. Where a single level can be new it is q_c itself.
pub(crate) fn new_levels_p_value([n, m]: [u64; 2], levels: &[(u64, u64)], rows: u64) -> f64 {
    let levels: Vec<(f64, f64, f64)> = levels
        .iter()
        .map(|&(c, number)| (c as f64, number as f64, ln_binomial_tail(n, m, c)))
        .filter(|&(_, _, ln_q)| ln_q > f64::NEG_INFINITY)
        .collect();
    let rows = rows as f64;
    // The logarithm of the bound at t and its slope.
    let at = |t: f64| {
        levels.iter().fold((-t * rows, -rows), |(bound, slope), &(c, number, ln_q)| {
            let (q, ln_grown) = (ln_q.exp(), ln_q + t * c);
            // 1 - q + q e^(tc), with the larger of its two parts taken out where that is the second.
            let (ln, share) = if ln_grown < 0.0 {
                let all = 1.0 - q + ln_grown.exp();
                (all.ln(), ln_grown.exp() / all)
            } else {
                let all = 1.0 + (1.0 - q) * (-ln_grown).exp();
                (ln_grown + all.ln(), 1.0 / all)
            };
            (bound + number * ln, slope + number * c * share)
        })
    };
    if at(0.0).1 >= 0.0 {
        return 1.0;
    }
    // The bound is convex: double until it rises, then halve. Any t gives a bound that holds.
    let (mut low, mut high) = (0.0, 1.0);
    while at(high).1 < 0.0 && high < 1e4 {
        (low, high) = (high, 2.0 * high);
    }
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        if at(middle).1 < 0.0 { low = middle } else { high = middle }
    }
    at(low).0.min(at(high).0).exp().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All deals of nine rows of levels of 1, 2, 2 and 4 rows to sides of 3 and 6.
    fn deals() -> Vec<Vec<[f64; 2]>> {
        let level = [0, 1, 1, 2, 2, 3, 3, 3, 3];
        let deals = (0..1_u32 << 9).filter(|deal| deal.count_ones() == 3);
        deals
            .map(|deal| {
                let mut counts = vec![[0.0; 2]; 4];
                (0..9).for_each(|row| counts[level[row]][usize::from(deal >> row & 1 == 0)] += 1.0);
                counts
            })
            .collect()
    }

    #[test]
    fn moments_are_those_of_all_deals() {
        let found: Vec<f64> = deals().iter().map(|counts| pearson(counts, false)).collect();
        let mean = found.iter().sum::<f64>() / found.len() as f64;
        let variance = found.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / found.len() as f64;
        let expected = moments(&deals()[0]);
        assert!((mean - expected.0).abs() < 1e-12 && (variance - expected.1).abs() < 1e-12, "{expected:?}");
    }

    #[test]
    fn the_bound_of_new_levels_holds_over_all_deals() {
        let deals = deals();
        let new = |counts: &Vec<[f64; 2]>| counts.iter().filter(|c| c[0] == 0.0).map(|c| c[1]).sum::<f64>();
        for rows in 1..=6 {
            let share = deals.iter().filter(|d| new(d) >= f64::from(rows)).count() as f64 / deals.len() as f64;
            let bound = new_levels_p_value([3, 6], &[(1, 1), (2, 2), (4, 1)], u64::from(rows as u32));
            assert!(bound >= share && bound <= 1.0, "{rows}: {bound} {share}");
        }
        // All of 3 rows among 6 of 36, the other level has more rows than the side.
        let one = new_levels_p_value([30, 6], &[(33, 1), (3, 1)], 3);
        assert!((one / (120.0 / 42840.0) - 1.0).abs() < 1e-9, "{one}");
        assert!(
            (ln_binomial_tail(3000, 2000, 1001) - ln_binomial_tail(3000, 2000, 1000) - (1000.0_f64 / 4000.0).ln())
                .abs()
                < 1e-7
        );
    }

    #[test]
    fn the_correction_reduces_but_does_not_turn() {
        let table = [[10.0, 20.0], [20.0, 10.0]];
        assert!((pearson(&table, false) - 20.0 / 3.0).abs() < 1e-12);
        assert!((pearson(&table, true) - 5.4).abs() < 1e-12);
        assert_eq!(pearson(&[[5.0, 5.0], [5.0, 5.0]], true), 0.0);
    }
}
