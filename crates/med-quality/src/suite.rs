//! Suites: lists of expectations with a name, read from and written to Great Expectations' JSON.

use std::sync::Arc;

use med_schema::{Check, CheckResult, Checked, Report, SuiteDocument, Table};
use polars::prelude::{DataFrame, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::SuiteError;
use crate::evaluation::Evaluation;
use crate::expectation::Expectation;
use crate::parameters;
use crate::plan::{Plan, PlanOptions, Source};
use crate::result::{Level, ResultFormat, ValidationResult};

/// Expectations of one table. A suite that exists is one whose parameters have all been checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawSuite", into = "RawSuite")]
pub struct Suite {
    name: String,
    id: Option<String>,
    expectations: Vec<Expectation>,
    meta: Map<String, Value>,
    notes: Option<Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSuite {
    /// Before version 1.0 of Great Expectations it had the longer name.
    #[serde(alias = "expectation_suite_name")]
    name: String,
    #[serde(default)]
    id: Option<String>,
    expectations: Vec<Value>,
    #[serde(default)]
    meta: Option<Map<String, Value>>,
    #[serde(default)]
    notes: Option<Value>,
}

impl TryFrom<RawSuite> for Suite {
    type Error = SuiteError;

    fn try_from(raw: RawSuite) -> Result<Self, Self::Error> {
        let numbered = raw.expectations.into_iter().enumerate();
        let expectations = numbered.map(|(i, e)| Expectation::from_json(e, i + 1)).collect::<Result<_, _>>()?;
        if raw.name.is_empty() {
            return Err(SuiteError::EmptyName);
        }
        Ok(Self { name: raw.name, id: raw.id, expectations, meta: raw.meta.unwrap_or_default(), notes: raw.notes })
    }
}

impl From<Suite> for RawSuite {
    fn from(suite: Suite) -> Self {
        Self {
            name: suite.name,
            id: suite.id,
            expectations: suite.expectations.into_iter().map(Value::from).collect(),
            meta: Some(suite.meta),
            notes: suite.notes,
        }
    }
}

impl Suite {
    /// A suite of these expectations.
    ///
    /// # Errors
    /// When the name is empty or a parameter has a value it cannot have; the error names expectation and parameter.
    pub fn new(
        name: impl Into<String>,
        expectations: impl IntoIterator<Item = Expectation>,
    ) -> Result<Self, SuiteError> {
        let (name, expectations) = (name.into(), expectations.into_iter().collect::<Vec<_>>());
        if name.is_empty() {
            return Err(SuiteError::EmptyName);
        }
        for (i, expectation) in expectations.iter().enumerate() {
            expectation.validate(i + 1)?;
        }
        Ok(Self { name, id: None, expectations, meta: Map::new(), notes: None })
    }

    /// Reads a suite.
    ///
    /// # Errors
    /// When the text is no suite, or an expectation has an unknown type or parameter or a value it cannot have. One of
    /// them is enough: what is not understood is refused, never left out.
    pub fn from_json(text: &str) -> Result<Self, SuiteError> {
        Self::from_json_with(text, &Map::new())
    }

    /// Reads a suite whose `{"$PARAMETER": "name"}` placeholders are filled in with these values. A placeholder is a name, a
    /// number, or a small sum of such (`2 * limit + 1`).
    ///
    /// # Errors
    /// As [`Suite::from_json`], and when a placeholder names no value or needs a clock.
    pub fn from_json_with(text: &str, parameters: &Map<String, Value>) -> Result<Self, SuiteError> {
        let mut raw = serde_json::from_str::<RawSuite>(text)?;
        for (i, expectation) in raw.expectations.iter_mut().enumerate() {
            if let Some(kwargs) = expectation.get_mut("kwargs") {
                parameters::fill(kwargs, parameters, i + 1)?;
            }
        }
        raw.try_into()
    }

    /// Writes the suite; parameters at their default are left out.
    ///
    /// # Errors
    /// Never for a suite that exists; the signature follows the writer's.
    pub fn to_json(&self) -> Result<String, SuiteError> {
        Ok(serde_json::to_string_pretty(self)?)
    }

    /// The suite as a document, whose fingerprint its reports carry. It holds all there is to the suite: another bound, another
    /// note, another fingerprint.
    ///
    /// # Errors
    /// As [`Suite::to_json`].
    pub fn document(&self) -> Result<SuiteDocument, SuiteError> {
        Ok(SuiteDocument::new(&self.name, serde_json::to_value(self)?))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The expectations, in order.
    pub fn expectations(&self) -> &[Expectation] {
        &self.expectations
    }

    /// `meta` of the suite.
    pub fn meta(&self) -> &Map<String, Value> {
        &self.meta
    }

    /// With one more entry of `meta`.
    #[must_use]
    pub fn with_meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.meta.insert(key.into(), value.into());
        self
    }

    /// With the expectations of another suite after its own.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.expectations.extend(other.expectations);
        self
    }

    /// With a check of your own beside the expectations.
    pub fn with_check(self, check: impl Check<Table> + 'static) -> Checklist {
        Checklist { suite: self, checks: Vec::new() }.with_check(check)
    }

    /// Runs the suite. Never fails: an expectation that cannot run is an errored result of its own.
    pub fn evaluate(&self, table: &Table) -> Evaluation<'_> {
        Plan::evaluate_table(Source::Suite(self), table, PlanOptions::from(Level::Complete))
    }

    /// Runs the suite on a frame, keeping no more than `options` ask for.
    pub fn evaluate_frame(&self, frame: &DataFrame, options: impl Into<PlanOptions>) -> Evaluation<'_> {
        Plan::evaluate(Source::Suite(self), frame, options.into())
    }

    /// Plans the suite for a table of these columns: what to collect, each metric once.
    pub fn plan(&self, columns: &Schema, options: impl Into<PlanOptions>) -> Plan<'_> {
        Plan::new(Source::Suite(self), columns, options.into())
    }

    /// Runs the suite and writes the result in Great Expectations' shape.
    pub fn validate(&self, table: &Table, format: impl Into<ResultFormat>) -> ValidationResult {
        let format = format.into();
        self.evaluate_frame(table.frame(), format).result(format)
    }

    /// Runs the suite and writes the report.
    pub fn report(&self, table: &Table) -> Report {
        self.evaluate_frame(table.frame(), Level::BooleanOnly).report()
    }

    /// Runs the suite and hands the table back with its report, ready for a gate.
    pub fn check(&self, table: Table) -> Checked<Table> {
        let report = self.report(&table);
        Checked::new(table, report)
    }
}

