//! Squared error: the mean, on the scale of the target.

use super::super::sums::exact_sum;
use super::{Change, Link, RowLoss, Start, Terms};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::gbm) struct Squared;

impl RowLoss for Squared {
    const LINK: Link = Link::Identity;
    const CONSTANT_HESSIAN: bool = true;
    const METRIC: (&'static str, f64) = ("squared error", 2.0);

    #[inline(always)]
    fn terms(&self, y: f64, score: f64) -> Terms {
        let residual = score - y;
        Terms { loss: 0.5 * residual * residual, gradient: residual, hessian: 1.0 }
    }

    fn start(&self, rows: &Start<'_>) -> f64 {
        exact_sum(rows.iter().map(|(y, w, o)| w * (y - o))) / exact_sum(rows.iter().map(|(_, w, _)| w))
    }

    fn change(&self, step: f64) -> Option<Change> {
        Some(Change { gg: 1.0, gh: step, hg: 0.0, hh: 1.0 })
    }
}
