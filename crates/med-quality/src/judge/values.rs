//! Rules on every value of a column.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde_json::Value;

use super::{Findings, RowFindings, is_of_type, type_name};
use crate::bound::{Bound, Bounds};
use crate::cells::{Cell, Column, Key, days_of, micros_of};
use crate::error::RunError;
use crate::expectation::{OutlierMethod, ValueRule};
use crate::metrics::Sample;
use crate::python::{dateutil, json, json_schema, regex, strptime};

/// Judges a rule on the values of a sample.
pub(crate) fn values(rule: &ValueRule, sample: &Sample<'_>) -> Result<Findings, RunError> {
    let column = sample.column;
    let unexpected = match rule {
        ValueRule::NotNull => filter(sample.rows, |row| column.is_missing(row)),
        ValueRule::Null => filter(sample.rows, |row| !column.is_missing(row)),
        ValueRule::Unique => {
            let distinct = sample.distinct();
            let groups = sample.present().iter().zip(&distinct.group);
            groups.filter(|(_, group)| distinct.counts[**group as usize] > 1).map(|(row, _)| *row).collect()
        }
        ValueRule::Between(bounds) => {
            if bounds.is_reversed() {
                let text = |bound: Option<Bound>| bound.map_or_else(String::new, |b| b.to_json().to_string());
                return Err(RunError::EmptyRange { min: text(bounds.min), max: text(bounds.max) });
            }
            // Of no values all lie inside, whatever they would be compared with.
            if sample.present().is_empty() {
                Vec::new()
            } else {
                let range = Range::new(column, bounds)?;
                each(sample, |cell| !range.holds(cell))
            }
        }
        ValueRule::InSet(set) => {
            let set = members(column, set)?;
            each(sample, |cell| !set.contains(&cell.key()))
        }
        ValueRule::NotInSet(set) => {
            let set = members(column, set)?;
            each(sample, |cell| set.contains(&cell.key()))
        }
        ValueRule::MatchRegex(pattern) => matches(sample, std::slice::from_ref(pattern), |found, _| found == 0)?,
        ValueRule::NotMatchRegex(pattern) => matches(sample, std::slice::from_ref(pattern), |found, _| found > 0)?,
        ValueRule::MatchRegexList { patterns, all: true } => matches(sample, patterns, |found, of| found < of)?,
        ValueRule::MatchRegexList { patterns, all: false } => matches(sample, patterns, |found, _| found == 0)?,
        ValueRule::NotMatchRegexList(patterns) => matches(sample, patterns, |found, _| found > 0)?,
        ValueRule::LengthBetween(bounds) => each(sample, |cell| !bounds.holds(length(cell))),
        ValueRule::LengthEqual(wanted) => each(sample, |cell| length(cell) != *wanted),
        ValueRule::StrftimeFormat(format) => {
            let expected = "text; a strftime format reads text, not values that are already dates or numbers";
            let format = strptime::Format::new(format).map_err(|reason| RunError::Parameters { reason })?;
            text_rows(sample, expected, |text| !format.reads(text))?
        }
        ValueRule::DateutilParseable => text_rows(sample, "text to read dates from", |text| !dateutil::is_date(text))?,
        ValueRule::Json => each(sample, |cell| match cell {
            Cell::Text(text) => json::parse(text).is_none(),
            _ => true,
        }),
        ValueRule::JsonSchema(schema) => against_schema(sample, schema)?,
        ValueRule::Increasing { strictly } => out_of_order(sample, Ordering::Less, *strictly)?,
        ValueRule::Decreasing { strictly } => out_of_order(sample, Ordering::Greater, *strictly)?,
        ValueRule::ZScore { threshold, double_sided } => z_scores(sample, *threshold, *double_sided)?,
        ValueRule::NotOutlier { method, multiplier } => outliers(sample, *method, *multiplier)?,
        ValueRule::OfType(name) => {
            let success = is_of_type(column, name)?;
            return Ok(of_type(sample, success));
        }
        ValueRule::InTypeList(names) => {
            let names = names.iter().flatten().map(|name| is_of_type(column, name)).collect::<Result<Vec<_>, _>>()?;
            let success = !matches!(rule, ValueRule::InTypeList(Some(_))) || names.contains(&true);
            return Ok(of_type(sample, success));
        }
    };
    let missing = (!rule.is_about_missing()).then(|| sample.missing());
    Ok(Findings::Rows(RowFindings { rows: sample.rows.len(), missing, unexpected }))
}

