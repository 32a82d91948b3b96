//! Logistic loss, `ln(1 + e^f) - y f`; for a target of 0 and 1. Predicts the probability of 1.

use super::{Domain, Link, RowLoss, Start, Terms};
use crate::gbm::sums::exact_sum;
use crate::kernel::exp::exp;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::gbm) struct Binary;

impl RowLoss for Binary {
    const LINK: Link = Link::Logit;
    const DOMAIN: Domain = Domain::Binary;
    const CONSTANT_HESSIAN: bool = false;
    const METRIC: (&'static str, f64) = ("binary log loss", 1.0);

    #[inline(always)]
    fn terms(&self, y: f64, score: f64) -> Terms {
        let size = score.abs();
        // e^-|f| is at most 1, so nothing overflows.
        let small = exp(-size);
        let near = 1.0 / (1.0 + small);
        let p = if score >= 0.0 { near } else { small * near };
        let loss = 0.5 * (score + size) + small.ln_1p() - y * score;
        Terms { loss, gradient: p - y, hessian: small * near * near }
    }

    fn start(&self, rows: &Start<'_>) -> f64 {
        let ones = exact_sum(rows.iter().map(|(y, w, _)| w * y));
        let zeros = exact_sum(rows.iter().map(|(y, w, _)| w * (1.0 - y)));
        // All of one kind has no logit; this is as good as certain.
        (ones / zeros).ln().clamp(-35.0, 35.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_are_those_of_the_loss_even_far_out() {
        for y in [0.0, 1.0] {
            for score in [-700.0, -3.0, -0.1, 0.0, 0.4, 5.0, 700.0] {
                let (h, at) = (1e-5, |f| Binary.terms(y, f));
                let numeric = 0.5 * (at(score + h).loss - at(score - h).loss) / h;
                let terms = at(score);
                assert!((numeric - terms.gradient).abs() < 1e-6, "{y} {score}: {numeric} {terms:?}");
                let numeric = 0.5 * (at(score + h).gradient - at(score - h).gradient) / h;
                assert!((numeric - terms.hessian).abs() < 1e-6, "{y} {score}: {numeric} {terms:?}");
            }
        }
    }
}
