//! Pinball loss (Koenker and Bassett 1978): a quantile; and the exact weighted quantile of a sample.

use super::{Link, RowLoss, Start, Terms};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::gbm) struct Quantile {
    pub(super) alpha: f64,
}

impl RowLoss for Quantile {
    const LINK: Link = Link::Identity;
    const CONSTANT_HESSIAN: bool = true;
    const METRIC: (&'static str, f64) = ("pinball loss", 1.0);

    #[inline(always)]
    fn terms(&self, y: f64, score: f64) -> Terms {
        let residual = score - y;
        let slope = if residual >= 0.0 { 1.0 - self.alpha } else { -self.alpha };
        Terms { loss: slope * residual, gradient: slope, hessian: 1.0 }
    }

    fn start(&self, rows: &Start<'_>) -> f64 {
        weighted_quantile(&mut rows.residuals(), self.alpha)
    }

    fn leaf_quantile(&self) -> Option<f64> {
        Some(self.alpha)
    }
}

/// The value `q` that minimises the weighted pinball loss of these values: the first at which the weights up to it reach
/// the share `alpha` of all, or the middle between it and the next where they meet that share exactly. 0 for none.
///
/// Values with their weights, which are positive; they are left sorted. The order they come in does not matter.
pub(in crate::gbm) fn weighted_quantile(values: &mut [(f64, f64)], alpha: f64) -> f64 {
    values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let total: f64 = values.iter().map(|v| v.1).sum();
    let target = alpha * total;
    // Weights that meet the share but for rounding meet it.
    let slack = 1e-12 * total;
    let mut reached = 0.0;
    for (i, &(value, weight)) in values.iter().enumerate() {
        reached += weight;
        if reached >= target - slack {
            let next = values.get(i + 1).filter(|_| reached <= target + slack);
            return next.map_or(value, |&(next, _)| 0.5 * value + 0.5 * next);
        }
    }
    values.last().map_or(0.0, |v| v.0)
}

/// The same for values that all weigh the same, in linear time.
pub(in crate::gbm) fn quantile_of(values: &mut [f64], alpha: f64) -> f64 {
    let n = values.len();
    if n == 0 {
        return 0.0;
    }
    let target = alpha * n as f64;
    let (whole, meets) = (target.round(), (target - target.round()).abs() <= 1e-12 * n as f64);
    let rank = if meets { whole } else { target.ceil() }.max(1.0) as usize;
    let (_, &mut value, above) = values.select_nth_unstable_by(rank.min(n) - 1, f64::total_cmp);
    if !meets || whole < 1.0 {
        return value;
    }
    let next = above.iter().copied().min_by(f64::total_cmp);
    next.map_or(value, |next| 0.5 * value + 0.5 * next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pinball(values: &[(f64, f64)], alpha: f64, q: f64) -> f64 {
        values.iter().map(|&(v, w)| w * if q >= v { (1.0 - alpha) * (q - v) } else { alpha * (v - q) }).sum()
    }

    proptest! {
        #[test]
        fn no_other_value_costs_less(
            values in prop::collection::vec((-50..50_i32, 1..4_u32), 1..40),
            alpha in prop::sample::select(vec![0.05, 0.1, 0.25, 0.5, 0.9, 1.0 / 3.0]),
        ) {
            let mut weighted: Vec<(f64, f64)> = values.iter().map(|&(v, w)| (f64::from(v), f64::from(w))).collect();
            let q = weighted_quantile(&mut weighted, alpha);
            let cost = pinball(&weighted, alpha, q);
            for &(v, _) in &weighted {
                prop_assert!(cost <= pinball(&weighted, alpha, v) + 1e-9);
            }
            // A weight of two is the same value twice.
            let mut repeated: Vec<f64> =
                values.iter().flat_map(|&(v, w)| vec![f64::from(v); w as usize]).collect();
            prop_assert_eq!(quantile_of(&mut repeated, alpha), q);
        }
    }

    #[test]
    fn an_even_number_has_its_median_in_the_middle() {
        assert_eq!(quantile_of(&mut [4.0, 1.0, 2.0, 3.0], 0.5), 2.5);
        assert_eq!(weighted_quantile(&mut [(4.0, 0.1), (1.0, 0.1), (2.0, 0.1), (3.0, 0.1)], 0.5), 2.5);
        assert_eq!(weighted_quantile(&mut [], 0.5), 0.0);
    }
}
