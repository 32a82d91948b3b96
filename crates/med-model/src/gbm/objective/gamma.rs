//! Gamma deviance with log link; for a target > 0.

use super::{Change, Domain, Link, RowLoss, Start, Terms};
use crate::kernel::exp::exp;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::gbm) struct Gamma;

impl RowLoss for Gamma {
    const LINK: Link = Link::Log;
    const DOMAIN: Domain = Domain::Positive;
    const CONSTANT_HESSIAN: bool = false;
    const METRIC: (&'static str, f64) = ("gamma deviance", 2.0);

    #[inline(always)]
    fn terms(&self, y: f64, score: f64) -> Terms {
        let ratio = y * exp(-score);
        Terms { loss: ratio + score, gradient: 1.0 - ratio, hessian: ratio }
    }

    fn start(&self, rows: &Start<'_>) -> f64 {
        rows.log_mean(2.0)
    }

    fn saturated(&self, y: f64) -> f64 {
        1.0 + if y > 0.0 { y.ln() } else { 0.0 }
    }

    fn change(&self, step: f64) -> Option<Change> {
        let factor = exp(-step);
        Some(Change { gg: 1.0, gh: 1.0 - factor, hg: 0.0, hh: factor })
    }
}
