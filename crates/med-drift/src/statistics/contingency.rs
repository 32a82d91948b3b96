//! Tables of counts: levels by side.

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

/// ln of C(m, c) / C(n + m, c): all of c rows drawn fall among m of n + m.
pub(crate) fn ln_binomial_tail(n: u64, m: u64, c: u64) -> f64 {
    // Beyond this the probability is 0 to any use, or the reference is too small to say.
    let c = c.min(m).min(100_000);
    (0..c).map(|i| ((m - i) as f64 / (n + m - i) as f64).ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_correction_reduces_but_does_not_turn() {
        let table = [[10.0, 20.0], [20.0, 10.0]];
        assert!((pearson(&table, false) - 20.0 / 3.0).abs() < 1e-12);
        assert!((pearson(&table, true) - 5.4).abs() < 1e-12);
        assert_eq!(pearson(&[[5.0, 5.0], [5.0, 5.0]], true), 0.0);
    }
}
