//! What statistics and models eat: numeric columns and coded categorical ones.

use std::fmt;
use std::sync::Arc;

use ndarray::{Array2, ArrayView1, ShapeBuilder};
use serde::{Deserialize, Serialize};

use crate::{Fingerprint, FingerprintHasher, LevelIndex, MatrixError, near_names};

/// The code of a missing categorical value.
pub const MISSING: u32 = u32::MAX;

/// A column of numbers, shared: its own, or a view of memory that somebody else keeps alive (a data frame's buffer).
/// A missing value is NaN.
#[derive(Clone)]
pub struct NumericValues(Arc<dyn AsRef<[f64]> + Send + Sync>);

impl NumericValues {
    /// Values that live in `owner`; nothing is copied.
    pub fn shared(owner: impl AsRef<[f64]> + Send + Sync + 'static) -> Self {
        Self(Arc::new(owner))
    }

    /// The values.
    pub fn as_slice(&self) -> &[f64] {
        (*self.0).as_ref()
    }
}

impl From<Vec<f64>> for NumericValues {
    fn from(values: Vec<f64>) -> Self {
        Self(Arc::new(values))
    }
}

impl fmt::Debug for NumericValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NumericValues({} rows)", self.as_slice().len())
    }
}

/// The values of one feature.
#[derive(Debug, Clone)]
pub enum FeatureValues {
    /// Numbers; missing is NaN.
    Numeric(NumericValues),
    /// Codes into `levels`; missing is [`MISSING`].
    Categorical {
        /// One code a row.
        codes: Arc<[u32]>,
        /// What the codes mean.
        levels: Arc<[String]>,
    },
}

/// One named feature.
#[derive(Debug, Clone)]
pub struct FeatureColumn {
    name: String,
    values: FeatureValues,
}

impl FeatureColumn {
    /// A numeric feature.
    pub fn numeric(name: impl Into<String>, values: impl Into<NumericValues>) -> Self {
        Self { name: name.into(), values: FeatureValues::Numeric(values.into()) }
    }

    /// A categorical feature.
    ///
    /// # Errors
    /// When a code that is not [`MISSING`] has no level.
    pub fn categorical(
        name: impl Into<String>,
        codes: impl Into<Arc<[u32]>>,
        levels: impl Into<Arc<[String]>>,
    ) -> Result<Self, MatrixError> {
        let (name, codes, levels) = (name.into(), codes.into(), levels.into());
        if let Some((row, &code)) = codes.iter().enumerate().find(|&(_, &c)| c != MISSING && c as usize >= levels.len())
        {
            return Err(MatrixError::Code { column: name, row, code, levels: levels.len() });
        }
        Ok(Self { name, values: FeatureValues::Categorical { codes, levels } })
    }

    /// A categorical feature from texts: levels are the distinct texts in ascending order.
    pub fn from_texts<'a>(name: impl Into<String>, texts: impl IntoIterator<Item = Option<&'a str>>) -> Self {
        let texts: Vec<Option<&str>> = texts.into_iter().collect();
        let mut levels: Vec<&str> = texts.iter().copied().flatten().collect();
        levels.sort_unstable();
        levels.dedup();
        let code = |t: &Option<&str>| t.and_then(|t| levels.binary_search(&t).ok()).map_or(MISSING, |c| c as u32);
        let codes: Vec<u32> = texts.iter().map(code).collect();
        let levels: Vec<String> = levels.into_iter().map(str::to_owned).collect();
        Self { name: name.into(), values: FeatureValues::Categorical { codes: codes.into(), levels: levels.into() } }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its values.
    pub fn values(&self) -> &FeatureValues {
        &self.values
    }

    /// The numbers, if it is numeric.
    pub fn as_numeric(&self) -> Option<&[f64]> {
        match &self.values {
            FeatureValues::Numeric(values) => Some(values.as_slice()),
            FeatureValues::Categorical { .. } => None,
        }
    }

    /// Codes and levels, if it is categorical.
    pub fn as_categorical(&self) -> Option<(&[u32], &[String])> {
        match &self.values {
            FeatureValues::Numeric(_) => None,
            FeatureValues::Categorical { codes, levels } => Some((codes, levels)),
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match &self.values {
            FeatureValues::Numeric(values) => values.as_slice().len(),
            FeatureValues::Categorical { codes, .. } => codes.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// These rows, in this order; a row may be taken more than once.
    ///
    /// # Errors
    /// When a row is past the end.
    pub fn take(&self, rows: &[usize]) -> Result<Self, MatrixError> {
        let n = self.len();
        if let Some(&row) = rows.iter().find(|&&r| r >= n) {
            return Err(MatrixError::Row { row, rows: n });
        }
        let values = match &self.values {
            FeatureValues::Numeric(values) => {
                let values = values.as_slice();
                FeatureValues::Numeric(rows.iter().map(|&r| values[r]).collect::<Vec<_>>().into())
            }
            FeatureValues::Categorical { codes, levels } => FeatureValues::Categorical {
                codes: rows.iter().map(|&r| codes[r]).collect(),
                levels: Arc::clone(levels),
            },
        };
        Ok(Self { name: self.name.clone(), values })
    }

    /// What it is: numeric, or categorical with these levels.
    pub fn spec(&self) -> FeatureSpec {
        let kind = match &self.values {
            FeatureValues::Numeric(_) => FeatureKind::Numeric,
            FeatureValues::Categorical { levels, .. } => FeatureKind::Categorical { levels: levels.to_vec() },
        };
        FeatureSpec { name: self.name.clone(), kind }
    }
}

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
                    column: column.name.clone(),
                    found: column.len(),
                    expected: n_rows,
                    first: columns[0].name.clone(),
                });
            }
            if columns[..i].iter().any(|c| c.name == column.name) {
                return Err(MatrixError::DuplicateFeature { name: column.name.clone() });
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
            .find(|c| c.name == name)
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
            let numbers = column.as_numeric().ok_or_else(|| MatrixError::NotNumeric { name: column.name.clone() })?;
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

/// What one feature is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureSpec {
    /// Its name.
    pub name: String,
    /// How it is held.
    #[serde(flatten)]
    pub kind: FeatureKind,
}

