//! Tweedie deviance with log link, `1 < p < 2`: the sum of a Poisson number of gamma amounts, so that zeros belong to it
//! (Jorgensen 1987; Yang, Qian and Zou 2018 for boosting).

use super::{Change, Domain, Link, RowLoss, Start, Terms};
use crate::kernel::exp::exp;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::gbm) struct Tweedie {
    /// `p` of `Var y = phi mu^p`.
    pub(super) power: f64,
}

impl RowLoss for Tweedie {
    const LINK: Link = Link::Log;
    const DOMAIN: Domain = Domain::NotNegative;
    const CONSTANT_HESSIAN: bool = false;
    const METRIC: (&'static str, f64) = ("tweedie deviance", 2.0);

    #[inline(always)]
    fn terms(&self, y: f64, score: f64) -> Terms {
        let (below, above) = (2.0 - self.power, self.power - 1.0);
        let mean = exp(score);
        // `mean^(1-p)`; by its product with the mean all three terms come from two exponentials.
        let scale = exp(-above * score);
        Terms {
            loss: scale * (y * (1.0 / above) + mean * (1.0 / below)),
            gradient: scale * (mean - y),
            hessian: scale * (above * y + below * mean),
        }
    }

    fn start(&self, rows: &Start<'_>) -> f64 {
        rows.log_mean(self.power)
    }

    fn saturated(&self, y: f64) -> f64 {
        let (below, above) = (2.0 - self.power, self.power - 1.0);
        if y > 0.0 { y.powf(below) / (above * below) } else { 0.0 }
    }

    fn change(&self, step: f64) -> Option<Change> {
        // With `A = y e^{(1-p)f}` and `B = e^{(2-p)f}`: `G = B - A`, `H = (p-1) A + (2-p) B`.
        let (below, above) = (2.0 - self.power, self.power - 1.0);
        let (a, b) = (exp(-above * step), exp(below * step));
        Some(Change { gg: above * b + below * a, gh: b - a, hg: above * below * (b - a), hh: above * a + below * b })
    }
}
