//! Results that name unexpected rows by columns of their own, or show them whole. What is asked for is written as Great
//! Expectations does: a level, or an object with the level and further wishes.

use std::str::FromStr;

use polars::prelude::{Column as FrameColumn, DataFrame};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::cells::{Field, Held};
use crate::compat;
use crate::error::RunError;
use crate::evaluation::Evaluation;
use crate::judge::{Findings, RowFindings};
use crate::plan::{Plan, PlanOptions, Source};
use crate::result::{Level, ResultFormat, ValidationResult, index_query};
use crate::scan::Cells;
use crate::suite::Suite;

/// A [`ResultFormat`], and what to say of unexpected rows.
///
/// ```
/// use med_quality::{DetailedFormat, Suite, column};
/// use polars::prelude::df;
/// use serde_json::json;
/// let suite = Suite::new("clients", [column("age").values_between(0..=120)])?;
/// let clients = df!("client" => ["ann", "bob"], "age" => [34, 200])?;
/// let format: DetailedFormat = r#"{"result_format": "SUMMARY", "unexpected_index_column_names": ["client"]}"#.parse()?;
/// let result = suite.validate_detailed(&clients, &format)?;
/// assert_eq!(result.results[0].result["partial_unexpected_index_list"], json!([{"age": 200, "client": "bob"}]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DetailedFormat {
    /// How much a result says.
    #[serde(rename = "result_format")]
    pub level: Level,
    /// Length of partial lists, 20 by default.
    pub partial_unexpected_count: usize,
    /// Rows are named by their values in these columns, beside those in the columns of the rule, and not by their numbers.
    pub unexpected_index_column_names: Vec<String>,
    /// From `BASIC` on: the first unexpected rows, with all columns.
    pub include_unexpected_rows: bool,
    /// Lists of unexpected values are left out.
    pub exclude_unexpected_values: bool,
    /// `unexpected_index_query` is written at all levels, or at none; by default at `COMPLETE`.
    pub return_unexpected_index_query: Option<bool>,
    /// Rows are written as objects, which they are here in any case.
    pub map_expectation_unexpected_rows_as_dict: bool,
}

impl Default for DetailedFormat {
    fn default() -> Self {
        Self::from(ResultFormat::default())
    }
}

impl From<ResultFormat> for DetailedFormat {
    fn from(format: ResultFormat) -> Self {
        Self {
            level: format.level,
            partial_unexpected_count: format.partial_unexpected_count,
            unexpected_index_column_names: Vec::new(),
            include_unexpected_rows: false,
            exclude_unexpected_values: false,
            return_unexpected_index_query: None,
            map_expectation_unexpected_rows_as_dict: false,
        }
    }
}

/// The name of a level, or a JSON object.
impl FromStr for DetailedFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim_start().starts_with('{') {
            return serde_json::from_str(text).map_err(|error| error.to_string());
        }
        text.parse::<Level>().map(|level| ResultFormat::from(level).into())
    }
}

impl DetailedFormat {
    /// Level and length of lists alone.
    pub fn format(&self) -> ResultFormat {
        ResultFormat { level: self.level, partial_unexpected_count: self.partial_unexpected_count }
    }

    /// Whether more than that is asked for, so that the rows must be at hand when the result is written.
    pub fn needs_rows(&self) -> bool {
        let plain = Self {
            map_expectation_unexpected_rows_as_dict: self.map_expectation_unexpected_rows_as_dict,
            ..self.format().into()
        };
        *self != plain
    }

    /// What a plan has to keep for it.
    pub fn options(&self) -> PlanOptions {
        let options = PlanOptions::from(self.format());
        let all = self.return_unexpected_index_query == Some(true);
        if all || self.include_unexpected_rows { options.all_rows() } else { options }
    }
}

impl Suite {
    /// Runs the suite on a frame and writes the result with the rows that the format asks for. It holds values of the table.
    ///
    /// # Errors
    /// When a column that names rows, or one to show, is not there or of a type that no table holds.
    pub fn validate_detailed(&self, frame: &DataFrame, format: &DetailedFormat) -> Result<ValidationResult, RunError> {
        Plan::evaluate(Source::Suite(self), frame, format.options()).detailed_result(format, frame)
    }
}

