//! Heavy-tailed amounts on the scale of their logarithm.

use med_schema::{FeatureColumn, FeatureMatrix};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Columns, Encoder, FittedEncoder, InputKind, Inputs, Origin, outputs_are_distinct};
use crate::FeatureError;
use crate::statistic::skewness;

/// Takes the logarithm `ln(1 + x)` of heavy-tailed columns, for models that multiply coefficients.
///
/// On a log link a linear term in an amount is `exp(b x)` in the cost: one claimant with fifty times the usual amount is predicted
/// at the fiftieth power of the usual factor. On `ln(1 + x)` the term is the power law `(1 + x)^b`.
///
/// | parameter | default |
/// | --- | --- |
/// | `columns` | `all`: those numeric columns of the training part without a negative value, with more than two different values and a skewness above `min_skewness`. Named ones are taken whatever their skewness; a negative value in them is an error |
/// | `min_skewness` | 2, the skewness of the exponential distribution; a finite number >= 0 |
///
/// Skewness is `m3 / m2^1.5` of the values that are there. Missing values stay missing. A negative value that comes later
/// becomes `-ln(1 - x)`, so the transform increases everywhere. The column that comes out is called `log1p(name)`.
///
/// ```
/// use med_features::{Encoder, FittedEncoder, Log1p};
/// use med_schema::{FeatureColumn, FeatureMatrix};
/// let x = FeatureMatrix::new(vec![
///     FeatureColumn::numeric("age", vec![20.0, 30.0, 40.0, 50.0, 60.0, 70.0]),
///     FeatureColumn::numeric("prior_cost", vec![0.0, 10.0, 20.0, 5.0, 0.0, 9000.0]),
/// ])?;
/// let fitted = Log1p { min_skewness: 1.5, ..Log1p::default() }.fit(&x)?;
/// assert_eq!(fitted.columns().collect::<Vec<_>>(), ["prior_cost"]);
/// assert_eq!(fitted.transform(&x)?.numeric("log1p(prior_cost)")?[5], 9001_f64.ln());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log1p {
    /// Which columns.
    pub columns: Columns,
    /// Skewness above which a column is heavy-tailed.
    pub min_skewness: f64,
}

impl Default for Log1p {
    fn default() -> Self {
        Self { columns: Columns::All, min_skewness: 2.0 }
    }
}

/// A fitted [`Log1p`]: the columns that were chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedLog1p {
    inputs: Inputs,
    columns: Vec<String>,
}

impl Encoder for Log1p {
    type Fitted = FittedLog1p;

    fn fit(&self, train: &FeatureMatrix) -> Result<FittedLog1p, FeatureError> {
        // `!(s >= 0.0)` also catches NaN.
        if !(self.min_skewness >= 0.0 && self.min_skewness.is_finite()) {
            return Err(FeatureError::Parameter {
                parameter: "min_skewness",
                expected: "a finite number >= 0",
                found: self.min_skewness.to_string(),
            });
        }
        let numeric = self.columns.pick(train, InputKind::Numeric)?;
        let columns = match &self.columns {
            Columns::All => {
                let heavy: Vec<bool> = numeric
                    .par_iter()
                    .map(|c| is_heavy_tailed(c.as_numeric().unwrap_or_default(), self.min_skewness))
                    .collect();
                numeric.iter().zip(heavy).filter(|(_, heavy)| *heavy).map(|(c, _)| c.name().to_owned()).collect()
            }
            Columns::Named(_) => {
                let negative = |c: &&FeatureColumn| c.as_numeric().unwrap_or_default().iter().any(|v| *v < 0.0);
                if let Some(column) = numeric.iter().copied().find(|c| negative(c)) {
                    let column = column.name().to_owned();
                    return Err(FeatureError::ColumnKind { column, expected: "numbers that are not negative" });
                }
                numeric.iter().map(|c| c.name().to_owned()).collect()
            }
        };
        let fitted = FittedLog1p { inputs: Inputs::of(train), columns };
        outputs_are_distinct(&fitted)?;
        Ok(fitted)
    }
}

/// The rule of [`Log1p`] without names.
fn is_heavy_tailed(values: &[f64], min_skewness: f64) -> bool {
    let present: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    let two_values = || {
        let first = present.first();
        let other = present.iter().find(|v| Some(*v) != first);
        present.iter().all(|v| Some(v) == first || Some(v) == other)
    };
    present.iter().all(|v| *v >= 0.0) && !two_values() && skewness(&present).is_some_and(|s| s > min_skewness)
}

