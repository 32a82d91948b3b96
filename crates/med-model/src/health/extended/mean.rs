//! The link of Box and Cox, its inverse and what the mean changes with.

/// Logarithms of a mean, over the mean cost, that are still a cost.
const LARGEST: f64 = 100.0;

/// `ln m` where `(m^l - 1) / l = eta`; `None` where no mean has this predictor, or one out of all bounds.
pub(super) fn log_mean(eta: f64, power: f64) -> Option<f64> {
    let log = if power == 0.0 {
        eta
    } else {
        let inner = power * eta;
        if inner <= -1.0 {
            return None;
        }
        inner.ln_1p() / power
    };
    (log.abs() <= LARGEST).then_some(log)
}

/// `dm/dl` at a fixed predictor, over `dm/deta = m^(1 - l)`.
///
/// With `t = l ln m`: `dm/dl = m (ln m)^2 (1 - t - exp(-t)) / t^2`, and `m / m^(1 - l) = exp(t)`.
pub(super) fn slope_in_power(log_mean: f64, power: f64) -> f64 {
    let t = power * log_mean;
    log_mean * log_mean * t.exp() * curve(t)
}

/// `(1 - t - exp(-t)) / t^2`, which is -1/2 at 0.
fn curve(t: f64) -> f64 {
    if t.abs() < 0.05 {
        // -1/2 + t/6 - t^2/24 + ...: term k is -(-t)^k / (k + 2)!; the first one left out is below 1e-17.
        let mut term = -0.5;
        let mut sum = term;
        for k in 1..9 {
            term *= -t / f64::from(k + 2);
            sum += term;
        }
        sum
    } else {
        (-(-t).exp_m1() - t) / (t * t)
    }
}

/// `integral of exp(a s) ds from 0 to x`.
pub(super) fn exponential_integral(a: f64, x: f64) -> f64 {
    if a == 0.0 { x } else { (a * x).exp_m1() / a }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_inverts_the_link() {
        for power in [-0.7, -1e-9, 0.0, 1e-9, 0.3, 1.0, 2.0] {
            for log in [-0.4_f64, -0.01, 0.0, 0.2, 0.3] {
                let eta = exponential_integral(power, log);
                assert!((log_mean(eta, power).unwrap() - log).abs() < 1e-14, "{power} {log}");
            }
        }
        assert_eq!(log_mean(-1.0, 1.0), None);
        assert_eq!(log_mean(2.0, -0.5), None);
        assert_eq!(log_mean(101.0, 0.0), None);
    }

    #[test]
    fn slopes_are_those_of_differences() {
        for (power, eta) in [(0.0, 0.8), (0.02, -1.5), (0.5, 1.2), (1.0, 0.5), (-0.3, 1.0), (0.051, 1.0), (0.049, 1.0)]
        {
            let mean = |l: f64, e: f64| log_mean(e, l).unwrap().exp();
            let step = 1e-5;
            let by_power = (mean(power + step, eta) - mean(power - step, eta)) / (2.0 * step);
            let by_eta = (mean(power, eta + step) - mean(power, eta - step)) / (2.0 * step);
            let found = slope_in_power(log_mean(eta, power).unwrap(), power);
            assert!((found - by_power / by_eta).abs() < 1e-8 * (1.0 + found.abs()), "{power} {eta}");
        }
    }
}
