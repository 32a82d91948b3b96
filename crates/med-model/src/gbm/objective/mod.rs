//! Objectives: what a row costs at a score, its derivatives, and the best constant. One file an objective.
//!
//! The score `f` of a row is the start value, its offset and the sum of its leaves. With a log link the prediction is
//! `exp f`. Loss, first and second derivative (by `f`, before weights), as LightGBM has them:
//!
//! | objective | link | loss | gradient | hessian | start |
//! | --- | --- | --- | --- | --- | --- |
//! | squared | identity | `(f-y)^2/2` | `f-y` | 1 | mean |
//! | absolute | identity | `abs(f-y)` | `sign(f-y)` | 1 | median |
//! | huber | identity | `r^2/2`, or `a(abs r - a/2)` beyond `a` | `r` cut to `[-a, a]` | 1 | M-estimate |
//! | quantile | identity | `a(y-f)` below, `(1-a)(f-y)` above | `-a` or `1-a` | 1 | quantile |
//! | poisson | log | `exp f - y f` | `exp f - y` | `exp(f + 0.7)` | log of the mean |
//! | gamma | log | `y exp(-f) + f` | `1 - y exp(-f)` | `y exp(-f)` | log of the mean |
//! | tweedie | log | `y e^{(1-p)f}/(p-1) + e^{(2-p)f}/(2-p)` | `e^{(1-p)f}(e^f - y)` | its derivative | log of the mean |
//!
//! Derivatives are computed in 64-bit floating point, block by block with vectorised kernels, and stored in 32 bits.
//! Losses are summed in an order-independent way (`sums`). Leaves of absolute error and quantiles are set to the exact
//! weighted quantile of the residuals in them; a Newton step means nothing there (Friedman 2001, algorithm 3).
//! O(n) a pass, parallel over blocks, the same bits for any number of threads.

mod absolute;
mod binary;
mod choice;
mod gamma;
mod huber;
mod pass;
mod poisson;
pub(super) mod power;
mod quantile;
mod squared;
mod tweedie;

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

pub use choice::Warning;
pub(super) use choice::{check_target, choose, warnings};
pub(super) use pass::{Pass, Rows};
pub(super) use quantile::{quantile_of, weighted_quantile};

use super::carry::Change;
use super::params::Objective;

/// How a score becomes a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Link {
    /// As it is.
    #[default]
    Identity,
    /// By its exponential.
    Log,
    /// By the logistic function: a probability.
    Logit,
}

/// What a target must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Domain {
    Any,
    NotNegative,
    Positive,
    /// 0 or 1.
    Binary,
}

/// Loss and derivatives of one row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) loss: f64,
    pub(super) gradient: f64,
    pub(super) hessian: f64,
}

