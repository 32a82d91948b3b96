//! What the columns of a matrix are, without their values.

use serde::{Deserialize, Serialize};

use super::{FeatureColumn, FeatureMatrix, MISSING};
use crate::{Fingerprint, FingerprintHasher, LevelIndex, MatrixError, near_names};

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
    pub(super) features: Vec<FeatureSpec>,
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
        let recode = |column: &FeatureColumn| match (expected(column.name()), column.as_categorical()) {
            (Some(FeatureKind::Categorical { levels }), Some((codes, found))) if levels != found => {
                let places = LevelIndex::new(levels);
                let new: Vec<u32> = found.iter().map(|l| places.place(l).unwrap_or(MISSING)).collect();
                // A missing code is past the end of the levels.
                let codes = codes.iter().map(|&c| new.get(c as usize).copied().unwrap_or(MISSING)).collect::<Vec<_>>();
                FeatureColumn::categorical(column.name(), codes, levels.clone())
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
