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
}

/// What a target must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Domain {
    Any,
    NotNegative,
    Positive,
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