/// One objective. `terms` is all a pass calls, and is compiled into it.
pub(super) trait RowLoss: Debug + Send + Sync {
    const LINK: Link;
    const DOMAIN: Domain = Domain::Any;
    /// Whether the second derivative is 1 everywhere.
    const CONSTANT_HESSIAN: bool;
    /// What the metric is called, and its factor to the loss.
    const METRIC: (&'static str, f64);

    fn terms(&self, y: f64, score: f64) -> Terms;

    /// The constant that, added to all offsets, costs least.
    fn start(&self, rows: &Start<'_>) -> f64;

    /// The loss of a row whose prediction is its target.
    fn saturated(&self, _y: f64) -> f64 {
        0.0
    }

    /// The quantile of the residuals that a leaf takes instead of a Newton step.
    fn leaf_quantile(&self) -> Option<f64> {
        None
    }

    /// How sums of derivatives change when all their rows' scores move by `step`; `None` where that depends on the rows.
    fn change(&self, _step: f64) -> Option<Change> {
        None
    }
}

/// An objective with its parameters found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Loss {
    Squared(squared::Squared),
    Absolute(absolute::Absolute),
    Huber(huber::Huber),
    Quantile(quantile::Quantile),
    Poisson(poisson::Poisson),
    Gamma(gamma::Gamma),
    Tweedie(tweedie::Tweedie),
    Binary(binary::Binary),
}

/// Runs `$body` with `$loss` the objective's own type.
macro_rules! with_loss {
    ($self:expr, $loss:ident => $body:expr) => {
        match $self {
            Loss::Squared($loss) => $body,
            Loss::Absolute($loss) => $body,
            Loss::Huber($loss) => $body,
            Loss::Quantile($loss) => $body,
            Loss::Poisson($loss) => $body,
            Loss::Gamma($loss) => $body,
            Loss::Tweedie($loss) => $body,
            Loss::Binary($loss) => $body,
        }
    };
}
use with_loss;

/// What is constant of an objective's type.
fn traits<L: RowLoss>(_: &L) -> (Link, Domain, bool, (&'static str, f64)) {
    (L::LINK, L::DOMAIN, L::CONSTANT_HESSIAN, L::METRIC)
}

impl Loss {
    /// The objective of this name; `auto` must have been decided.
    pub(super) fn new(objective: Objective, alpha: f64, poisson_max_delta_step: f64, power: f64) -> Self {
        match objective {
            Objective::Auto | Objective::Tweedie => Self::Tweedie(tweedie::Tweedie { power }),
            Objective::Regression => Self::Squared(squared::Squared),
            Objective::RegressionL1 => Self::Absolute(absolute::Absolute),
            Objective::Huber => Self::Huber(huber::Huber { alpha }),
            Objective::Quantile => Self::Quantile(quantile::Quantile { alpha }),
            Objective::Poisson => Self::Poisson(poisson::Poisson { safeguard: poisson_max_delta_step.exp() }),
            Objective::Gamma => Self::Gamma(gamma::Gamma),
            Objective::Binary => Self::Binary(binary::Binary),
        }
    }

    pub(super) fn link(&self) -> Link {
        with_loss!(self, loss => traits(loss).0)
    }

    pub(super) fn domain(&self) -> Domain {
        with_loss!(self, loss => traits(loss).1)
    }

    pub(super) fn has_constant_hessian(&self) -> bool {
        with_loss!(self, loss => traits(loss).2)
    }

    /// Name of the metric, and its factor to the loss.
    pub(super) fn metric(&self) -> (&'static str, f64) {
        with_loss!(self, loss => traits(loss).3)
    }

    pub(super) fn start(&self, rows: &Start<'_>) -> f64 {
        with_loss!(self, loss => loss.start(rows))
    }

    pub(super) fn saturated(&self, y: f64) -> f64 {
        with_loss!(self, loss => loss.saturated(y))
    }

    pub(super) fn leaf_quantile(&self) -> Option<f64> {
        with_loss!(self, loss => loss.leaf_quantile())
    }

    pub(super) fn change(&self, step: f64) -> Option<Change> {
        with_loss!(self, loss => loss.change(step))
    }
}

/// What a start value is computed from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start<'a> {
    pub(super) y: &'a [f64],
    pub(super) weights: Option<&'a [f64]>,
    pub(super) offset: Option<&'a [f64]>,
}

impl<'a> Start<'a> {
    /// Target, weight and offset of each row.
    fn iter(&self) -> impl Iterator<Item = (f64, f64, f64)> + Clone + 'a {
        let Self { y, weights, offset } = *self;
        let at = |values: Option<&'a [f64]>, i: usize, otherwise: f64| values.map_or(otherwise, |v| v[i]);
        y.iter().enumerate().map(move |(i, &y)| (y, at(weights, i, 1.0), at(offset, i, 0.0)))
    }

    /// The logarithm of the mean, where rows of offset `o` expect `e^o` times it and have the variance `mu^power`:
    /// `sum w y e^{(1-p) o} / sum w e^{(2-p) o}`.
    fn log_mean(&self, power: f64) -> f64 {
        let scale = |rate: f64, o: f64| if o == 0.0 { 1.0 } else { (rate * o).exp() };
        let costs = super::sums::exact_sum(self.iter().map(|(y, w, o)| w * y * scale(1.0 - power, o)));
        let expected = super::sums::exact_sum(self.iter().map(|(_, w, o)| w * scale(2.0 - power, o)));
        // A mean of zero has no logarithm; this is as good as zero and leaves room to add to.
        (costs / expected).ln().max(-600.0)
    }

