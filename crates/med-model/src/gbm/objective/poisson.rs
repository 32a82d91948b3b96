//! Poisson deviance with log link; right for the mean of any target >= 0.

use super::{Change, Domain, Link, RowLoss, Start, Terms};
use crate::kernel::exp::exp;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::gbm) struct Poisson {
    /// `exp(poisson_max_delta_step)`: second derivatives are raised by it, as LightGBM does, since a Newton step of an
    /// exponential overshoots.
    pub(super) safeguard: f64,
}

impl RowLoss for Poisson {
    const LINK: Link = Link::Log;
    const DOMAIN: Domain = Domain::NotNegative;
    const CONSTANT_HESSIAN: bool = false;
    const METRIC: (&'static str, f64) = ("poisson deviance", 2.0);

    #[inline(always)]
    fn terms(&self, y: f64, score: f64) -> Terms {
        let mean = exp(score);
        Terms { loss: mean - y * score, gradient: mean - y, hessian: mean * self.safeguard }
    }

    fn start(&self, rows: &Start<'_>) -> f64 {
        rows.log_mean(1.0)
    }

    fn saturated(&self, y: f64) -> f64 {
        if y > 0.0 { y - y * y.ln() } else { 0.0 }
    }

    fn change(&self, step: f64) -> Option<Change> {
        let factor = exp(step);
        Some(Change { gg: 1.0, gh: (factor - 1.0) / self.safeguard, hg: 0.0, hh: factor })
    }
}
