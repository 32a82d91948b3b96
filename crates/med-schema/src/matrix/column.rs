//! One feature: its name and its values, shared.

use std::fmt;
use std::sync::Arc;

use super::MISSING;
use super::schema::{FeatureKind, FeatureSpec};
use crate::MatrixError;

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