impl Evaluation<'_> {
    /// The result, with the rows that the format asks for out of the frame that was evaluated. The plan must have been made with
    /// [`DetailedFormat::options`]; rows that it did not keep are not shown.
    ///
    /// # Errors
    /// As [`Suite::validate_detailed`].
    pub fn detailed_result(&self, format: &DetailedFormat, frame: &DataFrame) -> Result<ValidationResult, RunError> {
        let mut result = self.result(format.format());
        if !format.needs_rows() {
            return Ok(result);
        }
        let held;
        let frame = if self.compat {
            held = compat::as_pandas(frame);
            &held
        } else {
            frame
        };
        let level = format.level.min(self.format.level);
        let read =
            |names: &[String]| names.iter().map(|name| ShownColumn::find(frame, name)).collect::<Result<Vec<_>, _>>();
        let named = read(&format.unexpected_index_column_names)?;
        let all = if format.include_unexpected_rows && level >= Level::Basic {
            frame.columns().iter().map(ShownColumn::read).collect::<Result<Vec<_>, _>>()?
        } else {
            Vec::new()
        };
        for (outcome, written) in self.outcomes.iter().zip(&mut result.results) {
            let Ok(Findings::Rows(found)) = &outcome.findings else { continue };
            let tested = outcome.fields.iter().map(|field| ShownColumn::find(frame, &field.name));
            let tested = if named.is_empty() { Vec::new() } else { tested.collect::<Result<Vec<_>, _>>()? };
            let shown = Shown { format, level, tested: &tested, named: &named, all: &all };
            shown.write(found, &mut written.result);
        }
        Ok(result)
    }
}

/// A column as results show it.
struct ShownColumn {
    field: Field,
    cells: Cells,
}

impl ShownColumn {
    fn find(frame: &DataFrame, name: &str) -> Result<Self, RunError> {
        let known = frame.columns().iter().map(|column| column.name().as_str());
        Self::read(frame.column(name).map_err(|_| RunError::no_column(name, known))?)
    }

    fn read(column: &FrameColumn) -> Result<Self, RunError> {
        let name = column.name().to_string();
        let other = || RunError::Frame { column: name.clone(), found: column.dtype().to_string() };
        let held = Held::of(column.dtype()).ok_or_else(other)?;
        let field = Field { name: name.clone(), held, type_name: String::new(), compat: false };
        Ok(Self { cells: Cells::read(column, &field)?, field })
    }

    fn json(&self, row: u64) -> Value {
        self.field.json(usize::try_from(row).ok().and_then(|row| self.cells.get(row)))
    }
}

/// What is shown of the rows of one expectation.
struct Shown<'a> {
    format: &'a DetailedFormat,
    level: Level,
    /// The columns of the rule.
    tested: &'a [ShownColumn],
    /// The columns that name rows.
    named: &'a [ShownColumn],
    /// All columns, where rows are shown whole.
    all: &'a [ShownColumn],
}

impl Shown<'_> {
    fn write(&self, found: &RowFindings, result: &mut Map<String, Value>) {
        let Self { format, level, .. } = *self;
        let rows = &found.unexpected.rows;
        let first = &rows[..format.partial_unexpected_count.min(rows.len())];
        if level >= Level::Basic {
            if !self.named.is_empty() {
                let names = format.unexpected_index_column_names.clone();
                result.insert("unexpected_index_column_names".to_owned(), names.into());
            }
            if format.include_unexpected_rows {
                let whole = |row: &u64| object(self.all.iter(), *row);
                result.insert("unexpected_rows".to_owned(), first.iter().map(whole).collect());
            }
        }
        if format.exclude_unexpected_values {
            for key in ["partial_unexpected_list", "partial_unexpected_counts", "unexpected_list"] {
                result.remove(key);
            }
        }
        if !self.named.is_empty() {
            for (key, rows) in [("partial_unexpected_index_list", first), ("unexpected_index_list", rows)] {
                if let Some(list) = result.get_mut(key) {
                    *list = self.index_list(rows);
                }
            }
        }
        match format.return_unexpected_index_query {
            Some(true) => {
                result.insert("unexpected_index_query".to_owned(), index_query(rows));
            }
            Some(false) => {
                result.remove("unexpected_index_query");
            }
            None => {}
        }
    }

    /// An object a row; without values of the rule's columns, a list a column.
    fn index_list(&self, rows: &[u64]) -> Value {
        if !self.format.exclude_unexpected_values || rows.is_empty() {
            return rows.iter().map(|row| object(self.tested.iter().chain(self.named), *row)).collect();
        }
        let lists = self
            .named
            .iter()
            .map(|column| (column.field.name.clone(), rows.iter().map(|row| column.json(*row)).collect::<Value>()));
        Value::Array(vec![Value::Object(lists.collect())])
    }
}

