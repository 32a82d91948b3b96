//! Families of distributions and link functions: what a mean costs, and how it moves with the linear predictor.

use serde::{Deserialize, Serialize};
use statrs::distribution::{Continuous, ContinuousCDF, Normal};

use crate::kernel::exp::{exp, ln};

/// How the variance of a cost grows with its mean: `Var(y) = dispersion * V(mu) / weight`.
///
/// | family | `V(mu)` | target |
/// | --- | --- | --- |
/// | `gaussian` | 1 | any number |
/// | `poisson` | mu | >= 0, whole or not (quasi-Poisson) |
/// | `gamma` | mu^2 | > 0 |
/// | `inverse_gaussian` | mu^3 | > 0 |
/// | `tweedie` | mu^power, 1 < power < 2 | >= 0, with a point mass at 0 |
/// | `binomial` | mu (1 - mu) | from 0 to 1 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Family {
    /// Constant variance.
    Gaussian,
    /// Variance proportional to the mean.
    Poisson,
    /// Constant coefficient of variation.
    #[default]
    Gamma,
    /// Variance proportional to the cube of the mean.
    InverseGaussian,
    /// A Poisson number of gamma amounts.
    Tweedie,
    /// A share.
    Binomial,
}

/// What the linear predictor `eta` is of the mean `mu`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Link {
    /// `eta = ln mu`: effects multiply.
    #[default]
    Log,
    /// `eta = mu`: effects add.
    Identity,
    /// `eta = mu^q`, `q` not 0; 0.5 is the square root.
    Power(f64),
    /// `eta = ln(mu / (1 - mu))`.
    Logit,
    /// `eta` is the standard normal quantile of `mu`.
    Probit,
}

impl Link {
    /// Whether the linear predictor is the mean itself.
    pub(crate) fn is_identity(self) -> bool {
        matches!(self, Self::Identity) || self == Self::Power(1.0)
    }
}

/// A family and its link: all that the solver asks of the distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Loss {
    pub(crate) family: Family,
    pub(crate) link: Link,
    /// Exponent of the variance function of the Tweedie family.
    pub(crate) power: f64,
}

/// One row as the solver sees it, all for weight 1.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RowTerms {
    /// Negative quasi-log-likelihood at dispersion 1, without what depends on `y` alone.
    pub(crate) objective: f64,
    /// Derivative of `-objective` by `eta`: `(y - mu) / (V(mu) g'(mu))`.
    pub(crate) score: f64,
    /// Expected (Fisher) or observed second derivative of `objective` by `eta`.
    pub(crate) information: f64,
}

/// Means of shares stay this far from 0 and 1.
const SHARE_MARGIN: f64 = 1e-15;

pub(crate) fn standard_normal() -> Normal {
    Normal::standard()
}

/// `ln(1 + e^x)` without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

impl Loss {
    pub(crate) fn new(family: Family, link: Link, power: f64) -> Self {
        Self { family, link, power }
    }

    /// What a target must be, and whether this one is.
    pub(crate) fn takes(&self, y: f64) -> bool {
        match self.family {
            Family::Gaussian => y.is_finite(),
            Family::Poisson | Family::Tweedie => y >= 0.0,
            Family::Gamma | Family::InverseGaussian => y > 0.0,
            Family::Binomial => (0.0..=1.0).contains(&y),
        }
    }

