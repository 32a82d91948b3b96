//! Probabilities of tails.

use statrs::function::beta::checked_beta_reg;
use statrs::function::gamma::checked_gamma_ur;

use super::is_constant;
use super::moments::{mean, variance};

/// Two-sided p of a correlation `r` with `dof` degrees of freedom: `I(1 - r^2; dof/2, 1/2)`, the regularised incomplete beta
/// function, which is Student's t of `r sqrt(dof / (1 - r^2))`. `None` without degrees of freedom.
pub(crate) fn correlation_p(r: f64, dof: f64) -> Option<f64> {
    // (1 - r)(1 + r) keeps digits that 1 - r^2 loses near 1.
    incomplete_beta(dof / 2.0, 0.5, (1.0 - r) * (1.0 + r))
}

/// Upper tail of Fisher's F with `d1` and `d2` degrees of freedom: `I(d2 / (d2 + d1 F); d2/2, d1/2)`.
pub(crate) fn f_p(f: f64, d1: f64, d2: f64) -> Option<f64> {
    if f.is_infinite() {
        return Some(0.0);
    }
    incomplete_beta(d2 / 2.0, d1 / 2.0, d2 / (d2 + d1 * f))
}

/// Two-sided p of a standard normal: `Q(1/2, z^2 / 2)`, the regularised upper incomplete gamma function, which is
/// `erfc(|z| / sqrt 2)` with more digits than statrs' own `erfc` has.
pub(crate) fn normal_p(z: f64) -> f64 {
    let half_square = z * z / 2.0;
    match checked_gamma_ur(0.5, half_square) {
        Ok(p) => p.clamp(0.0, 1.0),
        // Not positive or not finite: at 0 all is as extreme, at infinity nothing.
        Err(_) => f64::from(u8::from(half_square == 0.0)),
    }
}

/// Upper tail of chi-square: `Q(dof / 2, x / 2)`; 1 without degrees of freedom.
pub(crate) fn chi_square_p(x: f64, dof: f64) -> f64 {
    if dof <= 0.0 || x <= 0.0 {
        return 1.0;
    }
    checked_gamma_ur(dof / 2.0, x / 2.0).map_or(0.0, |p| p.clamp(0.0, 1.0))
}

/// Probability of `hits` heads or more in `rounds` tosses of a coin: `I(1/2; hits, rounds - hits + 1)`.
pub(crate) fn binomial_upper(hits: u32, rounds: u32) -> f64 {
    if hits == 0 {
        return 1.0;
    }
    incomplete_beta(f64::from(hits), f64::from(rounds.saturating_sub(hits)) + 1.0, 0.5).unwrap_or(0.0)
}

/// One-sided p of Student's t-test that the mean of `d` is not above 0. `None` of fewer than two values or of a constant.
pub(crate) fn one_sided_t(d: &[f64]) -> Option<f64> {
    let n = d.len() as f64;
    let (mean, variance) = (mean(d)?, variance(d, 1)?);
    let dof = n - 1.0;
    if is_constant(d) || !variance.is_finite() {
        return None;
    }
    above_zero(mean / (variance / n).sqrt(), dof)
}

/// The same of a mean weighted by `w`, with the standard error of weights that are not those of precision: n / (n - 1) sum w^2 (d - mean)^2 / (sum w)^2, squared.
pub(crate) fn one_sided_weighted_t(d: &[f64], w: &[f64]) -> Option<f64> {
    let n = d.len() as f64;
    if d.len() < 2 || is_constant(d) {
        return None;
    }
    let mean = weighted_moments(d, w).0;
    let total: f64 = w.iter().sum();
    let squares: f64 = d.iter().zip(w).map(|(d, w)| (w * (d - mean)).powi(2)).sum();
    let error = (squares * n / (n - 1.0)).sqrt() / total;
    if error > 0.0 && error.is_finite() { above_zero(mean / error, n - 1.0) } else { None }
}

