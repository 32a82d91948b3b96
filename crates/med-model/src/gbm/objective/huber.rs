//! Huber's loss (1964, Ann Math Stat 35:73): squared error near the target, absolute error beyond `alpha`.

use super::{Link, RowLoss, Start, Terms, weighted_quantile};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::gbm) struct Huber {
    pub(super) alpha: f64,
}

impl RowLoss for Huber {
    const LINK: Link = Link::Identity;
    const CONSTANT_HESSIAN: bool = true;
    const METRIC: (&'static str, f64) = ("huber loss", 1.0);

    #[inline(always)]
    fn terms(&self, y: f64, score: f64) -> Terms {
        let residual = score - y;
        let low = if residual < -self.alpha { -self.alpha } else { residual };
        let gradient = if low > self.alpha { self.alpha } else { low };
        // Both branches at once: inside, the gradient is the residual.
        Terms { loss: gradient * (residual - 0.5 * gradient), gradient, hessian: 1.0 }
    }

    /// The root of the sum of gradients, which rises with the constant and is linear between its bends: halved until it
    /// lies within one linear piece, then solved.
    fn start(&self, rows: &Start<'_>) -> f64 {
        let mut residuals = rows.residuals();
        let median = weighted_quantile(&mut residuals, 0.5);
        let alpha = self.alpha;
        let slope = |m: f64| -> f64 { residuals.iter().map(|&(r, w)| w * (m - r).clamp(-alpha, alpha)).sum() };
        let (Some(first), Some(last)) = (residuals.first(), residuals.last()) else { return median };
        let (mut low, mut high) = (first.0, last.0);
        for _ in 0..60 {
            let middle = 0.5 * low + 0.5 * high;
            if !(middle > low && middle < high) {
                break;
            }
            if slope(middle) > 0.0 { high = middle } else { low = middle }
        }
        let m = 0.5 * low + 0.5 * high;
        // One Newton step: exact on the linear piece.
        let inside: f64 = residuals.iter().filter(|r| (m - r.0).abs() <= alpha).map(|r| r.1).sum();
        if inside > 0.0 { m - slope(m) / inside } else { m }
    }
}
