//! Leaf values and what they gain.
//!
//! A leaf with the sums `G`, `H` of derivatives lowers the objective most at `w = -T(G) / (H + lambda_2)`, where `T` moves
//! towards zero by `lambda_1` (Chen and Guestrin 2016, eq. 5). Twice the decrease is `T(G)^2 / (H + lambda_2)`, or
//! `-(2 T(G) w + (H + lambda_2) w^2)` where `w` is bounded.

use crate::gbm::growth::Growth;

/// Values that a leaf may take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bounds {
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Bounds {
    pub(crate) const NONE: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY };
}

/// Penalties and bounds of a leaf.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Valuation {
    l1: f64,
    l2: f64,
    bounds: Bounds,
    /// Whether `-G / (H + l2)` is all there is to it.
    pub(super) is_plain: bool,
}

impl Valuation {
    pub(crate) fn new(growth: &Growth, more_l2: f64, bounds: Bounds) -> Self {
        let step = if growth.max_delta_step > 0.0 { growth.max_delta_step } else { f64::INFINITY };
        // Bounds from other leaves hold whatever the step.
        let (low, high) = ((-step).clamp(bounds.low, bounds.high), step.clamp(bounds.low, bounds.high));
        let is_plain = growth.lambda_l1 == 0.0 && low == f64::NEG_INFINITY && high == f64::INFINITY;
        Self { l1: growth.lambda_l1, l2: growth.lambda_l2 + more_l2, bounds: Bounds { low, high }, is_plain }
    }

    fn shrunk(&self, g: f64) -> f64 {
        g.signum() * (g.abs() - self.l1).max(0.0)
    }

    pub(crate) fn value(&self, g: f64, h: f64) -> f64 {
        let denominator = h + self.l2;
        let free = if denominator > 0.0 { -self.shrunk(g) / denominator } else { 0.0 };
        free.clamp(self.bounds.low, self.bounds.high)
    }

    /// Twice the decrease of the objective.
    #[inline]
    pub(super) fn score(&self, g: f64, h: f64) -> f64 {
        if self.is_plain { self.plain_score(g, h) } else { self.score_at(g, h, self.value(g, h)) }
    }

    #[inline(always)]
    pub(super) fn plain_score(&self, g: f64, h: f64) -> f64 {
        let denominator = h + self.l2;
        if denominator > 0.0 { g * g / denominator } else { 0.0 }
    }

    /// The sum of two scores, by one division; a side without second derivatives does not fit.
    #[inline(always)]
    pub(super) fn plain_scores(&self, left: (f64, f64), right: (f64, f64), fits: bool) -> (f64, bool) {
        let (hl, hr) = (left.1 + self.l2, right.1 + self.l2);
        ((left.0 * left.0 * hr + right.0 * right.0 * hl) / (hl * hr), fits & (hl > 0.0) & (hr > 0.0))
    }

    pub(super) fn score_at(&self, g: f64, h: f64, w: f64) -> f64 {
        -(2.0 * self.shrunk(g) * w + (h + self.l2) * w * w)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shrunk_and_bounded_and_scores_follow() {
        let growth = Growth { lambda_l1: 1.0, lambda_l2: 2.0, max_delta_step: 0.5, ..Growth::default() };
        let bounded = Valuation::new(&growth, 0.0, Bounds { low: -0.25, high: f64::INFINITY });
        assert_eq!([3.0, -2.0, 0.5, -40.0].map(|g| bounded.value(g, 2.0)), [-0.25, 0.25, 0.0, 0.5]);
        let free = Valuation::new(&Growth { max_delta_step: 0.0, ..growth }, 0.0, Bounds::NONE);
        assert!((free.score(5.0, 2.0) - 16.0 / 4.0).abs() < 1e-12 && bounded.score(5.0, 2.0) < 4.0);
        let plain = Valuation::new(&Growth::default(), 0.0, Bounds::NONE);
        assert_eq!((plain.score(3.0, 2.0), plain.value(3.0, 0.0)), (4.5, 0.0));
    }
}