/// Mean and population variance of values weighted by `w`, which are not all 0.
pub(crate) fn weighted_moments(values: &[f64], w: &[f64]) -> (f64, f64) {
    let total: f64 = w.iter().sum();
    let mean = values.iter().zip(w).map(|(v, w)| v * w).sum::<f64>() / total;
    (mean, values.iter().zip(w).map(|(v, w)| w * (v - mean) * (v - mean)).sum::<f64>() / total)
}

/// Upper tail of Student's t.
fn above_zero(t: f64, dof: f64) -> Option<f64> {
    // As the correlation that has it.
    let two_sided = incomplete_beta(dof / 2.0, 0.5, dof / (dof + t * t))?;
    Some(if t > 0.0 { two_sided / 2.0 } else { 1.0 - two_sided / 2.0 })
}

fn incomplete_beta(a: f64, b: f64, x: f64) -> Option<f64> {
    checked_beta_reg(a, b, x.clamp(0.0, 1.0)).ok().map(|p| p.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn close(found: f64, expected: f64, relative: f64) {
        assert!((found / expected - 1.0).abs() <= relative, "{found} is not {expected}");
    }

    #[test]
    fn with_many_rows_students_t_is_normal() {
        let dof = 1e6_f64;
        for z in [0.5_f64, 1.0, 1.7, 1.8, 2.0, 3.0, 5.0] {
            let r = z / (z * z + dof).sqrt();
            let normal = normal_p(z);
            // Fisher's expansion: the tails are heavier by (z^3 + z) phi(z) / (2 dof), and terms of 1 / dof^2.
            let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
            close(correlation_p(r, dof).unwrap(), normal + (z.powi(3) + z) * density / (2.0 * dof), 1e-7);
        }
    }

    #[test]
    fn normal_tails() {
        // From the erfc of the C library.
        let expected = [
            (0.1, 0.920_344_325_445_942),
            (1.0, 0.317_310_507_862_914_15),
            (1.959_963_984_540_054, 0.05),
            (3.0, 0.002_699_796_063_260_191_3),
            (5.0, 5.733_031_437_583_892e-7),
            (10.0, 1.523_970_604_832_118_6e-23),
            (20.0, 5.507_248_237_212_663e-89),
            (25.7, 1.168_882_074_876_147_2e-145),
            (37.0, 1.145_114_244_504_502_8e-299),
        ];
        for (z, p) in expected {
            close(normal_p(z), p, 1e-12);
            close(normal_p(-z), p, 1e-12);
        }
        assert_eq!((normal_p(0.0), normal_p(f64::INFINITY)), (1.0, 0.0));
    }

    #[test]
    fn known_tails() {
        // Student with 1 and 2 degrees of freedom have elementary tails.
        let r = |t: f64, dof: f64| t / (t * t + dof).sqrt();
        close(correlation_p(r(1.0, 1.0), 1.0).unwrap(), 0.5, 1e-14);
        close(correlation_p(r(2.0, 2.0), 2.0).unwrap(), 1.0 - 2.0 / 6.0_f64.sqrt(), 1e-13);
        assert_eq!(correlation_p(1.0, 5.0), Some(0.0));
        assert_eq!(f_p(0.0, 2.0, 9.0), Some(1.0));
        assert_eq!(correlation_p(0.5, 0.0), None);
        // t of (1, 2, 3) is 2 sqrt 3 on two degrees: p = (1 - t / sqrt(t^2 + 2)) / 2.
        close(one_sided_t(&[1.0, 2.0, 3.0]).unwrap(), (1.0 - (12.0_f64 / 14.0).sqrt()) / 2.0, 1e-12);
        close(one_sided_t(&[-1.0, -2.0, -3.0]).unwrap(), (1.0 + (12.0_f64 / 14.0).sqrt()) / 2.0, 1e-12);
        assert_eq!(one_sided_t(&[1.0, 1.0]), None);
        close(binomial_upper(3, 4), 5.0 / 16.0, 1e-14);
        close(binomial_upper(9, 9), 2_f64.powi(-9), 1e-13);
        assert_eq!(binomial_upper(0, 9), 1.0);
        close(chi_square_p(3.841_458_820_694_124, 1.0), 0.05, 1e-12);
        assert_eq!(chi_square_p(5.0, 0.0), 1.0);
    }
}
