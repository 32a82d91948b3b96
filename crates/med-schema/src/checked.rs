//! Values that carry the report on them, and the gate that only a passing one opens.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{CheckResult, Report, Severity, Verdict};

/// When a gate lets a value through.
///
/// | field | meaning | default |
/// | --- | --- | --- |
/// | `block_at` | failed checks of at least this severity close the gate | `Critical` |
/// | `required` | checks that must be among the results, by name | none |
///
/// A check that could not run closes every gate, whatever its severity, and so does a report without results.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatePolicy {
    /// Failed checks of at least this severity close the gate.
    pub block_at: Severity,
    /// Checks that must be among the results, by name.
    pub required: Vec<String>,
}

impl GatePolicy {
    /// Every failed check closes the gate.
    pub fn strict() -> Self {
        Self { block_at: Severity::Info, required: Vec::new() }
    }

    /// Why this report does not pass; empty when it does.
    pub fn reasons(&self, report: &Report) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if report.results.is_empty() {
            reasons.push(Reason::NothingChecked);
        }
        for name in &self.required {
            if !report.results.iter().any(|r| r.check == *name) {
                reasons.push(Reason::NotRun { check: name.clone() });
            }
        }
        let blocking = |r: &&CheckResult| match r.verdict {
            Verdict::Passed => false,
            Verdict::Error => true,
            Verdict::Failed => r.severity >= self.block_at,
        };
        reasons.extend(report.results.iter().filter(blocking).cloned().map(|r| Reason::Check(Box::new(r))));
        reasons
    }
}

/// One reason why a gate stayed closed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The report has no results.
    NothingChecked,
    /// A required check is not among the results.
    NotRun {
        /// Its name.
        check: String,
    },
    /// A check failed or could not run.
    Check(Box<CheckResult>),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingChecked => f.write_str("no check ran"),
            Self::NotRun { check } => write!(f, "the required check {check} did not run"),
            Self::Check(result) => result.fmt(f),
        }
    }
}

/// A value together with the report on it.
///
/// [`Checked::gate`] is the only way to an [`Admitted`], and what stores or registers things takes nothing else:
///
/// ```
/// use med_schema::{CheckResult, Checked, GatePolicy, Report};
/// let report = Report::new("rows").with(CheckResult::judged("not_empty", true));
/// let admitted = Checked::new(vec![1, 2, 3], report).gate(&GatePolicy::default())?;
/// assert_eq!(admitted.value().len(), 3);
/// # Ok::<(), med_schema::Rejected<Vec<i32>>>(())
/// ```
///
/// An `Admitted` cannot be made by hand or read from a file:
///
/// ```compile_fail
/// use med_schema::{Admitted, Report};
/// let forged = Admitted { value: 1, report: Report::new("none") };
/// ```
///
/// ```compile_fail
/// let forged: med_schema::Admitted<u8> = serde_json::from_str("{}").unwrap();
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Checked<T> {
    value: T,
    report: Report,
}

impl<T> Checked<T> {
    /// A value and what was found about it.
    pub fn new(value: T, report: Report) -> Self {
        Self { value, report }
    }

    /// The value, unguarded.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The report.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Lets the value through if its report passes under `policy`.
    ///
    /// # Errors
    /// [`Rejected`], with the value, the report and each reason, if it does not.
    pub fn gate(self, policy: &GatePolicy) -> Result<Admitted<T>, Rejected<T>> {
        let reasons = policy.reasons(&self.report);
        if reasons.is_empty() {
            Ok(Admitted { value: self.value, report: self.report })
        } else {
            Err(Rejected { value: self.value, report: Box::new(self.report), reasons })
        }
    }
}

/// A value whose report has passed a gate.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted<T> {
    value: T,
    report: Report,
}

impl<T> Admitted<T> {
    /// The value.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The report that let it through.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// A borrowed view of the same admission.
    pub fn as_ref(&self) -> Admitted<&T> {
        Admitted { value: &self.value, report: self.report.clone() }
    }

    /// The value and its report; what is done to the value from here on is no longer admitted.
    pub fn into_parts(self) -> (T, Report) {
        (self.value, self.report)
    }
}

/// A value that a gate turned back, with the reasons. Nothing is lost: the value is still in it.
#[derive(Clone, PartialEq)]
pub struct Rejected<T> {
    value: T,
    report: Box<Report>,
    reasons: Vec<Reason>,
}

impl<T> Rejected<T> {
    /// The value.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The report.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Why it was turned back; never empty.
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// The value and its report.
    pub fn into_parts(self) -> (T, Report) {
        (self.value, *self.report)
    }
}

/// Shows the reasons, not the value: an error message is no place for somebody's data.
impl<T> fmt::Debug for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("report", &self.report.name)
            .field("reasons", &self.reasons)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} did not pass: ", self.report.name)?;
        for (i, reason) in self.reasons.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            reason.fmt(f)?;
        }
        Ok(())
    }
}

impl<T> std::error::Error for Rejected<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn warnings_pass_the_default_gate_and_not_the_strict_one() {
        let report = Report::new("r").with(CheckResult::judged("a", false).severity(Severity::Warning));
        assert!(Checked::new((), report.clone()).gate(&GatePolicy::default()).is_ok());
        let rejected = Checked::new((), report).gate(&GatePolicy::strict()).unwrap_err();
        assert_eq!(rejected.to_string(), "r did not pass: a failed (warning)");
    }

    #[test]
    fn required_checks_must_have_run() {
        let policy = GatePolicy { required: vec!["b".to_owned()], ..GatePolicy::default() };
        let report = Report::new("r").with(CheckResult::judged("a", true));
        let rejected = Checked::new((), report).gate(&policy).unwrap_err();
        assert_eq!(rejected.reasons(), [Reason::NotRun { check: "b".to_owned() }]);
    }

    fn any_result() -> impl Strategy<Value = CheckResult> {
        let verdict = prop_oneof![Just(Verdict::Passed), Just(Verdict::Failed), Just(Verdict::Error)];
        let severity = prop_oneof![Just(Severity::Info), Just(Severity::Warning), Just(Severity::Critical)];
        ("[a-c]", verdict, severity).prop_map(|(name, v, s)| CheckResult::new(name, v).severity(s))
    }

    fn any_policy() -> impl Strategy<Value = GatePolicy> {
        let severity = prop_oneof![Just(Severity::Info), Just(Severity::Warning), Just(Severity::Critical)];
        (severity, prop::collection::vec("[a-c]", 0..2))
            .prop_map(|(block_at, required)| GatePolicy { block_at, required })
    }

    proptest! {
        /// Whatever the report and the policy: admitted means that something ran, nothing errored, nothing of the
        /// blocking severity failed, and all that is required was there.
        #[test]
        fn admitted_implies_a_passing_report(results in prop::collection::vec(any_result(), 0..6), policy in any_policy()) {
            let report = Report { results, ..Report::new("r") };
            let blocked = report.results.is_empty()
                || report.results.iter().any(|r| r.verdict == Verdict::Error)
                || report.results.iter().any(|r| r.verdict == Verdict::Failed && r.severity >= policy.block_at)
                || policy.required.iter().any(|n| report.results.iter().all(|r| r.check != *n));
            match Checked::new(7, report.clone()).gate(&policy) {
                Ok(admitted) => {
                    prop_assert!(!blocked);
                    prop_assert_eq!(admitted.report(), &report);
                }
                Err(rejected) => {
                    prop_assert!(blocked);
                    prop_assert!(!rejected.reasons().is_empty());
                    prop_assert_eq!(*rejected.value(), 7);
                }
            }
        }
    }
}