fn filter(rows: &[u32], unexpected: impl Fn(u32) -> bool) -> Vec<u32> {
    rows.iter().copied().filter(|row| unexpected(*row)).collect()
}

fn each(sample: &Sample<'_>, unexpected: impl Fn(Cell<'_>) -> bool) -> Vec<u32> {
    filter(sample.present(), |row| sample.column.get(row).is_some_and(&unexpected))
}

/// A column holds values of one type, so all are of it or none is. Dates are listed value by value, as the original does.
fn of_type(sample: &Sample<'_>, success: bool) -> Findings {
    if sample.column.is_date() {
        let unexpected = if success { Vec::new() } else { sample.present().to_vec() };
        return Findings::Rows(RowFindings { rows: sample.rows.len(), missing: Some(sample.missing()), unexpected });
    }
    let name = type_name(sample.column).trim_end_matches("[us]");
    Findings::observed(success, Value::from(name))
}

pub(super) fn members<'v>(column: &Column, set: &'v [Value]) -> Result<HashSet<Key<'v>>, RunError> {
    let mut keys = HashSet::new();
    for value in set {
        keys.extend(column.member(value)?);
    }
    Ok(keys)
}

/// Bounds in the values of a column.
pub(super) struct Range<'b> {
    bounds: &'b Bounds,
    min: Option<Cell<'static>>,
    max: Option<Cell<'static>>,
}

impl<'b> Range<'b> {
    pub(super) fn new(column: &Column, bounds: &'b Bounds) -> Result<Self, RunError> {
        let cell = |bound: Option<Bound>| {
            bound.map(|bound| match bound {
                Bound::Number(number) if column.is_number() => Ok(Cell::Float(number)),
                Bound::Date(date) if column.is_date() => Ok(Cell::Date(days_of(date))),
                Bound::Time(time) if column.is_time() => Ok(Cell::Time(micros_of(time))),
                Bound::Number(_) => Err(column.incomparable("a number")),
                Bound::Date(_) => Err(column.incomparable("a date; give a date-time where timestamps are meant")),
                Bound::Time(_) => Err(column.incomparable("a date-time; give a date where dates are meant")),
            })
        };
        Ok(Self { bounds, min: cell(bounds.min).transpose()?, max: cell(bounds.max).transpose()? })
    }

    pub(super) fn holds(&self, cell: Cell<'_>) -> bool {
        let inside = |end: Option<Cell<'_>>, good: Ordering, strict: bool| match end {
            None => true,
            Some(end) => {
                // Whole numbers are compared as floats, as the bounds are floats.
                let order = match (cell, end) {
                    (Cell::Int(value), Cell::Float(end)) => (value as f64).partial_cmp(&end),
                    _ => cell.order(end),
                };
                order.is_some_and(|order| order == good || (!strict && order == Ordering::Equal))
            }
        };
        inside(self.min, Ordering::Greater, self.bounds.strict_min)
            && inside(self.max, Ordering::Less, self.bounds.strict_max)
    }
}

/// Rows for which `unexpected(patterns found, patterns)` holds.
fn matches(
    sample: &Sample<'_>,
    patterns: &[String],
    unexpected: impl Fn(usize, usize) -> bool,
) -> Result<Vec<u32>, RunError> {
    let compiled = patterns.iter().map(|pattern| regex::Pattern::new(pattern)).collect::<Result<Vec<_>, _>>()?;
    let mut rows = Vec::new();
    for &row in sample.present() {
        let Some(cell) = sample.column.get(row) else { continue };
        let owned;
        let text = match cell {
            Cell::Text(text) => text,
            other => {
                owned = other.to_text();
                &owned
            }
        };
        let mut found = 0;
        for pattern in &compiled {
            found += usize::from(pattern.is_found_in(text)?);
        }
        if unexpected(found, compiled.len()) {
            rows.push(row);
        }
    }
    Ok(rows)
}

fn length(cell: Cell<'_>) -> f64 {
    match cell {
        Cell::Text(text) => text.chars().count() as f64,
        other => other.to_text().chars().count() as f64,
    }
}

