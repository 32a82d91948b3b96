//! Least squares on the logarithm of the cost, brought back to money by smearing.
//!
//! `ln y = a + x'b + e`, so `E[y | x] = exp(a + x'b) E[exp(e) | x]`. The last factor is estimated by the mean of the
//! exponentials of the residuals (Duan 1983, JASA 78:605), over all rows or over those of a group where the spread differs
//! between groups; by `exp(s^2 / 2)` if the errors are normal; or by `exp(v(x) / 2)` with the variance `v` from a gamma
//! model of the squared residuals on the features (Ai and Norton 2000, J Health Econ 19:697).

use med_schema::{Dataset, FeatureMatrix, FeatureSchema, near_names};
use serde::{Deserialize, Serialize};

use super::scoring::{Problem, Response};
use super::two_part::{Predictor, TwoPartCalibration};
use crate::counted::of_counted;
use crate::error::BrokenModel;
use crate::input::{Missing, TrainingSet, Weights, prediction_columns};
use crate::parameters::{Parameters, checked_estimator, require};
use crate::{FitError, Linear, Model, ParameterError, PredictError, Regressor};

/// Groups that `smearing_by` may have at most: more are no groups.
const MOST_GROUPS: usize = 1000;

/// How the mean of the exponentiated error is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Smearing {
    /// By its mean over the rows, or over the rows of a group: `mean exp(e)`.
    #[default]
    Duan,
    /// By normal theory: `exp(s^2 / 2)`, `s^2` the residual variance.
    Normal,
    /// By normal theory with a variance that depends on the features.
    Heteroscedastic,
}

/// Parameters of [`LogOls`].
///
/// | parameter | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `smearing` | the factor back to money: `duan`, `normal` or `heteroscedastic` | `duan` | |
/// | `smearing_by` | a feature whose values are groups with a factor each; only with `duan` | none | |
/// | `calibration` | whether sums on the training part are made equal: `auto` or `none` | `none` | |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogOlsParams {
    /// The factor back to money.
    pub smearing: Smearing,
    /// A feature whose values are groups with a factor each.
    pub smearing_by: Option<String>,
    /// Whether sums on the training part are made equal.
    pub calibration: TwoPartCalibration,
}

impl Default for LogOlsParams {
    fn default() -> Self {
        Self { smearing: Smearing::Duan, smearing_by: None, calibration: TwoPartCalibration::None }
    }
}

impl Parameters for LogOlsParams {
    const MODEL: &'static str = "log_ols";

    fn check(&self) -> Result<(), ParameterError> {
        let goes = self.smearing_by.is_none() || self.smearing == Smearing::Duan;
        require::<Self>(goes, "smearing_by", "none, unless smearing is duan", self.smearing_by.as_deref().unwrap_or(""))
    }
}

checked_estimator! {
    /// Least squares on the logarithm, for costs above 0: see the module for the method.
    ///
    /// A cost of 0 has no logarithm and is an error: take [`TwoPart`](crate::TwoPart). The residual variance of normal
    /// theory divides by rows less coefficients.
    ///
    /// ```
    /// use med_model::{LogOls, Model, Regressor};
    /// use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
    /// let x = FeatureMatrix::new(vec![FeatureColumn::numeric("age", vec![30.0, 40.0, 50.0, 60.0])])?;
    /// let model = LogOls::default().fit(&Dataset::new(x.clone(), "cost", vec![100.0, 200.0, 400.0, 800.0])?)?;
    /// assert!((model.predict(&x)?[3] - 800.0).abs() < 1e-6);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    LogOls from LogOlsParams
}

/// The factor back to money.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
enum Factor {
    All {
        factor: f64,
    },
    /// One factor a value of the feature, ascending by value; other values get the overall one.
    Group {
        feature: usize,
        values: Vec<f64>,
        factors: Vec<f64>,
        factor: f64,
    },
    /// `exp(v / 2)`, `ln v` linear in the features and at most `limit`.
    Variance {
        predictor: Predictor,
        limit: f64,
    },
}

/// A fitted model on the logarithm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "LogOlsParts", into = "LogOlsParts")]
pub struct LogOlsModel {
    features: FeatureSchema,
    predictor: Predictor,
    /// Largest linear predictor.
    limit: f64,
    smearing: Factor,
    calibration: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogOlsParts {
    features: FeatureSchema,
    predictor: Predictor,
    limit: f64,
    smearing: Factor,
    calibration: f64,
}

impl From<LogOlsModel> for LogOlsParts {
    fn from(LogOlsModel { features, predictor, limit, smearing, calibration }: LogOlsModel) -> Self {
        Self { features, predictor, limit, smearing, calibration }
    }
}

impl TryFrom<LogOlsParts> for LogOlsModel {
    type Error = BrokenModel;

