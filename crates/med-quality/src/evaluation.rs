//! What came of a suite on a table: findings, from which both kinds of result are written.

use med_schema::{CheckResult, Report};
use rayon::prelude::*;
use serde_json::{Map, Value};

use crate::cells::Field;
use crate::error::RunError;
use crate::expectation::{Expectation, RowRule, Rule, StatisticRule, TableRule};
use crate::judge::{self, Findings, Sample};
use crate::plan::{Plan, Source, Step};
use crate::result::{ExpectationResult, ResultFormat, ValidationResult};
use crate::scan::Metrics;

/// One expectation and what came of it.
#[derive(Debug)]
pub(crate) struct Outcome<'e> {
    pub(crate) expectation: &'e Expectation,
    pub(crate) findings: Result<Findings, RunError>,
    /// The columns it is about.
    pub(crate) fields: Vec<Field>,
}

/// A suite that has been run on a table. Cheap to turn into a [`Report`], or a [`ValidationResult`] of any level.
#[derive(Debug)]
pub struct Evaluation<'e> {
    suite: Source<'e>,
    pub(crate) format: ResultFormat,
    pub(crate) compat: bool,
    pub(crate) outcomes: Vec<Outcome<'e>>,
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
                let unexpected = found.unexpected.count;
                result = noted(result.counts(considered, unexpected), found.inexact.as_deref());
                if let Some(missing) = found.missing {
                    result = result.detail("missing", missing);
                }
                if considered > 0 {
                    result = result.observed((considered - unexpected) as f64 / considered as f64);
                }
                result
            }
            Ok(Findings::Whole { result: found, inexact, .. }) => {
                aggregates(noted(result, inexact.as_deref()), &expectation.rule, found)
            }
        }
    }
}

fn noted(result: CheckResult, inexact: Option<&str>) -> CheckResult {
    match inexact {
        Some(reason) => result.detail("exact", false).detail("bound", reason),
        None => result,
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
    pub(crate) fn new(plan: &Plan<'e>, metrics: &Metrics) -> Self {
        let outcome = |(expectation, step): (&'e Expectation, &Result<Step, RunError>)| {
            let step = step.as_ref().map_err(Clone::clone);
            let fields = step.as_ref().map_or_else(|_| Vec::new(), |step| plan.fields_of(step));
            let findings = step.and_then(|step| judge_one(plan, metrics, expectation, step));
            Outcome { expectation, findings, fields }
        };
        let steps = plan.expectations.par_iter().zip(&plan.steps).with_max_len(1);
        let (format, compat) = (plan.options.format, plan.options.compat);
        Self { suite: plan.suite, format, compat, outcomes: steps.map(outcome).collect() }
    }

    /// Whether something was evaluated and all of it is as expected, whatever the severity.
    pub fn success(&self) -> bool {
        (self.compat || !self.outcomes.is_empty()) && self.outcomes.iter().all(Outcome::success)
    }

    /// The result in Great Expectations' shape. From `BASIC` on it holds values of the table. It says no more than the
    /// plan was made for.
    pub fn result(&self, format: impl Into<ResultFormat>) -> ValidationResult {
        let mut format = format.into();
        format.level = format.level.min(self.format.level);
        let results = self.outcomes.iter().map(|outcome| ExpectationResult::new(outcome, format)).collect();
        ValidationResult::new(self.suite.name(), results, self.success())
    }

    /// The report: one result for each expectation, in order. It holds counts and statistics and no value of a cell.
    pub fn report(&self) -> Report {
        let results = self.outcomes.iter().map(Outcome::check_result).collect();
        Report { results, suite: self.suite.fingerprint(), ..Report::new(self.suite.name()) }
    }
}

fn judge_one(plan: &Plan<'_>, metrics: &Metrics, expectation: &Expectation, step: &Step) -> Result<Findings, RunError> {
    let state = step.task.and_then(|task| metrics.tasks.get(task));
    if let Some(error) = state.and_then(|state| state.error.clone()) {
        return Err(error);
    }
    let missing = || RunError::Parameters { reason: "the expectation was not planned".to_owned() };
    let sample = || -> Result<Sample<'_>, RunError> {
        let state = state.ok_or_else(missing)?;
        let field = step.fields.first().and_then(|at| plan.fields.get(*at)).ok_or_else(missing)?;
        let states = step.metrics.iter().filter_map(|at| state.columns.get(*at)).collect();
        Ok(Sample { field, rows: state.rows, present: state.present, states })
    };
    match &expectation.rule {
        Rule::Values { rule, .. } => judge::values(rule, &sample()?, metrics.keep),
        Rule::Statistic { rule, .. } => judge::statistic(rule, &sample()?),
        Rule::Rows { rule: RowRule::PairInSet(_), .. } if plan.options.compat && expectation.condition.is_some() => {
            Err(RunError::Parameters { reason: "the original cannot apply a row condition to this rule".to_owned() })
        }
        Rule::Rows { .. } => judge::rows(state.ok_or_else(missing)?),
        Rule::Table(rule) => {
            let field = match rule {
                TableRule::ColumnType { .. } => step.fields.first().and_then(|at| plan.fields.get(*at)),
                _ => None,
            };
            let names: Vec<&str> = plan.names.iter().map(String::as_str).collect();
            judge::table(rule, &names, state.map_or(metrics.rows, |state| state.rows), field, plan.options.compat)
        }
    }
}
