//! A row of weight 0 is no row: such rows are left out before anything is learnt, so that what they hold has no say.
//!
//! Multiplying by a weight of 0 is not enough. The square of a large target is infinite, and 0 times that is no number; bins,
//! folds and samples count rows; a family refuses targets. What is left out is copied only where there is such a row.

use std::borrow::Cow;

use med_schema::Dataset;

use crate::{FitError, InputError};

/// The rows of a dataset that count.
#[derive(Debug)]
pub(crate) struct Counted<'a> {
    pub(crate) data: Cow<'a, Dataset>,
    /// That of the same rows.
    pub(crate) offset: Option<Cow<'a, [f64]>>,
    /// Where they stand in the whole; `None` where that is all of them.
    rows: Option<Vec<usize>>,
}

impl<'a> Counted<'a> {
    pub(crate) fn new(data: &'a Dataset, model: &'static str) -> Result<Self, FitError> {
        Self::with_offset(data, None, model)
    }

    /// With an offset, which must have a finite value for each row that counts.
    pub(crate) fn with_offset(
        data: &'a Dataset,
        offset: Option<&'a [f64]>,
        model: &'static str,
    ) -> Result<Self, FitError> {
        let counts = |row: usize| data.weights().is_none_or(|w| w[row] > 0.0);
        if let Some(offset) = offset {
            let wrong = |expected: String, found: String| Err(FitError::Offset { model, expected, found });
            if offset.len() != data.n_rows() {
                return wrong(format!("{} values", data.n_rows()), offset.len().to_string());
            }
            if let Some(row) = (0..offset.len()).find(|&row| counts(row) && !offset[row].is_finite()) {
                return wrong("finite numbers".to_owned(), format!("another in row {row}"));
            }
        }
        if data.weights().is_none_or(|weights| weights.iter().all(|&w| w > 0.0)) {
            return Ok(Self { data: Cow::Borrowed(data), offset: offset.map(Cow::Borrowed), rows: None });
        }
        let rows: Vec<usize> = (0..data.n_rows()).filter(|&row| counts(row)).collect();
        let taken = data.take(&rows).map_err(|source| FitError::Backend { model, source: Box::new(source) })?;
        let offset = offset.map(|offset| Cow::Owned(taken_of(offset, &rows)));
        Ok(Self { data: Cow::Owned(taken), offset, rows: Some(rows) })
    }

    /// What is learnt from these rows; errors name the rows of the whole.
    pub(crate) fn fit<T>(&self, fit: impl FnOnce(&Dataset) -> Result<T, FitError>) -> Result<T, FitError> {
        fit(&self.data).map_err(|error| match &self.rows {
            Some(rows) => of_whole(error, rows),
            None => error,
        })
    }

    /// Of values of all rows, those of the rows that count.
    pub(crate) fn take<'v, T: Copy>(&self, values: &'v [T]) -> Cow<'v, [T]> {
        self.rows.as_ref().map_or(Cow::Borrowed(values), |rows| Cow::Owned(taken_of(values, rows)))
    }

    /// Where the row stands in the whole.
    pub(crate) fn place(&self, row: usize) -> usize {
        self.rows.as_ref().map_or(row, |rows| rows[row])
    }
}

/// What is learnt from the rows that count.
pub(crate) fn of_counted<T>(
    train: &Dataset,
    model: &'static str,
    fit: impl FnOnce(&Dataset) -> Result<T, FitError>,
) -> Result<T, FitError> {
    Counted::new(train, model)?.fit(fit)
}

fn taken_of<T: Copy>(values: &[T], rows: &[usize]) -> Vec<T> {
    rows.iter().map(|&row| values[row]).collect()
}

/// An error of a fit on some rows, with the row it names as one of the whole.
pub(crate) fn of_whole(mut error: FitError, rows: &[usize]) -> FitError {
    if let FitError::Input(
        InputError::Missing { row, .. } | InputError::Infinite { row, .. } | InputError::UnseenLevel { row, .. },
    )
    | FitError::Cost { row, .. }
    | FitError::FamilyTarget { row, .. }
    | FitError::Target { row, .. } = &mut error
    {
        *row = rows.get(*row).copied().unwrap_or(*row);
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use med_schema::{FeatureColumn, FeatureMatrix};

    fn data(weights: Vec<f64>) -> Dataset {
        let x = FeatureMatrix::new(vec![FeatureColumn::numeric("age", vec![1.0, 2.0, 3.0, 4.0])]).unwrap();
        Dataset::new(x, "cost", vec![10.0, 20.0, 30.0, 40.0]).unwrap().with_weights(weights).unwrap()
    }

    #[test]
    fn rows_that_do_not_count_are_left_out_and_errors_name_the_whole() {
        let whole = data(vec![0.0, 1.0, 0.0, 2.0]);
        let counted = Counted::with_offset(&whole, Some(&[f64::NAN, 5.0, 6.0, 7.0]), "glm").unwrap();
        assert_eq!((counted.data.y().to_vec(), counted.offset.as_deref()), (vec![20.0, 40.0], Some(&[5.0, 7.0][..])));
        assert_eq!((&*counted.take(&[1, 2, 3, 4]), counted.place(1)), (&[2, 4][..], 3));
        let refuse =
            |_: &Dataset| -> Result<(), _> { Err(FitError::Cost { model: "eee", row: 1, expected: "0 or more" }) };
        assert_eq!(counted.fit(refuse).unwrap_err().to_string(), "eee: row 3: expected a cost of 0 or more");
        let error = Counted::with_offset(&whole, Some(&[0.0, 0.0, 0.0, f64::NAN]), "glm").unwrap_err();
        assert_eq!(error.to_string(), "offset of glm: expected finite numbers, found another in row 3");
    }

    #[test]
    fn nothing_is_copied_where_all_rows_count() {
        let whole = data(vec![1.0; 4]);
        assert!(matches!(Counted::new(&whole, "glm").unwrap().data, Cow::Borrowed(_)));
    }
}
