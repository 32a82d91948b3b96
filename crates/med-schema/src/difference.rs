//! What differs between two schemas, all of it at once.

use std::fmt;

use crate::{Kind, Role, Schema, ValueType, near_names};

/// One way in which one column differs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ColumnDifference {
    /// Expected, not found.
    Missing {
        /// The column.
        name: String,
        /// The type it should have.
        expected: ValueType,
        /// Found names like it.
        near: Vec<String>,
    },
    /// Found, not expected.
    Unexpected {
        /// The column.
        name: String,
        /// Its type.
        found: String,
    },
    /// Held as another type.
    Type {
        /// The column.
        name: String,
        /// The type expected.
        expected: ValueType,
        /// The type found.
        found: String,
    },
    /// Measured otherwise.
    Kind {
        /// The column.
        name: String,
        /// The kind expected.
        expected: Kind,
        /// The kind found.
        found: Kind,
    },
    /// For another use.
    Role {
        /// The column.
        name: String,
        /// The role expected.
        expected: Role,
        /// The role found.
        found: Role,
    },
    /// Missing values where none may be.
    Nulls {
        /// The column.
        name: String,
        /// How many are missing, where they were counted.
        nulls: Option<usize>,
        /// The first row (from 0) that is missing.
        first_row: Option<usize>,
    },
    /// Another unit.
    Unit {
        /// The column.
        name: String,
        /// The unit expected.
        expected: String,
        /// The unit found.
        found: String,
    },
}

impl ColumnDifference {
    /// The column that differs.
    pub fn column(&self) -> &str {
        match self {
            Self::Missing { name, .. }
            | Self::Unexpected { name, .. }
            | Self::Type { name, .. }
            | Self::Kind { name, .. }
            | Self::Role { name, .. }
            | Self::Nulls { name, .. }
            | Self::Unit { name, .. } => name,
        }
    }
}

impl fmt::Display for ColumnDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { name, expected, near } => {
                write!(f, "{name:?}: expected {expected}, found no such column")?;
                if !near.is_empty() {
                    write!(f, " (there is {})", near.join(", "))?;
                }
                Ok(())
            }
            Self::Unexpected { name, found } => write!(f, "{name:?}: not expected, found {found}"),
            Self::Type { name, expected, found } => write!(f, "{name:?}: expected type {expected}, found {found}"),
            Self::Kind { name, expected, found } => write!(f, "{name:?}: expected kind {expected}, found {found}"),
            Self::Role { name, expected, found } => write!(f, "{name:?}: expected role {expected}, found {found}"),
            Self::Nulls { name, nulls: Some(nulls), first_row: Some(row) } => {
                write!(f, "{name:?}: expected no missing values, found {nulls}, the first in row {row}")
            }
            Self::Nulls { name, .. } => write!(f, "{name:?}: expected no missing values, found a nullable column"),
            Self::Unit { name, expected, found } => write!(f, "{name:?}: expected unit {expected}, found {found}"),
        }
    }
}

/// Every column that differs, with what was expected and what was found. Never empty.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{} of the columns differ: {}", .columns.len(), .columns.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct SchemaDifference {
    columns: Vec<ColumnDifference>,
}

impl SchemaDifference {
    /// From a list of differences; `None` when it is empty.
    pub fn from_columns(columns: Vec<ColumnDifference>) -> Option<Self> {
        (!columns.is_empty()).then_some(Self { columns })
    }

    /// The differences, in the order of the expected schema, unexpected columns last.
    pub fn columns(&self) -> &[ColumnDifference] {
        &self.columns
    }

    /// What differs; the order of columns is not compared, names are.
    pub fn between(expected: &Schema, found: &Schema) -> Option<Self> {
        let mut differences = Vec::new();
        for e in expected.columns() {
            let name = e.name.clone();
            let Ok(f) = found.column(&e.name) else {
                let near = near_names(&e.name, found.names().filter(|n| !expected.contains(n)));
                differences.push(ColumnDifference::Missing { name, expected: e.value_type, near });
                continue;
            };
            if e.value_type != f.value_type {
                let found = f.value_type.to_string();
                differences.push(ColumnDifference::Type { name: name.clone(), expected: e.value_type, found });
            }
            if e.kind != f.kind {
                differences.push(ColumnDifference::Kind { name: name.clone(), expected: e.kind, found: f.kind });
            }
            if e.role != f.role {
                differences.push(ColumnDifference::Role { name: name.clone(), expected: e.role, found: f.role });
            }
            if !e.nullable && f.nullable {
                differences.push(ColumnDifference::Nulls { name: name.clone(), nulls: None, first_row: None });
            }
            if let (Some(expected), Some(found)) = (&e.unit, &f.unit)
                && expected != found
            {
                let (expected, found) = (expected.clone(), found.clone());
                differences.push(ColumnDifference::Unit { name, expected, found });
            }
        }
        for f in found.columns().iter().filter(|f| !expected.contains(&f.name)) {
            differences.push(ColumnDifference::Unexpected { name: f.name.clone(), found: f.value_type.to_string() });
        }
        Self::from_columns(differences)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Column;

    #[test]
    fn every_difference_is_listed_at_once() {
        let column = |n: &str, k, t| Column::new(n, k, t);
        let expected = Schema::new(vec![
            column("age", Kind::Count, ValueType::Integer),
            column("bmi", Kind::Continuous, ValueType::Float),
            column("city", Kind::Nominal, ValueType::Text),
        ])
        .unwrap();
        let found = Schema::new(vec![
            column("Age", Kind::Count, ValueType::Integer),
            column("bmi", Kind::Continuous, ValueType::Integer).nullable(true),
            column("city", Kind::Text, ValueType::Text),
        ])
        .unwrap();
        let difference = expected.difference(&found).unwrap();
        assert_eq!(
            difference.to_string(),
            "5 of the columns differ: \"age\": expected integer, found no such column (there is Age); \
             \"bmi\": expected type float, found integer; \"bmi\": expected no missing values, found a nullable column; \
             \"city\": expected kind nominal, found text; \"Age\": not expected, found integer"
        );
        assert_eq!(expected.difference(&expected), None);
    }
}