    pub(crate) fn target_range(&self) -> &'static str {
        match self.family {
            Family::Gaussian => "a number",
            Family::Poisson | Family::Tweedie => "a number >= 0",
            Family::Gamma | Family::InverseGaussian => "a number > 0",
            Family::Binomial => "a number from 0 to 1",
        }
    }

    /// Whether the second derivative can be observed cheaply and is never negative.
    pub(crate) fn has_observed_information(&self) -> bool {
        self.link == Link::Log && matches!(self.family, Family::Gamma | Family::Tweedie)
    }

    /// Whether the expected information is the same for all means.
    pub(crate) fn has_constant_information(&self) -> bool {
        match self.link {
            Link::Log => self.family == Family::Gamma,
            Link::Identity => self.family == Family::Gaussian,
            _ => false,
        }
    }

    /// Whether the mean is its own scale: steps of `eta` are relative then.
    pub(crate) fn is_scale_free(&self) -> bool {
        matches!(self.link, Link::Log | Link::Logit | Link::Probit)
    }

    /// `V(mu)`.
    pub(crate) fn variance(&self, mu: f64) -> f64 {
        match self.family {
            Family::Gaussian => 1.0,
            Family::Poisson => mu,
            Family::Gamma => mu * mu,
            Family::InverseGaussian => mu * mu * mu,
            Family::Tweedie => mu.powf(self.power),
            Family::Binomial => mu * (1.0 - mu),
        }
    }

    /// Twice the log-likelihood lost against the saturated model, at dispersion and weight 1.
    pub(crate) fn unit_deviance(&self, y: f64, mu: f64) -> f64 {
        let deviance = match self.family {
            Family::Gaussian => (y - mu) * (y - mu),
            Family::Poisson => 2.0 * (if y > 0.0 { y * (y / mu).ln() } else { 0.0 } - (y - mu)),
            Family::Gamma => 2.0 * ((y - mu) / mu - (y / mu).ln()),
            Family::InverseGaussian => (y - mu) * (y - mu) / (mu * mu * y),
            Family::Tweedie => {
                let (a, b) = (1.0 - self.power, 2.0 - self.power);
                2.0 * (y.powf(b) / (a * b) - y * mu.powf(a) / a + mu.powf(b) / b)
            }
            Family::Binomial => {
                let of = |y: f64, mu: f64| if y > 0.0 { y * (y / mu).ln() } else { 0.0 };
                2.0 * (of(y, mu) + of(1.0 - y, 1.0 - mu))
            }
        };
        deviance.max(0.0)
    }

    /// `g(mu)`.
    pub(crate) fn eta(&self, mu: f64) -> f64 {
        match self.link {
            Link::Log => mu.ln(),
            Link::Identity => mu,
            Link::Power(q) => mu.powf(q),
            Link::Logit => (mu / (1.0 - mu)).ln(),
            Link::Probit => standard_normal().inverse_cdf(mu),
        }
    }

    /// `g^-1(eta)`, `None` where there is none.
    pub(crate) fn mean(&self, eta: f64) -> Option<f64> {
        let mu = match self.link {
            Link::Log => eta.exp(),
            Link::Identity => eta,
            Link::Power(q) if eta > 0.0 => eta.powf(1.0 / q),
            Link::Power(_) => return None,
            Link::Logit => 1.0 / (1.0 + (-eta).exp()),
            Link::Probit => standard_normal().cdf(eta),
        };
        let mu = if self.family == Family::Binomial && self.link != Link::Identity {
            mu.clamp(SHARE_MARGIN, 1.0 - SHARE_MARGIN)
        } else {
            mu
        };
        let inside = match self.family {
            Family::Gaussian => mu.is_finite(),
            Family::Binomial => mu > 0.0 && mu < 1.0,
            _ => mu > 0.0 && mu.is_finite(),
        };
        inside.then_some(mu)
    }

    /// `d mu / d eta`.
    pub(crate) fn slope(&self, eta: f64, mu: f64) -> f64 {
        match self.link {
            Link::Log => mu,
            Link::Identity => 1.0,
            Link::Power(q) => mu / (q * eta),
            Link::Logit => mu * (1.0 - mu),
            Link::Probit => standard_normal().pdf(eta),
        }
    }

    /// A mean inside the family's range, between this target and the mean of all: where fitting starts.
    pub(crate) fn starting_mean(&self, y: f64, mean: f64) -> f64 {
        match self.family {
            Family::Gaussian if self.link == Link::Identity => y,
            Family::Gaussian => 0.5 * (y.max(-0.9 * mean) + mean),
            Family::Binomial => 0.5 * (y + 0.5),
            _ => 0.5 * (y + mean),
        }
    }

    /// The terms of a row for any link; a mean out of range has an infinite objective.
    pub(crate) fn terms(&self, y: f64, eta: f64) -> RowTerms {
        if self.family == Family::Binomial && self.is_scale_free() && self.link != Link::Log {
            return self.share_terms(y, eta);
        }
        let Some(mu) = self.mean(eta) else {
            return RowTerms { objective: f64::INFINITY, score: 0.0, information: 0.0 };
        };
        let slope = self.slope(eta, mu);
        let variance = self.variance(mu);
        let objective = match self.family {
            Family::Gaussian => 0.5 * (y - mu) * (y - mu),
            Family::Poisson => mu - y * mu.ln(),
            Family::Gamma => y / mu + mu.ln(),
            Family::InverseGaussian => 0.5 * y / (mu * mu) - 1.0 / mu,
            Family::Tweedie => {
                let (a, b) = (1.0 - self.power, 2.0 - self.power);
                mu.powf(b) / b - y * mu.powf(a) / a
            }
            Family::Binomial => -(y * mu.ln() + (1.0 - y) * (1.0 - mu).ln()),
        };
        RowTerms { objective, score: (y - mu) * slope / variance, information: slope * slope / variance }
    }

    /// Observed second derivative of the objective by `eta`; it can be below 0.
    fn curvature(&self, y: f64, eta: f64) -> f64 {
        let Some(mu) = self.mean(eta) else { return 0.0 };
        let (slope, variance) = (self.slope(eta, mu), self.variance(mu));
        // d^2 mu / d eta^2
        let bend = match self.link {
            Link::Log => mu,
            Link::Identity => 0.0,
            Link::Power(q) => slope * (1.0 / q - 1.0) / eta,
            Link::Logit => slope * (1.0 - 2.0 * mu),
            Link::Probit => -eta * slope,
        };
        // dV / d mu
        let growth = match self.family {
            Family::Gaussian => 0.0,
            Family::Poisson => 1.0,
            Family::Gamma => 2.0 * mu,
            Family::InverseGaussian => 3.0 * mu * mu,
            Family::Tweedie => self.power * mu.powf(self.power - 1.0),
            Family::Binomial => 1.0 - 2.0 * mu,
        };
        (slope * slope - (y - mu) * (bend - slope * slope * growth / variance)) / variance
    }

    /// The terms of a share, from its mean and what is left of it to 1: both keep their digits however small they are.
    fn share_terms(&self, y: f64, eta: f64) -> RowTerms {
        let (mu, rest, slope) = if self.link == Link::Logit {
            let small = (-eta.abs()).exp();
            let (less, more) = (small / (1.0 + small), 1.0 / (1.0 + small));
            if eta < 0.0 { (less, more, less * more) } else { (more, less, less * more) }
        } else {
            let normal = standard_normal();
            (normal.cdf(eta), normal.cdf(-eta), normal.pdf(eta))
        };
        let (mu, rest) = (mu.max(f64::MIN_POSITIVE), rest.max(f64::MIN_POSITIVE));
        let objective = match self.link {
            Link::Logit => softplus(eta) - y * eta,
            _ => -(y * mu.ln() + (1.0 - y) * rest.ln()),
        };
        let score = slope * (y / mu - (1.0 - y) / rest);
        RowTerms { objective, score, information: slope * slope / (mu * rest) }
    }
}

