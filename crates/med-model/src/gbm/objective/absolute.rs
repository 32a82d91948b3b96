//! Absolute error: the median.

use super::{Link, RowLoss, Start, Terms, weighted_quantile};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::gbm) struct Absolute;

impl RowLoss for Absolute {
    const LINK: Link = Link::Identity;
    const CONSTANT_HESSIAN: bool = true;
    const METRIC: (&'static str, f64) = ("absolute error", 1.0);

    #[inline(always)]
    fn terms(&self, y: f64, score: f64) -> Terms {
        let residual = score - y;
        let sign = if residual > 0.0 { 1.0 } else { -1.0 };
        Terms { loss: residual.abs(), gradient: if residual == 0.0 { 0.0 } else { sign }, hessian: 1.0 }
    }

    fn start(&self, rows: &Start<'_>) -> f64 {
        weighted_quantile(&mut rows.residuals(), 0.5)
    }

    fn leaf_quantile(&self) -> Option<f64> {
        Some(0.5)
    }
}
