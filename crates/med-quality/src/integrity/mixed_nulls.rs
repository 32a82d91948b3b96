//! Several ways of writing nothing.

use std::collections::BTreeSet;

use med_schema::{Check, CheckResult, Severity, Table};
use polars::prelude::DataType;

use super::values::columns;
use super::{Finding, result_of};

/// Texts whose base form is one of these mean nothing.
const WORDS: [&str; 6] = ["none", "null", "nan", "na", "", "\0"];

/// A column writes a missing value in at most so many ways: as null, as not-a-number, as a text whose base form is `none`, `null`, `nan`,
/// `na`, empty or a null character. Two spellings of one word are two ways.
///
/// deepchecks: MixedNulls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MixedNulls {
    /// The most ways. Default 1.
    pub most: usize,
    /// How much a failure matters. Default critical.
    pub severity: Severity,
}

impl Default for MixedNulls {
    fn default() -> Self {
        Self { most: 1, severity: Severity::Critical }
    }
}

impl Check<Table> for MixedNulls {
    fn name(&self) -> &str {
        "mixed_nulls"
    }

    fn check(&self, table: &Table) -> CheckResult {
        let finding = |(spec, column): (&med_schema::Column, &polars::prelude::Column)| {
            let series = column.as_materialized_series();
            let words = match series.str() {
                Ok(values) => values
                    .iter()
                    .flatten()
                    // The longest word has four letters; a long text is not worth its base form.
                    .filter(|text| text.len() <= 64 && WORDS.contains(&med_schema::base_form(text).as_str()))
                    .collect::<BTreeSet<_>>()
                    .len(),
                Err(_) => 0,
            };
            let nan = *column.dtype() == DataType::Float64
                && series.f64().is_ok_and(|values| values.iter().flatten().any(f64::is_nan));
            let ways = words + usize::from(column.null_count() > 0) + usize::from(nan);
            Finding { column: spec.name.clone(), observed: ways.into(), expected: ways <= self.most }
        };
        let expected = format!("at most {} ways of writing a missing value", self.most);
        result_of(self.name(), self.severity, expected, columns(table).map(finding).collect())
    }
}
