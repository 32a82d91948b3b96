//! Results in Great Expectations' shape.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::cells::{Field, Held, Stored};
use crate::error::RunError;
use crate::evaluation::Outcome;
use crate::expectation::{Expectation, Rule};
use crate::judge::{Findings, RowFindings};

/// The original never lists more values than this.
pub(crate) const MAX_VALUES: usize = 200;

/// How much a result says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Level {
    /// Whether it is as expected.
    BooleanOnly,
    /// And counts, and the first unexpected values.
    Basic,
    /// And how often each of these occurs among them, and in which rows.
    #[default]
    Summary,
    /// And all unexpected rows.
    Complete,
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "BOOLEAN_ONLY" => Ok(Self::BooleanOnly),
            "BASIC" => Ok(Self::Basic),
            "SUMMARY" => Ok(Self::Summary),
            "COMPLETE" => Ok(Self::Complete),
            other => Err(format!("expected BOOLEAN_ONLY, BASIC, SUMMARY or COMPLETE, found {other:?}")),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::BooleanOnly => "BOOLEAN_ONLY",
            Self::Basic => "BASIC",
            Self::Summary => "SUMMARY",
            Self::Complete => "COMPLETE",
        })
    }
}

/// A level, and how long partial lists may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResultFormat {
    /// How much a result says.
    #[serde(rename = "result_format")]
    pub level: Level,
    /// Length of partial lists; 20 by default.
    pub partial_unexpected_count: usize,
}

impl Default for ResultFormat {
    fn default() -> Self {
        Self::from(Level::default())
    }
}

impl From<Level> for ResultFormat {
    fn from(level: Level) -> Self {
        Self { level, partial_unexpected_count: 20 }
    }
}

/// Result of a suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValidationResult {
    /// Whether something was evaluated, and all of it is as expected.
    pub success: bool,
    /// One result for each expectation, in the order of the suite.
    pub results: Vec<ExpectationResult>,
    /// Name of the suite.
    pub suite_name: String,
    /// Always empty here: suites with parameters are refused.
    pub suite_parameters: Map<String, Value>,
    /// Counts.
    pub statistics: RunStatistics,
    /// The version whose format this is.
    pub meta: Map<String, Value>,
    /// Not used here.
    pub id: Option<String>,
}

/// Counts over a suite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RunStatistics {
    /// All expectations.
    pub evaluated_expectations: usize,
    /// Those as expected.
    pub successful_expectations: usize,
    /// The others.
    pub unsuccessful_expectations: usize,
    /// Share of the first in per cent; null for an empty suite.
    pub success_percent: Option<f64>,
}

/// Result of one expectation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExpectationResult {
    /// Whether it is as expected; never when it could not run.
    pub success: bool,
    /// The expectation.
    pub expectation_config: Expectation,
    /// What was found, as far as the level says.
    pub result: Map<String, Value>,
    /// Not used here.
    pub meta: Map<String, Value>,
    /// Whether it could run, and why not.
    pub exception_info: ExceptionInfo,
}

/// Whether an expectation could run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ExceptionInfo {
    /// It could not.
    pub raised_exception: bool,
    /// Always null.
    pub exception_traceback: Option<String>,
    /// Why not.
    pub exception_message: Option<String>,
}

impl ValidationResult {
    pub(crate) fn new(suite: &str, results: Vec<ExpectationResult>, success: bool) -> Self {
        let evaluated = results.len();
        let successful = results.iter().filter(|r| r.success).count();
        let mut meta = Map::new();
        meta.insert("great_expectations_version".to_owned(), Value::from("1.24.1"));
        meta.insert("produced_by".to_owned(), Value::from(concat!("med-quality ", env!("CARGO_PKG_VERSION"))));
        Self {
            success,
            results,
            suite_name: suite.to_owned(),
            suite_parameters: Map::new(),
            statistics: RunStatistics {
                evaluated_expectations: evaluated,
                successful_expectations: successful,
                unsuccessful_expectations: evaluated - successful,
                success_percent: (evaluated > 0).then(|| successful as f64 / evaluated as f64 * 100.0),
            },
            meta,
            id: None,
        }
    }
}