/// How a feature is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "values", rename_all = "snake_case")]
pub enum FeatureKind {
    /// Numbers.
    Numeric,
    /// Codes of these levels.
    Categorical {
        /// What the codes mean.
        levels: Vec<String>,
    },
}

/// The features something was fitted on: names, order, kinds and levels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeatureSchema {
    features: Vec<FeatureSpec>,
}

impl FeatureSchema {
    /// The features, in order.
    pub fn features(&self) -> &[FeatureSpec] {
        &self.features
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.features.iter().map(|f| f.name.as_str())
    }

    /// Checks that a matrix has exactly these features, in this order.
    ///
    /// # Errors
    /// [`MatrixError::Mismatch`] with a sentence for each column that differs.
    pub fn check(&self, x: &FeatureMatrix) -> Result<(), MatrixError> {
        let mut differences = Vec::new();
        for spec in &self.features {
            match (x.column(&spec.name), &spec.kind) {
                (Err(_), _) => {
                    let spare = x.names().filter(|n| self.names().all(|m| m != *n));
                    let near = near_names(&spec.name, spare);
                    let near = if near.is_empty() { String::new() } else { format!(" (there is {})", near.join(", ")) };
                    differences.push(format!("{:?}: expected, not found{near}", spec.name));
                }
                (Ok(column), kind) => match (kind, column.as_categorical()) {
                    (FeatureKind::Numeric, Some(_)) => {
                        differences.push(format!("{:?}: expected numbers, found categories", spec.name));
                    }
                    (FeatureKind::Categorical { .. }, None) => {
                        differences.push(format!("{:?}: expected categories, found numbers", spec.name));
                    }
                    (FeatureKind::Categorical { levels }, Some((_, found))) if levels != found => {
                        differences.push(format!(
                            "{:?}: expected {} levels, found {} or others; encode with the fitted levels",
                            spec.name,
                            levels.len(),
                            found.len()
                        ));
                    }
                    _ => {}
                },
            }
        }
        for name in x.names().filter(|n| self.names().all(|m| m != *n)) {
            differences.push(format!("{name:?}: not expected"));
        }
        if differences.is_empty() && !self.names().eq(x.names()) {
            let expected = self.names().collect::<Vec<_>>().join(", ");
            differences.push(format!("the columns are in another order; expected {expected}"));
        }
        if differences.is_empty() { Ok(()) } else { Err(MatrixError::Mismatch { differences }) }
    }