/// A suite, and checks that are code and have no JSON.
#[derive(Debug, Clone)]
pub struct Checklist {
    suite: Suite,
    checks: Vec<Arc<dyn Check<Table>>>,
}

impl Checklist {
    /// With one more check.
    #[must_use]
    pub fn with_check(mut self, check: impl Check<Table> + 'static) -> Self {
        self.checks.push(Arc::new(check));
        self
    }

    /// The suite in it.
    pub fn suite(&self) -> &Suite {
        &self.suite
    }

    /// Runs the suite, then the checks in the order they were added.
    pub fn report(&self, table: &Table) -> Report {
        let mut report = self.suite.report(table);
        report.results.extend(self.checks.iter().map(|check| check.check(table)));
        report
    }

    /// Runs everything and hands the table back with its report, ready for a gate.
    pub fn check(&self, table: Table) -> Checked<Table> {
        let report = self.report(&table);
        Checked::new(table, report)
    }
}

/// One expectation alone is a check too. Its parameters are checked first.
impl Check<Table> for Expectation {
    fn name(&self) -> &str {
        Expectation::name(self)
    }

    fn check(&self, table: &Table) -> CheckResult {
        if let Err(error) = self.validate(1) {
            return CheckResult::error(self.name(), error).severity(self.severity);
        }
        let options = PlanOptions::from(Level::BooleanOnly);
        let report = Plan::evaluate_table(Source::One(self), table, options).report();
        let nothing = || CheckResult::error(self.name(), "the expectation gave no result");
        report.results.into_iter().next().unwrap_or_else(nothing)
    }
}
