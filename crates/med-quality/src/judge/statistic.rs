//! Rules on one statistic of a column.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::values::{Range, members};
use super::{Findings, divergence};
use crate::bound::Bounds;
use crate::cells::{Cell, Key, number_json};
use crate::error::RunError;
use crate::expectation::{Interpolation, StatisticRule};
use crate::metrics::Sample;

/// Partial lists in results hold this many entries.
const PARTIAL: usize = 20;

/// Judges a rule on a statistic of a sample.
pub(crate) fn statistic(rule: &StatisticRule, sample: &Sample<'_>) -> Result<Findings, RunError> {
    let count = sample.present().len();
    match rule {
        StatisticRule::Min(bounds) => extreme(sample, bounds, Ordering::Less),
        StatisticRule::Max(bounds) => extreme(sample, bounds, Ordering::Greater),
        StatisticRule::Mean(bounds) => central(sample, bounds, |s| s.moments().mean, mean_moment),
        StatisticRule::Median(bounds) => {
            central(sample, bounds, |s| linear_quantile(s.sorted(), 0.5).unwrap_or(f64::NAN), median_moment)
        }
        StatisticRule::Sum(bounds) => sum(sample, bounds),
        StatisticRule::Stdev(bounds) => {
            needs_numbers(sample)?;
            Ok(number(sample.moments().std, bounds))
        }
        StatisticRule::UniqueCount(bounds) => Ok(count_of(sample.distinct().counts.len(), bounds)),
        StatisticRule::UniqueShare(bounds) => Ok(number(share(sample.distinct().counts.len(), count), bounds)),
        StatisticRule::NonNullShare(bounds) => Ok(number(share(count, sample.rows.len()), bounds)),
        StatisticRule::Quantiles { quantiles, ranges, interpolation } => {
            judge_quantiles(sample, quantiles, ranges, *interpolation)
        }
        StatisticRule::MostCommonInSet { set, ties_okay } => most_common(sample, set, *ties_okay),
        StatisticRule::DistinctInSet(set) => distinct(sample, set, true, false),
        StatisticRule::DistinctContainSet(set) => distinct(sample, set, false, true),
        StatisticRule::DistinctEqualSet(set) => distinct(sample, set, true, true),
        StatisticRule::KlDivergence { partition, threshold, tail_holdout, internal_holdout, bucketize } => {
            divergence::judge(sample, partition.as_ref(), *threshold, *tail_holdout, *internal_holdout, *bucketize)
        }
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A number that is not one fails, whatever the bounds.
fn number(value: f64, bounds: &Bounds) -> Findings {
    Findings::observed(!value.is_nan() && bounds.holds(value), number_json(value))
}

fn count_of(count: usize, bounds: &Bounds) -> Findings {
    Findings::observed(bounds.holds(count as f64), Value::from(count))
}

fn needs_numbers(sample: &Sample<'_>) -> Result<(), RunError> {
    // A text column that is empty or all missing has no values that could be of the wrong type.
    if sample.column.is_number() || sample.present().is_empty() {
        Ok(())
    } else {
        Err(sample.column.wrong_type("numbers"))
    }
}

fn observe(cell: Option<Cell<'_>>, sample: &Sample<'_>, bounds: &Bounds) -> Result<Findings, RunError> {
    let Some(cell) = cell else { return Ok(Findings::observed(false, Value::Null)) };
    let range = Range::new(sample.column, bounds)?;
    Ok(Findings::observed(range.holds(cell), cell.to_json()))
}

fn extreme(sample: &Sample<'_>, bounds: &Bounds, side: Ordering) -> Result<Findings, RunError> {
    let cells = sample.present().iter().filter_map(|row| sample.column.get(*row));
    let best = cells.reduce(|best, cell| if cell.order(best) == Some(side) { cell } else { best });
    observe(best, sample, bounds)
}

/// Mean and median: of numbers, and of moments.
fn central(
    sample: &Sample<'_>,
    bounds: &Bounds,
    of_numbers: impl Fn(&Sample<'_>) -> f64,
    of_moments: impl Fn(Vec<i64>) -> i64,
) -> Result<Findings, RunError> {
    let moments: Vec<i64> = sample
        .present()
        .iter()
        .filter_map(|row| match sample.column.get(*row) {
            Some(Cell::Time(micros)) => Some(micros),
            _ => None,
        })
        .collect();
    if !moments.is_empty() {
        return observe(Some(Cell::Time(of_moments(moments))), sample, bounds);
    }
    needs_numbers(sample)?;
    let value = of_numbers(sample);
    observe((!value.is_nan()).then_some(Cell::Float(value)), sample, bounds)
}

fn mean_moment(micros: Vec<i64>) -> i64 {
    let sum: i128 = micros.iter().copied().map(i128::from).sum();
    sum.div_euclid(micros.len() as i128) as i64
}

fn median_moment(mut micros: Vec<i64>) -> i64 {
    micros.sort_unstable();
    let (low, high) = (micros[(micros.len() - 1) / 2], micros[micros.len() / 2]);
    low + (high - low) / 2
}

fn sum(sample: &Sample<'_>, bounds: &Bounds) -> Result<Findings, RunError> {
    needs_numbers(sample)?;
    let cells = sample.present().iter().filter_map(|row| sample.column.get(*row));
    // Whole numbers are added up exactly; the total is printed exactly where it fits.
    let whole: Option<i128> = cells
        .map(|cell| match cell {
            Cell::Bool(value) => Some(i128::from(value)),
            Cell::Int(value) => Some(i128::from(value)),
            _ => None,
        })
        .sum();
    match whole {
        Some(total) => {
            let printed = i64::try_from(total).map_or_else(|_| Value::from(total as f64), Value::from);
            Ok(Findings::observed(bounds.holds(total as f64), printed))
        }
        None => Ok(number(sample.moments().sum, bounds)),
    }
}

/// The quantile between the two nearest values, in proportion. `None` of nothing.
pub(super) fn linear_quantile(sorted: &[f64], q: f64) -> Option<f64> {
    quantile(sorted, q, Interpolation::Linear)
}

/// The quantile `q` of ascending values: at place `q (n - 1)`, counted from 0.
fn quantile(sorted: &[f64], q: f64, interpolation: Interpolation) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = q * last as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[(place.ceil() as usize).min(last)]);
    Some(match interpolation {
        Interpolation::Lower => low,
        Interpolation::Higher => high,
        Interpolation::Midpoint if low == high => low,
        Interpolation::Midpoint => low + (high - low) * 0.5,
        Interpolation::Nearest => sorted[place.round_ties_even() as usize],
        Interpolation::Linear if low == high => low,
        Interpolation::Linear => {
            let part = place.fract();
            // From the nearer end, as numpy does, so that rounding agrees.
            if part >= 0.5 { high - (high - low) * (1.0 - part) } else { low + (high - low) * part }
        }
    })
}

fn judge_quantiles(
    sample: &Sample<'_>,
    quantiles: &[f64],
    ranges: &[[Option<f64>; 2]],
    interpolation: Option<Interpolation>,
) -> Result<Findings, RunError> {
    needs_numbers(sample)?;
    let interpolation = interpolation.ok_or_else(|| RunError::Parameters {
        reason: "allow_relative_error = true is for databases; give false or the name of an interpolation".to_owned(),
    })?;
    let values: Vec<Option<f64>> =
        quantiles.iter().map(|q| quantile(sample.sorted(), *q, interpolation).filter(|v| !v.is_nan())).collect();
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
    Ok(Findings::Whole { success: !passes.contains(&false), result })
}

/// Rows of distinct values, sorted by value.
fn sort_rows(sample: &Sample<'_>, rows: &mut [u32]) {
    let order = |a: u32, b: u32| sample.column.get(a)?.order(sample.column.get(b)?);
    rows.sort_by(|a, b| order(*a, *b).unwrap_or(Ordering::Equal));
}

fn most_common(sample: &Sample<'_>, set: &[Value], ties_okay: bool) -> Result<Findings, RunError> {
    let members = members(sample.column, set)?;
    let distinct = sample.distinct();
    let most = distinct.counts.iter().copied().max().unwrap_or(0);
    let counted = distinct.first.iter().zip(&distinct.counts);
    let mut modes: Vec<u32> = counted.filter(|(_, count)| **count == most).map(|(row, _)| *row).collect();
    sort_rows(sample, &mut modes);
    let inside =
        modes.iter().filter(|row| sample.column.get(**row).is_some_and(|c| members.contains(&c.key()))).count();
    let success = if ties_okay { inside > 0 } else { modes.len() == 1 && inside == 1 };
    Ok(Findings::observed(success, modes.iter().map(|row| sample.column.json(*row)).collect()))
}

/// Distinct values beside the set, and members of the set that do not occur.
fn distinct(sample: &Sample<'_>, set: &[Value], none_beside: bool, all_there: bool) -> Result<Findings, RunError> {
    let column = sample.column;
    let members = members(column, set)?;
    let distinct = sample.distinct();
    let key = |row: &u32| column.get(*row).map(|cell| cell.key());
    let mut result = Map::new();
    let mut success = true;
    result.insert("observed_value".to_owned(), Value::Null);
    if none_beside {
        let outside = |row: &&u32| key(row).is_some_and(|key| !members.contains(&key));
        let mut beside: Vec<u32> = distinct.first.iter().filter(outside).copied().collect();
        sort_rows(sample, &mut beside);
        success &= beside.is_empty();
        let partial: Value = beside.iter().take(PARTIAL).map(|row| column.json(*row)).collect();
        result.insert("unexpected_count".to_owned(), Value::from(beside.len()));
        result.insert("partial_unexpected_list".to_owned(), partial);
    }
    if all_there {
        let there: std::collections::HashSet<Key<'_>> = distinct.first.iter().filter_map(key).collect();
        let mut seen = std::collections::HashSet::new();
        let mut missing: Vec<Value> = Vec::new();
        for value in set {
            let member = column.member(value)?;
            // Null never occurs among the values, and neither does a value of another type.
            let occurs = member.is_some_and(|member| there.contains(&member));
            if !occurs && seen.insert(value.to_string()) {
                missing.push(value.clone());
            }
        }
        success &= missing.is_empty();
        result.insert("missing_count".to_owned(), Value::from(missing.len()));
        missing.truncate(PARTIAL);
        result.insert("partial_missing_list".to_owned(), Value::from(missing));
    }
    Ok(Findings::Whole { success, result })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rounds_half_to_even_places() {
        let check = |values: &[f64], q: f64, expected: f64| {
            assert_eq!(quantile(values, q, Interpolation::Nearest), Some(expected));
        };
        check(&[1.0, 2.0, 3.0, 4.0], 0.5, 3.0);
        check(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], 0.5, 2.0);
        assert_eq!(quantile(&[], 0.5, Interpolation::Nearest), None);
    }
}
