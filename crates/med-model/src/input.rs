//! From shared datasets to what the solvers take: numeric columns, a target and weights, all checked once.

use std::borrow::Cow;

use med_schema::{Dataset, FeatureMatrix, FeatureSchema};

use crate::{FitError, InputError, PredictError};

/// Whether a model takes missing values (NaN).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Refused,
    /// Refused, but looked for by the caller only when a sum shows that a value is not finite: one pass less.
    RefusedLater,
}

/// Whether a model takes weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weights {
    Refused,
    Honoured,
}

/// What a solver trains on.
#[derive(Debug)]
pub(crate) struct TrainingSet<'a> {
    pub(crate) features: FeatureSchema,
    /// One slice a feature.
    pub(crate) columns: Vec<&'a [f64]>,
    /// Cost per unit of exposure.
    pub(crate) y: Cow<'a, [f64]>,
    /// `weight * exposure`; `None` when all rows count the same.
    pub(crate) weights: Option<Cow<'a, [f64]>>,
}

impl<'a> TrainingSet<'a> {
    pub(crate) fn new(
        train: &'a Dataset,
        model: &'static str,
        missing: Missing,
        weighting: Weights,
    ) -> Result<Self, FitError> {
        let columns = numeric_columns(train.x(), model, missing)?;
        if columns.is_empty() {
            return Err(InputError::NoFeatures.into());
        }
        if weighting == Weights::Refused {
            for (part, there) in [("weights", train.weights().is_some()), ("an exposure", train.exposure().is_some())] {
                if there {
                    return Err(FitError::Unweightable { model, part });
                }
            }
        }
        let (y, weights) = annualised(train);
        if y.iter().any(|v| !v.is_finite()) {
            return Err(FitError::Overflow { model, what: "the cost per unit of exposure" });
        }
        Ok(Self { features: train.x().schema(), columns, y, weights })
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.y.len()
    }

    /// Rows that count.
    pub(crate) fn n_weighted(&self) -> usize {
        self.weights.as_ref().map_or(self.n_rows(), |w| w.iter().filter(|&&w| w > 0.0).count())
    }
}

/// Target per unit of exposure, and the weights that go with it: a rate `y / e` observed for `e` years weighs `w e`.
pub(crate) fn annualised(data: &Dataset) -> (Cow<'_, [f64]>, Option<Cow<'_, [f64]>>) {
    let y: Cow<'_, [f64]> = data.y().to_slice().map_or_else(|| Cow::Owned(data.y().to_vec()), Cow::Borrowed);
    let weights: Option<Cow<'_, [f64]>> =
        data.weights().map(|w| w.to_slice().map_or_else(|| Cow::Owned(w.to_vec()), Cow::Borrowed));
    let Some(exposure) = data.exposure() else { return (y, weights) };
    let rates = y.iter().zip(exposure).map(|(y, e)| y / e).collect();
    let weights = match weights {
        Some(weights) => weights.iter().zip(exposure).map(|(w, e)| w * e).collect(),
        None => exposure.to_vec(),
    };
    (Cow::Owned(rates), Some(Cow::Owned(weights)))
}

/// The columns as numbers, or the first place that is none.
pub(crate) fn numeric_columns<'a>(
    x: &'a FeatureMatrix,
    model: &'static str,
    missing: Missing,
) -> Result<Vec<&'a [f64]>, InputError> {
    let numbers = |column: &'a med_schema::FeatureColumn| {
        let name = || column.name().to_owned();
        let values = column.as_numeric().ok_or_else(|| InputError::Categorical { column: name(), model })?;
        if missing == Missing::RefusedLater {
            return Ok(values);
        }
        for (row, value) in values.iter().enumerate() {
            if value.is_nan() {
                return Err(InputError::Missing { column: name(), row, model });
            }
            if value.is_infinite() {
                return Err(InputError::Infinite { column: name(), row, model });
            }
        }
        Ok(values)
    };
    x.columns().iter().map(numbers).collect()
}

/// The checks that come before any prediction: same columns, room for the result, values the model can take.
pub(crate) fn prediction_columns<'a>(
    features: &FeatureSchema,
    x: &'a FeatureMatrix,
    out: &[f64],
    model: &'static str,
    missing: Missing,
) -> Result<Vec<&'a [f64]>, PredictError> {
    features.check(x)?;
    if out.len() != x.n_rows() {
        return Err(PredictError::Length { expected: x.n_rows(), found: out.len() });
    }
    Ok(numeric_columns(x, model, missing)?)
}

/// Refuses infinite values in numeric columns.
pub(crate) fn no_infinities(x: &FeatureMatrix, model: &'static str) -> Result<(), InputError> {
    for column in x.columns() {
        if let Some(row) = column.as_numeric().and_then(|v| v.iter().position(|v| v.is_infinite())) {
            return Err(InputError::Infinite { column: column.name().to_owned(), row, model });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use med_schema::FeatureColumn;

    fn dataset(values: Vec<f64>) -> Dataset {
        let n = values.len();
        let x = FeatureMatrix::new(vec![FeatureColumn::numeric("bmi", values)]).unwrap();
        Dataset::new(x, "cost", vec![10.0; n]).unwrap()
    }

    #[test]
    fn what_a_model_cannot_take_is_named_with_column_and_row() {
        let nan = dataset(vec![1.0, f64::NAN]);
        let error = TrainingSet::new(&nan, "linear", Missing::Refused, Weights::Honoured).unwrap_err();
        assert_eq!(
            error.to_string(),
            "column \"bmi\", row 1: the value is missing; linear takes no missing values: impute them first"
        );
        let infinite = dataset(vec![f64::INFINITY]);
        assert!(TrainingSet::new(&infinite, "linear", Missing::Refused, Weights::Honoured).is_err());
        let texts = FeatureMatrix::new(vec![FeatureColumn::from_texts("city", [Some("a")])]).unwrap();
        let error = numeric_columns(&texts, "linear", Missing::Refused).unwrap_err();
        assert_eq!(error, InputError::Categorical { column: "city".to_owned(), model: "linear" });
    }

    #[test]
    fn weights_are_honoured_or_refused_never_ignored() {
        let data = dataset(vec![1.0, 2.0]).with_weights(vec![2.0, 1.0]).unwrap();
        let error = TrainingSet::new(&data, "knn", Missing::Refused, Weights::Refused).unwrap_err();
        assert_eq!(error.to_string(), "the dataset has weights, which knn cannot use; drop it or take another model");
        let data = data.with_exposure(vec![0.5, 1.0]).unwrap();
        let set = TrainingSet::new(&data, "linear", Missing::Refused, Weights::Honoured).unwrap();
        assert_eq!((&*set.y, &*set.weights.unwrap()), (&[20.0, 10.0][..], &[1.0, 1.0][..]));
    }
}
