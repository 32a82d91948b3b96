//! Extreme numbers moved to a quantile.

use med_schema::{FeatureColumn, FeatureMatrix};
use serde::{Deserialize, Serialize};

use super::{Columns, Encoder, FittedEncoder, InputKind, Inputs, Origin, replaced};
use crate::FeatureError;
use crate::statistic::{more_than_two, quantile, sorted_present};

/// Winsorises: numbers beyond a quantile of the training part become that quantile.
///
/// | parameter | default | range |
/// | --- | --- | --- |
/// | `columns` | `all`: numeric columns with more than two different values; named ones whatever they hold | |
/// | `lower` | 0.01 | [0, 1) or null for no lower end |
/// | `upper` | 0.99 | (lower, 1] or null for no upper end |
///
/// Quantiles are numpy's (linear between order statistics). Missing values stay missing, columns keep their names.
///
/// ```
/// use med_features::{Clip, Encoder, FittedEncoder};
/// use med_schema::{FeatureColumn, FeatureMatrix};
/// let x = |v: Vec<f64>| FeatureMatrix::new(vec![FeatureColumn::numeric("cost", v)]);
/// let clip = Clip { lower: None, upper: Some(0.75), ..Clip::default() };
/// let fitted = clip.fit(&x(vec![1.0, 2.0, 3.0, 4.0, 1e6])?)?;
/// assert_eq!(fitted.transform(&x(vec![-5.0, 3.0, 7.0])?)?.numeric("cost")?.to_vec(), [-5.0, 3.0, 4.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clip {
    /// The columns to clip.
    pub columns: Columns,
    /// Quantile of the lower end.
    pub lower: Option<f64>,
    /// Quantile of the upper end.
    pub upper: Option<f64>,
}

impl Default for Clip {
    fn default() -> Self {
        Self { columns: Columns::All, lower: Some(0.01), upper: Some(0.99) }
    }
}

/// A fitted [`Clip`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedClip {
    inputs: Inputs,
    ends: Vec<Ends>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ends {
    column: String,
    lower: Option<f64>,
    upper: Option<f64>,
}

impl Encoder for Clip {
    type Fitted = FittedClip;

    fn fit(&self, train: &FeatureMatrix) -> Result<FittedClip, FeatureError> {
        let (lower, upper) = (self.lower.unwrap_or(0.0), self.upper.unwrap_or(1.0));
        // NaN is in no range.
        if !(lower >= 0.0 && lower < upper && upper <= 1.0) {
            return Err(FeatureError::Parameter {
                parameter: "lower, upper",
                expected: "quantiles with 0 <= lower < upper <= 1",
                found: format!("{lower}, {upper}"),
            });
        }
        let mut ends = Vec::new();
        for column in self.columns.pick(train, InputKind::Numeric)? {
            let sorted = sorted_present(column.as_numeric().unwrap_or_default());
            if self.columns == Columns::All && !more_than_two(&sorted) {
                continue;
            }
            let at = |q: Option<f64>| q.map(|q| quantile(&sorted, q)).map_or(Some(None), |v| v.map(Some));
            let (Some(lower), Some(upper)) = (at(self.lower), at(self.upper)) else {
                return Err(FeatureError::AllMissing { column: column.name().to_owned() });
            };
            let finite = |v: Option<f64>| v.is_none_or(f64::is_finite);
            if !finite(lower) || !finite(upper) {
                let column = column.name().to_owned();
                return Err(FeatureError::ColumnKind { column, expected: "numbers whose quantiles are finite" });
            }
            ends.push(Ends { column: column.name().to_owned(), lower, upper });
        }
        Ok(FittedClip { inputs: Inputs::of(train), ends })
    }
}

impl FittedEncoder for FittedClip {
    fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    fn transform(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, FeatureError> {
        replaced(&self.inputs, x, |column| {
            let ends = self.ends.iter().find(|e| e.column == column.name())?;
            let values = column.as_numeric()?.iter().map(|&v| match (ends.lower, ends.upper) {
                (Some(lower), _) if v < lower => lower,
                (_, Some(upper)) if v > upper => upper,
                _ => v,
            });
            Some(Ok(vec![FeatureColumn::numeric(column.name(), values.collect::<Vec<_>>())]))
        })
    }

    fn provenance(&self) -> Vec<Origin> {
        self.inputs.names().map(|name| Origin::of(name, name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(values: &[f64]) -> FeatureMatrix {
        let flag = FeatureColumn::numeric("flag", values.iter().map(|v| f64::from(*v > 50.0)).collect::<Vec<_>>());
        FeatureMatrix::new(vec![FeatureColumn::numeric("x", values.to_vec()), flag]).unwrap()
    }

    #[test]
    fn ends_are_those_of_the_training_part_and_flags_are_left_alone() {
        let train: Vec<f64> = (0..=100).map(f64::from).collect();
        let fitted = Clip::default().fit(&matrix(&train)).unwrap();
        let out = fitted.transform(&matrix(&[-7.0, f64::NAN, 50.0, f64::INFINITY])).unwrap();
        let values = out.numeric("x").unwrap().to_vec();
        assert_eq!((values[0], values[2], values[3]), (1.0, 50.0, 99.0));
        assert!(values[1].is_nan());
        assert_eq!(out.numeric("flag").unwrap().to_vec(), [0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn quantiles_out_of_order_are_refused() {
        for (lower, upper) in [(Some(0.9), Some(0.1)), (Some(f64::NAN), None), (None, Some(1.5)), (Some(-0.1), None)] {
            assert!(Clip { lower, upper, ..Clip::default() }.fit(&matrix(&[1.0, 2.0, 3.0])).is_err());
        }
        let named = Clip { columns: Columns::named(["x"]), ..Clip::default() };
        assert!(matches!(named.fit(&matrix(&[f64::NAN])), Err(FeatureError::AllMissing { .. })));
    }
}
