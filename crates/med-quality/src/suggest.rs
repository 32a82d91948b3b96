//! From a profile to a suite that a person can edit: what held of the data it was learnt from, widened by stated margins.
//!
//! | learnt | expectation | margin |
//! | --- | --- | --- |
//! | rows | row count between | `rows`, as a share |
//! | columns | the table has these columns and no others | none |
//! | type | values of type | none |
//! | missing | not null, `mostly` where some are | `nulls`, added to the share missing |
//! | smallest and largest number, day, moment | values between | `range`, as a share of their distance; never below 0 if all are 0 or more |
//! | mean and standard deviation | mean between | `mean` standard deviations |
//! | quantiles 0.05, 0.5, 0.95 | quantile values between | `rank`: the values at so much lower and higher ranks, and the sketch's own error |
//! | few distinct values | values in set | up to `levels` of them |
//! | a key, all different | values unique | none |
//! | lengths of texts | lengths between | `range`, as a share |
//!
//! What is learnt from columns and types is critical, the rest warns. Each expectation says in `meta.notes` what it was learnt from. Sets hold
//! values of the data, and so do the ends of ranges: read a suggested suite before it is shown around.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta};
use med_schema::{ColumnProfile, Item, Kind, Profile, Role, Severity, ValueType};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bound::{Bound, Bounds};
use crate::builder::{column, columns, table};
use crate::error::SuiteError;
use crate::expectation::Expectation;
use crate::suite::Suite;

/// How much wider than the data a suggested suite is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Margins {
    /// Share by which the number of rows may differ. From 0; default 0.5.
    pub rows: f64,
    /// Share of rows that may be missing beyond the share that is, in columns where some are. From 0 to 1; default 0.05.
    pub nulls: f64,
    /// Share of the distance between the ends by which ranges are widened. From 0; default 0.1.
    pub range: f64,
    /// Standard deviations by which the mean may move. From 0; default 0.25.
    pub mean: f64,
    /// Share of rows by which quantiles may move. From 0 to 1; default 0.05.
    pub rank: f64,
    /// The most distinct values that are taken for a set. Default 50.
    pub levels: u64,
}

impl Default for Margins {
    fn default() -> Self {
        Self { rows: 0.5, nulls: 0.05, range: 0.1, mean: 0.25, rank: 0.05, levels: 50 }
    }
}

/// Why no suite could be suggested.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuggestError {
    /// A margin that is none.
    #[error("margin {margin}: expected a number from {from}, found {found}", from = if *.share { "0 to 1" } else { "0 on" })]
    Margin {
        /// Its name.
        margin: &'static str,
        /// Whether it is a share of rows.
        share: bool,
        /// What it was.
        found: f64,
    },
    /// The suite was refused.
    #[error(transparent)]
    Suite(#[from] SuiteError),
}

/// Quantiles that are looked at.
const QUANTILES: [f64; 3] = [0.05, 0.5, 0.95];
/// How sure the sketch's error is covered.
const CONFIDENCE: f64 = 0.999_999;
/// From so many rows on, quantiles and means say something.
const ENOUGH: u64 = 20;

/// A suite that the profiled data pass, with room for new ones.
///
/// ```
/// use med_quality::{Margins, profile, suggest};
/// use med_schema::{CsvOptions, Table, Verdict};
/// let clients = Table::from_csv(b"age,smoker\n34,No\n51,Yes\n29,No\n29,No\n", &CsvOptions::default())?;
/// let suite = suggest(&profile(&clients)?, &Margins::default())?;
/// assert_eq!(suite.report(&clients).verdict(), Verdict::Passed);
/// assert!(suite.to_json()?.contains("learnt from"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When a margin is negative or not a number.
pub fn suggest(profile: &Profile, margins: &Margins) -> Result<Suite, SuggestError> {
    let Margins { rows, nulls, range, mean, rank, .. } = *margins;
    for (margin, share, found) in [
        ("rows", false, rows),
        ("nulls", true, nulls),
        ("range", false, range),
        ("mean", false, mean),
        ("rank", true, rank),
    ] {
        if !(found.is_finite() && found >= 0.0 && (!share || found <= 1.0)) {
            return Err(SuggestError::Margin { margin, share, found });
        }
    }
    let count = profile.rows() as f64;
    let names = profile.columns().iter().map(|c| c.column().name.clone());
    let spread = (count * (1.0 - rows)).floor().max(0.0)..=(count * (1.0 + rows)).ceil();
    let mut expectations = vec![
        note(
            table().row_count_between(spread).severity(Severity::Warning),
            format!("learnt from {count} rows, within {} %", rows * 100.0),
        ),
        note(columns(names).make_up_the_table(true), format!("learnt from {} columns", profile.columns().len())),
    ];
    profile.columns().iter().for_each(|column| of_column(column, margins, &mut expectations));
    Ok(Suite::new("suggested", expectations)?
        .with_meta("learnt_from_rows", profile.rows())
        .with_meta("margins", serde_json::to_value(margins).unwrap_or_default()))
}

