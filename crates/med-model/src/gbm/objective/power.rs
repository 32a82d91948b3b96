//! The Tweedie power of a target, from a first fit.
//!
//! `Var y = phi mu^p` is a straight line in logarithms. Rows are put into bands by the prediction `mu` of a short first
//! fit; `ln` of each band's mean squared residual is set against `ln` of its mean prediction, and `p` is the slope
//! of that line: Park's test (1966, Econometrica 34:888) on grouped rows, as zeros would spoil it row by row (their
//! squared residual is `mu^2`, of slope 2, by construction). The slope is Theil and Sen's, the weighted median of the slopes
//! between all pairs of bands: one claimant of millions moves one band, and so no more than its pairs.
//!
//! Within bands, sums are integers, so that the order of rows does not matter. O(n).

use super::super::sums::exact_sum;
use super::weighted_quantile;

/// Taken where the data say nothing.
pub(in crate::gbm) const POWER_UNKNOWN: f64 = 1.5;
/// Estimates are cut to this range: nearer to 1 or 2 the density is nearly Poisson's or gamma's, and Newton steps of the
/// zeros (or of the large claims) become long.
const RANGE: (f64, f64) = (1.1, 1.9);
/// Bands of equal width in `ln mu`, before they are joined.
const BANDS: usize = 256;
/// Bands after that.
const JOINED: usize = 24;

/// Sums of one band.
#[derive(Debug, Clone, Copy, Default)]
struct Band {
    weight: f64,
    mean: f64,
    squares: f64,
}

/// The power that describes how the variance rises with these predictions, which are positive.
pub(in crate::gbm) fn estimate(y: &[f64], means: &[f64], weights: Option<&[f64]>) -> f64 {
    let weight = |i: usize| weights.map_or(1.0, |w| w[i]);
    let range = (0..y.len())
        .filter(|&i| weight(i) > 0.0)
        .fold((f64::INFINITY, 0.0_f64), |(low, high), i| (low.min(means[i]), high.max(means[i])));
    let (low, high) = (range.0.ln(), range.1.ln());
    if !(low.is_finite() && high.is_finite() && high - low > 1e-3) {
        return POWER_UNKNOWN;
    }
    let per_unit = BANDS as f64 / (high - low);
    let mut rows: Vec<Vec<u32>> = vec![Vec::new(); BANDS];
    for (i, &mean) in means.iter().enumerate() {
        if weight(i) > 0.0 {
            let band = ((mean.ln() - low) * per_unit) as usize;
            rows[band.min(BANDS - 1)].push(i as u32);
        }
    }
    // Neighbours are joined until a band has its share of the weights.
    let enough = exact_sum((0..y.len()).map(weight)) / JOINED as f64;
    let mut bands = Vec::with_capacity(JOINED);
    let mut open = Band::default();
    for rows in rows {
        let of = |f: &dyn Fn(usize) -> f64| exact_sum(rows.iter().map(|&i| f(i as usize)));
        open.weight += of(&weight);
        open.mean += of(&|i| weight(i) * means[i]);
        open.squares += of(&|i| weight(i) * (y[i] - means[i]) * (y[i] - means[i]));
        if open.weight >= enough {
            bands.push(std::mem::take(&mut open));
        }
    }
    if let (Some(last), true) = (bands.last_mut(), open.weight > 0.0) {
        last.weight += open.weight;
        last.mean += open.mean;
        last.squares += open.squares;
    }
    slope(&bands).map_or(POWER_UNKNOWN, |p| p.clamp(RANGE.0, RANGE.1))
}

/// The weighted median of the slopes between all pairs, weighted by their distance.
fn slope(bands: &[Band]) -> Option<f64> {
    let points: Vec<(f64, f64)> = bands
        .iter()
        .filter(|b| b.squares > 0.0 && b.mean > 0.0)
        .map(|b| ((b.mean / b.weight).ln(), (b.squares / b.weight).ln()))
        .collect();
    let mut slopes = Vec::new();
    for (i, a) in points.iter().enumerate() {
        for b in &points[i + 1..] {
            let distance = b.0 - a.0;
            if distance > 1e-6 {
                slopes.push(((b.1 - a.1) / distance, distance));
            }
        }
    }
    (!slopes.is_empty()).then(|| weighted_quantile(&mut slopes, 0.5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    /// Rows of variance about `mean^power`, three quarters of them zero.
    fn rows(power: f64) -> (Vec<f64>, Vec<f64>) {
        let mut random = Pcg64::seed_from_u64(1);
        let means: Vec<f64> = (0..20_000).map(|_| random.random_range(3.0..9.0_f64).exp()).collect();
        let y = means
            .iter()
            .map(|&mean| {
                // A gamma amount (of shape 1) with probability `q`, of mean `mean / q` and variance `mean^2 (2/q - 1)`.
                let q = 2.0 / (1.0 + ((2.0 - power) * (9.0 - mean.ln())).exp());
                let amount = -(1.0 - random.random::<f64>()).ln() * mean / q;
                if random.random::<f64>() < q { amount } else { 0.0 }
            })
            .collect();
        (y, means)
    }

    #[test]
    fn the_power_of_the_variance_is_found_among_zeros_and_one_huge_claim() {
        for power in [1.2, 1.5, 1.8] {
            let (mut y, means) = rows(power);
            let found = estimate(&y, &means, None);
            assert!((found - power).abs() < 0.1, "{power}: {found}");
            y[77] = 7e6;
            let found = estimate(&y, &means, None);
            assert!((found - power).abs() < 0.15, "{power} with a huge claim: {found}");
        }
    }

    #[test]
    fn the_order_of_rows_and_rows_of_no_weight_do_not_matter() {
        let (y, means) = rows(1.6);
        let found = estimate(&y, &means, None);
        let reversed = |v: &[f64]| v.iter().rev().copied().collect::<Vec<f64>>();
        assert_eq!(found, estimate(&reversed(&y), &reversed(&means), None));
        let with = |v: &[f64], more: f64| v.iter().copied().chain([more]).collect::<Vec<f64>>();
        let mut weights = vec![1.0; y.len()];
        weights.push(0.0);
        assert_eq!(found, estimate(&with(&y, 1e9), &with(&means, 1e-9), Some(&weights)));
    }

    #[test]
    fn without_a_spread_of_predictions_the_middle_is_taken() {
        assert_eq!(estimate(&[1.0, 2.0, 3.0], &[2.0; 3], None), POWER_UNKNOWN);
    }
}
