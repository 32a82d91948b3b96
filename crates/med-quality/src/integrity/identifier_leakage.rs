//! Identifiers and times that tell the target.

use med_schema::{Check, CheckResult, Role, Severity, Table};

use super::not_a_share;
use super::target_correlation::scores;

/// No key and no event time predicts the target with a predictive power score above this. One that does says that rows were numbered or
/// dated by their outcome. Without a target it is an error. The score is that of [`TargetCorrelation`](super::TargetCorrelation).
///
/// deepchecks: IdentifierLabelCorrelation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IdentifierLeakage {
    /// The score. From 0 to 1; default 0.
    pub threshold: f64,
    /// How much a failure matters. Default critical.
    pub severity: Severity,
}

impl Default for IdentifierLeakage {
    fn default() -> Self {
        Self { threshold: 0.0, severity: Severity::Critical }
    }
}

impl Check<Table> for IdentifierLeakage {
    fn name(&self) -> &str {
        "identifier_leakage"
    }

    fn check(&self, table: &Table) -> CheckResult {
        if let Some(error) = not_a_share(self.name(), self.severity, self.threshold) {
            return error;
        }
        let expected = format!("predictive power scores of at most {}", self.threshold);
        let names = |spec: &med_schema::Column| matches!(spec.role, Role::Key | Role::EventTime);
        scores(self.name(), self.severity, table, expected, names, |score| score <= self.threshold)
    }
}