/// The terms of a row. Those for the log link are straight lines that become vectors; `OBSERVED` gives the observed
/// information, which is there where [`Loss::has_observed_information`] says so.
pub(crate) trait Terms: Copy + Sync {
    fn terms(self, y: f64, eta: f64) -> RowTerms;
}

/// Any link, one row at a time.
#[derive(Clone, Copy)]
pub(crate) struct AnyLink(pub(crate) Loss);
/// Any link with the observed information, below 0 or not.
#[derive(Clone, Copy)]
pub(crate) struct Curved(pub(crate) Loss);
/// Where fitting starts: `eta` is the offset, and `score` is information times working response.
#[derive(Clone, Copy)]
pub(crate) struct Start {
    pub(crate) loss: Loss,
    /// Mean of the targets at offset 0.
    pub(crate) mean: f64,
}
/// [`Start`] for the log link and a variance `mu^power`.
#[derive(Clone, Copy)]
pub(crate) struct StartLog {
    pub(crate) power: f64,
    pub(crate) mean: f64,
}
#[derive(Clone, Copy)]
pub(crate) struct GaussianLog;
#[derive(Clone, Copy)]
pub(crate) struct PoissonLog;
#[derive(Clone, Copy)]
pub(crate) struct GammaLog<const OBSERVED: bool>;
#[derive(Clone, Copy)]
pub(crate) struct InverseGaussianLog;
#[derive(Clone, Copy)]
pub(crate) struct TweedieLog<const OBSERVED: bool>(pub(crate) f64);

