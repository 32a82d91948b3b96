//! The Tweedie density, and the power of the variance that fits best.
//!
//! For `1 < p < 2` a Tweedie cost is a Poisson number of gamma amounts: 0 with probability `exp(-mu^(2-p) / (phi (2-p)))`, and
//! above 0 of density
//!
//! ```text
//! f(y) = 1/y sum_j W_j exp((y mu^(1-p)/(1-p) - mu^(2-p)/(2-p)) / phi)
//! ln W_j = j ln z - ln Gamma(1 + j) - ln Gamma(-j a),   a = (2-p)/(1-p),
//! ln z = -a ln y + a ln(p-1) - (1-a) ln phi - ln(2-p)
//! ```
//!
//! (Dunn and Smyth 2005, Statistics and Computing 15:267). The terms are largest near `j = y^(2-p) / (phi (2-p))` and are summed
//! from there until they are below `e^-37` of the largest. Beyond 5,000 the saddlepoint approximation
//! `(2 pi phi y^p)^(-1/2) exp(-d/(2 phi))` takes over, which is right to 1e-4 there.

use statrs::function::gamma::ln_gamma;

use super::design::Design;
use super::family::{Family, Link, Loss};
use super::fit::solve;
use super::params::{PowerMethod, Settings};
use super::pass::{Rows, linear_predictor};
use crate::FitError;

/// Powers looked at.
const POWERS: (f64, f64) = (1.05, 1.95);
/// The power at which means are fitted before the power is known; they hardly depend on it.
pub(super) const FIRST_POWER: f64 = 1.5;
/// Rows that the likelihood is taken on, at equal distances.
const SAMPLE: usize = 10_000;
/// How exactly the power is found.
const POWER_STEP: f64 = 0.002;
/// Where the saddlepoint approximation takes over.
const LONGEST: f64 = 5000.0;
/// Terms of the series below this share of the largest (logarithm) are left out.
const NEGLIGIBLE: f64 = -37.0;

/// Log-densities of one power.
#[derive(Debug)]
pub(super) struct TweedieDensity {
    loss: Loss,
    /// `ln Gamma(1 + j) + ln Gamma(-j a)` by `j`, as far as it was needed.
    gammas: Vec<f64>,
}

impl TweedieDensity {
    pub(super) fn new(power: f64) -> Self {
        Self { loss: Loss::new(Family::Tweedie, Link::Log, power), gammas: vec![0.0] }
    }

    fn gamma(&mut self, j: usize) -> f64 {
        let shape = (2.0 - self.loss.power) / (self.loss.power - 1.0);
        while self.gammas.len() <= j {
            let next = self.gammas.len() as f64;
            self.gammas.push(ln_gamma(1.0 + next) + ln_gamma(next * shape));
        }
        self.gammas[j]
    }

    /// Logarithm of the density, or of the probability where `y` is 0.
    pub(super) fn ln(&mut self, y: f64, mu: f64, dispersion: f64) -> f64 {
        let p = self.loss.power;
        let (a, b) = (1.0 - p, 2.0 - p);
        let expected = mu.powf(b) / b;
        if y <= 0.0 {
            return -expected / dispersion;
        }
        let longest = y.powf(b) / (dispersion * b);
        if longest > LONGEST {
            return extended_quasi_likelihood(&self.loss, y, mu, dispersion);
        }
        let alpha = b / a;
        let ln_z = -alpha * y.ln() + alpha * (-a).ln() - (1.0 - alpha) * dispersion.ln() - b.ln();
        let middle = (longest.round() as usize).max(1);
        let largest = middle as f64 * ln_z - self.gamma(middle);
        let mut sum = 1.0;
        let mut j = middle + 1;
        loop {
            let term = j as f64 * ln_z - self.gamma(j) - largest;
            sum += term.exp();
            // The series falls faster and faster; the bound is for powers and costs no one has.
            if term < NEGLIGIBLE || j > middle + 100_000 {
                break;
            }
            j += 1;
        }
        for j in (1..middle).rev() {
            let term = j as f64 * ln_z - self.gamma(j) - largest;
            sum += term.exp();
            if term < NEGLIGIBLE {
                break;
            }
        }
        largest + sum.ln() - y.ln() + (y * mu.powf(a) / a - expected) / dispersion
    }
}

/// `-1/2 (ln(2 pi phi V(y)) + d/phi)` (Nelder and Pregibon 1987); minus infinity at 0.
pub(super) fn extended_quasi_likelihood(loss: &Loss, y: f64, mu: f64, dispersion: f64) -> f64 {
    -0.5 * ((std::f64::consts::TAU * dispersion * loss.variance(y)).ln() + loss.unit_deviance(y, mu) / dispersion)
}

/// The power that fits these rows best, by the method asked for.
pub(super) fn estimate_power(settings: &Settings, design: &Design<'_>, rows: Rows<'_>) -> Result<f64, FitError> {
    let first = solve(settings, design, rows, FIRST_POWER)?;
    let eta = linear_predictor(design, rows.offset, &first.coefficients);
    let loss = settings.loss(FIRST_POWER);
    let step = eta.len().div_ceil(SAMPLE).max(1);
    let sample = (0..eta.len()).step_by(step).filter_map(|i| {
        let weight = rows.weights.map_or(1.0, |w| w[i]);
        let mu = loss.mean(eta[i]).filter(|_| weight > 0.0)?;
        Some((rows.y[i], mu, weight))
    });
    let sample: Vec<(f64, f64, f64)> = sample.collect();
    Ok(match settings.power_method {
        PowerMethod::Profile => profile(&sample),
        PowerMethod::Park => park(&sample),
    })
}

