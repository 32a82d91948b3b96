//! The one vocabulary in which data quality, model quality and drift answer.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Fingerprint, RunId};

/// How much a failure matters. Ordered: `Info < Warning < Critical`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warning,
    /// Stops the line. The default, as in Great Expectations.
    #[default]
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        })
    }
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It ran, and what it expects is so.
    Passed,
    /// It ran, and what it expects is not so.
    Failed,
    /// It could not run. Never counts as passed.
    Error,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "error",
        })
    }
}

/// Something that can be checked of an `S`: an expectation of a table, a bound on a metric, a rule over a report.
pub trait Check<S: ?Sized>: fmt::Debug + Send + Sync {
    /// A stable name, as it stands in reports.
    fn name(&self) -> &str;

    /// Checks. What is not as expected is a failed result; what keeps the check from running is an errored one.
    fn check(&self, subject: &S) -> CheckResult;
}

/// What one check found. Holds no personal value unless the check was asked to show some.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckResult {
    /// Name of the check, for example `expect_column_values_to_be_between`.
    pub check: String,
    /// The column, metric or feature it is about, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What came of it.
    pub verdict: Verdict,
    /// How much a failure matters.
    pub severity: Severity,
    /// What was expected, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What was observed: a number, a list, a table of numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Value>,
    /// Rows looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Rows that are not as expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexpected_rows: Option<u64>,
    /// Why it failed or could not run, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whatever else the check has to say.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

impl CheckResult {
    /// A result with nothing but a name and a verdict, of severity [`Severity::Critical`].
    pub fn new(check: impl Into<String>, verdict: Verdict) -> Self {
        Self {
            check: check.into(),
            column: None,
            verdict,
            severity: Severity::default(),
            expected: None,
            observed: None,
            rows: None,
            unexpected_rows: None,
            message: None,
            details: Map::new(),
        }
    }

    /// [`Verdict::Passed`] if `passed`, else [`Verdict::Failed`].
    pub fn judged(check: impl Into<String>, passed: bool) -> Self {
        Self::new(check, if passed { Verdict::Passed } else { Verdict::Failed })
    }

    /// A check that could not run, and why.
    pub fn error(check: impl Into<String>, why: impl fmt::Display) -> Self {
        Self::new(check, Verdict::Error).message(why.to_string())
    }

    /// About this column, metric or feature.
    #[must_use]
    pub fn column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }

    /// Of this severity.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// What was expected, in words.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// What was observed. A number that is not finite becomes null, as JSON has no other word for it.
    #[must_use]
    pub fn observed(mut self, observed: impl Into<Value>) -> Self {
        self.observed = Some(observed.into());
        self
    }

    /// How many rows were looked at, and how many of them are not as expected.
    #[must_use]
    pub fn counts(mut self, rows: u64, unexpected: u64) -> Self {
        self.rows = Some(rows);
        self.unexpected_rows = Some(unexpected);
        self
    }

    /// Why, in a sentence.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// One more detail.
    #[must_use]
    pub fn detail(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.details.insert(key.into(), value.into());
        self
    }

    /// Whether it ran and passed.
    pub fn passed(&self) -> bool {
        self.verdict == Verdict::Passed
    }
}

impl fmt::Display for CheckResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.check)?;
        if let Some(column) = &self.column {
            write!(f, " on {column:?}")?;
        }
        write!(f, " {}", self.verdict)?;
        if self.verdict != Verdict::Passed {
            write!(f, " ({})", self.severity)?;
        }
        if let Some(expected) = &self.expected {
            write!(f, ": expected {expected}")?;
        }
        if let (Some(unexpected), Some(rows)) = (self.unexpected_rows, self.rows) {
            write!(f, ", {unexpected} of {rows} rows are not")?;
        } else if let Some(observed) = &self.observed {
            write!(f, ", observed {observed}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        Ok(())
    }
}

/// How many checks ran, and what came of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Statistics {
    /// All of them.
    pub checks: usize,
    /// Those that passed.
    pub passed: usize,
    /// Those that failed.
    pub failed: usize,
    /// Those that could not run.
    pub errors: usize,
}