fn object<'a>(columns: impl Iterator<Item = &'a ShownColumn>, row: u64) -> Value {
    Value::Object(columns.map(|column| (column.field.name.clone(), column.json(row))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column;
    use polars::prelude::df;
    use serde_json::json;

    /// The result of the rule on `age`, as Great Expectations 1.24 gives it for the same frame and format.
    fn check(format: Value, expected: Value) {
        let frame = df!(
            "id" => [7, 8, 9, 10], "age" => [Some(34), Some(200), None, Some(150)],
            "plan" => [Some("a"), None, Some("b"), Some("b")]
        );
        let suite = Suite::new("s", [column("age").values_between(..=120)]).unwrap();
        let format: DetailedFormat = format.to_string().parse().unwrap();
        let result = suite.validate_detailed(&frame.unwrap(), &format).unwrap();
        let mut result = Value::Object(result.results[0].result.clone());
        let counts = ["element_count", "unexpected_count", "unexpected_percent", "missing_count", "missing_percent"];
        let shares = ["unexpected_percent_total", "unexpected_percent_nonmissing"];
        for key in counts.into_iter().chain(shares) {
            result.as_object_mut().unwrap().remove(key);
        }
        assert_eq!(result, expected, "{format:?}");
    }

    #[test]
    fn rows_are_named_by_columns() {
        let rows = json!([{"age": 200, "id": 8}, {"age": 150, "id": 10}]);
        check(
            json!({"result_format": "COMPLETE", "unexpected_index_column_names": ["id"]}),
            json!({
                "partial_unexpected_list": [200, 150], "unexpected_index_column_names": ["id"],
                "partial_unexpected_counts": [{"value": 150, "count": 1}, {"value": 200, "count": 1}],
                "partial_unexpected_index_list": rows, "unexpected_list": [200, 150], "unexpected_index_list": rows,
                "unexpected_index_query": "df.filter(items=[1, 3], axis=0)"
            }),
        );
        check(
            json!({"result_format": "SUMMARY", "unexpected_index_column_names": ["id"], "exclude_unexpected_values": true}),
            json!({"unexpected_index_column_names": ["id"], "partial_unexpected_index_list": [{"id": [8, 10]}]}),
        );
    }

    #[test]
    fn rows_are_shown_whole() {
        check(
            json!({"result_format": "BASIC", "include_unexpected_rows": true, "partial_unexpected_count": 1}),
            json!({"partial_unexpected_list": [200], "unexpected_rows": [{"id": 8, "age": 200, "plan": null}]}),
        );
        check(json!({"result_format": "BOOLEAN_ONLY", "include_unexpected_rows": true}), json!({}));
    }

    #[test]
    fn the_query_is_written_where_asked_for() {
        let query = json!("df.filter(items=[1, 3], axis=0)");
        check(
            json!({"result_format": "BOOLEAN_ONLY", "return_unexpected_index_query": true}),
            json!({"unexpected_index_query": query}),
        );
        check(
            json!({"result_format": "COMPLETE", "return_unexpected_index_query": false, "exclude_unexpected_values": true}),
            json!({"partial_unexpected_index_list": [1, 3], "unexpected_index_list": [1, 3]}),
        );
    }

    #[test]
    fn columns_that_are_not_there_are_refused() {
        let frame = df!("client" => [1, 1], "age" => [1, 2]).unwrap();
        let suite = Suite::new("s", [column("age").values_between(..=120)]).unwrap();
        let format: DetailedFormat = r#"{"unexpected_index_column_names": ["clients"]}"#.parse().unwrap();
        let error = suite.validate_detailed(&frame, &format).unwrap_err().to_string();
        assert!(error.contains("\"clients\"") && error.contains("client"), "{error}");
        assert!(r#"{"unexpected_index": ["x"]}"#.parse::<DetailedFormat>().unwrap_err().contains("unknown field"));
        assert!("ALL".parse::<DetailedFormat>().is_err());
    }
}
