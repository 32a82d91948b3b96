//! The columns something was fitted on.

use med_schema::{FeatureColumn, FeatureMatrix, near_names};
use serde::{Deserialize, Serialize};

use crate::FeatureError;

/// How an input column is held. Its levels are no part of it: every matrix has the levels of its own rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputKind {
    /// Numbers.
    Numeric,
    /// Categories.
    Categorical,
}

impl InputKind {
    /// Of a column.
    pub fn of(column: &FeatureColumn) -> Self {
        if column.as_numeric().is_some() { Self::Numeric } else { Self::Categorical }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Numeric => "numbers",
            Self::Categorical => "categories",
        }
    }
}

/// One input column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputColumn {
    /// Its name.
    pub name: String,
    /// How it is held.
    pub kind: InputKind,
}

/// The columns something was fitted on: names and kinds, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Inputs(Vec<InputColumn>);

impl Inputs {
    /// The columns of a matrix.
    pub fn of(x: &FeatureMatrix) -> Self {
        let one = |c: &FeatureColumn| InputColumn { name: c.name().to_owned(), kind: InputKind::of(c) };
        Self(x.columns().iter().map(one).collect())
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[InputColumn] {
        &self.0
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|c| c.name.as_str())
    }

    /// The columns of `x` in the order of fitting, if they are those fitted on; values are shared.
    ///
    /// # Errors
    /// [`FeatureError::Mismatch`] with a sentence for each column that is missing, of another kind, or not expected.
    pub fn pick(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, FeatureError> {
        let mut differences = Vec::new();
        for InputColumn { name, kind } in &self.0 {
            match x.column(name) {
                Err(_) => {
                    let spare = x.names().filter(|n| self.names().all(|m| m != *n));
                    let near = near_names(name, spare).join(", ");
                    let near = if near.is_empty() { near } else { format!(" (there is {near})") };
                    differences.push(format!("{name:?}: expected, not found{near}"));
                }
                Ok(column) if InputKind::of(column) != *kind => {
                    let found = InputKind::of(column).as_str();
                    differences.push(format!("{name:?}: expected {}, found {found}", kind.as_str()));
                }
                Ok(_) => {}
            }
        }
        for name in x.names().filter(|n| self.names().all(|m| m != *n)) {
            differences.push(format!("{name:?}: not expected"));
        }
        if !differences.is_empty() {
            return Err(FeatureError::Mismatch { differences });
        }
        Ok(x.select(self.names())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_that_differs_is_named() {
        let fitted = FeatureMatrix::new(vec![
            FeatureColumn::numeric("age", vec![1.0]),
            FeatureColumn::numeric("bmi", vec![1.0]),
            FeatureColumn::from_texts("plan", [Some("x")]),
        ])
        .unwrap();
        let inputs = Inputs::of(&fitted);
        let other = FeatureMatrix::new(vec![
            FeatureColumn::from_texts("bmi", [Some("high")]),
            FeatureColumn::numeric("aged", vec![1.0]),
            FeatureColumn::from_texts("plan", [Some("never seen")]),
        ])
        .unwrap();
        assert_eq!(
            inputs.pick(&other).unwrap_err().to_string(),
            "the columns are not those fitted on: \"age\": expected, not found (there is aged); \
             \"bmi\": expected numbers, found categories; \"aged\": not expected"
        );
        let shuffled = fitted.select(["plan", "bmi", "age"]).unwrap();
        assert!(inputs.pick(&shuffled).unwrap().names().eq(["age", "bmi", "plan"]));
    }
}