impl ExpectationResult {
    pub(crate) fn new(outcome: &Outcome<'_>, format: ResultFormat) -> Self {
        let (result, error) = match &outcome.findings {
            Err(error) => (Map::new(), Some(error)),
            Ok(_) if format.level == Level::BooleanOnly => (Map::new(), None),
            Ok(Findings::Whole { result, inexact, .. }) => (with_note(result.clone(), inexact.as_deref()), None),
            Ok(Findings::Rows(found)) => {
                let result = row_result(found, &outcome.expectation.rule, &outcome.fields, format);
                (with_note(result, found.inexact.as_deref()), None)
            }
        };
        Self {
            success: outcome.success(),
            expectation_config: outcome.expectation.clone(),
            result,
            meta: Map::new(),
            exception_info: ExceptionInfo {
                raised_exception: error.is_some(),
                exception_traceback: None,
                exception_message: error.map(RunError::to_string),
            },
        }
    }
}

/// Says in `details` that a result is not exact, and why.
fn with_note(mut result: Map<String, Value>, inexact: Option<&str>) -> Map<String, Value> {
    if let Some(reason) = inexact {
        let details = result.entry("details").or_insert_with(|| Value::Object(Map::new()));
        if let Some(details) = details.as_object_mut() {
            details.insert("exact".to_owned(), Value::Bool(false));
            details.insert("bound".to_owned(), Value::from(reason));
        }
    }
    result
}

type Row = Vec<Option<Stored>>;

fn cell_json(fields: &[Field], row: &Row, at: usize) -> Value {
    fields[at].json(row.get(at).and_then(Option::as_ref).map(Stored::cell))
}

/// A value of one column, a pair, or an object by column.
fn listed(rule: &Rule, fields: &[Field], row: &Row) -> Value {
    let cells = 0..fields.len();
    match rule {
        Rule::Rows { rule, .. } if !rule.is_pair() => {
            cells.map(|at| (fields[at].name.clone(), cell_json(fields, row, at))).collect::<Map<_, _>>().into()
        }
        Rule::Rows { .. } => cells.map(|at| cell_json(fields, row, at)).collect(),
        _ if fields.is_empty() => Value::Null,
        _ => cell_json(fields, row, 0),
    }
}

fn row_result(found: &RowFindings, rule: &Rule, fields: &[Field], format: ResultFormat) -> Map<String, Value> {
    let percent = |part: u64, whole: u64| {
        if whole == 0 { Value::Null } else { Value::from(part as f64 / whole as f64 * 100.0) }
    };
    let unexpected = &found.unexpected;
    let list =
        |limit: usize| unexpected.cells.iter().take(limit).map(|row| listed(rule, fields, row)).collect::<Value>();
    let mut result = Map::new();
    let mut put = |key: &str, value: Value| {
        result.insert(key.to_owned(), value);
    };
    let unexpected_percent = if found.rows == 0 { Value::Null } else { percent(unexpected.count, found.considered()) };
    put("element_count", Value::from(found.rows));
    put("unexpected_count", Value::from(unexpected.count));
    put("unexpected_percent", unexpected_percent.clone());
    let partial = format.partial_unexpected_count;
    put("partial_unexpected_list", list(partial));
    if let Some(missing) = found.missing {
        put("missing_count", Value::from(missing));
        put("missing_percent", percent(missing, found.rows));
        put("unexpected_percent_total", percent(unexpected.count, found.rows));
        put("unexpected_percent_nonmissing", unexpected_percent);
    }
    if format.level >= Level::Summary && partial > 0 {
        let fetched = if format.level == Level::Complete { MAX_VALUES } else { partial };
        let rows = &unexpected.cells[..fetched.min(unexpected.cells.len())];
        if let Some(counts) = partial_counts(rows, rule, fields, partial) {
            put("partial_unexpected_counts", counts);
        }
        let first = &unexpected.rows[..partial.min(unexpected.rows.len())];
        put("partial_unexpected_index_list", Value::from(first.to_vec()));
    }
    if format.level == Level::Complete {
        put("unexpected_list", list(MAX_VALUES));
        put("unexpected_index_list", Value::from(unexpected.rows.clone()));
        put("unexpected_index_query", index_query(&unexpected.rows));
    }
    result
}