    fn try_from(parts: LogOlsParts) -> Result<Self, BrokenModel> {
        let LogOlsParts { features, predictor, limit, smearing, calibration } = parts;
        let width = features.features().len();
        BrokenModel::same_length("coefficients", width, predictor.coefficients.len())?;
        match &smearing {
            Factor::All { .. } => {}
            Factor::Group { feature, values, factors, .. } => {
                BrokenModel::same_length("smearing factors", values.len(), factors.len())?;
                if *feature >= width {
                    return Err(BrokenModel::new("smearing feature", format!("one below {width}"), feature));
                }
            }
            Factor::Variance { predictor, .. } => {
                BrokenModel::same_length("coefficients of the variance", width, predictor.coefficients.len())?;
            }
        }
        Ok(Self { features, predictor, limit, smearing, calibration })
    }
}

impl LogOlsModel {
    /// The intercept, on the logarithm.
    pub fn intercept(&self) -> f64 {
        self.predictor.intercept
    }

    /// One coefficient a feature, on the logarithm.
    pub fn coefficients(&self) -> &[f64] {
        &self.predictor.coefficients
    }

    /// The factor of all rows; `None` where it depends on the features.
    pub fn smearing_factor(&self) -> Option<f64> {
        match self.smearing {
            Factor::All { factor } => Some(factor),
            _ => None,
        }
    }

    /// Values of the feature named by `smearing_by`, each with its factor; empty without groups.
    pub fn smearing_factors(&self) -> Vec<(f64, f64)> {
        match &self.smearing {
            Factor::Group { values, factors, .. } => values.iter().copied().zip(factors.iter().copied()).collect(),
            _ => Vec::new(),
        }
    }

    /// The factor on all predictions; 1 without calibration.
    pub fn calibration(&self) -> f64 {
        self.calibration
    }

    fn predict_columns(&self, columns: &[&[f64]], out: &mut [f64]) {
        self.predictor.add_to(columns, out);
        out.iter_mut().for_each(|o| *o = o.min(self.limit).exp() * self.calibration);
        match &self.smearing {
            Factor::All { factor } => out.iter_mut().for_each(|o| *o *= factor),
            Factor::Group { feature, values, factors, factor } => {
                for (o, value) in out.iter_mut().zip(columns[*feature]) {
                    let place = values.binary_search_by(|v| v.total_cmp(&(value + 0.0)));
                    *o *= place.map_or(*factor, |k| factors[k]);
                }
            }
            Factor::Variance { predictor, limit } => {
                let mut variance = vec![0.0; out.len()];
                predictor.add_to(columns, &mut variance);
                out.iter_mut().zip(&variance).for_each(|(o, v)| *o *= (0.5 * v.min(*limit).exp()).exp());
            }
        }
    }
}

impl Regressor for LogOls {
    type Fitted = LogOlsModel;

