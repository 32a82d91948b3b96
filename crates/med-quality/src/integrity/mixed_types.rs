//! Numbers among other texts.

use med_schema::{Check, CheckResult, Severity, Table};

use super::values::texts;
use super::{Finding, result_of};

/// In no text column is the rarer of the two, texts that read as numbers and others, rare without being absent: its share of the texts
/// that are there lies outside of an open range.
///
/// deepchecks: MixedDataTypes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MixedTypes {
    /// The open range of shares that are suspicious. Default 0.01 to 0.1.
    pub suspicious: (f64, f64),
    /// How much a failure matters. Default warning.
    pub severity: Severity,
}

impl Default for MixedTypes {
    fn default() -> Self {
        Self { suspicious: (0.01, 0.1), severity: Severity::Warning }
    }
}

impl Check<Table> for MixedTypes {
    fn name(&self) -> &str {
        "mixed_types"
    }

    fn check(&self, table: &Table) -> CheckResult {
        let (low, high) = self.suspicious;
        let finding = |(spec, values): (&med_schema::Column, &polars::prelude::StringChunked)| {
            let present = values.len() - values.null_count();
            let numbers = values.iter().flatten().filter(|text| text.trim().parse::<f64>().is_ok()).count();
            let rarer = numbers.min(present - numbers) as f64 / present.max(1) as f64;
            let odd = rarer > low && rarer < high;
            Finding { column: spec.name.clone(), observed: rarer.into(), expected: !odd }
        };
        let expected = format!("a share of the rarer of numbers and other texts not between {low} and {high}");
        result_of(self.name(), self.severity, expected, texts(table).map(finding).collect())
    }
}
