//! Upper tails of distributions, precise where they are small: never 1 minus something near 1.

use statrs::function::beta::checked_beta_reg;
use statrs::function::erf::erfc;
use statrs::function::gamma::{checked_gamma_ur, ln_gamma};

/// P(Z > z) of the standard normal distribution.
pub(crate) fn normal_sf(z: f64) -> f64 {
    0.5 * erfc(z / std::f64::consts::SQRT_2)
}

/// P(X > x) of chi-square; 1 for no degrees of freedom, as then x can only be 0.
pub(crate) fn chi_square_sf(x: f64, freedom: usize) -> f64 {
    if freedom == 0 || x <= 0.0 {
        return 1.0;
    }
    checked_gamma_ur(freedom as f64 / 2.0, x / 2.0).unwrap_or(f64::NAN)
}

/// P(X > x) of the gamma distribution.
pub(crate) fn gamma_sf(x: f64, shape: f64, scale: f64) -> f64 {
    if x <= 0.0 { 1.0 } else { checked_gamma_ur(shape, x / scale).unwrap_or(f64::NAN) }
}

/// P(abs(T) > t) of Student's t.
pub(crate) fn student_two_sided(t: f64, freedom: f64) -> f64 {
    f_sf(t * t, 1.0, freedom)
}

/// P(X > x) of the F distribution.
pub(crate) fn f_sf(x: f64, above: f64, below: f64) -> f64 {
    if x.is_nan() || below.is_nan() {
        return f64::NAN;
    }
    if x.is_infinite() {
        return 0.0;
    }
    checked_beta_reg(below / 2.0, above / 2.0, below / (below + above * x)).unwrap_or(f64::NAN)
}

/// P(T > x) of the limit distribution of the Cramer-von Mises criterion.
///
/// 1 minus the series of Csorgo and Faraway (1996), equation 1.2:
/// the distribution function is sum over k of gamma(k + 1/2) / (k! pi^(3/2) sqrt x) sqrt y e^(-q) K_(1/4)(q)
/// with y = 4k + 1 and q = y^2 / (16 x). The series ends where scipy ends
/// it, after the first term below 1e-7, so that p-values compare; tails below about 1e-8 are what the next term would have taken away.
pub(crate) fn cramer_von_mises_limit_sf(x: f64) -> f64 {
    if x.is_nan() {
        return f64::NAN;
    }
    if x < 0.003 {
        return 1.0;
    }
    let mut below = 0.0;
    for k in 0..200 {
        let k = f64::from(k);
        let y = 4.0 * k + 1.0;
        let q = y * y / (16.0 * x);
        let weight = (ln_gamma(k + 0.5) - ln_gamma(k + 1.0)).exp();
        let term = weight / (std::f64::consts::PI.powf(1.5) * x.sqrt()) * y.sqrt() * bessel_k_quarter_scaled(q);
        below += term;
        if term < 1e-7 {
            break;
        }
    }
    (1.0 - below).clamp(0.0, 1.0)
}

/// e^(-q) K_(1/4)(q) as e^(-q) times the integral of e^(-q cosh t) cosh(t / 4) over t > 0.
/// The integrand falls doubly exponentially, so the trapezoidal rule converges to rounding error.
fn bessel_k_quarter_scaled(q: f64) -> f64 {
    const STEP: f64 = 1.0 / 32.0;
    let mut sum = 0.5 * (-2.0 * q).exp();
    for i in 1..2000 {
        let t = f64::from(i) * STEP;
        let value = (-q - q * t.cosh()).exp() * (t / 4.0).cosh();
        sum += value;
        if value < sum * 1e-20 {
            break;
        }
    }
    sum * STEP
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{found} is not {expected}");
    }

    #[test]
    fn far_tails_keep_their_precision() {
        // With two degrees of freedom chi-square is exponential.
        for x in [0.5_f64, 10.0, 100.0, 1000.0] {
            close(chi_square_sf(x, 2), (-x / 2.0).exp());
        }
        // With two degrees of freedom t has a closed form.
        for t in [0.1_f64, 1.0, 10.0] {
            close(student_two_sided(t, 2.0), 1.0 - t / (2.0 + t * t).sqrt());
        }
        assert_eq!(f_sf(f64::INFINITY, 1.0, 5.0), 0.0);
        assert_eq!(chi_square_sf(0.0, 0), 1.0);
    }

    #[test]
    fn the_limit_of_cramer_and_von_mises_is_that_of_the_tables() {
        for (x, expected) in [(0.34730, 0.1), (0.46136, 0.05), (0.74346, 0.01)] {
            assert!((cramer_von_mises_limit_sf(x) - expected).abs() < 1e-5);
        }
    }
}
