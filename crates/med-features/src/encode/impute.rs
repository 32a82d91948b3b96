//! Missing numbers filled in.

use med_schema::{FeatureColumn, FeatureMatrix};
use serde::{Deserialize, Serialize};

use super::{Columns, Encoder, FittedEncoder, InputKind, Inputs, Origin, outputs_are_distinct};
use crate::FeatureError;
use crate::statistic::mean;

/// What missing numbers are filled with.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImputeBy {
    /// The median of the training part; the mean of the two middle values for an even number.
    #[default]
    Median,
    /// The mean of the training part.
    Mean,
    /// This number.
    Constant(f64),
}

/// Fills missing values (NaN) of numeric columns with one number each, learnt from the training part, and on request says where
/// it did: `column=<missing>` is 1 in rows that were filled. That a value is missing often says more than the value filled in.
///
/// A column gets an indicator only if the training part has missing values in it: an indicator that is always 0 teaches nothing.
///
/// | parameter | default | range |
/// | --- | --- | --- |
/// | `columns` | all numeric | |
/// | `by` | median | median, mean, a constant |
/// | `indicator` | true | |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Impute {
    /// The columns to fill.
    pub columns: Columns,
    /// What to fill them with.
    pub by: ImputeBy,
    /// Whether to say where.
    pub indicator: bool,
}

impl Default for Impute {
    fn default() -> Self {
        Self { columns: Columns::All, by: ImputeBy::Median, indicator: true }
    }
}

/// A fitted [`Impute`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedImpute {
    inputs: Inputs,
    fills: Vec<Fill>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fill {
    column: String,
    value: f64,
    indicator: bool,
}

impl Encoder for Impute {
    type Fitted = FittedImpute;

    fn fit(&self, train: &FeatureMatrix) -> Result<FittedImpute, FeatureError> {
        if let ImputeBy::Constant(value) = self.by
            && !value.is_finite()
        {
            let found = value.to_string();
            return Err(FeatureError::Parameter { parameter: "by", expected: "a finite constant", found });
        }
        let mut fills = Vec::new();
        for column in self.columns.pick(train, InputKind::Numeric)? {
            let all = column.as_numeric().unwrap_or_default();
            let present: Vec<f64> = all.iter().copied().filter(|v| !v.is_nan()).collect();
            let value = match self.by {
                ImputeBy::Constant(value) => Some(value),
                ImputeBy::Mean => mean(&present),
                ImputeBy::Median => median(present.clone()),
            };
            let Some(value) = value.filter(|v| v.is_finite()) else {
                return Err(FeatureError::AllMissing { column: column.name().to_owned() });
            };
            let indicator = self.indicator && present.len() < all.len();
            fills.push(Fill { column: column.name().to_owned(), value, indicator });
        }
        let fitted = FittedImpute { inputs: Inputs::of(train), fills };
        outputs_are_distinct(&fitted)?;
        Ok(fitted)
    }
}

/// The middle value, without missing ones; `None` of nothing.
fn median(mut present: Vec<f64>) -> Option<f64> {
    present.sort_unstable_by(f64::total_cmp);
    let upper = present.get(present.len() / 2)?;
    let lower = present.get((present.len() - 1) / 2)?;
    // Halved apart: the sum of two huge values overflows.
    Some(if lower == upper { *upper } else { lower / 2.0 + upper / 2.0 })
}

impl FittedEncoder for FittedImpute {
    fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    fn transform(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, FeatureError> {
        let x = self.inputs.pick(x)?;
        let mut columns = Vec::with_capacity(x.n_columns());
        for column in x.columns() {
            let fill = self.fills.iter().find(|f| f.column == column.name());
            let (Some(fill), Some(values)) = (fill, column.as_numeric()) else {
                columns.push(column.clone());
                continue;
            };
            if values.iter().any(|v| v.is_nan()) {
                let filled: Vec<f64> = values.iter().map(|&v| if v.is_nan() { fill.value } else { v }).collect();
                columns.push(FeatureColumn::numeric(column.name(), filled));
            } else {
                columns.push(column.clone());
            }
            if fill.indicator {
                let missing: Vec<f64> = values.iter().map(|v| f64::from(u8::from(v.is_nan()))).collect();
                columns.push(FeatureColumn::numeric(indicator_name(column.name()), missing));
            }
        }
        Ok(FeatureMatrix::new(columns)?)
    }

    fn provenance(&self) -> Vec<Origin> {
        let indicated = |name: &str| self.fills.iter().any(|f| f.column == name && f.indicator);
        let of = |name: &str| {
            let mut made = vec![Origin::of(name, name)];
            if indicated(name) {
                made.push(Origin::of(indicator_name(name), name));
            }
            made
        };
        self.inputs.names().flat_map(of).collect()
    }
}

fn indicator_name(column: &str) -> String {
    format!("{column}=<missing>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(values: &[f64]) -> FeatureMatrix {
        FeatureMatrix::new(vec![FeatureColumn::numeric("bmi", values.to_vec())]).unwrap()
    }

    #[track_caller]
    fn check(by: ImputeBy, expected: f64) {
        let fitted = Impute { by, ..Impute::default() }.fit(&matrix(&[1.0, 2.0, 9.0, f64::NAN, 4.0])).unwrap();
        let out = fitted.transform(&matrix(&[f64::NAN, 7.0])).unwrap();
        assert_eq!(out.numeric("bmi").unwrap().to_vec(), [expected, 7.0]);
        assert_eq!(out.numeric("bmi=<missing>").unwrap().to_vec(), [1.0, 0.0]);
        assert_eq!(fitted.provenance()[1], Origin::of("bmi=<missing>", "bmi"));
    }

    #[test]
    fn the_training_part_fills() {
        check(ImputeBy::Median, 3.0);
        check(ImputeBy::Mean, 4.0);
        check(ImputeBy::Constant(-1.0), -1.0);
    }

    #[test]
    fn nothing_to_learn_from_is_an_error() {
        assert!(matches!(Impute::default().fit(&matrix(&[f64::NAN])), Err(FeatureError::AllMissing { .. })));
        assert!(Impute { by: ImputeBy::Constant(f64::NAN), ..Impute::default() }.fit(&matrix(&[1.0])).is_err());
    }

    #[test]
    fn full_columns_have_no_indicator_and_still_fill_later() {
        let fitted = Impute::default().fit(&matrix(&[1.0, 3.0])).unwrap();
        let out = fitted.transform(&matrix(&[f64::NAN])).unwrap();
        assert_eq!(out.to_array().unwrap().row(0).to_vec(), [2.0]);
    }
}
