//! From metrics to findings: pure functions, one family of rules a file.

mod divergence;
mod rows;
mod statistic;
mod table;
mod values;

use serde_json::{Map, Value};

pub(crate) use rows::rows;
pub(crate) use statistic::statistic;
pub(crate) use table::table;
pub(crate) use values::values;

use crate::cells::Field;
use crate::error::RunError;
use crate::scan::{Found, State};

/// What a rule found.
#[derive(Debug, Clone)]
pub(crate) enum Findings {
    /// Of rows.
    Rows(RowFindings),
    /// Of one statistic, or of the table.
    Whole {
        /// Whether it is as expected.
        success: bool,
        /// `result` as the original writes it.
        result: Map<String, Value>,
        /// Why it is not exact, where it is not.
        inexact: Option<String>,
    },
}

/// Rows that are not as expected.
#[derive(Debug, Clone)]
pub(crate) struct RowFindings {
    /// Rows under the row condition.
    pub(crate) rows: u64,
    /// Of these, missing ones; `None` for the two rules that are about missing values.
    pub(crate) missing: Option<u64>,
    /// Rows looked at that are not as expected.
    pub(crate) unexpected: Found,
    /// Why the count is not exact, where it is not.
    pub(crate) inexact: Option<String>,
}

/// What was collected of a column for one rule.
#[derive(Debug)]
pub(crate) struct Sample<'a> {
    pub(crate) field: &'a Field,
    /// Rows under the condition.
    pub(crate) rows: u64,
    /// Of these, rows with a value.
    pub(crate) present: u64,
    /// In the order the rule asked for them.
    pub(crate) states: Vec<&'a State>,
}

impl RowFindings {
    /// Rows looked at.
    pub(crate) fn considered(&self) -> u64 {
        self.rows - self.missing.unwrap_or(0)
    }

    /// The share of rows as expected is at least `mostly`; of no rows all are.
    pub(crate) fn success(&self, mostly: f64) -> bool {
        let considered = self.considered();
        considered == 0 || (considered - self.unexpected.count) as f64 / considered as f64 >= mostly
    }
}

impl Findings {
    fn observed(success: bool, observed: Value) -> Self {
        let mut result = Map::new();
        result.insert("observed_value".to_owned(), observed);
        Self::Whole { success, result, inexact: None }
    }

    fn because(mut self, reason: Option<String>) -> Self {
        match &mut self {
            Self::Rows(RowFindings { inexact, .. }) | Self::Whole { inexact, .. } => *inexact = reason,
        }
        self
    }
}

impl Sample<'_> {
    /// A text column that is empty or all missing has no values that could be of the wrong type.
    fn needs_numbers(&self) -> Result<(), RunError> {
        if self.field.is_number() || self.present == 0 { Ok(()) } else { Err(self.field.wrong_type("numbers")) }
    }
}

/// A metric that was planned is there; one that is not is an error, not a pass.
fn unplanned() -> RunError {
    RunError::Parameters { reason: "the metric of the expectation was not collected".to_owned() }
}

/// Names of types, and the type of ours that each of them means, if any.
const TYPE_NAMES: [(&str, Option<&str>); 37] = [
    ("bool", Some("bool")),
    ("boolean", Some("bool")),
    ("bool_", Some("bool")),
    ("int", Some("int64")),
    ("int64", Some("int64")),
    ("float", Some("float64")),
    ("float64", Some("float64")),
    ("double", Some("float64")),
    ("str", Some("str")),
    ("string", Some("str")),
    ("date", Some("date")),
    ("datetime64", Some("datetime64[us]")),
    ("datetime64[us]", Some("datetime64[us]")),
    ("datetime", Some("datetime64[us]")),
    ("Timestamp", Some("datetime64[us]")),
    ("object", None),
    ("bytes", None),
    ("category", None),
    ("complex128", None),
    ("datetime64[ns]", None),
    ("datetime64[ms]", None),
    ("datetime64[s]", None),
    ("timedelta64", None),
    ("float16", None),
    ("float32", None),
    ("Float64", None),
    ("int8", None),
    ("int16", None),
    ("int32", None),
    ("Int64", None),
    ("uint8", None),
    ("uint16", None),
    ("uint32", None),
    ("uint64", None),
    ("list", None),
    ("dict", None),
    ("Decimal", None),
];

/// Whether a column is of the type that this name means.
///
/// # Errors
/// When the name means no type at all.
fn is_of_type(field: &Field, name: &str) -> Result<bool, RunError> {
    match TYPE_NAMES.iter().find(|(known, _)| *known == name) {
        // numpy's names are of one type each, but for `str`, which pandas does not take for `string`.
        Some(_) if field.compat && (name == field.type_name || name == "string") => Ok(name == field.type_name),
        Some((_, meant)) => Ok(*meant == Some(field.type_name.as_str())),
        None => {
            let known: Vec<&str> = TYPE_NAMES.iter().filter(|(_, meant)| meant.is_some()).map(|(n, _)| *n).collect();
            Err(RunError::TypeName { name: name.to_owned(), known: known.join(", ") })
        }
    }
}
