//! What came of a suite on a table: findings, from which both kinds of result are written.

use med_schema::{CheckResult, Report, Table};
use serde_json::{Map, Value};

use crate::error::RunError;
use crate::expectation::{Expectation, Rule, StatisticRule};
use crate::judge::Findings;
use crate::plan::{self, Columns};
use crate::result::{ExpectationResult, ResultFormat, ValidationResult};

/// One expectation and what came of it.
#[derive(Debug)]
pub(crate) struct Outcome<'e> {
    pub(crate) expectation: &'e Expectation,
    pub(crate) findings: Result<Findings, RunError>,
}

/// A suite that has been run on a table. Cheap to turn into a [`Report`], or a [`ValidationResult`] of any level.
#[derive(Debug)]
pub struct Evaluation<'e> {
    suite: &'e str,
    columns: Columns<'e>,
    outcomes: Vec<Outcome<'e>>,
}

impl Outcome<'_> {
    pub(crate) fn success(&self) -> bool {
        match &self.findings {
            Err(_) => false,
            Ok(Findings::Whole { success, .. }) => *success,
            Ok(Findings::Rows(found)) => found.success(self.expectation.mostly.unwrap_or(1.0)),
        }
    }

    fn check_result(&self) -> CheckResult {
        let expectation = self.expectation;
        let mut result = match &self.findings {
            Err(error) => CheckResult::error(expectation.name(), error),
            Ok(_) => CheckResult::judged(expectation.name(), self.success()),
        };
        result = result.severity(expectation.severity).expected(expectation.expected());
        if let Some(column) = expectation.subject() {
            result = result.column(column);
        }
        match &self.findings {
            Err(_) => result,
            Ok(Findings::Rows(found)) => {
                let considered = found.considered();
                result = result.counts(considered as u64, found.unexpected.len() as u64);
                if let Some(missing) = found.missing {
                    result = result.detail("missing", missing);
                }
                if considered > 0 {
                    result = result.observed((considered - found.unexpected.len()) as f64 / considered as f64);
                }
                result
            }
            Ok(Findings::Whole { result: found, .. }) => aggregates(result, &expectation.rule, found),
        }
    }
}

/// Puts into a report what is an aggregate: statistics and counts, names of columns, but no value of a cell.
fn aggregates(mut result: CheckResult, rule: &Rule, found: &Map<String, Value>) -> CheckResult {
    let observed = found.get("observed_value").cloned().unwrap_or(Value::Null);
    for key in ["unexpected_count", "missing_count"] {
        if let Some(count) = found.get(key) {
            result = result.detail(key, count.clone());
        }
    }
    match rule {
        Rule::Statistic { rule: StatisticRule::MostCommonInSet { .. }, .. } => {
            result.detail("modes", observed.as_array().map_or(0, Vec::len))
        }
        // The smallest or largest text is somebody's text; a date may be a birthday.
        Rule::Statistic { rule: StatisticRule::Min(_) | StatisticRule::Max(_), .. } if !observed.is_number() => result,
        _ if observed.is_null() => result,
        Rule::Table(_) => match found.get("details").and_then(|d| d.get("mismatched")) {
            Some(mismatched) => result.observed(observed).detail("mismatched", mismatched.clone()),
            None => result.observed(observed),
        },
        _ => result.observed(observed),
    }
}

impl<'e> Evaluation<'e> {
    pub(crate) fn of(suite: &'e str, expectations: &'e [Expectation], table: &'e Table) -> Self {
        let (columns, findings) = plan::run(expectations, table);
        let outcomes = expectations
            .iter()
            .zip(findings)
            .map(|(expectation, findings)| Outcome { expectation, findings })
            .collect();
        Self { suite, columns, outcomes }
    }

    /// Whether something was evaluated and all of it is as expected, whatever the severity.
    pub fn success(&self) -> bool {
        !self.outcomes.is_empty() && self.outcomes.iter().all(Outcome::success)
    }

    /// The result in Great Expectations' shape. From `BASIC` on it holds values of the table.
    pub fn result(&self, format: impl Into<ResultFormat>) -> ValidationResult {
        let format = format.into();
        let result = |outcome: &Outcome<'_>| {
            let columns = match &outcome.expectation.rule {
                Rule::Values { column, .. } => self.columns.find(column, false).map(|c| vec![c]),
                Rule::Rows { columns, rule, .. } => self.columns.resolve(columns, rule.is_pair()),
                _ => Ok(Vec::new()),
            };
            ExpectationResult::new(outcome, &columns.unwrap_or_default(), format)
        };
        ValidationResult::new(self.suite, self.outcomes.iter().map(result).collect())
    }

    /// The report: one result for each expectation, in order. It holds counts and statistics and no value of a cell.
    pub fn report(&self) -> Report {
        let results = self.outcomes.iter().map(Outcome::check_result).collect();
        Report { results, ..Report::new(self.suite) }
    }
}
