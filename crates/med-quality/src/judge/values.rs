//! Rules on every value of a column.

use serde_json::Value;

use super::statistic::{distinct, inexact, moments, numbers, quartiles, value_of};
use super::{Findings, RowFindings, Sample, is_of_type, unplanned};
use crate::cells::{Field, Held, Stored};
use crate::error::RunError;
use crate::expectation::{OutlierMethod, ValueRule};
use crate::scan::{Found, Keep, Numbers, State};

/// Judges a rule on the values of a sample.
pub(crate) fn values(rule: &ValueRule, sample: &Sample<'_>, keep: Keep) -> Result<Findings, RunError> {
    let field = sample.field;
    let unexpected = match rule {
        ValueRule::Unique => repeated(sample, keep)?,
        ValueRule::ZScore { threshold, double_sided } => {
            sample.needs_numbers()?;
            let moments = moments(sample)?;
            let (mean, std) = (moments.mean(), moments.std());
            let unexpected = |value: f64| {
                let z = (value - mean) / std;
                if *double_sided { z.abs() >= threshold.abs() } else { z >= *threshold }
            };
            if std > 0.0 && std.is_finite() { select(sample, keep, unexpected)? } else { Found::default() }
        }
        ValueRule::NotOutlier { method: OutlierMethod::Std, multiplier } => {
            sample.needs_numbers()?;
            let moments = moments(sample)?;
            let (mean, std) = (moments.mean(), moments.std());
            let reach = multiplier * std;
            let outside = |v: f64| !(v == mean || (v - mean).abs() < reach);
            if mean.is_finite() && std.is_finite() { select(sample, keep, outside)? } else { Found::default() }
        }
        ValueRule::NotOutlier { method: OutlierMethod::Iqr, multiplier } => {
            sample.needs_numbers()?;
            if field.held == Held::Bool {
                return Err(field.wrong_type("numbers; booleans have no quartiles"));
            }
            match quartiles(numbers(sample)?) {
                Some((q1, q3)) if q1.is_finite() && q3.is_finite() && (multiplier * (q3 - q1)).is_finite() => {
                    let reach = multiplier * (q3 - q1);
                    let (low, high) = (q1 - reach, q3 + reach);
                    select(sample, keep, |v| v < low || v > high)?
                }
                _ => Found::default(),
            }
        }
        ValueRule::Increasing { .. } | ValueRule::Decreasing { .. } => {
            if field.held == Held::Text && sample.present > 1 {
                let expected = "numbers, dates or timestamps, which have an order that is not the alphabet's";
                return Err(field.wrong_type(expected));
            }
            found(sample)?
        }
        ValueRule::OfType(name) => {
            let success = is_of_type(field, name)?;
            return of_type(sample, success);
        }
        ValueRule::InTypeList(names) => {
            let known = names.iter().flatten().map(|name| is_of_type(field, name)).collect::<Result<Vec<_>, _>>()?;
            // On pandas a column of text is of no type in a list.
            let never = field.compat && field.held == Held::Text;
            return of_type(sample, names.is_none() || (known.contains(&true) && !never));
        }
        _ => found(sample)?,
    };
    let missing = (!rule.is_about_missing()).then_some(sample.rows - sample.present);
    Ok(Findings::Rows(RowFindings { rows: sample.rows, missing, unexpected, inexact: inexact(sample) }))
}

fn found(sample: &Sample<'_>) -> Result<Found, RunError> {
    match sample.states.first() {
        Some(State::Test(found) | State::Order { found, .. }) => Ok(found.clone()),
        Some(State::Error(_)) if sample.present == 0 => Ok(Found::default()),
        Some(State::Error(error)) => Err(error.clone()),
        _ => Err(unplanned()),
    }
}

/// A column holds values of one type, so all are of it or none is. Dates are listed value by value, as the original does.
fn of_type(sample: &Sample<'_>, success: bool) -> Result<Findings, RunError> {
    if sample.field.held == Held::Date {
        let unexpected = if success { Found::default() } else { found(sample)? };
        let missing = Some(sample.rows - sample.present);
        return Ok(Findings::Rows(RowFindings { rows: sample.rows, missing, unexpected, inexact: None }));
    }
    Ok(Findings::observed(success, Value::from(sample.field.type_name.trim_end_matches("[us]"))))
}

fn repeated(sample: &Sample<'_>, keep: Keep) -> Result<Found, RunError> {
    let distinct = distinct(sample)?;
    if !distinct.is_exact() {
        let reason =
            format!("there are more than {} different values, so it is not known which repeat", distinct.bound());
        return Err(RunError::Bounded { column: sample.field.name.clone(), reason });
    }
    let (count, rows) = distinct.repeated();
    let mut found = Found { count, ..Found::default() };
    for (row, identity, at) in rows {
        found.keep(row, keep, || vec![value_of(distinct, identity, &distinct.at(at), sample.field)]);
    }
    Ok(found)
}

fn cell_of(bits: u64, numbers: &Numbers, field: &Field) -> Option<Stored> {
    Some(match field.held {
        Held::Bool => Stored::Bool(f64::from_bits(bits) != 0.0),
        _ if numbers.is_whole() => Stored::Int(bits as i64),
        _ => Stored::Float(f64::from_bits(bits)),
    })
}

/// Rows whose number is unexpected.
fn select(sample: &Sample<'_>, keep: Keep, unexpected: impl Fn(f64) -> bool) -> Result<Found, RunError> {
    let numbers = numbers(sample)?;
    let (count, rows) = numbers.select(keep.rows.max(keep.cells), unexpected);
    let mut found = Found { count, ..Found::default() };
    for (row, bits) in rows {
        found.keep(row, keep, || vec![cell_of(bits, numbers, sample.field)]);
    }
    Ok(found)
}