impl Terms for AnyLink {
    fn terms(self, y: f64, eta: f64) -> RowTerms {
        self.0.terms(y, eta)
    }
}

impl Terms for Curved {
    fn terms(self, y: f64, eta: f64) -> RowTerms {
        RowTerms { information: self.0.curvature(y, eta), ..self.0.terms(y, eta) }
    }
}

impl Terms for Start {
    fn terms(self, y: f64, offset: f64) -> RowTerms {
        let mu = self.loss.starting_mean(y, self.mean);
        let eta = self.loss.eta(mu);
        let slope = self.loss.slope(eta, mu);
        let information = slope * slope / self.loss.variance(mu);
        RowTerms { objective: 0.0, score: information * (eta - offset + (y - mu) / slope), information }
    }
}

impl Terms for StartLog {
    #[inline(always)]
    fn terms(self, y: f64, offset: f64) -> RowTerms {
        // Targets below 0, which the gaussian family has, start near 0.
        let typical = self.mean * exp(offset);
        let mu = 0.5 * (y.max(-0.9 * typical) + typical);
        let eta = ln(mu);
        let information = exp((2.0 - self.power) * eta);
        RowTerms { objective: 0.0, score: information * (eta - offset + (y - mu) / mu), information }
    }
}

impl Terms for GaussianLog {
    #[inline(always)]
    fn terms(self, y: f64, eta: f64) -> RowTerms {
        let mu = exp(eta);
        let residual = y - mu;
        RowTerms { objective: 0.5 * residual * residual, score: residual * mu, information: mu * mu }
    }
}

impl Terms for PoissonLog {
    #[inline(always)]
    fn terms(self, y: f64, eta: f64) -> RowTerms {
        let mu = exp(eta);
        RowTerms { objective: mu - y * eta, score: y - mu, information: mu }
    }
}

impl<const OBSERVED: bool> Terms for GammaLog<OBSERVED> {
    #[inline(always)]
    fn terms(self, y: f64, eta: f64) -> RowTerms {
        let ratio = y * exp(-eta);
        RowTerms { objective: ratio + eta, score: ratio - 1.0, information: if OBSERVED { ratio } else { 1.0 } }
    }
}

impl Terms for InverseGaussianLog {
    #[inline(always)]
    fn terms(self, y: f64, eta: f64) -> RowTerms {
        let inverse = exp(-eta);
        let ratio = y * inverse;
        RowTerms { objective: inverse * (0.5 * ratio - 1.0), score: inverse * (ratio - 1.0), information: inverse }
    }
}

