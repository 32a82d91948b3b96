//! Drift of what a model is about: labels, predictions, residuals.

use med_schema::{FeatureColumn, FeatureMatrix};

use crate::{DriftDetector, DriftError, DriftReport};

use super::loss::finite;

/// Targets and predictions of one side; either may be unknown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outcomes<'a> {
    /// What came true, one a row. NaN where it is not known yet.
    pub target: Option<&'a [f64]>,
    /// What a model said, one a row.
    pub prediction: Option<&'a [f64]>,
}

impl DriftDetector {
    /// Compares targets (`target`: label drift), predictions (`prediction`) and what lies between them (`residual`: target less prediction) of two sides, each
    /// as a numeric column by this detector's rules. What a side lacks is not compared. The residuals drift when the relation of features and target changes (concept
    /// drift), even where neither features nor targets do.
    ///
    /// # Errors
    /// When a side's targets and predictions differ in number, a prediction is not finite, or nothing is known on both sides.
    pub fn outcomes(&self, reference: &Outcomes<'_>, current: &Outcomes<'_>) -> Result<DriftReport, DriftError> {
        let both = [
            reference.target.is_some() && current.target.is_some(),
            reference.prediction.is_some() && current.prediction.is_some(),
        ];
        self.detect(&columns(reference, both)?, &columns(current, both)?)
    }
}

fn columns(side: &Outcomes<'_>, [target, prediction]: [bool; 2]) -> Result<FeatureMatrix, DriftError> {
    let mut columns = Vec::new();
    let known = |values: Option<&[f64]>, wanted: bool| values.filter(|_| wanted).map(<[f64]>::to_vec);
    let (y, p) = (known(side.target, target), known(side.prediction, prediction));
    if let Some(p) = &p {
        finite("prediction", p, y.as_ref().map_or(p.len(), Vec::len))?;
    }
    if let (Some(y), Some(p)) = (&y, &p) {
        columns.push(FeatureColumn::numeric("residual", y.iter().zip(p).map(|(y, p)| y - p).collect::<Vec<_>>()));
    }
    columns.extend(p.map(|p| FeatureColumn::numeric("prediction", p)));
    columns.extend(y.map(|y| FeatureColumn::numeric("target", y)));
    columns.reverse();
    FeatureMatrix::new(columns).map_err(|_| DriftError::NoColumns)
}
