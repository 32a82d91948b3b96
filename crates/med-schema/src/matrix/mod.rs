//! What statistics and models eat: numeric columns and coded categorical ones.

mod column;
mod schema;
#[cfg(test)]
mod tests;

use ndarray::{Array2, ArrayView1, ShapeBuilder};

use crate::{MatrixError, near_names};
pub use column::{FeatureColumn, FeatureValues, NumericValues};
pub use schema::{FeatureKind, FeatureSchema, FeatureSpec};

/// The code of a missing categorical value.
pub const MISSING: u32 = u32::MAX;

/// Columns of equal length with unique names, column by column in memory. Shape: `n_rows` x `n_columns`.
///
/// ```
/// use med_schema::{FeatureColumn, FeatureMatrix};
/// let x = FeatureMatrix::new(vec![
///     FeatureColumn::numeric("age", vec![34.0, 51.0]),
///     FeatureColumn::from_texts("plan", [Some("gold"), None]),
/// ])?;
/// assert_eq!((x.n_rows(), x.n_columns()), (2, 2));
/// assert_eq!(x.column("age")?.as_numeric(), Some(&[34.0, 51.0][..]));
/// # Ok::<(), med_schema::MatrixError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct FeatureMatrix {
    n_rows: usize,
    columns: Vec<FeatureColumn>,
}

impl FeatureMatrix {
    /// A matrix of these columns.
    ///
    /// # Errors
    /// When lengths differ or a name is there twice.
    pub fn new(columns: Vec<FeatureColumn>) -> Result<Self, MatrixError> {
        let n_rows = columns.first().map_or(0, FeatureColumn::len);
        for (i, column) in columns.iter().enumerate() {
            if column.len() != n_rows {
                return Err(MatrixError::Length {
                    column: column.name().to_owned(),
                    found: column.len(),
                    expected: n_rows,
                    first: columns[0].name().to_owned(),
                });
            }
            if columns[..i].iter().any(|c| c.name() == column.name()) {
                return Err(MatrixError::DuplicateFeature { name: column.name().to_owned() });
            }
        }
        Ok(Self { n_rows, columns })
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Number of columns.
    pub fn n_columns(&self) -> usize {
        self.columns.len()
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[FeatureColumn] {
        &self.columns
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(FeatureColumn::name)
    }

    /// The column of this name.
    ///
    /// # Errors
    /// When there is none; the error lists names like it.
    pub fn column(&self, name: &str) -> Result<&FeatureColumn, MatrixError> {
        self.columns
            .iter()
            .find(|c| c.name() == name)
            .ok_or_else(|| MatrixError::UnknownFeature { name: name.to_owned(), near: near_names(name, self.names()) })
    }

    /// A view of a numeric column.
    ///
    /// # Errors
    /// When there is no such column or it is categorical.
    pub fn numeric(&self, name: &str) -> Result<ArrayView1<'_, f64>, MatrixError> {
        let column = self.column(name)?;
        column.as_numeric().map(ArrayView1::from).ok_or_else(|| MatrixError::NotNumeric { name: name.to_owned() })
    }

    /// These columns alone, in the order asked for; values are shared, not copied.
    ///
    /// # Errors
    /// When a name is not there or asked for twice.
    pub fn select<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<Self, MatrixError> {
        let columns = names.into_iter().map(|n| self.column(n).cloned()).collect::<Result<Vec<_>, _>>()?;
        let n_rows = if columns.is_empty() { self.n_rows } else { columns[0].len() };
        Ok(Self { n_rows, ..Self::new(columns)? })
    }

    /// These rows, in this order.
    ///
    /// # Errors
    /// When a row is past the end.
    pub fn take(&self, rows: &[usize]) -> Result<Self, MatrixError> {
        if let Some(&row) = rows.iter().find(|&&r| r >= self.n_rows) {
            return Err(MatrixError::Row { row, rows: self.n_rows });
        }
        let columns = self.columns.iter().map(|c| c.take(rows)).collect::<Result<_, _>>()?;
        Ok(Self { n_rows: rows.len(), columns })
    }

    /// All columns as one array of shape `(n_rows, n_columns)`, column-major; a copy.
    ///
    /// # Errors
    /// When a column is categorical.
    pub fn to_array(&self) -> Result<Array2<f64>, MatrixError> {
        let mut values = Vec::with_capacity(self.n_rows * self.columns.len());
        for column in &self.columns {
            let numbers =
                column.as_numeric().ok_or_else(|| MatrixError::NotNumeric { name: column.name().to_owned() })?;
            values.extend_from_slice(numbers);
        }
        // The loop above pushed exactly n_rows values a column, so the shape fits and the fall-back is never taken.
        Ok(Array2::from_shape_vec((self.n_rows, self.columns.len()).f(), values)
            .unwrap_or_else(|_| Array2::zeros((self.n_rows, self.columns.len()))))
    }

    /// What the columns are.
    pub fn schema(&self) -> FeatureSchema {
        FeatureSchema { features: self.columns.iter().map(FeatureColumn::spec).collect() }
    }
}
