//! Which columns an encoder takes.

use med_schema::{FeatureColumn, FeatureMatrix};
use serde::{Deserialize, Serialize};

use super::InputKind;
use crate::FeatureError;

/// The columns an encoder takes. As JSON `"all"` or `{"named": ["city", "plan"]}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Columns {
    /// Every column of the kind that the encoder works on.
    #[default]
    All,
    /// These; they must be there and of that kind.
    Named(Vec<String>),
}

impl Columns {
    /// These columns.
    pub fn named(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::Named(names.into_iter().map(Into::into).collect())
    }

    /// The columns of `x` that are meant, in the order of `x`.
    pub(super) fn pick<'a>(
        &self,
        x: &'a FeatureMatrix,
        kind: InputKind,
    ) -> Result<Vec<&'a FeatureColumn>, FeatureError> {
        let names = match self {
            Self::All => return Ok(x.columns().iter().filter(|c| InputKind::of(c) == kind).collect()),
            Self::Named(names) => names,
        };
        for name in names {
            let column = x.column(name)?;
            if InputKind::of(column) != kind {
                return Err(FeatureError::ColumnKind { column: name.clone(), expected: kind.as_str() });
            }
        }
        Ok(x.columns().iter().filter(|c| names.iter().any(|n| n == c.name())).collect())
    }
}
