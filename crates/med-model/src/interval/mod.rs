//! Prediction intervals from residuals: conformal prediction.
//!
//! All of these hold on average over exchangeable rows, whatever the model and the law of the target: of the intervals for
//! new rows, at least the share asked for covers the target (twice the miss rate is the bound of CV+).
//!
//! | method | interval | source |
//! | --- | --- | --- |
//! | [`Conformal::split`] | `f(x) +- q` | Vovk et al. 2005; Lei et al. 2018, JASA 113:1094 |
//! | [`Conformal::normalised`] | `f(x) +- q s(x)` | Papadopoulos et al. 2008 |
//! | [`Conformal::quantile`] | `[lo(x) - q, hi(x) + q]` over two quantile models | Romano et al. 2019, NeurIPS 32 |
//! | [`Conformal::by_group`] | one `q` a group (Mondrian) | Vovk et al. 2005, section 4.5 |
//! | [`cv_plus`] | quantiles of `f_{-k(i)}(x) -+ r_i` | Barber et al. 2021, Ann Stat 49:486 |
//! | [`ResidualQuantiles`] | `f(x) +- q s(f(x))` at any level, small enough for a model file | |
//!
//! `q` is the `ceil((n + 1) level)`-th smallest score of `n` calibration rows that the model was not fitted on. Where
//! `n` is too small for the level, the interval is infinite, never too short. Everything is sorting: deterministic, O(n log n).

mod conformal;
mod cv_plus;
mod residuals;

pub use conformal::{Conformal, Interval};
pub use cv_plus::cv_plus;
pub use residuals::{ResidualQuantiles, interval_scale};

use crate::ParameterError;

/// The place, from 1, of the score that covers `level` of new rows: more than `n` when `n` rows are too few.
fn place(n: usize, level: f64) -> usize {
    // 0.9 (n + 1) is often a hair above a whole number only because 0.9 is not exact.
    let exact = (n as f64 + 1.0) * level;
    let place = (exact * (1.0 - 4.0 * f64::EPSILON)).ceil();
    (place as usize).max(1)
}

/// A level is a share strictly between 0 and 1.
fn check_level(level: f64) -> Result<(), ParameterError> {
    if level > 0.0 && level < 1.0 { Ok(()) } else { Err(range("level", "a number above 0 and below 1", level)) }
}

fn range(name: &'static str, expected: &str, found: impl ToString) -> ParameterError {
    ParameterError::Range {
        model: "a prediction interval",
        name,
        expected: expected.to_owned(),
        found: found.to_string(),
    }
}

/// Values that belong together have one length and are numbers.
fn check_rows(name: &'static str, expected: usize, values: &[f64]) -> Result<(), ParameterError> {
    if values.len() != expected {
        return Err(range(name, &format!("{expected} values"), format!("{} values", values.len())));
    }
    match values.iter().position(|v| !v.is_finite()) {
        Some(row) => Err(range(name, "finite numbers", format!("another in row {row}"))),
        None => Ok(()),
    }
}
