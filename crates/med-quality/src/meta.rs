//! The checks of the checks: rules over a [`Report`], whatever it is about, that answer with a `Report` again.

use std::collections::BTreeMap;
use std::sync::Arc;

use med_schema::{Check, CheckResult, Fingerprint, Report, RunId, Schema, Severity, Verdict};

use crate::suite::Suite;

/// Rules over reports, with a name.
///
/// ```
/// use med_quality::MetaSuite;
/// use med_schema::{CheckResult, Report, Verdict};
/// let metrics = Report::new("metrics").with(CheckResult::judged("r2", true)).with(CheckResult::error("gini", "no rows"));
/// let checks = MetaSuite::standard("metrics were checked", ["r2", "gini", "rmse"]).report(&metrics);
/// let failed: Vec<&str> = checks.failures().map(|r| r.check.as_str()).collect();
/// assert_eq!(failed, ["required_checks_ran", "no_errors"]);
/// ```
#[derive(Debug, Clone)]
pub struct MetaSuite {
    name: String,
    checks: Vec<Arc<dyn Check<Report>>>,
}

impl MetaSuite {
    /// No rules yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), checks: Vec::new() }
    }

    /// What every report should fulfil: the required checks ran, none errored, and the results do not contradict themselves.
    pub fn standard<S: Into<String>>(name: impl Into<String>, required: impl IntoIterator<Item = S>) -> Self {
        Self::new(name).with(RequiredChecksRan::new(required)).with(NoErrors).with(ResultsConsistent)
    }

    /// As [`MetaSuite::standard`] for the report of a suite, each of whose expectations must have its one result.
    pub fn of_suite(suite: &Suite) -> Self {
        let name = format!("checks of {}", suite.name());
        Self::new(name).with(ReportMatchesSuite::new(suite)).with(NoErrors).with(ResultsConsistent)
    }

    /// With one more rule.
    #[must_use]
    pub fn with(mut self, check: impl Check<Report> + 'static) -> Self {
        self.checks.push(Arc::new(check));
        self
    }

    /// Applies the rules, in order.
    pub fn report(&self, subject: &Report) -> Report {
        Report::of(self.name.as_str(), self.checks.iter().map(Arc::as_ref), subject)
    }
}

/// Each of these checks is among the results. Errored ones are too; see [`NoErrors`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredChecksRan {
    required: Vec<String>,
}

impl RequiredChecksRan {
    /// These names.
    pub fn new<S: Into<String>>(required: impl IntoIterator<Item = S>) -> Self {
        Self { required: required.into_iter().map(Into::into).collect() }
    }
}

impl Check<Report> for RequiredChecksRan {
    fn name(&self) -> &str {
        "required_checks_ran"
    }

    fn check(&self, report: &Report) -> CheckResult {
        let ran = |name: &&String| report.results.iter().any(|r| r.check == **name);
        let absent: Vec<&str> = self.required.iter().filter(|name| !ran(name)).map(String::as_str).collect();
        let result = CheckResult::judged(self.name(), absent.is_empty())
            .expected(format!("results of {}", self.required.join(", ")))
            .observed(self.required.len() - absent.len());
        if absent.is_empty() { result } else { result.message(format!("no result of {}", absent.join(", "))) }
    }
}

/// Each of these columns has at least one result that is about it, alone or beside others, and is no error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnsChecked {
    columns: Vec<String>,
}

impl ColumnsChecked {
    /// These columns.
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: columns.into_iter().map(Into::into).collect() }
    }

    /// All columns of a schema.
    pub fn of_schema(schema: &Schema) -> Self {
        Self::new(schema.names())
    }
}

impl Check<Report> for ColumnsChecked {
    fn name(&self) -> &str {
        "columns_checked"
    }

