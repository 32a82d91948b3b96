//! Features with the target to learn.

use ndarray::{Array1, ArrayView1};

use crate::{DatasetError, FeatureMatrix};

/// One row per client-year: features, target, and where there are any, weights and exposure.
///
/// Invariants: at least one row; all parts have `n_rows` rows; the target is finite and none of the features; weights are
/// finite, not negative and not all zero; exposure is finite and positive.
///
/// ```
/// use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
/// let x = FeatureMatrix::new(vec![FeatureColumn::numeric("age", vec![34.0, 51.0])])?;
/// let data = Dataset::new(x, "cost", vec![1200.0, 3400.0])?.with_exposure(vec![1.0, 0.5])?;
/// assert_eq!(data.n_rows(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Dataset {
    x: FeatureMatrix,
    target: String,
    y: Array1<f64>,
    weights: Option<Array1<f64>>,
    exposure: Option<Array1<f64>>,
}

impl Dataset {
    /// Features and target.
    ///
    /// # Errors
    /// When there are no rows, lengths differ, the target is a feature, or a target value is not finite.
    pub fn new(x: FeatureMatrix, target: impl Into<String>, y: impl Into<Array1<f64>>) -> Result<Self, DatasetError> {
        let (target, y) = (target.into(), y.into());
        if x.names().any(|n| n == target) {
            return Err(DatasetError::TargetIsFeature { target });
        }
        if y.is_empty() {
            return Err(DatasetError::Empty { target });
        }
        if x.n_columns() > 0 && y.len() != x.n_rows() {
            return Err(DatasetError::Length { part: "target", found: y.len(), expected: x.n_rows() });
        }
        if let Some((row, &value)) = y.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return Err(DatasetError::Target { target, row, value });
        }
        Ok(Self { x, target, y, weights: None, exposure: None })
    }

    /// With weights of the rows in the loss.
    ///
    /// # Errors
    /// When a weight is negative or not finite, all are zero, or the length differs.
    pub fn with_weights(mut self, weights: impl Into<Array1<f64>>) -> Result<Self, DatasetError> {
        let weights = weights.into();
        self.same_length("weight", weights.len())?;
        // `!(w >= 0.0)` also catches NaN.
        if let Some((row, &value)) = weights.iter().enumerate().find(|&(_, &w)| !(w >= 0.0 && w.is_finite())) {
            return Err(DatasetError::Weight { row, value });
        }
        if weights.iter().all(|&w| w == 0.0) {
            return Err(DatasetError::Weightless);
        }
        self.weights = Some(weights);
        Ok(self)
    }

    /// With years at risk.
    ///
    /// # Errors
    /// When an exposure is not finite and positive, or the length differs.
    pub fn with_exposure(mut self, years: impl Into<Array1<f64>>) -> Result<Self, DatasetError> {
        let years = years.into();
        self.same_length("exposure", years.len())?;
        if let Some((row, &value)) = years.iter().enumerate().find(|&(_, &e)| !(e > 0.0 && e.is_finite())) {
            return Err(DatasetError::Exposure { row, value });
        }
        self.exposure = Some(years);
        Ok(self)
    }

    fn same_length(&self, part: &'static str, found: usize) -> Result<(), DatasetError> {
        if found == self.y.len() { Ok(()) } else { Err(DatasetError::Length { part, found, expected: self.y.len() }) }
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.y.len()
    }

    /// The features.
    pub fn x(&self) -> &FeatureMatrix {
        &self.x
    }

    /// Name of the target.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The target.
    pub fn y(&self) -> ArrayView1<'_, f64> {
        self.y.view()
    }

    /// Weights of the rows, where there are any.
    pub fn weights(&self) -> Option<ArrayView1<'_, f64>> {
        self.weights.as_ref().map(|w| w.view())
    }

    /// Years at risk, where they are known.
    pub fn exposure(&self) -> Option<ArrayView1<'_, f64>> {
        self.exposure.as_ref().map(|e| e.view())
    }

    /// The same rows with other features.
    ///
    /// # Errors
    /// When the number of rows differs or the target is among them.
    pub fn with_features(self, x: FeatureMatrix) -> Result<Self, DatasetError> {
        let checked = Self::new(x, self.target, self.y)?;
        Ok(Self { weights: self.weights, exposure: self.exposure, ..checked })
    }

    /// These rows, in this order.
    ///
    /// # Errors
    /// When a row is past the end or none is asked for.
    pub fn take(&self, rows: &[usize]) -> Result<Self, DatasetError> {
        if let Some(&row) = rows.iter().find(|&&r| r >= self.n_rows()) {
            return Err(crate::MatrixError::Row { row, rows: self.n_rows() }.into());
        }
        let pick = |a: &Array1<f64>| rows.iter().map(|&r| a[r]).collect::<Array1<f64>>();
        let x = if self.x.n_columns() == 0 { self.x.clone() } else { self.x.take(rows)? };
        let taken = Self::new(x, self.target.clone(), pick(&self.y))?;
        Ok(Self { weights: self.weights.as_ref().map(pick), exposure: self.exposure.as_ref().map(pick), ..taken })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FeatureColumn;

    fn x() -> FeatureMatrix {
        FeatureMatrix::new(vec![FeatureColumn::numeric("age", vec![1.0, 2.0])]).unwrap()
    }

    #[test]
    fn what_a_loss_cannot_take_is_refused_with_its_row() {
        let nan = Dataset::new(x(), "cost", vec![1.0, f64::NAN]).unwrap_err();
        assert_eq!(nan.to_string(), "target \"cost\", row 1: expected a finite number, got NaN");
        assert!(matches!(Dataset::new(x(), "cost", vec![1.0]), Err(DatasetError::Length { .. })));
        assert!(matches!(Dataset::new(x(), "age", vec![1.0, 2.0]), Err(DatasetError::TargetIsFeature { .. })));
        let data = Dataset::new(x(), "cost", vec![1.0, 2.0]).unwrap();
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(data.clone().with_exposure(vec![1.0, bad]).is_err(), "{bad}");
        }
        assert!(data.clone().with_weights(vec![0.0, 0.0]).is_err());
        assert!(data.with_weights(vec![0.0, 1.0]).is_ok());
    }

    #[test]
    fn rows_carry_all_parts() {
        let data = Dataset::new(x(), "cost", vec![1.0, 2.0]).unwrap().with_weights(vec![3.0, 4.0]).unwrap();
        let taken = data.take(&[1]).unwrap();
        assert_eq!((taken.y()[0], taken.weights().unwrap()[0]), (2.0, 4.0));
        assert!(matches!(data.take(&[]), Err(DatasetError::Empty { .. })));
    }
}