impl FittedLog1p {
    /// The columns whose logarithm is taken, in the order of the training part.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(String::as_str)
    }

    fn takes(&self, name: &str) -> bool {
        self.columns().any(|c| c == name)
    }
}

impl FittedEncoder for FittedLog1p {
    fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    fn transform(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, FeatureError> {
        let x = self.inputs.pick(x)?;
        let logarithm = |column: &FeatureColumn| match column.as_numeric() {
            Some(values) if self.takes(column.name()) => {
                let values: Vec<f64> = values.par_iter().with_min_len(1 << 14).map(|&v| signed_log1p(v)).collect();
                FeatureColumn::numeric(output(column.name()), values)
            }
            _ => column.clone(),
        };
        Ok(FeatureMatrix::new(x.columns().iter().map(logarithm).collect())?)
    }

    fn provenance(&self) -> Vec<Origin> {
        let of = |name: &str| {
            if self.takes(name) { Origin::of(output(name), name) } else { Origin::of(name, name) }
        };
        self.inputs.names().map(of).collect()
    }
}

fn output(column: &str) -> String {
    format!("log1p({column})")
}

/// `sign(v) ln(1 + |v|)`: odd, increasing, and `ln(1 + v)` where that is meant.
fn signed_log1p(v: f64) -> f64 {
    v.abs().ln_1p().copysign(v)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(columns: &[(&str, &[f64])]) -> FeatureMatrix {
        FeatureMatrix::new(columns.iter().map(|(name, v)| FeatureColumn::numeric(*name, v.to_vec())).collect()).unwrap()
    }

    /// Ten ordinary values and a large one.
    const HEAVY: [f64; 11] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, f64::NAN, 1e6];

    #[track_caller]
    fn chosen(values: &[f64], expected: bool) {
        let fitted = Log1p::default().fit(&matrix(&[("x", values)])).unwrap();
        assert_eq!(fitted.columns().next().is_some(), expected);
    }

    #[test]
    fn the_rule_takes_heavy_tails_without_negative_values() {
        chosen(&HEAVY, true);
        chosen(&HEAVY.map(|v| v - 1.0), false);
        chosen(&HEAVY.map(|v| -v), false);
        // A rare 0/1 column is skewed as well.
        chosen(&HEAVY.map(|v| f64::from(v > 10.0)), false);
        chosen(&[1.0, 2.0, 3.0, 4.0, 5.0], false);
        chosen(&[3.0; 5], false);
        chosen(&[f64::NAN; 3], false);
        chosen(&[0.0, 1.0, f64::INFINITY], false);
    }

    #[test]
    fn values_are_logarithms_and_missing_ones_stay() {
        let fitted = Log1p::default().fit(&matrix(&[("age", &[1.0; 11]), ("cost", &HEAVY)])).unwrap();
        let out = fitted.transform(&matrix(&[("cost", &[f64::NAN, 0.0, 99.0, -99.0]), ("age", &[5.0; 4])])).unwrap();
        assert!(out.names().eq(["age", "log1p(cost)"]));
        let values = out.numeric("log1p(cost)").unwrap().to_vec();
        assert!(values[0].is_nan());
        assert_eq!(values[1..], [0.0, 100_f64.ln(), -100_f64.ln()]);
        assert_eq!(fitted.provenance(), [Origin::of("age", "age"), Origin::of("log1p(cost)", "cost")]);
    }

    #[test]
    fn named_columns_are_taken_as_they_are() {
        let named = Log1p { columns: Columns::named(["age"]), ..Log1p::default() };
        let x = matrix(&[("age", &[1.0, 2.0]), ("cost", &[-1.0, 2.0])]);
        assert_eq!(named.fit(&x).unwrap().columns().collect::<Vec<_>>(), ["age"]);
        let error = Log1p { columns: Columns::named(["cost"]), ..Log1p::default() }.fit(&x).unwrap_err();
        assert!(error.to_string().contains("\"cost\": expected numbers that are not negative"), "{error}");
        let twice = matrix(&[("age", &[1.0, 2.0]), ("log1p(age)", &[1.0, 2.0])]);
        assert!(matches!(named.fit(&twice), Err(FeatureError::Matrix(_))));
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(Log1p { min_skewness: bad, ..Log1p::default() }.fit(&x).is_err());
        }
    }
}