/// How the original's users find these rows in their frame.
pub(crate) fn index_query(rows: &[u64]) -> Value {
    let rows = rows.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
    Value::from(format!("df.filter(items=[{rows}], axis=0)"))
}

/// How often each value occurs among these: the `limit` most common, by count and then by value. `None` where the values
/// have no order, as with missing ones among texts.
///
/// A missing number equals no other and has no order to any, as in the original; other missing values are one value.
fn partial_counts(rows: &[Row], rule: &Rule, fields: &[Field], limit: usize) -> Option<Value> {
    let get = |row: usize, at: usize| rows[row].get(at).and_then(Option::as_ref).map(Stored::cell);
    let itself = |row: usize, at: usize| {
        (fields[at].is_number() && fields[at].held != Held::Bool && get(row, at).is_none()).then_some(row)
    };
    let tuple = |row: usize| {
        (0..fields.len()).map(|at| (get(row, at).map(|cell| cell.key()), itself(row, at))).collect::<Vec<_>>()
    };
    let mut counts: Vec<(usize, usize)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for row in 0..rows.len() {
        let place = *places.entry(tuple(row)).or_insert_with(|| {
            counts.push((row, 0));
            counts.len() - 1
        });
        counts[place].1 += 1;
    }
    // A stable sort: of equally common values the one seen first comes first.
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.truncate(limit);
    let mut orderable = true;
    let mut less = |(a, a_count): &(usize, usize), (b, b_count): &(usize, usize)| {
        if a_count != b_count {
            return a_count > b_count;
        }
        for (at, field) in fields.iter().enumerate() {
            match (get(*a, at), get(*b, at)) {
                (Some(x), Some(y)) if x.key() == y.key() => {}
                (Some(x), Some(y)) => return x.order(y) == Some(Ordering::Less),
                (None, None) if itself(*a, at).is_none() => {}
                _ => {
                    orderable &= field.is_number() || field.held == Held::Time;
                    return false;
                }
            }
        }
        false
    };
    insertion_sort(&mut counts, &mut less);
    let value = |row: usize| match rule {
        Rule::Rows { .. } => (0..fields.len()).map(|at| cell_json(fields, &rows[row], at)).collect(),
        _ => listed(rule, fields, &rows[row]),
    };
    orderable.then(|| counts.iter().map(|(row, count)| json!({"value": value(*row), "count": count})).collect())
}

/// Python's sort of short lists: a leading run, then binary insertion. It decides where a missing number, which is not less
/// than anything, ends up; the sort of the standard library may refuse such an order.
fn insertion_sort<T: Copy>(items: &mut [T], less: &mut impl FnMut(&T, &T) -> bool) {
    let mut run = items.len().min(2);
    let descending = items.len() > 1 && less(&items[1], &items[0]);
    while run < items.len() && less(&items[run], &items[run - 1]) == descending {
        run += 1;
    }
    if descending {
        items[..run].reverse();
    }
    for at in run..items.len() {
        let pivot = items[at];
        let (mut low, mut high) = (0, at);
        while low < high {
            let middle = low.midpoint(high);
            if less(&pivot, &items[middle]) { high = middle } else { low = middle + 1 }
        }
        items.copy_within(low..at, low + 1);
        items[low] = pivot;
    }
}
