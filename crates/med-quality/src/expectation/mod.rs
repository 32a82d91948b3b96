//! What may be expected: one expectation, its rule, and how both are read and written.

mod rows;
mod statistic;
mod table;
mod values;

use std::str::FromStr;

use med_schema::{Severity, near_names};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use rows::{IgnoreRowIf, RowRule};
pub use statistic::{Histogram, Interpolation, Partition, StatisticRule};
pub use table::TableRule;
pub use values::{OutlierMethod, ValueRule};

use crate::condition::Condition;
use crate::error::SuiteError;
use crate::kwargs::Kwargs;

/// Known to the original on SQL engines only, or not at all as a real check.
const ELSEWHERE: [(&str, &str); 8] = [
    ("expect_column_values_to_match_like_pattern", "LIKE patterns are for databases"),
    ("expect_column_values_to_not_match_like_pattern", "LIKE patterns are for databases"),
    ("expect_column_values_to_match_like_pattern_list", "LIKE patterns are for databases"),
    ("expect_column_values_to_not_match_like_pattern_list", "LIKE patterns are for databases"),
    ("expect_table_row_count_to_equal_other_table", "it needs a second table in a database"),
    ("unexpected_rows_expectation", "it needs a database to query"),
    ("expect_query_results_to_match_comparison", "it needs a database to query"),
    (
        "expect_multicolumn_values_to_be_unique",
        "the original never checks it; use expect_compound_columns_to_be_unique",
    ),
];

/// What is expected, by what the answer looks like.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Rule {
    /// Of every value of a column.
    Values {
        /// The column.
        column: String,
        /// What of them.
        rule: ValueRule,
    },
    /// Of one statistic of a column.
    Statistic {
        /// The column.
        column: String,
        /// What of it.
        rule: StatisticRule,
    },
    /// Of every row, over two or more columns.
    Rows {
        /// The columns.
        columns: Vec<String>,
        /// What of them.
        rule: RowRule,
        /// Rows that are not looked at.
        ignore: IgnoreRowIf,
    },
    /// Of the table as a whole.
    Table(TableRule),
}

/// One expectation of a suite. Its JSON is Great Expectations'; reading checks every parameter.
///
/// Made by [`column`](crate::column), [`columns`](crate::columns) or [`table`](crate::table), or read from JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Expectation {
    pub(crate) rule: Rule,
    pub(crate) mostly: Option<f64>,
    pub(crate) condition: Option<Condition>,
    pub(crate) severity: Severity,
    pub(crate) meta: Map<String, Value>,
    /// `notes`, `id`, `description`, `expectation_context`, `rendered_content`: carried along.
    annotations: Map<String, Value>,
    carried: Map<String, Value>,
}

const KEYS: [&str; 9] =
    ["type", "kwargs", "meta", "severity", "id", "notes", "description", "expectation_context", "rendered_content"];

impl Expectation {
    /// An expectation of this rule, critical, of all rows.
    pub fn new(rule: Rule) -> Self {
        Self {
            rule,
            mostly: None,
            condition: None,
            severity: Severity::default(),
            meta: Map::new(),
            annotations: Map::new(),
            carried: Map::new(),
        }
    }

    /// The share of values or rows that has to be as expected, in [0, 1].
    #[must_use]
    pub fn mostly(mut self, share: f64) -> Self {
        self.mostly = Some(share);
        self
    }

    /// How much a failure matters.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Looks only at rows that fulfil this.
    #[must_use]
    pub fn where_rows(mut self, condition: Condition) -> Self {
        self.condition = Some(condition);
        self
    }