fn note(expectation: Expectation, text: String) -> Expectation {
    expectation.meta("notes", text)
}

fn of_column(profile: &ColumnProfile, margins: &Margins, suite: &mut Vec<Expectation>) {
    let spec = profile.column();
    let name = || column(spec.name.as_str());
    let held = crate::contract::type_name(spec.value_type);
    suite.push(note(name().values_of_type(held), format!("learnt from a column held as {}", spec.value_type)));
    let mut add = |expectation: Expectation, text: String| {
        suite.push(note(expectation.severity(Severity::Warning), text));
    };
    let (rows, missing, present) = (profile.rows(), profile.missing(), profile.present());
    if missing == 0 && rows > 0 {
        add(name().values_not_null(), format!("learnt from {rows} rows, none missing"));
    } else if missing < rows {
        let share = missing as f64 / rows as f64;
        // Rounded down, so that the data themselves are never short of it.
        let mostly = ((1.0 - share - margins.nulls) * 1e4).floor() / 1e4;
        let text = format!("learnt from {missing} of {rows} rows missing, {} % more allowed", margins.nulls * 100.0);
        add(name().values_not_null().mostly(mostly.max(0.0)), text);
    }
    if present == 0 {
        return;
    }
    if spec.role == Role::Key && profile.all_different() == Some(true) {
        add(name().values_unique(), format!("learnt from {present} values, all different"));
    }
    let counts = profile.counts();
    let category = matches!(spec.kind, Kind::Binary | Kind::Nominal | Kind::Ordinal);
    if category && counts.is_exact() && counts.distinct() <= margins.levels {
        let set: Vec<Value> = counts.values().into_iter().map(|(item, _)| value(item, spec.value_type)).collect();
        add(name().values_in_set(set), format!("learnt from {} distinct values", counts.distinct()));
    }
    if let Some((low, high)) = profile.lengths() {
        let (low, high) = (low as f64, high as f64);
        let bounds = (low - margins.range * low).floor()..=(high + margins.range * high).ceil();
        add(name().lengths_between(bounds), format!("learnt from lengths of {low} to {high}"));
    }
    if !category && profile.infinite() == 0 {
        if let Some(bounds) = ends(profile, margins.range) {
            let text = "learnt from the smallest and the largest value";
            add(name().values_within(bounds), format!("{text}, {} % wider on either side", margins.range * 100.0));
        }
        if spec.kind.is_quantity() && present >= ENOUGH {
            statistics(profile, margins, &mut add);
        }
    }
}

fn statistics(profile: &ColumnProfile, margins: &Margins, add: &mut impl FnMut(Expectation, String)) {
    let name = || column(profile.column().name.as_str());
    if let Some((mean, std)) = profile.moments().and_then(|m| Some((m.mean()?, m.std()?))) {
        // At least what another order of additions may change.
        let pad = (margins.mean * std).max(1e-9 * mean.abs());
        if let Some((low, high)) = outward(mean - pad, mean + pad, 2.0 * pad) {
            let text =
                format!("learnt from a mean of {}, {} standard deviations on either side", digits(mean), margins.mean);
            add(name().mean_between(low..=high), text);
        }
    }
    let Some(sketch) = profile.quantiles() else { return };
    let reach = margins.rank + 2.0 * sketch.rank_error(CONFIDENCE) + 1.0 / sketch.count() as f64;
    let shares = QUANTILES.iter().flat_map(|q| [(q - reach).max(0.0), (q + reach).min(1.0)]);
    let values = sketch.quantiles(&shares.collect::<Vec<_>>());
    let range = |pair: &[Option<f64>]| match pair {
        [Some(low), Some(high)] => {
            // A constant stretch of values has no width; rounding must not leave it.
            let (low, high) = outward(*low, *high, high - low)?;
            Some([Some(low), Some(high)])
        }
        _ => None,
    };
    if let Some(ranges) = values.chunks(2).map(range).collect::<Option<Vec<_>>>() {
        let text = format!("learnt from the values at ranks {} lower and higher", digits(reach));
        add(name().quantiles_between(QUANTILES.into_iter().zip(ranges)), text);
    }
}

