//! Equal features, different targets.

use std::collections::HashMap;

use med_schema::{Check, CheckResult, Role, Severity, Table};

use super::values::{Codes, columns, row_groups};
use super::{not_a_share, unreadable};

/// At most a share of the rows equals another row in all features and differs from it in the target. Missing equals missing. Without a
/// target it is an error; without features nothing is compared, and it passes.
///
/// deepchecks: ConflictingLabels, for classes only; here for targets of any kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConflictingTargets {
    /// The share. From 0 to 1; default 0.
    pub threshold: f64,
    /// How much a failure matters. Default critical.
    pub severity: Severity,
}

impl Default for ConflictingTargets {
    fn default() -> Self {
        Self { threshold: 0.0, severity: Severity::Critical }
    }
}

impl ConflictingTargets {
    fn conflicting(table: &Table) -> Result<Option<usize>, crate::RunError> {
        let Some((spec, column)) = columns(table).find(|(spec, _)| spec.role == Role::Target) else { return Ok(None) };
        let features = || columns(table).filter(|(spec, _)| spec.role == Role::Feature);
        if features().next().is_none() {
            return Ok(Some(0));
        }
        let targets = Codes::of(spec, column)?;
        let groups = row_groups(table.n_rows(), features())?;
        // The first target of each group, and whether there is another.
        let mut first: HashMap<u32, (u32, bool)> = HashMap::new();
        for (group, target) in groups.codes.iter().zip(&targets.codes) {
            let seen = first.entry(*group).or_insert((*target, false));
            seen.1 |= seen.0 != *target;
        }
        Ok(Some(groups.codes.iter().filter(|group| first.get(group).is_some_and(|seen| seen.1)).count()))
    }
}

impl Check<Table> for ConflictingTargets {
    fn name(&self) -> &str {
        "conflicting_targets"
    }

    fn check(&self, table: &Table) -> CheckResult {
        if let Some(error) = not_a_share(self.name(), self.severity, self.threshold) {
            return error;
        }
        let expected = format!("a share of conflicting rows of at most {}", self.threshold);
        let conflicting = match Self::conflicting(table) {
            Ok(Some(conflicting)) => conflicting,
            Ok(None) => return super::target_correlation::no_target(self.name(), self.severity).expected(expected),
            Err(error) => return unreadable(self.name(), self.severity, &error),
        };
        let found = conflicting as f64 / table.n_rows().max(1) as f64;
        CheckResult::judged(self.name(), found <= self.threshold)
            .severity(self.severity)
            .expected(expected)
            .observed(found)
            .detail("conflicting", conflicting)
    }
}