    fn fit(&self, train: &Dataset) -> Result<LogOlsModel, FitError> {
        of_counted(train, LogOlsParams::MODEL, |train| self.fit_counted(train))
    }
}

impl LogOls {
    fn fit_counted(&self, train: &Dataset) -> Result<LogOlsModel, FitError> {
        const MODEL: &str = LogOlsParams::MODEL;
        let set = TrainingSet::new(train, MODEL, Missing::Refused, Weights::Honoured)?;
        if let Some(row) = set.y.iter().position(|&y| y <= 0.0) {
            return Err(FitError::Cost { model: MODEL, row, expected: "more than 0 (two_part takes costs of 0)" });
        }
        let logs: Vec<f64> = set.y.iter().map(|y| y.ln()).collect();
        let weights: Vec<f64> = set.weights.as_ref().map_or_else(|| vec![1.0; logs.len()], |w| w.to_vec());
        let mut on_logs = match Dataset::new(train.x().clone(), train.target(), logs.clone()) {
            Ok(on_logs) => on_logs,
            Err(source) => return Err(FitError::Backend { model: MODEL, source: Box::new(source) }),
        };
        if set.weights.is_some() {
            on_logs = on_logs
                .with_weights(weights.clone())
                .map_err(|source| FitError::Backend { model: MODEL, source: Box::new(source) })?;
        }
        let linear = Linear::default().fit(&on_logs).map_err(|error| match error {
            FitError::Overflow { what, .. } => FitError::Overflow { model: MODEL, what },
            other => other,
        })?;
        let predictor = Predictor { intercept: linear.intercept(), coefficients: linear.coefficients().to_vec() };
        let mut fitted = vec![0.0; logs.len()];
        predictor.add_to(&set.columns, &mut fitted);
        let residuals: Vec<f64> = logs.iter().zip(&fitted).map(|(y, f)| y - f).collect();
        let counted = (0..logs.len()).filter(|&i| weights[i] > 0.0);
        let largest = counted.map(|i| fitted[i]).fold(f64::NEG_INFINITY, f64::max);
        let mut model = LogOlsModel {
            smearing: self.smearing(&set, &residuals, &weights, linear.rank())?,
            features: set.features.clone(),
            predictor,
            limit: largest + std::f64::consts::LN_10,
            calibration: 1.0,
        };
        let mut predicted = vec![0.0; logs.len()];
        model.predict_columns(&set.columns, &mut predicted);
        let sum = |values: &[f64]| values.iter().zip(&weights).map(|(v, w)| v * w).sum::<f64>();
        let factor = sum(&set.y) / sum(&predicted);
        if !(factor > 0.0 && factor.is_finite()) {
            return Err(FitError::Overflow { model: MODEL, what: "the sum of the predictions" });
        }
        if self.params.calibration == TwoPartCalibration::Auto {
            model.calibration = factor;
        }
        Ok(model)
    }

    fn smearing(
        &self,
        set: &TrainingSet<'_>,
        residuals: &[f64],
        weights: &[f64],
        rank: usize,
    ) -> Result<Factor, FitError> {
        const MODEL: &str = LogOlsParams::MODEL;
        let mean = |rows: &mut dyn Iterator<Item = usize>, of: &dyn Fn(f64) -> f64| {
            let (sum, total) = rows.fold((0.0, 0.0), |(s, t), i| (s + weights[i] * of(residuals[i]), t + weights[i]));
            sum / total
        };
        let all = || 0..residuals.len();
        let overall = mean(&mut all(), &f64::exp);
        match (self.params.smearing, &self.params.smearing_by) {
            (Smearing::Duan, None) => Ok(Factor::All { factor: overall }),
            (Smearing::Duan, Some(name)) => {
                let Some(feature) = set.features.names().position(|n| n == name) else {
                    let levels = set
                        .features
                        .names()
                        .filter(|f| f.strip_prefix(name.as_str()).is_some_and(|l| l.starts_with('=')));
                    let mut near = near_names(name, set.features.names());
                    near.extend(levels.map(str::to_owned).filter(|level| !near.contains(level)).collect::<Vec<_>>());
                    return Err(FitError::UnknownSmearing { column: name.clone(), near });
                };
                let column = set.columns[feature];
                // Minus zero is zero: adding 0 makes them one value.
                let mut values: Vec<f64> = all().filter(|&i| weights[i] > 0.0).map(|i| column[i] + 0.0).collect();
                values.sort_by(f64::total_cmp);
                values.dedup();
                if values.len() > MOST_GROUPS {
                    return Err(FitError::TooManyGroups {
                        column: name.clone(),
                        groups: values.len(),
                        most: MOST_GROUPS,
                    });
                }
                let mut sums = vec![(0.0, 0.0); values.len()];
                for i in all() {
                    if let Ok(k) = values.binary_search_by(|v| v.total_cmp(&(column[i] + 0.0))) {
                        sums[k].0 += weights[i] * residuals[i].exp();
                        sums[k].1 += weights[i];
                    }
                }
                let factors = sums.iter().map(|(s, t)| s / t).collect();
                Ok(Factor::Group { feature, values, factors, factor: overall })
            }
            (Smearing::Normal, _) => {
                let n = set.n_weighted();
                if n <= rank + 1 {
                    return Err(FitError::TooFewRows { model: MODEL, expected: rank + 2, found: n });
                }
                let mean_square = mean(&mut all(), &|e| e * e);
                let variance = mean_square * n as f64 / (n - rank - 1) as f64;
                Ok(Factor::All { factor: (0.5 * variance).exp() })
            }
            (Smearing::Heteroscedastic, _) => {
                // A residual of 0 has no place in a gamma model; a share of the mean that small changes nothing.
                let least = 1e-12 * mean(&mut all(), &|e| e * e);
                if least <= 0.0 || !least.is_finite() {
                    return Ok(Factor::All { factor: overall });
                }
                let squares: Vec<f64> = residuals.iter().map(|e| (e * e).max(least)).collect();
                let problem = Problem {
                    model: MODEL,
                    response: Response::GammaLog,
                    columns: &set.columns,
                    y: &squares,
                    weights: set.weights.as_deref(),
                    max_iterations: 100,
                    tolerance: 1e-9,
                };
                let found = problem.solve()?;
                Ok(Factor::Variance { predictor: Predictor::of(&found), limit: found.largest_predictor })
            }
        }
    }
}

impl Model for LogOlsModel {
    fn features(&self) -> &FeatureSchema {
        &self.features
    }

