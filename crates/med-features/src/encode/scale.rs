//! Numbers brought to one scale.

use med_schema::{FeatureColumn, FeatureMatrix};
use serde::{Deserialize, Serialize};

use super::{Columns, Encoder, FittedEncoder, InputKind, Inputs, Origin};
use crate::FeatureError;
use crate::statistic::{is_constant, mean, variance};

/// Standardises numeric columns: `(x - mean) / s` with mean and population standard deviation (ddof 0) of the training part.
///
/// A constant column becomes 0. Missing values stay missing. For models that compare features: penalised ones, neighbours,
/// support vectors; trees and plain least squares do not need it.
///
/// | parameter | default |
/// | --- | --- |
/// | `columns` | all numeric, 0/1 columns included: name those you mean |
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scale {
    /// The columns to scale.
    pub columns: Columns,
}

/// A fitted [`Scale`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedScale {
    inputs: Inputs,
    scales: Vec<ColumnScale>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnScale {
    column: String,
    mean: f64,
    std: f64,
}

impl Encoder for Scale {
    type Fitted = FittedScale;

    fn fit(&self, train: &FeatureMatrix) -> Result<FittedScale, FeatureError> {
        let mut scales = Vec::new();
        for column in self.columns.pick(train, InputKind::Numeric)? {
            let present: Vec<f64> =
                column.as_numeric().unwrap_or_default().iter().copied().filter(|v| !v.is_nan()).collect();
            let name = column.name().to_owned();
            let (Some(mean), Some(variance)) = (mean(&present), variance(&present, 0)) else {
                return Err(FeatureError::AllMissing { column: name });
            };
            if !variance.is_finite() {
                return Err(FeatureError::ColumnKind { column: name, expected: "finite numbers of a size to square" });
            }
            // Of a constant, the value itself and not its rounded mean, so that the result is 0.
            let (mean, std) = if is_constant(&present) { (present[0], 1.0) } else { (mean, variance.sqrt()) };
            scales.push(ColumnScale { column: name, mean, std });
        }
        Ok(FittedScale { inputs: Inputs::of(train), scales })
    }
}

impl FittedEncoder for FittedScale {
    fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    fn transform(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, FeatureError> {
        let x = self.inputs.pick(x)?;
        let scaled = |column: &FeatureColumn| {
            let scale = self.scales.iter().find(|s| s.column == column.name());
            match (scale, column.as_numeric()) {
                (Some(ColumnScale { mean, std, .. }), Some(values)) => {
                    let values: Vec<f64> = values.iter().map(|v| (v - mean) / std).collect();
                    FeatureColumn::numeric(column.name(), values)
                }
                _ => column.clone(),
            }
        };
        Ok(FeatureMatrix::new(x.columns().iter().map(scaled).collect())?)
    }

    fn provenance(&self) -> Vec<Origin> {
        self.inputs.names().map(|name| Origin::of(name, name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_training_part_sets_the_scale() {
        let x = |a: &[f64]| {
            let constant = FeatureColumn::numeric("c", vec![0.1; a.len()]);
            FeatureMatrix::new(vec![FeatureColumn::numeric("a", a.to_vec()), constant]).unwrap()
        };
        let fitted = Scale::default().fit(&x(&[1.0, 3.0, f64::NAN])).unwrap();
        let out = fitted.transform(&x(&[1.0, 2.0, 7.0])).unwrap();
        assert_eq!(out.numeric("a").unwrap().to_vec(), [-1.0, 0.0, 5.0]);
        assert_eq!(out.numeric("c").unwrap().to_vec(), [0.0; 3]);
        assert!(Scale::default().fit(&x(&[f64::INFINITY, 1.0])).is_err());
        assert!(Scale::default().fit(&x(&[f64::NAN])).is_err());
    }
}