fn text_rows(
    sample: &Sample<'_>,
    expected: &'static str,
    unexpected: impl Fn(&str) -> bool,
) -> Result<Vec<u32>, RunError> {
    if !sample.column.is_text() {
        return if sample.present().is_empty() { Ok(Vec::new()) } else { Err(sample.column.wrong_type(expected)) };
    }
    Ok(each(sample, |cell| matches!(cell, Cell::Text(text) if unexpected(text))))
}

fn against_schema(sample: &Sample<'_>, schema: &Value) -> Result<Vec<u32>, RunError> {
    let schema = json_schema::Schema::new(schema).map_err(|reason| RunError::JsonSchema { reason })?;
    let mut rows = Vec::new();
    for &row in sample.present() {
        let value = match sample.column.get(row) {
            Some(Cell::Text(text)) => json::parse(text),
            _ => return Err(sample.column.wrong_type("text that is JSON")),
        };
        let value = value.ok_or_else(|| RunError::NotJson { column: sample.column.name.clone(), row })?;
        if !schema.accepts(&value).map_err(|reason| RunError::JsonSchema { reason })? {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Rows whose value stands in order `bad` to the one before, or is equal to it where that is not enough.
fn out_of_order(sample: &Sample<'_>, bad: Ordering, strictly: bool) -> Result<Vec<u32>, RunError> {
    if sample.column.is_text() && sample.present().len() > 1 {
        return Err(sample
            .column
            .wrong_type("numbers, dates or timestamps, which have an order that is not the alphabet's"));
    }
    let order = |pair: &[u32]| sample.column.get(pair[1])?.order(sample.column.get(pair[0])?);
    let wrong = |pair: &&[u32]| order(pair).is_some_and(|o| o == bad || (strictly && o == Ordering::Equal));
    Ok(sample.present().windows(2).filter(wrong).map(|pair| pair[1]).collect())
}

/// Numbers of a sample whose column must hold such, with their rows.
fn numbered<'s>(sample: &'s Sample<'_>) -> Result<impl Iterator<Item = (u32, f64)> + 's, RunError> {
    if !sample.column.is_number() && !sample.present().is_empty() {
        return Err(sample.column.wrong_type("numbers"));
    }
    Ok(sample.present().iter().copied().zip(sample.numbers().iter().copied()))
}

fn z_scores(sample: &Sample<'_>, threshold: f64, double_sided: bool) -> Result<Vec<u32>, RunError> {
    let values = numbered(sample)?;
    let moments = sample.moments();
    if !(moments.std > 0.0 && moments.std.is_finite()) {
        return Ok(Vec::new());
    }
    let unexpected = |value: f64| {
        let z = (value - moments.mean) / moments.std;
        if double_sided { z.abs() >= threshold.abs() } else { z >= threshold }
    };
    Ok(values.filter(|(_, value)| unexpected(*value)).map(|(row, _)| row).collect())
}

fn outliers(sample: &Sample<'_>, method: OutlierMethod, multiplier: f64) -> Result<Vec<u32>, RunError> {
    let values = numbered(sample)?;
    match method {
        OutlierMethod::Iqr => {
            if sample.column.is_bool() {
                return Err(sample.column.wrong_type("numbers; booleans have no quartiles"));
            }
            let quartile = |q| super::statistic::linear_quantile(sample.sorted(), q);
            let (Some(q1), Some(q3)) = (quartile(0.25), quartile(0.75)) else { return Ok(Vec::new()) };
            let reach = multiplier * (q3 - q1);
            if !q1.is_finite() || !q3.is_finite() || !reach.is_finite() {
                return Ok(Vec::new());
            }
            let (low, high) = (q1 - reach, q3 + reach);
            Ok(values.filter(|(_, v)| *v < low || *v > high).map(|(row, _)| row).collect())
        }
        OutlierMethod::Std => {
            let moments = sample.moments();
            if !moments.mean.is_finite() || !moments.std.is_finite() {
                return Ok(Vec::new());
            }
            let reach = multiplier * moments.std;
            let inside = |v: f64| v == moments.mean || (v - moments.mean).abs() < reach;
            Ok(values.filter(|(_, v)| !inside(*v)).map(|(row, _)| row).collect())
        }
    }
}