    fn predict_into(&self, x: &FeatureMatrix, out: &mut [f64]) -> Result<(), PredictError> {
        let columns = prediction_columns(&self.features, x, out, LogOlsParams::MODEL, Missing::Refused)?;
        self.predict_columns(&columns, out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use med_schema::FeatureColumn;

    /// Two groups of which the second has twice the spread.
    fn two_spreads() -> Dataset {
        let n = 400;
        let group: Vec<f64> = (0..n).map(|i| f64::from(i % 2)).collect();
        let noise = |i: i32| (f64::from(i / 2 % 20) - 9.5) / 10.0;
        let cost: Vec<f64> = (0..n).map(|i| (7.0 + noise(i) * (1.0 + f64::from(i % 2))).exp()).collect();
        let x = FeatureMatrix::new(vec![FeatureColumn::numeric("group", group)]).unwrap();
        Dataset::new(x, "cost", cost).unwrap()
    }

    fn group_ratios(params: LogOlsParams) -> [f64; 2] {
        let data = two_spreads();
        let predicted = LogOls::new(params).unwrap().fit(&data).unwrap().predict(data.x()).unwrap();
        [0, 1].map(|g| {
            let rows = || (0..data.n_rows()).filter(|i| i % 2 == g);
            rows().map(|i| predicted[i]).sum::<f64>() / rows().map(|i| data.y()[i]).sum::<f64>()
        })
    }

    #[test]
    fn smearing_by_group_is_right_in_each_group() {
        let plain = group_ratios(LogOlsParams::default());
        assert!(plain[0] > 1.05 && plain[1] < 0.95, "{plain:?}");
        let by = LogOlsParams { smearing_by: Some("group".to_owned()), ..Default::default() };
        assert!(group_ratios(by).iter().all(|r| (r - 1.0).abs() < 1e-9));
        let varying = group_ratios(LogOlsParams { smearing: Smearing::Heteroscedastic, ..Default::default() });
        assert!(varying.iter().all(|r| (r - 1.0).abs() < 0.15), "{varying:?}");
    }

    #[test]
    fn what_it_cannot_do_is_named() {
        let data = two_spreads();
        let by = LogOlsParams { smearing_by: Some("region".to_owned()), ..Default::default() };
        let refused = |data: &Dataset| LogOls::new(by.clone()).unwrap().fit(data).unwrap_err().to_string();
        let message = "parameter smearing_by of log_ols: there is no feature \"region\"";
        assert_eq!(refused(&data), message);
        let of_levels = ["region=n", "group"].map(|name| FeatureColumn::numeric(name, vec![1.0; data.n_rows()]));
        let encoded = data.clone().with_features(FeatureMatrix::new(of_levels.to_vec()).unwrap()).unwrap();
        assert_eq!(refused(&encoded), format!("{message} (did you mean region=n?)"));
        assert!(LogOls::new(LogOlsParams { smearing: Smearing::Normal, ..by.clone() }).is_err());
        let zero = Dataset::new(data.x().clone(), "cost", vec![0.0; data.n_rows()]).unwrap();
        assert!(matches!(LogOls::default().fit(&zero), Err(FitError::Cost { row: 0, .. })));
    }

    #[test]
    fn a_calibrated_model_spends_the_budget() {
        let data = two_spreads();
        let params = LogOlsParams { calibration: TwoPartCalibration::Auto, ..Default::default() };
        let predicted = LogOls::new(params).unwrap().fit(&data).unwrap().predict(data.x()).unwrap();
        assert!((predicted.sum() / data.y().sum() - 1.0).abs() < 1e-12);
    }
}
