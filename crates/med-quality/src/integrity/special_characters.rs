//! Texts that say nothing.

use med_schema::{Check, CheckResult, Severity, Table};

use super::values::{is_special, texts};
use super::{Finding, not_a_share, result_of};

/// At most a share of the rows of a text column holds nothing but white space and ASCII punctuation. The empty text is not counted.
///
/// deepchecks: SpecialCharacters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpecialCharacters {
    /// The share of all rows. From 0 to 1; default 0.001.
    pub threshold: f64,
    /// How much a failure matters. Default warning.
    pub severity: Severity,
}

impl Default for SpecialCharacters {
    fn default() -> Self {
        Self { threshold: 0.001, severity: Severity::Warning }
    }
}

impl Check<Table> for SpecialCharacters {
    fn name(&self) -> &str {
        "special_characters"
    }

    fn check(&self, table: &Table) -> CheckResult {
        if let Some(error) = not_a_share(self.name(), self.severity, self.threshold) {
            return error;
        }
        let finding = |(spec, values): (&med_schema::Column, &polars::prelude::StringChunked)| {
            let odd = values.iter().flatten().filter(|text| !text.is_empty() && text.chars().all(is_special)).count();
            let found = odd as f64 / values.len().max(1) as f64;
            Finding { column: spec.name.clone(), observed: found.into(), expected: found <= self.threshold }
        };
        let expected = format!("a share of texts of special characters of at most {}", self.threshold);
        result_of(self.name(), self.severity, expected, texts(table).map(finding).collect())
    }
}