    /// Residuals with their weights.
    fn residuals(&self) -> Vec<(f64, f64)> {
        self.iter().filter(|&(_, w, _)| w > 0.0).map(|(y, w, o)| (y - o, w)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::derivatives::{Derivatives, Hessians};
    use super::super::sums::exact_sum;
    use super::*;
    use proptest::prelude::*;

    const ALL: [Objective; 7] = [
        Objective::Regression,
        Objective::RegressionL1,
        Objective::Huber,
        Objective::Quantile,
        Objective::Poisson,
        Objective::Gamma,
        Objective::Tweedie,
    ];

    fn loss_of(objective: Objective) -> Loss {
        Loss::new(objective, 0.3, 0.7, 1.6)
    }

    fn terms(loss: Loss, y: f64, score: f64) -> Terms {
        with_loss!(&loss, loss => loss.terms(y, score))
    }

    proptest! {
        #[test]
        fn derivatives_are_those_of_the_loss(y in 0.1..20.0_f64, score in -2.0..3.0_f64) {
            // Away from the bends.
            prop_assume!((score - y).abs() > 1e-3 && ((score - y).abs() - 0.3).abs() > 1e-3);
            for objective in ALL {
                let (loss, step) = (loss_of(objective), 1e-5);
                let at = |s: f64| terms(loss, y, s);
                let slope = (at(score + step).loss - at(score - step).loss) / (2.0 * step);
                let found = at(score);
                prop_assert!((slope - found.gradient).abs() <= 1e-6 * (1.0 + slope.abs()), "{objective:?} {slope} {found:?}");
                if loss.link() == Link::Log {
                    let bend = (at(score + step).gradient - at(score - step).gradient) / (2.0 * step);
                    let safeguard = if objective == Objective::Poisson { 0.7_f64.exp() } else { 1.0 };
                    prop_assert!((safeguard * bend - found.hessian).abs() <= 1e-5 * (1.0 + bend.abs()), "{objective:?}");
                    // At the prediction that is the target, the loss is the saturated one and its slope is 0.
                    let perfect = terms(loss, y, y.ln());
                    prop_assert!((perfect.loss - loss.saturated(y)).abs() <= 1e-9 * (1.0 + perfect.loss.abs()));
                    prop_assert!(perfect.gradient.abs() <= 1e-12 * (1.0 + y));
                }
            }
        }

        #[test]
        fn no_other_start_costs_less(
            rows in prop::collection::vec((0.1..50.0_f64, 0.1..3.0_f64, -0.5..0.5_f64), 1..30),
        ) {
            let column = |f: fn(&(f64, f64, f64)) -> f64| rows.iter().map(f).collect::<Vec<f64>>();
            let (y, weights, offset) = (column(|r| r.0), column(|r| r.1), column(|r| r.2));
            for objective in ALL {
                let loss = loss_of(objective);
                let start = loss.start(&Start { y: &y, weights: Some(&weights), offset: Some(&offset) });
                let cost = |s: f64| exact_sum(rows.iter().map(move |&(y, w, o)| w * terms(loss, y, s + o).loss));
                for other in [start - 0.01, start + 0.01, start - 1e-4, start + 1e-4] {
                    prop_assert!(cost(start) <= cost(other) + 1e-9 * cost(other).abs(), "{objective:?} {start} {other}");
                }
            }
        }

        #[test]
        fn a_pass_gives_what_rows_give_one_by_one(
            rows in prop::collection::vec((0.1..50.0_f64, 0.0..3.0_f64, -1.0..4.0_f64), 1..3000),
        ) {
            let column = |f: fn(&(f64, f64, f64)) -> f64| rows.iter().map(f).collect::<Vec<f64>>();
            let (y, weights, scores) = (column(|r| r.0), column(|r| r.1), column(|r| r.2));
            for objective in ALL {
                let loss = loss_of(objective);
                let mut derivatives = Derivatives::zero(y.len(), Some(Hessians::Each));
                let mut pass = Pass::new(loss);
                let given = Rows { y: &y, scores: &scores, weights: Some(&weights) };
                let sum = pass.derivatives(given, &mut derivatives).unwrap();
                prop_assert!((pass.loss(given).unwrap() - sum).abs() <= 1e-9 * (1.0 + sum.abs()));
                let (mut expected, mut bounds) = (0.0, [0.0; 2]);
                for i in 0..y.len() {
                    let row = terms(loss, y[i], scores[i]);
                    let pair = [weights[i] * row.gradient, weights[i] * row.hessian].map(|v| f64::from(v as f32));
                    prop_assert_eq!(derivatives.row(i), pair);
                    bounds = [bounds[0] + pair[0].abs(), bounds[1] + pair[1].abs()];
                    expected += weights[i] * row.loss;
                }
                prop_assert!((sum - expected).abs() <= 1e-9 * (1.0 + expected.abs()), "{sum} {expected}");
                let found = [derivatives.bounds.gradients, derivatives.bounds.hessians];
                for (found, sum) in found.into_iter().zip(bounds) {
                    prop_assert!(found >= sum * (1.0 - 1e-12) && found <= sum * (1.0 + 1e-9), "{found} {sum}");
                }
            }
        }
    }

    #[test]
    fn a_mean_of_zero_has_a_finite_start() {
        let start = loss_of(Objective::Tweedie).start(&Start { y: &[0.0; 3], weights: None, offset: None });
        assert_eq!(start, -600.0);
        assert!(terms(loss_of(Objective::Tweedie), 0.0, start).hessian >= 0.0);
    }

    #[test]
    fn what_is_not_finite_is_told() {
        let mut pass = Pass::new(loss_of(Objective::Regression));
        let rows = Rows { y: &[1e60], scores: &[0.0], weights: None };
        assert!(pass.derivatives(rows, &mut Derivatives::zero(1, None)).is_err());
        assert!(pass.loss(rows).is_ok());
    }
}