    /// Says in words what it is about.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.annotations.insert("description".to_owned(), Value::from(text.into()));
        self
    }

    /// One more entry of `meta`.
    #[must_use]
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.meta.insert(key.into(), value.into());
        self
    }

    /// The rule.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// The type name, for example `expect_column_values_to_be_between`.
    pub fn name(&self) -> &'static str {
        match &self.rule {
            Rule::Values { rule, .. } => rule.name(),
            Rule::Statistic { rule, .. } => rule.name(),
            Rule::Rows { rule, .. } => rule.name(),
            Rule::Table(rule) => rule.name(),
        }
    }

    /// How much a failure matters.
    pub fn severity_of(&self) -> Severity {
        self.severity
    }

    /// `meta` as it stands in the suite.
    pub fn meta_of(&self) -> &Map<String, Value> {
        &self.meta
    }

    /// The column or columns it is about, as reports name them.
    pub fn subject(&self) -> Option<String> {
        match &self.rule {
            Rule::Values { column, .. } | Rule::Statistic { column, .. } => Some(column.clone()),
            Rule::Rows { columns, .. } => Some(columns.join(", ")),
            Rule::Table(rule) => rule.column().map(str::to_owned),
        }
    }

    /// What is expected, in words: the parameters besides the column, as `name = value`; without any, the name.
    pub fn expected(&self) -> String {
        let kwargs = self.kwargs();
        let named = |(name, value): (&String, &Value)| match value {
            Value::String(text) => format!("{name} = {text}"),
            other => format!("{name} = {other}"),
        };
        let about = ["column", "column_A", "column_B"];
        let is_subject =
            |name: &str| about.contains(&name) || (name == "column_list" && matches!(self.rule, Rule::Rows { .. }));
        let parameters: Vec<String> = kwargs.iter().filter(|(name, _)| !is_subject(name)).map(named).collect();
        if parameters.is_empty() {
            return self.name().trim_start_matches("expect_").replace('_', " ");
        }
        parameters.join(", ")
    }

    /// Checks the parameters as reading them from JSON does.
    ///
    /// # Errors
    /// When a parameter has a value it cannot have, for example a `mostly` outside of [0, 1] or one on a rule without rows.
    pub fn validate(&self, number: usize) -> Result<(), SuiteError> {
        Self::from_json(self.clone().into(), number).map(|_| ())
    }

    /// Reads the JSON of one expectation, the `number`th of its suite.
    pub(crate) fn from_json(value: Value, number: usize) -> Result<Self, SuiteError> {
        let shape = |found: &str| SuiteError::Shape { number, found: found.to_owned() };
        let Value::Object(mut object) = value else { return Err(shape("something else")) };
        let name = match object.remove("type") {
            Some(Value::String(name)) => name,
            Some(_) => return Err(shape("a type that is no string")),
            None if object.contains_key("expectation_type") => {
                return Err(shape("the key expectation_type, which was named type in version 1.0"));
            }
            None => return Err(shape("no type")),
        };
        let kwargs = match object.remove("kwargs") {
            Some(Value::Object(kwargs)) => Kwargs::new(number, &name, kwargs),
            Some(_) => return Err(shape("kwargs that are no object")),
            None => return Err(shape("no kwargs")),
        };
        let mut expectation = Self::read(number, &name, kwargs)?;
        expectation.meta = match object.remove("meta") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(meta)) => meta,
            Some(_) => return Err(shape("a meta that is no object")),
        };
        if let Some(severity) = object.remove("severity").filter(|s| !s.is_null()) {
            let wrong = || SuiteError::Parameter {
                number,
                expectation: name.clone(),
                parameter: "severity".to_owned(),
                expected: "critical, warning or info".to_owned(),
                found: severity.to_string(),
            };
            expectation.severity = serde_json::from_value(severity.clone()).map_err(|_| wrong())?;
        }
        object.retain(|_, value| !value.is_null());
        if let Some(key) = object.keys().find(|k| !KEYS.contains(&k.as_str())) {
            return Err(SuiteError::UnknownKey {
                number,
                expectation: name,
                key: key.clone(),
                near: near_names(key, KEYS),
            });
        }
        expectation.annotations = object;
        Ok(expectation)
    }

    fn read(number: usize, name: &str, mut kwargs: Kwargs<'_>) -> Result<Self, SuiteError> {
        let rule = if let Some(rule) = ValueRule::read(name, &mut kwargs)? {
            Rule::Values { column: kwargs.required_string("column")?, rule }
        } else if let Some(rule) = StatisticRule::read(name, &mut kwargs)? {
            Rule::Statistic { column: kwargs.required_string("column")?, rule }
        } else if let Some((rule, columns, ignore)) = RowRule::read(name, &mut kwargs)? {
            Rule::Rows { columns, rule, ignore }
        } else if let Some(rule) = TableRule::read(name, &mut kwargs)? {
            Rule::Table(rule)
        } else if let Some((_, reason)) = ELSEWHERE.iter().find(|(other, _)| *other == name) {
            return Err(SuiteError::Unsupported { number, expectation: name.to_owned(), reason });
        } else {
            let near = near_names(name, Self::names());
            return Err(SuiteError::UnknownExpectation { number, expectation: name.to_owned(), near });
        };
        let mut expectation = Self::new(rule);
        if matches!(expectation.rule, Rule::Values { .. } | Rule::Rows { .. }) {
            expectation.mostly = match kwargs.number("mostly")? {
                Some(share) if !(0.0..=1.0).contains(&share) => {
                    return Err(kwargs.wrong("mostly", "a share from 0 to 1", &Value::from(share)));
                }
                share => share,
            };
        }
        if expectation.takes_condition() {
            expectation.condition = read_condition(&mut kwargs)?;
        }
        expectation.carried = kwargs.finish()?;
        Ok(expectation)
    }

    fn takes_condition(&self) -> bool {
        !matches!(&self.rule, Rule::Table(rule) if !rule.counts_rows())
    }

    /// All type names that can be checked.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ValueRule::NAMES.into_iter().chain(StatisticRule::NAMES).chain(RowRule::NAMES).chain(TableRule::NAMES)
    }

    /// The parameters as they stand in a suite: those at their default are left out.
    pub(crate) fn kwargs(&self) -> Map<String, Value> {
        let mut kwargs = Map::new();
        match &self.rule {
            Rule::Values { column, rule } => {
                kwargs.insert("column".to_owned(), Value::from(column.as_str()));
                rule.write(&mut kwargs);
            }
            Rule::Statistic { column, rule } => {
                kwargs.insert("column".to_owned(), Value::from(column.as_str()));
                rule.write(&mut kwargs);
            }
            Rule::Rows { columns, rule, ignore } => rule.write(columns, *ignore, &mut kwargs),
            Rule::Table(rule) => rule.write(&mut kwargs),
        }
        if let Some(share) = self.mostly
            && share != 1.0
        {
            kwargs.insert("mostly".to_owned(), if share.is_nan() { Value::from("NaN") } else { Value::from(share) });
        }
        if let Some(condition) = &self.condition {
            kwargs.insert("row_condition".to_owned(), condition.to_json());
        }
        kwargs.extend(self.carried.clone());
        kwargs
    }
}

