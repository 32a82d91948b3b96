//! Rules on one statistic of a column.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::{Findings, Sample, divergence, unplanned};
use crate::bound::Bounds;
use crate::cells::{Cell, Field, Held, Stored, number_json};
use crate::error::RunError;
use crate::expectation::{Interpolation, StatisticRule};
use crate::scan::{Distinct, Moments, Numbers, RELATIVE_ERROR, Range, State, Tally, identity, value};

/// Partial lists in results hold this many entries.
const PARTIAL: usize = 20;

/// Judges a rule on a statistic of a sample.
pub(crate) fn statistic(rule: &StatisticRule, sample: &Sample<'_>) -> Result<Findings, RunError> {
    let findings = match rule {
        StatisticRule::Min(bounds) => extreme(sample, bounds, |(min, _)| min),
        StatisticRule::Max(bounds) => extreme(sample, bounds, |(_, max)| max),
        StatisticRule::Mean(bounds) => mean(sample, bounds),
        StatisticRule::Median(bounds) => median(sample, bounds),
        StatisticRule::Sum(bounds) => sum(sample, bounds),
        StatisticRule::Stdev(bounds) => {
            sample.needs_numbers()?;
            Ok(number(narrowed(moments(sample)?.std(), sample.field), bounds))
        }
        StatisticRule::UniqueCount(bounds) => {
            let count = distinct(sample)?.len();
            Ok(Findings::observed(bounds.holds(count as f64), Value::from(count)))
        }
        StatisticRule::UniqueShare(bounds) => {
            Ok(number(share(distinct(sample)?.len(), sample.present).min(1.0), bounds))
        }
        StatisticRule::NonNullShare(bounds) => Ok(number(share(sample.present, sample.rows), bounds)),
        StatisticRule::Quantiles { quantiles, ranges, interpolation } => {
            judge_quantiles(sample, quantiles, ranges, *interpolation)
        }
        StatisticRule::MostCommonInSet { set, ties_okay } => most_common(sample, set, *ties_okay),
        StatisticRule::DistinctInSet(set) => distinct_in(sample, set, true, false),
        StatisticRule::DistinctContainSet(set) => distinct_in(sample, set, false, true),
        StatisticRule::DistinctEqualSet(set) => distinct_in(sample, set, true, true),
        StatisticRule::KlDivergence { partition, threshold, tail_holdout, internal_holdout, bucketize } => {
            divergence::judge(sample, partition.as_ref(), *threshold, *tail_holdout, *internal_holdout, *bucketize)
        }
    };
    findings.map(|findings| findings.because(inexact(sample)))
}

/// Why what was collected is not exact, where it is not.
pub(super) fn inexact(sample: &Sample<'_>) -> Option<String> {
    sample.states.iter().find_map(|state| match state {
        State::Distinct(distinct) if !distinct.is_exact() => {
            Some(format!("more than {} different values are estimated, standard error 0.8 %", distinct.bound()))
        }
        State::Numbers(numbers) if !numbers.is_exact() => {
            let percent = RELATIVE_ERROR * 100.0;
            Some(format!("numbers are known to {percent:.1} % of their size; rows are not listed"))
        }
        _ => None,
    })
}

pub(super) fn moments<'a>(sample: &Sample<'a>) -> Result<&'a Moments, RunError> {
    let moments = sample.states.iter().find_map(|state| match state {
        State::Moments { moments, .. } => Some(&**moments),
        _ => None,
    });
    moments.ok_or_else(unplanned)
}

pub(super) fn numbers<'a>(sample: &Sample<'a>) -> Result<&'a Numbers, RunError> {
    let numbers = sample.states.iter().find_map(|state| match state {
        State::Numbers(numbers) => Some(numbers),
        _ => None,
    });
    numbers.ok_or_else(unplanned)
}

