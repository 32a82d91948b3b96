//! Rows that occur again.

use med_schema::{Check, CheckResult, Column, Role, Severity, Table};

use super::values::{columns, row_groups};
use super::{not_a_share, unreadable};

/// At most a share of the rows repeats another one: 1 - distinct rows / rows, over all columns but keys (over all if there are no
/// others). Missing equals missing, 0.0 equals -0.0.
///
/// deepchecks: DataDuplicates, which compares keys too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DuplicateRows {
    /// The share. From 0 to 1; default 0.05.
    pub threshold: f64,
    /// How much a failure matters. Default critical.
    pub severity: Severity,
}

impl Default for DuplicateRows {
    fn default() -> Self {
        Self { threshold: 0.05, severity: Severity::Critical }
    }
}

impl Check<Table> for DuplicateRows {
    fn name(&self) -> &str {
        "duplicate_rows"
    }

    fn check(&self, table: &Table) -> CheckResult {
        if let Some(error) = not_a_share(self.name(), self.severity, self.threshold) {
            return error;
        }
        let only_keys = table.schema().columns().iter().all(|c| c.role == Role::Key);
        let compared = |spec: &Column| only_keys || spec.role != Role::Key;
        let groups = match row_groups(table.n_rows(), columns(table).filter(|(spec, _)| compared(spec))) {
            Ok(groups) => groups,
            Err(error) => return unreadable(self.name(), self.severity, &error),
        };
        let rows = table.n_rows();
        let found = if rows == 0 { 0.0 } else { 1.0 - groups.levels as f64 / rows as f64 };
        CheckResult::judged(self.name(), found <= self.threshold)
            .severity(self.severity)
            .expected(format!("a share of repeated rows of at most {}", self.threshold))
            .observed(found)
            .detail("repeated", rows - groups.levels)
    }
}
