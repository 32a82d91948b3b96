//! Results in Great Expectations' shape.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::cells::Column;
use crate::error::RunError;
use crate::evaluation::Outcome;
use crate::expectation::{Expectation, Rule};
use crate::judge::{Findings, RowFindings};

/// The original never lists more values than this.
const MAX_VALUES: usize = 200;

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
    pub(crate) fn new(suite: &str, results: Vec<ExpectationResult>) -> Self {
        let evaluated = results.len();
        let successful = results.iter().filter(|r| r.success).count();
        let mut meta = Map::new();
        meta.insert("great_expectations_version".to_owned(), Value::from("1.24.1"));
        meta.insert("produced_by".to_owned(), Value::from(concat!("med-quality ", env!("CARGO_PKG_VERSION"))));
        Self {
            success: evaluated > 0 && successful == evaluated,
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
    pub(crate) fn new(outcome: &Outcome<'_>, columns: &[&Column], format: ResultFormat) -> Self {
        let (result, error) = match &outcome.findings {
            Err(error) => (Map::new(), Some(error)),
            Ok(_) if format.level == Level::BooleanOnly => (Map::new(), None),
            Ok(Findings::Whole { result, .. }) => (result.clone(), None),
            Ok(Findings::Rows(found)) => (row_result(found, &outcome.expectation.rule, columns, format), None),
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

/// A value of one column, a pair, or an object by column.
fn listed(rule: &Rule, columns: &[&Column], row: u32) -> Value {
    match rule {
        Rule::Rows { rule, .. } if !rule.is_pair() => {
            columns.iter().map(|c| (c.name.clone(), c.json(row))).collect::<Map<_, _>>().into()
        }
        Rule::Rows { .. } => columns.iter().map(|c| c.json(row)).collect(),
        _ => columns.first().map_or(Value::Null, |c| c.json(row)),
    }
}

fn row_result(found: &RowFindings, rule: &Rule, columns: &[&Column], format: ResultFormat) -> Map<String, Value> {
    let percent = |part: usize, whole: usize| {
        if whole == 0 { Value::Null } else { Value::from(part as f64 / whole as f64 * 100.0) }
    };
    let unexpected = &found.unexpected;
    let list = |limit: usize| unexpected.iter().take(limit).map(|row| listed(rule, columns, *row)).collect::<Value>();
    let mut result = Map::new();
    let mut put = |key: &str, value: Value| {
        result.insert(key.to_owned(), value);
    };
    let unexpected_percent = if found.rows == 0 { Value::Null } else { percent(unexpected.len(), found.considered()) };
    put("element_count", Value::from(found.rows));
    put("unexpected_count", Value::from(unexpected.len()));
    put("unexpected_percent", unexpected_percent.clone());
    let partial = format.partial_unexpected_count;
    put("partial_unexpected_list", list(partial));
    if let Some(missing) = found.missing {
        put("missing_count", Value::from(missing));
        put("missing_percent", percent(missing, found.rows));
        put("unexpected_percent_total", percent(unexpected.len(), found.rows));
        put("unexpected_percent_nonmissing", unexpected_percent);
    }
    if format.level >= Level::Summary && partial > 0 {
        let fetched = if format.level == Level::Complete { MAX_VALUES } else { partial };
        if let Some(counts) = partial_counts(unexpected, rule, columns, fetched, partial) {
            put("partial_unexpected_counts", counts);
        }
        put("partial_unexpected_index_list", Value::from(unexpected[..partial.min(unexpected.len())].to_vec()));
    }
    if format.level == Level::Complete {
        put("unexpected_list", list(MAX_VALUES));
        put("unexpected_index_list", Value::from(unexpected.clone()));
        let rows = unexpected.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        put("unexpected_index_query", Value::from(format!("df.filter(items=[{rows}], axis=0)")));
    }
    result
}

/// How often each value occurs among the first `fetched`: the `limit` most common, by count and then by value. `None`
/// where the values have no order, as with missing ones among texts.
///
/// A missing number equals no other and has no order to any, as in the original; other missing values are one value.
fn partial_counts(rows: &[u32], rule: &Rule, columns: &[&Column], fetched: usize, limit: usize) -> Option<Value> {
    let itself =
        |column: &Column, row: u32| (column.is_number() && !column.is_bool() && column.is_missing(row)).then_some(row);
    let tuple =
        |row: u32| columns.iter().map(|c| (c.get(row).map(|cell| cell.key()), itself(c, row))).collect::<Vec<_>>();
    let mut counts: Vec<(u32, usize)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for &row in rows.iter().take(fetched) {
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
    let mut less = |(a, a_count): &(u32, usize), (b, b_count): &(u32, usize)| {
        if a_count != b_count {
            return a_count > b_count;
        }
        for column in columns {
            match (column.get(*a), column.get(*b)) {
                (Some(x), Some(y)) if x.key() == y.key() => {}
                (Some(x), Some(y)) => return x.order(y) == Some(Ordering::Less),
                (None, None) if itself(column, *a).is_none() => {}
                _ => {
                    orderable &= column.is_number() || column.is_time();
                    return false;
                }
            }
        }
        false
    };
    insertion_sort(&mut counts, &mut less);
    let value = |row: u32| match rule {
        Rule::Rows { .. } => columns.iter().map(|c| c.json(row)).collect(),
        _ => listed(rule, columns, row),
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