pub(super) fn distinct<'a>(sample: &Sample<'a>) -> Result<&'a Distinct, RunError> {
    let distinct = sample.states.iter().find_map(|state| match state {
        State::Distinct(distinct) => Some(&**distinct),
        _ => None,
    });
    distinct.ok_or_else(unplanned)
}

/// The value that an identity stands for, read from its content where that is long.
pub(super) fn value_of(distinct: &Distinct, identity: u128, tally: &Tally, field: &Field) -> Option<Stored> {
    let long = || distinct.content_of(tally).map(|bytes| Stored::Text(String::from_utf8_lossy(bytes).into_owned()));
    identity::value_of(identity, field).or_else(long)
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A number that is not one fails, whatever the bounds.
fn number(value: f64, bounds: &Bounds) -> Findings {
    Findings::observed(!value.is_nan() && bounds.holds(value), number_json(value))
}

/// The original's statistics of a column in single precision are of that precision.
fn narrowed(value: f64, field: &Field) -> f64 {
    if field.compat && field.type_name == "float32" { f64::from(value as f32) } else { value }
}

fn observe(cell: Option<Cell<'_>>, sample: &Sample<'_>, bounds: &Bounds) -> Result<Findings, RunError> {
    let Some(cell) = cell else { return Ok(Findings::observed(false, Value::Null)) };
    let range = Range::new(sample.field, bounds)?;
    Ok(Findings::observed(range.holds(cell), cell.to_json()))
}

fn extreme(
    sample: &Sample<'_>,
    bounds: &Bounds,
    side: impl Fn(&(Stored, Stored)) -> &Stored,
) -> Result<Findings, RunError> {
    match sample.states.first() {
        Some(State::Extremes(extremes)) => observe(extremes.as_ref().map(|e| side(e).cell()), sample, bounds),
        _ => Err(unplanned()),
    }
}

/// Of numbers, and of moments in time.
fn mean(sample: &Sample<'_>, bounds: &Bounds) -> Result<Findings, RunError> {
    if sample.field.held == Held::Time && sample.present > 0 {
        let whole = sample.states.iter().find_map(|state| match state {
            State::Moments { whole, .. } => *whole,
            _ => None,
        });
        let mean = whole.ok_or_else(unplanned)?.div_euclid(i128::from(sample.present));
        return observe(Some(Cell::Time(mean as i64)), sample, bounds);
    }
    sample.needs_numbers()?;
    let mean = narrowed(moments(sample)?.mean(), sample.field);
    observe((!mean.is_nan()).then_some(Cell::Float(mean)), sample, bounds)
}

fn median(sample: &Sample<'_>, bounds: &Bounds) -> Result<Findings, RunError> {
    let numbers = numbers(sample)?;
    if sample.field.held == Held::Time && sample.present > 0 {
        let middle = numbers.at_ranks(&[(numbers.len() - 1) / 2, numbers.len() / 2]);
        let (low, high) = (middle[0] as i64, middle[1] as i64);
        return observe(Some(Cell::Time(low + (high - low) / 2)), sample, bounds);
    }
    sample.needs_numbers()?;
    let median = quantiles_of(numbers, &[0.5], Interpolation::Linear)[0].filter(|v| !v.is_nan());
    observe(median.map(|v| Cell::Float(narrowed(v, sample.field))), sample, bounds)
}

fn sum(sample: &Sample<'_>, bounds: &Bounds) -> Result<Findings, RunError> {
    sample.needs_numbers()?;
    let whole = match sample.states.first() {
        Some(State::Moments { whole, .. }) => *whole,
        _ => return Err(unplanned()),
    };
    // Whole numbers are added up exactly; the total is printed exactly where it fits. Of nothing it is 0.
    match whole.or((sample.present == 0).then_some(0)) {
        Some(total) => {
            let printed = i64::try_from(total).map_or_else(|_| Value::from(total as f64), Value::from);
            Ok(Findings::observed(bounds.holds(total as f64), printed))
        }
        None => Ok(number(narrowed(moments(sample)?.sum(), sample.field), bounds)),
    }
}

/// First and third quartile. `None` of nothing.
pub(super) fn quartiles(numbers: &Numbers) -> Option<(f64, f64)> {
    let of = quantiles_of(numbers, &[0.25, 0.75], Interpolation::Linear);
    of[0].zip(of[1])
}

/// Quantiles: the value at place `q (n - 1)`, counted from 0, or between the two next to it.
fn quantiles_of(numbers: &Numbers, quantiles: &[f64], interpolation: Interpolation) -> Vec<Option<f64>> {
    let Some(last) = numbers.len().checked_sub(1) else { return vec![None; quantiles.len()] };
    let place = |q: f64| q * last as f64;
    let ranks: Vec<u64> = quantiles
        .iter()
        .flat_map(|q| [place(*q).floor() as u64, (place(*q).ceil() as u64).min(last)])
        .chain(quantiles.iter().map(|q| place(*q).round_ties_even() as u64))
        .collect();
    let values = numbers.at_ranks(&ranks);
    let of = |(i, q): (usize, &f64)| {
        let nearest = values[2 * quantiles.len() + i];
        Some(between(values[2 * i], values[2 * i + 1], nearest, place(*q).fract(), interpolation))
    };
    quantiles.iter().enumerate().map(of).collect()
}

fn between(low: f64, high: f64, nearest: f64, part: f64, interpolation: Interpolation) -> f64 {
    match interpolation {
        Interpolation::Nearest => nearest,
        Interpolation::Lower => low,
        Interpolation::Higher => high,
        Interpolation::Midpoint | Interpolation::Linear if low == high => low,
        Interpolation::Midpoint => low + (high - low) * 0.5,
        // From the nearer end, as numpy does, so that rounding agrees.
        Interpolation::Linear if part >= 0.5 => high - (high - low) * (1.0 - part),
        Interpolation::Linear => low + (high - low) * part,
    }
}

fn judge_quantiles(
    sample: &Sample<'_>,
    quantiles: &[f64],
    ranges: &[[Option<f64>; 2]],
    interpolation: Option<Interpolation>,
) -> Result<Findings, RunError> {
    sample.needs_numbers()?;
    let interpolation = interpolation.ok_or_else(|| RunError::Parameters {
        reason: "allow_relative_error = true is for databases; give false or the name of an interpolation".to_owned(),
    })?;
    let values: Vec<Option<f64>> = quantiles_of(numbers(sample)?, quantiles, interpolation)
        .into_iter()
        .map(|value| value.filter(|v| !v.is_nan()).map(|v| narrowed(v, sample.field)))
        .collect();
    let close = |value: f64, bound: f64| value == bound || (value - bound).abs() <= 1e-8 + 1e-4 * bound.abs();
    let inside = |(value, [low, high]): (&Option<f64>, &[Option<f64>; 2])| {
        value.is_some_and(|v| {
            low.is_none_or(|low| v >= low || close(v, low)) && high.is_none_or(|high| v <= high || close(v, high))
        })
    };
    let passes: Vec<bool> = values.iter().zip(ranges).map(inside).collect();
    let printed: Vec<Value> = values.iter().map(|v| v.map_or(Value::Null, number_json)).collect();
    let mut result = Map::new();
    result.insert("observed_value".to_owned(), json!({"quantiles": quantiles, "values": printed}));
    result.insert("details".to_owned(), json!({"success_details": passes}));
    Ok(Findings::Whole { success: !passes.contains(&false), result, inexact: None })
}

/// Values of a column in ascending order, as results print them.
fn sorted(distinct: &Distinct, mut found: Vec<(u128, Tally)>, field: &Field) -> Vec<Value> {
    found.sort_unstable_by_key(|(_, tally)| tally.first);
    let mut cells: Vec<Option<Stored>> =
        found.iter().map(|(identity, tally)| value_of(distinct, *identity, tally, field)).collect();
    let order = |a: &Option<Stored>, b: &Option<Stored>| a.as_ref()?.cell().order(b.as_ref()?.cell());
    cells.sort_by(|a, b| order(a, b).unwrap_or(Ordering::Equal));
    cells.iter().map(|cell| field.json(cell.as_ref().map(Stored::cell))).collect()
}

fn most_common(sample: &Sample<'_>, set: &[Value], ties_okay: bool) -> Result<Findings, RunError> {
    let members = value::members(sample.field, set)?;
    let distinct = distinct(sample)?;
    if !distinct.is_exact() {
        let reason =
            format!("there are more than {} different values, so the most common is not known", distinct.bound());
        return Err(RunError::Bounded { column: sample.field.name.clone(), reason });
    }
    let mut most = 0;
    let mut modes: Vec<(u128, Tally)> = Vec::new();
    distinct.each(|identity, tally| {
        if tally.count > most {
            most = tally.count;
            modes.clear();
        }
        if tally.count == most {
            modes.push((identity, tally));
        }
    });
    let inside = modes.iter().filter(|(identity, _)| members.contains(identity)).count();
    let success = if ties_okay { inside > 0 } else { modes.len() == 1 && inside == 1 };
    Ok(Findings::observed(success, Value::from(sorted(distinct, modes, sample.field))))
}

/// Distinct values beside the set, and members of the set that do not occur.
fn distinct_in(sample: &Sample<'_>, set: &[Value], none_beside: bool, all_there: bool) -> Result<Findings, RunError> {
    let field = sample.field;
    let members = value::members(field, set)?;
    let distinct = distinct(sample)?;
    let mut beside = Vec::new();
    let mut there = value::Members::default();
    distinct.each_known(|identity, tally| {
        if members.contains(&identity) {
            there.insert(identity);
        } else if none_beside {
            beside.push((identity, tally));
        }
    });
    let mut result = Map::new();
    let mut success = true;
    result.insert("observed_value".to_owned(), Value::Null);
    if none_beside {
        success &= beside.is_empty() && distinct.is_exact();
        let count = if distinct.is_exact() { beside.len() as u64 } else { distinct.len() - there.len() as u64 };
        let mut partial = sorted(distinct, beside, field);
        partial.truncate(PARTIAL);
        result.insert("unexpected_count".to_owned(), Value::from(count));
        result.insert("partial_unexpected_list".to_owned(), Value::from(partial));
    }
    if all_there {
        let mut seen = std::collections::HashSet::new();
        let mut missing: Vec<Value> = Vec::new();
        for value in set {
            let member = field.member(value)?.map(identity::of_key);
            // Null never occurs among the values, and neither does a value of another type.
            let occurs = member.is_some_and(|member| there.contains(&member));
            if !occurs && seen.insert(value.to_string()) {
                missing.push(value.clone());
            }
        }
        if !missing.is_empty() && !distinct.is_exact() {
            let reason =
                format!("there are more than {} different values, so some may have been missed", distinct.bound());
            return Err(RunError::Bounded { column: field.name.clone(), reason });
        }
        success &= missing.is_empty();
        result.insert("missing_count".to_owned(), Value::from(missing.len()));
        missing.truncate(PARTIAL);
        result.insert("partial_missing_list".to_owned(), Value::from(missing));
    }
    Ok(Findings::Whole { success, result, inexact: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rounds_half_to_even_places() {
        let check = |values: &[f64], q: f64, expected: Option<f64>| {
            let mut numbers = Numbers::new(false, false, false);
            values.iter().for_each(|v| numbers.add_float(0, *v));
            assert_eq!(quantiles_of(&numbers, &[q], Interpolation::Nearest), [expected]);
        };
        check(&[1.0, 2.0, 3.0, 4.0], 0.5, Some(3.0));
        check(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 0.5, Some(2.0));
        check(&[], 0.5, None);
    }
}
