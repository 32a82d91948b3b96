//! Rules on the table as a whole.

use serde_json::{Map, Value, json};

use super::{Findings, is_of_type};
use crate::cells::Field;
use crate::error::RunError;
use crate::expectation::TableRule;

/// Judges a rule on the table: its column names, the rows under the condition, and the column it is about, if it needs one.
pub(crate) fn table(
    rule: &TableRule,
    names: &[&str],
    rows: u64,
    column: Option<&Field>,
    compat: bool,
) -> Result<Findings, RunError> {
    let found = || Value::from(names.to_vec());
    Ok(match rule {
        TableRule::ColumnExists { column, index } => {
            let place = |index: i64| if index < 0 { index + names.len() as i64 } else { index };
            // The original takes place 0 for no place.
            let success = match index.filter(|index| !(compat && *index == 0)) {
                None => names.contains(&column.as_str()),
                Some(index) => usize::try_from(place(index)).ok().and_then(|i| names.get(i)) == Some(&column.as_str()),
            };
            Findings::Whole { success, result: Map::new(), inexact: None }
        }
        TableRule::ColumnType { column: name, type_name: wanted } => {
            let column = column.ok_or_else(|| RunError::no_column(name, names.iter().copied()))?;
            Findings::observed(is_of_type(column, wanted)?, Value::from(column.type_name.as_str()))
        }
        TableRule::RowCountBetween(bounds) => Findings::observed(bounds.holds(rows as f64), Value::from(rows)),
        TableRule::RowCountEqual(count) => Findings::observed(i64::try_from(rows) == Ok(*count), Value::from(rows)),
        TableRule::ColumnCountBetween(bounds) => {
            Findings::observed(bounds.holds(names.len() as f64), Value::from(names.len()))
        }
        TableRule::ColumnCountEqual(count) => {
            Findings::observed(i64::try_from(names.len()) == Ok(*count), Value::from(names.len()))
        }
        TableRule::ColumnsOrdered(None) => Findings::observed(true, found()),
        TableRule::ColumnsOrdered(Some(wanted)) => {
            let mut mismatched = Vec::new();
            for place in 0..wanted.len().max(names.len()) {
                let (wanted, found) = (wanted.get(place).map(String::as_str), names.get(place).copied());
                if wanted != found {
                    mismatched.push(json!({"Expected Column Position": place, "Expected": wanted, "Found": found}));
                }
            }
            let mut result = Map::new();
            result.insert("observed_value".to_owned(), found());
            let success = mismatched.is_empty();
            if !success {
                result.insert("details".to_owned(), json!({"mismatched": mismatched}));
            }
            Findings::Whole { success, result, inexact: None }
        }
        TableRule::ColumnsSet { columns, exact } => {
            let mut sorted = names.to_vec();
            sorted.sort_unstable();
            let unexpected: Vec<&str> =
                sorted.iter().copied().filter(|name| !columns.iter().any(|c| c == name)).collect();
            let mut missing: Vec<&str> = columns.iter().map(String::as_str).filter(|c| !names.contains(c)).collect();
            missing.sort_unstable();
            missing.dedup();
            let success = missing.is_empty() && (!exact || unexpected.is_empty());
            let mut mismatched = Map::new();
            for (key, names) in [("unexpected", unexpected), ("missing", missing)] {
                if !names.is_empty() {
                    mismatched.insert(key.to_owned(), Value::from(names));
                }
            }
            let mut result = Map::new();
            result.insert("observed_value".to_owned(), Value::from(sorted));
            if !mismatched.is_empty() {
                result.insert("details".to_owned(), json!({"mismatched": mismatched}));
            }
            Findings::Whole { success, result, inexact: None }
        }
    })
}