    fn check(&self, report: &Report) -> CheckResult {
        // Results about several columns name them as `a, b`.
        let about = |subject: &str, column: &str| subject == column || subject.split(", ").any(|part| part == column);
        let ran = || report.results.iter().filter(|r| r.verdict != Verdict::Error);
        let checked =
            |column: &&String| ran().any(|r| r.column.as_deref().is_some_and(|subject| about(subject, column)));
        let absent: Vec<&str> = self.columns.iter().filter(|c| !checked(c)).map(String::as_str).collect();
        let result = CheckResult::judged(self.name(), absent.is_empty())
            .expected(format!("results about {}", self.columns.join(", ")))
            .observed(self.columns.len() - absent.len());
        if absent.is_empty() { result } else { result.message(format!("no result about {}", absent.join(", "))) }
    }
}

/// The report is of this run and of this content, where they are given: not of another batch, and not an old one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReportIsOf {
    /// The run.
    pub run: Option<RunId>,
    /// What was checked.
    pub subject: Option<Fingerprint>,
}

impl Check<Report> for ReportIsOf {
    fn name(&self) -> &str {
        "report_is_of"
    }

    fn check(&self, report: &Report) -> CheckResult {
        let wrong_run = self.run.is_some() && self.run != report.run;
        let wrong_subject = self.subject.is_some() && self.subject != report.subject;
        let result =
            CheckResult::judged(self.name(), !wrong_run && !wrong_subject).expected("this run and this content");
        match (wrong_run, wrong_subject) {
            (false, false) => result,
            (true, false) => result.message("it is of another run, or says of none"),
            (false, true) => result.message("it is of other content, or says of none"),
            (true, true) => result.message("it is of another run and other content, or says of none"),
        }
    }
}

/// There are results, and every check could run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoErrors;

impl Check<Report> for NoErrors {
    fn name(&self) -> &str {
        "no_errors"
    }

    fn check(&self, report: &Report) -> CheckResult {
        let errors: Vec<String> = report.results.iter().filter(|r| r.verdict == Verdict::Error).map(label).collect();
        let result = CheckResult::judged(self.name(), errors.is_empty() && !report.results.is_empty())
            .expected("at least one result and no error")
            .observed(errors.len());
        if report.results.is_empty() {
            result.message("nothing was checked")
        } else if errors.is_empty() {
            result
        } else {
            result.message(format!("could not run: {}", errors.join(", ")))
        }
    }
}

/// At least this share of the checks passed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShareAtLeast {
    /// The share, in [0, 1]. Not a number fails.
    pub passed: f64,
}

impl Check<Report> for ShareAtLeast {
    fn name(&self) -> &str {
        "share_passed_at_least"
    }

    fn check(&self, report: &Report) -> CheckResult {
        let counts = report.statistics();
        let expected = format!("a share of at least {}", self.passed);
        if counts.checks == 0 {
            return CheckResult::error(self.name(), "nothing was checked").expected(expected);
        }
        let share = counts.passed as f64 / counts.checks as f64;
        CheckResult::judged(self.name(), share >= self.passed).expected(expected).observed(share)
    }
}

/// What failed or errored is at most this severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorstSeverity {
    /// The highest severity that may fail; `None` lets nothing fail.
    pub at_most: Option<Severity>,
}

impl Check<Report> for WorstSeverity {
    fn name(&self) -> &str {
        "worst_severity_at_most"
    }

    fn check(&self, report: &Report) -> CheckResult {
        let name = |severity: Option<Severity>| severity.map_or_else(|| "none".to_owned(), |s| s.to_string());
        CheckResult::judged(self.name(), report.worst() <= self.at_most)
            .expected(format!("no failure above {}", name(self.at_most)))
            .observed(name(report.worst()))
    }
}

/// No result contradicts itself: not more unexpected rows than rows, counts given together, a verdict that follows from them (with
/// `mostly`, where the expectation names it: a share of at least that many as expected), and what did not run says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultsConsistent;