/// The least point of a function with one minimum, by golden section.
fn least(mut f: impl FnMut(f64) -> f64, (mut low, mut high): (f64, f64), exact: f64) -> (f64, f64) {
    let ratio = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut a, mut b) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_a, mut at_b) = (f(a), f(b));
    while high - low > exact {
        if at_a <= at_b {
            (high, b, at_b) = (b, a, at_a);
            a = high - ratio * (high - low);
            at_a = f(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + ratio * (high - low);
            at_b = f(b);
        }
    }
    if at_a <= at_b { (a, at_a) } else { (b, at_b) }
}

/// Likelihood over power and dispersion at fixed means.
fn profile(sample: &[(f64, f64, f64)]) -> f64 {
    let lost = |power: f64| {
        let mut density = TweedieDensity::new(power);
        let (mut squares, mut weights) = (0.0, 0.0);
        for &(y, mu, w) in sample {
            squares += w * (y - mu) * (y - mu) / mu.powf(power);
            weights += 1.0;
        }
        let pearson: f64 = f64::max(squares / weights, f64::MIN_POSITIVE);
        let at = |ln_dispersion: f64| -> f64 {
            let dispersion = ln_dispersion.exp();
            -sample.iter().map(|&(y, mu, w)| density.ln(y, mu, dispersion / w)).sum::<f64>()
        };
        least(at, (pearson.ln() - 2.5, pearson.ln() + 1.5), 0.02).1
    };
    least(lost, POWERS, POWER_STEP).0
}

/// Slope of a gamma model with log link of `(y - mu)^2` on `ln mu`.
fn park(sample: &[(f64, f64, f64)]) -> f64 {
    let rows = sample.iter().filter(|(y, mu, _)| y != mu);
    // Two coefficients: Fisher scoring by hand, with `x` centred.
    let rows: Vec<(f64, f64, f64)> = rows.map(|&(y, mu, w)| ((y - mu) * (y - mu), mu.ln(), w)).collect();
    let total: f64 = rows.iter().map(|r| r.2).sum();
    let mean = rows.iter().map(|r| r.2 * r.1).sum::<f64>() / total;
    let square: f64 = rows.iter().map(|r| r.2 * (r.1 - mean) * (r.1 - mean)).sum();
    if square.is_nan() || square <= 1e-12 * total {
        return FIRST_POWER;
    }
    let mut slope = FIRST_POWER;
    let scale = |slope: f64| rows.iter().map(|r| r.2 * r.0 * (-slope * (r.1 - mean)).exp()).sum::<f64>() / total;
    for _ in 0..100 {
        let level = scale(slope);
        let gradient: f64 =
            rows.iter().map(|r| r.2 * (r.1 - mean) * (r.0 * (-slope * (r.1 - mean)).exp() / level - 1.0)).sum();
        let step = (gradient / square).clamp(-0.5, 0.5);
        slope += step;
        if step.abs() < 1e-10 {
            break;
        }
    }
    if slope.is_finite() { slope.clamp(POWERS.0, POWERS.1) } else { FIRST_POWER }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_sum_to_one_and_means_are_right() {
        for (power, mu, dispersion) in [(1.2, 3.0, 1.5), (1.5, 2.0, 0.7), (1.8, 5.0, 2.0)] {
            let mut density = TweedieDensity::new(power);
            let (mut total, mut mean) = (density.ln(0.0, mu, dispersion).exp(), 0.0);
            // Substituted by y = e^t, where the density is smooth.
            let step = 1e-3;
            for i in -70_000..7_000 {
                let y = (f64::from(i) * step).exp();
                let mass = density.ln(y, mu, dispersion).exp() * y * step;
                total += mass;
                mean += mass * y;
            }
            assert!((total - 1.0).abs() < 1e-5, "{power}: {total}");
            assert!((mean - mu).abs() < 1e-4 * mu, "{power}: {mean}");
        }
    }

    #[test]
    fn the_approximation_joins_the_series() {
        let mut density = TweedieDensity::new(1.5);
        let y = 1e6_f64;
        let dispersion = |terms: f64| y.powf(0.5) / (0.5 * terms);
        let approximate = |phi| extended_quasi_likelihood(&density.loss, y, 0.9 * y, phi);
        let expected = approximate(dispersion(0.99 * LONGEST));
        let found = density.ln(y, 0.9 * y, dispersion(0.99 * LONGEST));
        assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    }

    #[test]
    fn park_recovers_an_exact_power() {
        let sample: Vec<(f64, f64, f64)> = (1..200)
            .map(|i| {
                let mu = f64::from(i);
                (mu + mu.powf(0.8), mu, 1.0 + f64::from(i % 3))
            })
            .collect();
        assert!((park(&sample) - 1.6).abs() < 1e-6);
    }
}