    /// The columns of `x` that are named here, in this order, checked.
    ///
    /// # Errors
    /// [`MatrixError::Mismatch`] when one is not there or of another kind.
    pub fn pick(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, MatrixError> {
        let picked = x.select(self.names().filter(|n| x.column(n).is_ok()))?;
        self.check(&picked)?;
        Ok(picked)
    }

    /// The columns of `x` with the levels that are expected here: codes are rewritten by the names of their levels (see
    /// [`LevelIndex`]), and a level that is not expected becomes [`MISSING`]. Columns that have the expected levels already are shared.
    ///
    /// # Errors
    /// [`MatrixError::Mismatch`] when a column is missing, one too many, of another kind or at another place.
    pub fn align(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, MatrixError> {
        let expected = |name: &str| self.features.iter().find(|f| f.name == name).map(|f| &f.kind);
        let recode = |column: &FeatureColumn| match (expected(&column.name), column.as_categorical()) {
            (Some(FeatureKind::Categorical { levels }), Some((codes, found))) if levels != found => {
                let places = LevelIndex::new(levels);
                let new: Vec<u32> = found.iter().map(|l| places.place(l).unwrap_or(MISSING)).collect();
                // A missing code is past the end of the levels.
                let codes = codes.iter().map(|&c| new.get(c as usize).copied().unwrap_or(MISSING)).collect::<Vec<_>>();
                FeatureColumn::categorical(column.name.clone(), codes, levels.clone())
            }
            _ => Ok(column.clone()),
        };
        let aligned =
            FeatureMatrix { n_rows: x.n_rows, columns: x.columns.iter().map(recode).collect::<Result<_, _>>()? };
        self.check(&aligned)?;
        Ok(aligned)
    }

    /// Fingerprint of names, order, kinds and levels.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hasher = FingerprintHasher::new();
        for feature in &self.features {
            hasher.part(&feature.name);
            match &feature.kind {
                FeatureKind::Numeric => {
                    hasher.part("numeric");
                }
                FeatureKind::Categorical { levels } => {
                    hasher.part("categorical").part((levels.len() as u64).to_le_bytes());
                    levels.iter().for_each(|level| {
                        hasher.part(level);
                    });
                }
            }
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> FeatureMatrix {
        FeatureMatrix::new(vec![
            FeatureColumn::numeric("a", vec![1.0, 2.0, 3.0]),
            FeatureColumn::from_texts("c", [Some("y"), None, Some("x")]),
        ])
        .unwrap()
    }

    #[test]
    fn levels_are_sorted_and_missing_has_its_code() {
        let x = matrix();
        let (codes, levels) = x.column("c").unwrap().as_categorical().unwrap();
        assert_eq!((codes, levels), (&[1, MISSING, 0][..], &["x".to_owned(), "y".to_owned()][..]));
    }

    #[test]
    fn ragged_or_twice_named_columns_are_refused() {
        let a = || FeatureColumn::numeric("a", vec![1.0]);
        assert!(matches!(FeatureMatrix::new(vec![a(), a()]), Err(MatrixError::DuplicateFeature { .. })));
        let long = FeatureColumn::numeric("b", vec![1.0, 2.0]);
        assert!(matches!(FeatureMatrix::new(vec![a(), long]), Err(MatrixError::Length { found: 2, expected: 1, .. })));
        assert!(FeatureColumn::categorical("c", vec![1], vec!["x".to_owned()]).is_err());
    }

    #[test]
    fn a_schema_refuses_other_columns_and_names_them() {
        let schema = matrix().schema();
        schema.check(&matrix()).unwrap();
        let other = FeatureMatrix::new(vec![
            FeatureColumn::numeric("c", vec![1.0]),
            FeatureColumn::numeric("extra", vec![1.0]),
        ])
        .unwrap();
        assert_eq!(
            schema.check(&other).unwrap_err().to_string(),
            "the features are not those expected: \"a\": expected, not found; \
             \"c\": expected categories, found numbers; \"extra\": not expected"
        );
        let swapped = matrix().select(["c", "a"]).unwrap();
        assert!(schema.check(&swapped).unwrap_err().to_string().contains("another order"));
        schema.check(&schema.pick(&swapped).unwrap()).unwrap();
    }

    #[test]
    fn rows_are_taken_in_the_order_asked_for() {
        let x = matrix().take(&[2, 2, 0]).unwrap();
        assert_eq!(x.numeric("a").unwrap().to_vec(), [3.0, 3.0, 1.0]);
        assert_eq!(x.column("c").unwrap().as_categorical().unwrap().0, [0, 0, 1]);
        assert!(matches!(x.take(&[3]), Err(MatrixError::Row { row: 3, rows: 3 })));
        assert_eq!(x.select(["a"]).unwrap().to_array().unwrap().shape(), [3, 1]);
    }

    #[test]
    fn the_schema_survives_json() {
        let schema = matrix().schema();
        let json = serde_json::to_string(&schema).unwrap();
        assert_eq!(json, r#"[{"name":"a","values":"numeric"},{"name":"c","values":"categorical","levels":["x","y"]}]"#);
        assert_eq!(serde_json::from_str::<FeatureSchema>(&json).unwrap(), schema);
    }

    #[test]
    fn levels_are_matched_by_name() {
        let schema = matrix().schema();
        let other = FeatureMatrix::new(vec![
            FeatureColumn::numeric("a", vec![1.0, 2.0, 3.0]),
            FeatureColumn::from_texts("c", [Some("y"), Some("new"), None]),
        ])
        .unwrap();
        assert!(schema.check(&other).is_err());
        let aligned = schema.align(&other).unwrap();
        assert_eq!(aligned.columns()[1].as_categorical().unwrap().0, &[1, MISSING, MISSING]);
        schema.check(&aligned).unwrap();
        let region = |levels: [&'static str; 3]| {
            FeatureMatrix::new(vec![FeatureColumn::from_texts("region", levels.map(Some))]).unwrap()
        };
        let floats = region(["1", "2", "3"]).schema().align(&region(["3.0", "2.0", "4.0"])).unwrap();
        assert_eq!(floats.columns()[0].as_categorical().unwrap().0, &[2, 1, MISSING]);
        assert!(schema.align(&other.select(["a"]).unwrap()).is_err());
    }
}