impl ResultsConsistent {
    fn contradiction(result: &CheckResult) -> Option<&'static str> {
        let counts = (result.rows, result.unexpected_rows);
        match counts {
            (Some(rows), Some(unexpected)) if unexpected > rows => return Some("more unexpected rows than rows"),
            (Some(_), None) | (None, Some(_)) => return Some("one of the two counts is missing"),
            _ => {}
        }
        match result.verdict {
            Verdict::Error if counts.0.is_some() || result.observed.is_some() => {
                Some("it could not run and yet observed")
            }
            Verdict::Error if result.message.as_deref().is_none_or(str::is_empty) => {
                Some("it could not run and says not why")
            }
            Verdict::Failed if counts.1 == Some(0) => Some("it failed without an unexpected row"),
            verdict => {
                let (Some(rows), Some(unexpected)) = counts else { return None };
                let as_expected = if rows == 0 { 1.0 } else { (rows - unexpected) as f64 / rows as f64 };
                match (verdict == Verdict::Passed, tolerance(result)) {
                    (true, Tolerance::None) if unexpected > 0 => {
                        Some("it passed with unexpected rows and tolerates none")
                    }
                    (true, Tolerance::Share(mostly)) if as_expected < mostly => {
                        Some("it passed with more unexpected rows than it tolerates")
                    }
                    (false, Tolerance::Share(mostly)) if as_expected >= mostly => {
                        Some("it failed with no more unexpected rows than it tolerates")
                    }
                    _ => None,
                }
            }
        }
    }
}

/// What the expectation in words says of unexpected rows.
enum Tolerance {
    None,
    Share(f64),
    /// It speaks of one, but not as a number, or more than once.
    Unclear,
}

fn tolerance(result: &CheckResult) -> Tolerance {
    let text = result.expected.as_deref().unwrap_or_default();
    let mut told = text.split("mostly = ").skip(1);
    match (told.next(), told.next()) {
        (None, _) if text.contains("mostly") => Tolerance::Unclear,
        (None, _) => Tolerance::None,
        (Some(share), None) => {
            let number = share.split([',', ' ']).next().unwrap_or_default();
            number.parse().map_or(Tolerance::Unclear, Tolerance::Share)
        }
        _ => Tolerance::Unclear,
    }
}

impl Check<Report> for ResultsConsistent {
    fn name(&self) -> &str {
        "results_consistent"
    }

    fn check(&self, report: &Report) -> CheckResult {
        let wrong: Vec<String> = report
            .results
            .iter()
            .filter_map(|r| Self::contradiction(r).map(|why| format!("{}: {why}", label(r))))
            .collect();
        let result = CheckResult::judged(self.name(), wrong.is_empty())
            .expected("no result that contradicts itself")
            .observed(wrong.len());
        if wrong.is_empty() { result } else { result.message(wrong.join("; ")) }
    }
}

/// Each expectation of a suite has exactly one result, of its severity, and there are no others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportMatchesSuite {
    suite: String,
    expected: BTreeMap<Identity, usize>,
}

/// Check, column, parameters and severity.
type Identity = (String, Option<String>, Option<String>, Severity);

impl ReportMatchesSuite {
    /// As many results as this suite has expectations.
    pub fn new(suite: &Suite) -> Self {
        let mut expected = BTreeMap::new();
        for e in suite.expectations() {
            let identity = (e.name().to_owned(), e.subject(), Some(e.expected()), e.severity_of());
            *expected.entry(identity).or_default() += 1;
        }
        Self { suite: suite.name().to_owned(), expected }
    }
}

impl Check<Report> for ReportMatchesSuite {
    fn name(&self) -> &str {
        "report_matches_suite"
    }

    fn check(&self, report: &Report) -> CheckResult {
        let mut found: BTreeMap<Identity, usize> = BTreeMap::new();
        for r in &report.results {
            *found.entry((r.check.clone(), r.column.clone(), r.expected.clone(), r.severity)).or_default() += 1;
        }
        let count =
            |counts: &BTreeMap<Identity, usize>, identity: &Identity| counts.get(identity).copied().unwrap_or(0);
        let mut wrong = Vec::new();
        for identity in self.expected.keys().chain(found.keys().filter(|i| !self.expected.contains_key(*i))) {
            let (wanted, there) = (count(&self.expected, identity), count(&found, identity));
            if wanted != there {
                let (check, column, _, _) = identity;
                let on = column.as_ref().map_or_else(String::new, |c| format!(" on {c:?}"));
                wrong.push(format!("{check}{on}: {there} results, expected {wanted}"));
            }
        }
        let result = CheckResult::judged(self.name(), wrong.is_empty())
            .expected(format!("one result for each expectation of {}", self.suite))
            .observed(report.results.len());
        if wrong.is_empty() { result } else { result.message(wrong.join("; ")) }
    }
}