/// The widened range of a column's values.
fn ends(profile: &ColumnProfile, margin: f64) -> Option<Bounds> {
    let (low, high) = profile.range()?;
    let bounds = |min, max| Bounds { min: Some(min), max: Some(max), ..Bounds::default() };
    let widened = |low: i64, high: i64, least: i64| {
        let pad = ((high.checked_sub(low)? as f64 * margin).ceil() as i64).max(least);
        Some((low.checked_sub(pad)?, high.checked_add(pad)?))
    };
    match (profile.column().value_type, low, high) {
        (ValueType::Date, Item::Whole(low), Item::Whole(high)) => {
            let (low, high) = widened(*low, *high, 1)?;
            Some(bounds(Bound::Date(day(low)?), Bound::Date(day(high)?)))
        }
        (ValueType::Timestamp, Item::Whole(low), Item::Whole(high)) => {
            let (low, high) = widened(*low, *high, 1_000_000)?;
            Some(bounds(Bound::Time(moment(low)?), Bound::Time(moment(high)?)))
        }
        (ValueType::Integer | ValueType::Float, low, high) => {
            let (low, high) = (low.as_number()?, high.as_number()?);
            let width = high - low;
            let pad = margin * if width > 0.0 { width } else { low.abs() };
            let (wide_low, wide_high) = outward(low - pad, high + pad, width.max(pad))?;
            // What was never negative stays so.
            let wide_low = if low >= 0.0 { wide_low.max(0.0) } else { wide_low };
            Some(bounds(Bound::Number(wide_low), Bound::Number(wide_high)))
        }
        _ => None,
    }
}

/// Both ends rounded outward to about four digits of the width, for people to read.
fn outward(low: f64, high: f64, width: f64) -> Option<(f64, f64)> {
    if !(low.is_finite() && high.is_finite()) {
        return None;
    }
    if !(width > 0.0 && width.is_finite()) {
        return Some((low, high));
    }
    let decimals = 3 - width.log10().floor() as i32;
    if !(0..=15).contains(&decimals) {
        return Some(if decimals < 0 { (low.floor(), high.ceil()) } else { (low, high) });
    }
    let half = 0.5 * 10.0_f64.powi(-decimals);
    let rounded = |value: f64| format!("{value:.*}", decimals as usize).parse::<f64>().ok();
    Some((rounded(low - half)?.min(low), rounded(high + half)?.max(high)))
}

/// Six digits, for notes.
fn digits(value: f64) -> String {
    let decimals = 5_i32.saturating_sub(value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn day(days: i64) -> Option<NaiveDate> {
    let date = NaiveDate::default().checked_add_signed(TimeDelta::try_days(days)?)?;
    (1..=9999).contains(&date.year()).then_some(date)
}

fn moment(micros: i64) -> Option<NaiveDateTime> {
    let time = DateTime::from_timestamp_micros(micros)?.naive_utc();
    (1..=9999).contains(&time.year()).then_some(time)
}

/// A value as it stands in sets.
fn value(item: &Item, held: ValueType) -> Value {
    match item {
        Item::Whole(whole) if held == ValueType::Boolean => Value::Bool(*whole != 0),
        Item::Whole(whole) => Value::from(*whole),
        Item::Real(real) if real.is_infinite() => Value::from(if *real > 0.0 { "Infinity" } else { "-Infinity" }),
        Item::Real(real) => Value::from(*real),
        Item::Text(text) => Value::from(text.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_rounded_outward_to_what_a_person_reads() {
        assert_eq!(outward(17.123_456, 63.987_65, 46.8), Some((17.12, 63.99)));
        assert_eq!(outward(-0.000_123_45, 0.000_456_78, 0.000_58), Some((-0.000_123_5, 0.000_456_8)));
        assert_eq!(outward(123_456.7, 9_876_543.2, 9e6), Some((123_456.0, 9_876_544.0)));
        assert_eq!(outward(5.0, 5.0, 0.0), Some((5.0, 5.0)));
        assert_eq!(outward(f64::NEG_INFINITY, 1.0, 1.0), None);
        assert_eq!(
            (digits(0.054_999_999), digits(1_234_567.8), digits(0.0)),
            ("0.055".into(), "1234568".into(), "0".into())
        );
    }

    #[test]
    fn margins_are_checked_by_name() {
        let profile = Profile::new(0, Vec::new());
        let margins = Margins { rank: f64::NAN, ..Margins::default() };
        let error = suggest(&profile.unwrap(), &margins).unwrap_err().to_string();
        assert_eq!(error, "margin rank: expected a number from 0 to 1, found NaN");
    }
}
