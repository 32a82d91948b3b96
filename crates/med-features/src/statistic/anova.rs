//! One-way analysis of variance: does the target differ between the levels of a category?

use super::moments::{mean, sum};
use super::tail::f_p;

/// One-way analysis of variance of a target over the levels of a category.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Anova {
    /// `F = (SSB / (k - 1)) / (SSW / (n - k))`; infinite when the levels explain everything.
    pub f: f64,
    /// Upper tail of Fisher's F with `k - 1` and `n - k` degrees of freedom.
    pub p_value: f64,
    /// Share of the variation between levels, `SSB / SST`; grows with the number of levels.
    pub eta_squared: f64,
    /// `(SSB - (k - 1) MSW) / (SST + MSW)`: eta squared corrected for chance; unlike F it does not grow with the rows.
    pub omega_squared: f64,
}

/// Analysis of variance of `y` over `codes`; rows whose code is not below `levels` (missing) are left out, levels without
/// rows do not count.
///
/// `SSB = sum n_l (ȳ_l - ȳ)^2`, `SSW = sum (y - ȳ_l)^2`, `k` levels, `n` rows. Fisher (1925). `None` with fewer than two
/// levels, no more rows than levels, or a constant target. Assumes like spread in each level, which costs rarely have.
pub fn anova(codes: &[u32], levels: usize, y: &[f64]) -> Option<Anova> {
    let mut groups: Vec<Vec<f64>> = vec![Vec::new(); levels];
    for (&code, &y) in codes.iter().zip(y) {
        if let Some(group) = groups.get_mut(code as usize) {
            group.push(y);
        }
    }
    groups.retain(|group| !group.is_empty());
    let n: usize = groups.iter().map(Vec::len).sum();
    let k = groups.len();
    let all: Vec<f64> = groups.concat();
    if k < 2 || n <= k || super::is_constant(&all) {
        return None;
    }
    let grand = mean(&all)?;
    let (mut between, mut within) = (Vec::with_capacity(k), Vec::with_capacity(k));
    for group in &groups {
        let own = mean(group)?;
        between.push(group.len() as f64 * (own - grand) * (own - grand));
        let squares: Vec<f64> = group.iter().map(|y| (y - own) * (y - own)).collect();
        within.push(if super::is_constant(group) { 0.0 } else { sum(&squares) });
    }
    let (ssb, ssw) = (sum(&between), sum(&within));
    let (d1, d2) = ((k - 1) as f64, (n - k) as f64);
    let msw = ssw / d2;
    let f = if ssw == 0.0 { f64::INFINITY } else { ssb / d1 / msw };
    if f.is_nan() {
        return None;
    }
    Some(Anova {
        f,
        p_value: f_p(f, d1, d2)?,
        eta_squared: ssb / (ssb + ssw),
        omega_squared: (ssb - d1 * msw) / (ssb + ssw + msw),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_example() {
        // Means 2 and 5, grand mean 3.5: SSB = 6 * 2.25 = 13.5, SSW = 4, F = 13.5 / (4 / 4).
        let a = anova(&[0, 0, 0, 1, 1, 1], 2, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        assert_eq!((a.f, a.eta_squared), (13.5, 13.5 / 17.5));
        assert!((a.p_value - 0.021_311_641_128_756_87).abs() < 1e-12, "{}", a.p_value);
    }

    #[test]
    fn missing_codes_and_empty_levels_do_not_count() {
        let y = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 99.0];
        let a = anova(&[0, 0, 0, 2, 2, 2, u32::MAX], 3, &y).unwrap();
        assert_eq!(a.f, 13.5);
        assert_eq!(anova(&[0, 0, 0], 1, &[1.0, 2.0, 3.0]), None);
        assert_eq!(anova(&[0, 1], 2, &[1.0, 2.0]), None);
    }

    #[test]
    fn a_level_that_explains_everything_is_infinite() {
        let a = anova(&[0, 0, 1, 1], 2, &[0.1, 0.1, 0.7, 0.7]).unwrap();
        assert_eq!((a.f, a.p_value, a.eta_squared), (f64::INFINITY, 0.0, 1.0));
    }
}