fn label(result: &CheckResult) -> String {
    match &result.column {
        Some(column) => format!("{} on {column:?}", result.check),
        None => result.check.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(check: &impl Check<Report>, report: &Report) -> Verdict {
        check.check(report).verdict
    }

    #[test]
    fn contradictions_are_found() {
        let check = |result: CheckResult, verdict_expected: Verdict| {
            let report = Report::new("r").with(result.clone());
            assert_eq!(verdict(&ResultsConsistent, &report), verdict_expected, "{result:?}");
        };
        check(CheckResult::judged("a", true).counts(5, 0), Verdict::Passed);
        check(CheckResult::judged("a", false).counts(5, 6), Verdict::Failed);
        check(CheckResult::judged("a", true).counts(5, 1), Verdict::Failed);
        check(CheckResult::judged("a", true).counts(5, 1).expected("mostly = 0.8"), Verdict::Passed);
        check(CheckResult::judged("a", true).counts(5, 2).expected("min_value = 1, mostly = 0.8"), Verdict::Failed);
        check(CheckResult::judged("a", false).counts(5, 1).expected("mostly = 0.8, regex = x"), Verdict::Failed);
        check(CheckResult::judged("a", true).counts(0, 0).expected("mostly = 0.8"), Verdict::Passed);
        check(
            CheckResult::judged("a", true).counts(5, 4).expected("mostly = 0.8, regex = mostly = 1"),
            Verdict::Passed,
        );
        check(CheckResult::judged("a", false).counts(5, 0), Verdict::Failed);
        check(CheckResult::new("a", Verdict::Error), Verdict::Failed);
        check(CheckResult::error("a", "no column"), Verdict::Passed);
    }

    #[test]
    fn columns_without_a_result_are_named() {
        let report = Report::new("r")
            .with(CheckResult::judged("unique_together", true).column("a, b"))
            .with(CheckResult::error("between", "no such column").column("c"));
        let result = ColumnsChecked::new(["a", "b", "c", "d"]).check(&report);
        assert_eq!((result.verdict, result.message.as_deref()), (Verdict::Failed, Some("no result about c, d")));
        assert_eq!(verdict(&ColumnsChecked::new(["a"]), &report), Verdict::Passed);
    }

    #[test]
    fn a_report_of_other_content_is_found() {
        let (this, other) = (Fingerprint::of("this"), Fingerprint::of("other"));
        let report = Report::new("r").subject(this);
        let of = |subject| ReportIsOf { subject: Some(subject), ..ReportIsOf::default() };
        assert_eq!((verdict(&of(this), &report), verdict(&of(other), &report)), (Verdict::Passed, Verdict::Failed));
        assert_eq!(verdict(&of(this), &Report::new("r")), Verdict::Failed, "one that says nothing");
    }

    #[test]
    fn nothing_checked_is_no_pass() {
        let empty = Report::new("empty");
        assert_eq!(verdict(&NoErrors, &empty), Verdict::Failed);
        assert_eq!(verdict(&ShareAtLeast { passed: 0.0 }, &empty), Verdict::Error);
        let half = Report::new("r").with(CheckResult::judged("a", true)).with(CheckResult::judged("b", false));
        assert_eq!(verdict(&ShareAtLeast { passed: 0.5 }, &half), Verdict::Passed);
        assert_eq!(verdict(&ShareAtLeast { passed: f64::NAN }, &half), Verdict::Failed);
        assert_eq!(verdict(&WorstSeverity { at_most: Some(Severity::Warning) }, &half), Verdict::Failed);
    }
}
