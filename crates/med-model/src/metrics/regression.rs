//! Metrics of point predictions.

use std::fmt;
use std::str::FromStr;

use med_schema::near_names;
use serde::{Deserialize, Serialize};

use super::lorenz::gini;
use crate::{ParameterError, PredictError};

/// The power of [`Metric::D2Tweedie`]: half-way between counts (1) and sizes (2), usual for cost with many zeros.
pub const TWEEDIE_POWER: f64 = 1.5;

macro_rules! metrics {
    ($($(#[$doc:meta])* $variant:ident => $field:ident),+ $(,)?) => {
        /// A metric of predictions `p` of costs `y` with weights `w`; sums and means are weighted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(into = "&'static str", try_from = "String")]
        #[non_exhaustive]
        pub enum Metric {
            $($(#[$doc])* $variant,)+
        }

        impl Metric {
            /// All metrics, in the order of reports.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in reports and files.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($field),)+ }
            }
        }

        /// All metrics of one set of predictions. What is not defined is `None`, in JSON `null`, never left out.
        ///
        /// ```
        /// use med_model::RegressionMetrics;
        /// let metrics = RegressionMetrics::of(&[100.0, 200.0, 600.0], &[150.0, 150.0, 600.0], None)?;
        /// assert_eq!((metrics.mae, metrics.bias), (Some(100.0 / 3.0), Some(0.0)));
        /// # Ok::<(), med_model::PredictError>(())
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct RegressionMetrics {
            $($(#[$doc])* pub $field: Option<f64>,)+
        }

        impl RegressionMetrics {
            /// The value of a metric, if it is defined.
            pub fn get(&self, metric: Metric) -> Option<f64> {
                match metric { $(Metric::$variant => self.$field,)+ }
            }
        }
    };
}

metrics! {
    /// Coefficient of determination, `1 - sum (y - p)^2 / sum (y - mean y)^2`; undefined when all costs are equal.
    R2 => r2,
    /// Root of the mean squared error.
    Rmse => rmse,
    /// Mean squared error, `mean (y - p)^2`.
    Mse => mse,
    /// Mean absolute error, `mean |y - p|`.
    Mae => mae,
    /// Median absolute error; the mean of lower and upper median.
    Medae => medae,
    /// Mean absolute percentage error as a share, `mean |y - p| / |y|`; undefined when a cost is 0.
    Mape => mape,
    /// `mean (y - p)`: above 0 where the model predicts too little.
    Bias => bias,
    /// Share of the gamma deviance explained, `1 - D(y, p) / D(y, mean y)` with `d = 2 (ln(p / y) + y / p - 1)`;
    /// undefined unless all costs and predictions are above 0.
    D2Gamma => d2_gamma,
    /// The same of the Tweedie deviance of power 1.5, `d = 4 (y / p^0.5 - 2 y^0.5 + p^0.5)`; undefined unless all costs
    /// are at least 0 and all predictions above 0.
    D2Tweedie => d2_tweedie,
    /// Gini index of the costs along the order of the predictions; undefined when a cost is negative or all are 0.
    Gini => gini,
    /// Cumming's prediction measure, `1 - sum |y - p| / sum |y - mean y|`; undefined when all costs are equal.
    Cpm => cpm,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Metric {
    type Err = ParameterError;

    fn from_str(name: &str) -> Result<Self, ParameterError> {
        Self::ALL.iter().copied().find(|m| m.as_str() == name).ok_or_else(|| {
            let known: Vec<String> = Self::ALL.iter().map(ToString::to_string).collect();
            let near = near_names(name, known.iter().map(String::as_str));
            ParameterError::UnknownMetric { name: name.to_owned(), near, known }
        })
    }
}

impl From<Metric> for &'static str {
    fn from(metric: Metric) -> Self {
        metric.as_str()
    }
}

impl TryFrom<String> for Metric {
    type Error = ParameterError;

    fn try_from(name: String) -> Result<Self, ParameterError> {
        name.parse()
    }
}

impl RegressionMetrics {
    /// Judges predictions against what came true. `weights`, where given, are finite and not negative.
    ///
    /// # Errors
    /// When lengths differ.
    pub fn of(y: &[f64], predicted: &[f64], weights: Option<&[f64]>) -> Result<Self, PredictError> {
        for found in [Some(predicted.len()), weights.map(<[f64]>::len)].into_iter().flatten() {
            if found != y.len() {
                return Err(PredictError::Length { expected: y.len(), found });
            }
        }
        Ok(Self::unchecked(y, predicted, weights))
    }

    /// As [`Self::of`], for slices known to be of equal length.
    pub(super) fn unchecked(y: &[f64], predicted: &[f64], weights: Option<&[f64]>) -> Self {
        if let Some(w) = weights
            && w.contains(&0.0)
            && w.iter().any(|&w| w > 0.0)
        {
            // Rows of weight 0 are no rows: 0 times the square of a large error need not be 0.
            let counted = |values: &[f64]| -> Vec<f64> {
                values.iter().zip(w).filter(|&(_, &w)| w > 0.0).map(|(&v, _)| v).collect()
            };
            return Self::unchecked(&counted(y), &counted(predicted), Some(&counted(w)));
        }
        let rows = Rows { y, predicted, weights };
        let mean = rows.mean(|y, _| y);
        let mse = rows.mean(|y, p| (y - p) * (y - p));
        let mae = rows.mean(|y, p| (y - p).abs());
        let share_left = |error: f64, of: f64| if of > 0.0 { 1.0 - error / of } else { f64::NAN };
        let every = |holds: fn(f64, f64) -> bool| y.iter().zip(predicted).all(|(&y, &p)| holds(y, p));
        let d2 = |deviance: fn(f64, f64) -> f64| share_left(rows.mean(deviance), rows.mean(|y, _| deviance(y, mean)));
        let defined = |value: f64| Some(value).filter(|v| v.is_finite());
        let where_defined = |holds: bool, value: &dyn Fn() -> f64| if holds { defined(value()) } else { None };
        // A column of one number leaves nothing to explain, whatever rounding makes of its variance.
        let varies = y.iter().any(|v| *v != y[0]);
        Self {
            r2: where_defined(varies, &|| share_left(mse, rows.mean(|y, _| (y - mean) * (y - mean)))),
            rmse: defined(mse.sqrt()),
            mse: defined(mse),
            mae: defined(mae),
            medae: rows.median_absolute_error().and_then(defined),
            mape: where_defined(every(|y, _| y != 0.0), &|| rows.mean(|y, p| (y - p).abs() / y.abs())),
            bias: defined(rows.mean(|y, p| y - p)),
            d2_gamma: where_defined(varies && every(|y, p| y > 0.0 && p > 0.0), &|| d2(gamma_deviance)),
            d2_tweedie: where_defined(varies && every(|y, p| y >= 0.0 && p > 0.0), &|| d2(tweedie_deviance)),
            gini: gini(y, predicted, weights).and_then(defined),
            cpm: where_defined(varies, &|| share_left(mae, rows.mean(|y, _| (y - mean).abs()))),
        }
    }
}

fn gamma_deviance(y: f64, p: f64) -> f64 {
    2.0 * ((p / y).ln() + y / p - 1.0)
}

/// `2 (y^(2-k) / ((1-k)(2-k)) - y p^(1-k) / (1-k) + p^(2-k) / (2-k))` for the power `k`.
fn tweedie_deviance(y: f64, p: f64) -> f64 {
    const K: f64 = TWEEDIE_POWER;
    2.0 * (y.powf(2.0 - K) / ((1.0 - K) * (2.0 - K)) - y * p.powf(1.0 - K) / (1.0 - K) + p.powf(2.0 - K) / (2.0 - K))
}

#[derive(Clone, Copy)]
struct Rows<'a> {
    y: &'a [f64],
    predicted: &'a [f64],
    weights: Option<&'a [f64]>,
}

impl Rows<'_> {
    /// Weighted mean over the rows; NaN without rows.
    fn mean(&self, of: impl Fn(f64, f64) -> f64) -> f64 {
        let values = self.y.iter().zip(self.predicted).map(|(&y, &p)| of(y, p));
        match self.weights {
            None => values.sum::<f64>() / self.y.len() as f64,
            Some(w) => values.zip(w).map(|(v, w)| v * w).sum::<f64>() / w.iter().sum::<f64>(),
        }
    }

    /// Half the rows by weight have an error up to this.
    fn median_absolute_error(&self) -> Option<f64> {
        let weight = |i: usize| self.weights.map_or(1.0, |w| w[i]);
        let mut errors: Vec<(f64, f64)> = (0..self.y.len())
            .map(|i| ((self.y[i] - self.predicted[i]).abs(), weight(i)))
            .filter(|e| e.1 > 0.0)
            .collect();
        errors.sort_by(|a, b| a.0.total_cmp(&b.0));
        let half = 0.5 * errors.iter().map(|e| e.1).sum::<f64>();
        let mut below = 0.0;
        let mut lower = None;
        for (error, weight) in errors {
            below += weight;
            if below >= half {
                let lower = *lower.get_or_insert(error);
                if below > half {
                    return Some(0.5 * (lower + error));
                }
            }
        }
        lower
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_defined_is_null_and_not_left_out() {
        let metrics = RegressionMetrics::of(&[0.0, 0.0], &[1.0, -1.0], None).unwrap();
        assert_eq!(
            serde_json::to_string(&metrics).unwrap(),
            r#"{"r2":null,"rmse":1.0,"mse":1.0,"mae":1.0,"medae":1.0,"mape":null,"bias":0.0,"d2_gamma":null,"d2_tweedie":null,"gini":null,"cpm":null}"#
        );
        let nothing = RegressionMetrics::of(&[], &[], None).unwrap();
        assert!(Metric::ALL.iter().all(|&m| nothing.get(m).is_none()));
        assert!(RegressionMetrics::of(&[1.0], &[], None).is_err());
    }

    #[test]
    fn a_weight_of_two_is_the_row_twice() {
        let (y, p) = ([100.0, 250.0, 30.0, 800.0], [140.0, 200.0, 60.0, 500.0]);
        let weighted = RegressionMetrics::of(&y, &p, Some(&[2.0, 1.0, 1.0, 2.0])).unwrap();
        let twice = |v: [f64; 4]| [v[0], v[0], v[1], v[2], v[3], v[3]];
        let repeated = RegressionMetrics::of(&twice(y), &twice(p), None).unwrap();
        for &metric in Metric::ALL {
            let (a, b) = (weighted.get(metric).unwrap(), repeated.get(metric).unwrap());
            assert!((a - b).abs() <= 1e-12 * a.abs(), "{metric}: {a} {b}");
        }
    }

    #[test]
    fn names_are_read_and_written() {
        for &metric in Metric::ALL {
            assert_eq!(metric.as_str().parse::<Metric>().unwrap(), metric);
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.as_str());
        }
        assert!("rsme".parse::<Metric>().unwrap_err().to_string().contains("did you mean"));
    }

    #[test]
    fn perfect_predictions_have_no_error() {
        let y = [10.0, 20.0, 70.0];
        let m = RegressionMetrics::of(&y, &y, None).unwrap();
        assert_eq!((m.r2, m.rmse, m.mape, m.d2_gamma, m.cpm), (Some(1.0), Some(0.0), Some(0.0), Some(1.0), Some(1.0)));
    }
}