impl<const OBSERVED: bool> Terms for TweedieLog<OBSERVED> {
    #[inline(always)]
    fn terms(self, y: f64, eta: f64) -> RowTerms {
        let (a, b) = (1.0 - self.0, 2.0 - self.0);
        // mu^(1-p) and mu^(2-p)
        let paid = y * exp(a * eta);
        let expected = exp(b * eta);
        let information = if OBSERVED { b * expected - a * paid } else { expected };
        RowTerms { objective: expected / b - paid / a, score: paid - expected, information }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses() -> Vec<(Loss, f64, f64)> {
        let of = |family, link, y, eta| (Loss::new(family, link, 1.6), y, eta);
        vec![
            of(Family::Gaussian, Link::Identity, 2.0, 1.3),
            of(Family::Gaussian, Link::Log, 2.0, 0.4),
            of(Family::Poisson, Link::Log, 3.0, 0.4),
            of(Family::Poisson, Link::Identity, 0.0, 0.4),
            of(Family::Gamma, Link::Log, 3.0, 0.4),
            of(Family::Gamma, Link::Power(0.5), 3.0, 1.4),
            of(Family::Gamma, Link::Power(-1.0), 3.0, 0.4),
            of(Family::InverseGaussian, Link::Log, 3.0, 0.4),
            of(Family::Tweedie, Link::Log, 0.0, 0.4),
            of(Family::Tweedie, Link::Log, 7.0, 0.4),
            of(Family::Tweedie, Link::Power(0.5), 7.0, 1.4),
            of(Family::Binomial, Link::Logit, 1.0, 0.4),
            of(Family::Binomial, Link::Probit, 0.0, 0.4),
            of(Family::Binomial, Link::Log, 0.0, -0.4),
        ]
    }

    /// `x ln x`, 0 at 0.
    fn x_ln_x(x: f64) -> f64 {
        if x > 0.0 { x * x.ln() } else { 0.0 }
    }

    /// Objective of the saturated model, `mu = y`: deviance is twice what lies above it.
    fn saturated(loss: &Loss, y: f64) -> f64 {
        match loss.family {
            Family::Gaussian => 0.0,
            Family::Poisson => y - x_ln_x(y),
            Family::Gamma => 1.0 + y.ln(),
            Family::InverseGaussian => -0.5 / y,
            Family::Tweedie => -y.powf(2.0 - loss.power) / ((1.0 - loss.power) * (2.0 - loss.power)),
            Family::Binomial => -(x_ln_x(y) + x_ln_x(1.0 - y)),
        }
    }

    #[test]
    fn scores_are_derivatives_of_objectives_and_objectives_are_half_deviances() {
        for (loss, y, eta) in losses() {
            let at = |e: f64| loss.terms(y, e).objective;
            let h = 1e-5;
            let slope = -(at(eta + h) - at(eta - h)) / (2.0 * h);
            let terms = loss.terms(y, eta);
            assert!((slope - terms.score).abs() < 1e-8 * (1.0 + slope.abs()), "{loss:?} {slope} {}", terms.score);
            let second = -(loss.terms(y, eta + h).score - loss.terms(y, eta - h).score) / (2.0 * h);
            assert!((second - loss.curvature(y, eta)).abs() < 1e-7 * (1.0 + second.abs()), "{loss:?} {second}");
            let mu = loss.mean(eta).unwrap();
            let deviance = 2.0 * (terms.objective - saturated(&loss, y));
            assert!((deviance - loss.unit_deviance(y, mu)).abs() < 1e-12 * (1.0 + deviance), "{loss:?}");
            assert!((loss.eta(mu) - eta).abs() < 1e-12, "{loss:?}");
            let dmu = (loss.mean(eta + h).unwrap() - loss.mean(eta - h).unwrap()) / (2.0 * h);
            assert!((dmu - loss.slope(eta, mu)).abs() < 1e-8 * (1.0 + dmu.abs()), "{loss:?}");
        }
    }

    fn check(fast: impl Terms, loss: Loss, observed: bool) {
        for (y, eta) in [(0.5, -1.0), (30.0, 2.0), (2.0, 0.0)] {
            let (found, expected) = (fast.terms(y, eta), loss.terms(y, eta));
            let h = 1e-5;
            let second = -(loss.terms(y, eta + h).score - loss.terms(y, eta - h).score) / (2.0 * h);
            let information = if observed { second } else { expected.information };
            let close = |a: f64, b: f64, tolerance: f64| (a - b).abs() <= tolerance * (1.0 + b.abs());
            assert!(close(found.objective, expected.objective, 1e-13), "{loss:?}");
            assert!(close(found.score, expected.score, 1e-13), "{loss:?}");
            assert!(close(found.information, information, if observed { 1e-6 } else { 1e-13 }), "{loss:?}");
        }
    }

    #[test]
    fn straight_lines_agree_with_the_general_form() {
        let loss = |family| Loss::new(family, Link::Log, 1.6);
        check(GaussianLog, loss(Family::Gaussian), false);
        check(PoissonLog, loss(Family::Poisson), true);
        check(GammaLog::<false>, loss(Family::Gamma), false);
        check(GammaLog::<true>, loss(Family::Gamma), true);
        check(InverseGaussianLog, loss(Family::InverseGaussian), false);
        check(TweedieLog::<false>(1.6), loss(Family::Tweedie), false);
        check(TweedieLog::<true>(1.6), loss(Family::Tweedie), true);
    }
}