fn read_condition(kwargs: &mut Kwargs<'_>) -> Result<Option<Condition>, SuiteError> {
    let parser = kwargs.string("condition_parser")?;
    let Some(value) = kwargs.take("row_condition") else { return Ok(None) };
    if let Some(parser) = &parser
        && !parser.starts_with("great_expectations")
    {
        let expected = "great_expectations; conditions for other parsers are Python or SQL and are not run";
        return Err(kwargs.wrong("condition_parser", expected, &Value::from(parser.as_str())));
    }
    Condition::read(&value).map(Some).map_err(|expected| kwargs.wrong("row_condition", expected, &value))
}

impl TryFrom<Value> for Expectation {
    type Error = SuiteError;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        Self::from_json(value, 1)
    }
}

impl From<Expectation> for Value {
    fn from(expectation: Expectation) -> Self {
        let mut object = Map::new();
        object.insert("type".to_owned(), Self::from(expectation.name()));
        object.insert("kwargs".to_owned(), Self::Object(expectation.kwargs()));
        object.insert("meta".to_owned(), Self::Object(expectation.meta));
        object.extend(expectation.annotations);
        object.insert("severity".to_owned(), json!(expectation.severity));
        Self::Object(object)
    }
}

impl FromStr for Expectation {
    type Err = SuiteError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_json(serde_json::from_str(text)?, 1)
    }
}
