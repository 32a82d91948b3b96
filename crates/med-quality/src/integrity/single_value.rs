//! Columns with one value only.

use med_schema::{Check, CheckResult, Severity, Table};

use super::values::{Codes, columns};
use super::{Finding, result_of, unreadable};

/// No column holds exactly one distinct value, missing ones left out. A column without any value holds none and passes.
///
/// deepchecks: IsSingleValue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SingleValue {
    /// How much a failure matters. Default critical.
    pub severity: Severity,
}

impl Default for SingleValue {
    fn default() -> Self {
        Self { severity: Severity::Critical }
    }
}

impl Check<Table> for SingleValue {
    fn name(&self) -> &str {
        "single_value"
    }

    fn check(&self, table: &Table) -> CheckResult {
        let finding = |(spec, column)| {
            let levels = Codes::of(spec, column)?.levels;
            Ok(Finding { column: spec.name.clone(), observed: levels.into(), expected: levels != 1 })
        };
        match columns(table).map(finding).collect() {
            Ok(findings) => {
                result_of(self.name(), self.severity, "another number of distinct values than 1".to_owned(), findings)
            }
            Err(error) => unreadable(self.name(), self.severity, &error),
        }
    }
}