/// The results of a suite of checks on one subject. Stable JSON.
///
/// ```
/// use med_schema::{CheckResult, Report, Verdict};
/// let report = Report::new("clients").with(CheckResult::judged("row_count", true));
/// assert_eq!(report.verdict(), Verdict::Passed);
/// assert_eq!(Report::new("nothing was checked").verdict(), Verdict::Error);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Name of the suite or step.
    pub name: String,
    /// The run it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Content of the subject that was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Fingerprint>,
    /// Content of the suite that was run, where it is one that can be written down; see
    /// [`SuiteDocument`](crate::SuiteDocument).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<Fingerprint>,
    /// One result a check, in the order of the suite.
    pub results: Vec<CheckResult>,
}

impl Report {
    /// A report without results.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), run: None, subject: None, suite: None, results: Vec::new() }
    }

    /// With one more result.
    #[must_use]
    pub fn with(mut self, result: CheckResult) -> Self {
        self.results.push(result);
        self
    }

    /// With the run it belongs to.
    #[must_use]
    pub fn run(mut self, run: RunId) -> Self {
        self.run = Some(run);
        self
    }

    /// With the fingerprint of what was checked.
    #[must_use]
    pub fn subject(mut self, subject: Fingerprint) -> Self {
        self.subject = Some(subject);
        self
    }

    /// With the fingerprint of the suite that was run.
    #[must_use]
    pub fn suite(mut self, suite: Fingerprint) -> Self {
        self.suite = Some(suite);
        self
    }

    /// Runs these checks on a subject, in order.
    pub fn of<'a, S: ?Sized + 'a>(
        name: impl Into<String>,
        checks: impl IntoIterator<Item = &'a dyn Check<S>>,
        subject: &S,
    ) -> Self {
        let results = checks.into_iter().map(|check| check.check(subject)).collect();
        Self { results, ..Self::new(name) }
    }

    /// Error if a check could not run or none did; else failed if one failed, of whatever severity; else passed.
    pub fn verdict(&self) -> Verdict {
        let any = |v| self.results.iter().any(|r| r.verdict == v);
        if self.results.is_empty() || any(Verdict::Error) {
            Verdict::Error
        } else if any(Verdict::Failed) {
            Verdict::Failed
        } else {
            Verdict::Passed
        }
    }

    /// The results that are not passed.
    pub fn failures(&self) -> impl Iterator<Item = &CheckResult> {
        self.results.iter().filter(|r| !r.passed())
    }

    /// The highest severity among the results that are not passed.
    pub fn worst(&self) -> Option<Severity> {
        self.failures().map(|r| r.severity).max()
    }

    /// Counts by verdict.
    pub fn statistics(&self) -> Statistics {
        let count = |v| self.results.iter().filter(|r| r.verdict == v).count();
        Statistics {
            checks: self.results.len(),
            passed: count(Verdict::Passed),
            failed: count(Verdict::Failed),
            errors: count(Verdict::Error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_outweighs_a_failure() {
        let report = Report::new("r")
            .with(CheckResult::judged("a", true))
            .with(CheckResult::judged("b", false).severity(Severity::Info));
        assert_eq!((report.verdict(), report.worst()), (Verdict::Failed, Some(Severity::Info)));
        let report = report.with(CheckResult::error("c", "no such column"));
        assert_eq!(report.verdict(), Verdict::Error);
        assert_eq!(report.statistics(), Statistics { checks: 3, passed: 1, failed: 1, errors: 1 });
    }

    #[test]
    fn json_is_stable() {
        let result = CheckResult::judged("between", false).column("age").counts(5, 1).observed(f64::NAN);
        let report = Report::new("clients").with(result);
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(
            json,
            r#"{"name":"clients","results":[{"check":"between","column":"age","verdict":"failed","severity":"critical","observed":null,"rows":5,"unexpected_rows":1}]}"#
        );
        let back: Report = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), json.replace(r#""observed":null,"#, ""));
    }

    #[test]
    fn a_result_reads_as_a_sentence() {
        let result = CheckResult::judged("between", false).column("age").expected("0 to 120").counts(5, 1);
        assert_eq!(result.to_string(), "between on \"age\" failed (critical): expected 0 to 120, 1 of 5 rows are not");
    }
}
