//! Cutting a table into chunks of time or of rows.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::DriftError;

/// A stretch of time, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// A calendar day.
    Day,
    /// Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
    /// Three calendar months, the first from January.
    Quarter,
    /// A calendar year.
    Year,
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        })
    }
}

/// A part of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeChunk {
    /// The first day of a period as `2026-03-01`, or the first and last row of a chunk of rows, from 0, as `0-999`.
    pub name: String,
    /// Its rows, ascending.
    pub rows: Vec<usize>,
}

const DAY: i64 = 86_400_000_000;

/// Cuts by the calendar: `times` are microseconds since 1970-01-01T00:00Z, one a row, in any order; `None` where the time is not known. Periods without rows are left
/// out. Also returns the rows without a time, which are in no chunk.
///
/// ```
/// use med_drift::{Period, by_period};
/// let day = |days: i64| Some(days * 86_400_000_000);
/// let (chunks, without) = by_period(&[day(31), day(0), None, day(30)], Period::Month);
/// assert_eq!((chunks[0].name.as_str(), chunks[0].rows.as_slice()), ("1970-01-01", [1, 3].as_slice()));
/// assert_eq!((chunks[1].name.as_str(), chunks[1].rows.as_slice()), ("1970-02-01", [0].as_slice()));
/// assert_eq!(without, [2]);
/// ```
pub fn by_period(times: &[Option<i64>], period: Period) -> (Vec<TimeChunk>, Vec<usize>) {
    let mut chunks: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    let mut without = Vec::new();
    for (row, time) in times.iter().enumerate() {
        match time {
            Some(time) => chunks.entry(first_day(time.div_euclid(DAY), period)).or_default().push(row),
            None => without.push(row),
        }
    }
    (chunks.into_iter().map(|(day, rows)| TimeChunk { name: written(day), rows }).collect(), without)
}

/// Cuts into chunks of so many rows in their order; the last holds what is left.
///
/// # Errors
/// When a chunk is to have no rows.
pub fn by_count(rows: usize, size: usize) -> Result<Vec<TimeChunk>, DriftError> {
    if size == 0 {
        return Err(DriftError::Parameter { parameter: "chunk size", expected: "at least 1", found: 0.0 });
    }
    let chunk = |start: usize| {
        let end = (start + size).min(rows);
        TimeChunk { name: format!("{start}-{}", end - 1), rows: (start..end).collect() }
    };
    Ok((0..rows).step_by(size).map(chunk).collect())
}

/// The first day of the period of a day; days since 1970-01-01.
fn first_day(day: i64, period: Period) -> i64 {
    let (year, month, _) = civil(day);
    match period {
        Period::Day => day,
        // 1970-01-01 was a Thursday.
        Period::Week => day - (day + 3).rem_euclid(7),
        Period::Month => days(year, month),
        Period::Quarter => days(year, (month - 1) / 3 * 3 + 1),
        Period::Year => days(year, 1),
    }
}

fn written(day: i64) -> String {
    let (year, month, day) = civil(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Days of a cycle of 400 years of the Gregorian calendar, and from 0000-03-01 to 1970-01-01.
const CYCLE: i64 = 146_097;
const EPOCH: i64 = 719_468;

/// Year, month and day of a day. Years are counted from March on, so that the leap day is the last of its year.
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + EPOCH;
    let (cycle, day) = (day.div_euclid(CYCLE), day.rem_euclid(CYCLE));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Months from March on have 31, 30, 31, 30, 31 days over and over: 153 in five.
    let month = (5 * day + 2) / 153;
    let first = (153 * month + 2) / 5;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (cycle * 400 + year + i64::from(month <= 2), month, day - first + 1)
}

/// The first day of a month.
fn days(year: i64, month: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (cycle, of_cycle) = (year.div_euclid(400), year.rem_euclid(400));
    let months = (month + 9) % 12;
    cycle * CYCLE + of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + (153 * months + 2) / 5 - EPOCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_eight_centuries_is_in_its_month() {
        let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut day = days(1600, 1);
        for year in 1600..2400 {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            for month in 1..=12 {
                assert_eq!(days(year, month), day);
                let length = lengths[month as usize - 1] + i64::from(leap && month == 2);
                for of_month in 1..=length {
                    assert_eq!(civil(day), (year, month, of_month));
                    assert_eq!(first_day(day, Period::Month), days(year, month));
                    day += 1;
                }
            }
        }
        assert_eq!((written(0), written(-1)), ("1970-01-01".to_owned(), "1969-12-31".to_owned()));
    }

    #[test]
    fn periods_begin_where_the_calendar_says() {
        // 2026-11-28, a Saturday.
        let day = days(2026, 11) + 27;
        let first = |period| written(first_day(day, period));
        assert_eq!(first(Period::Week), "2026-11-23");
        assert_eq!((first(Period::Quarter), first(Period::Year)), ("2026-10-01".to_owned(), "2026-01-01".to_owned()));
        assert_eq!(written(first_day(-1, Period::Week)), "1969-12-29");
    }

    #[test]
    fn the_last_chunk_of_rows_is_shorter() {
        let chunks = by_count(5, 2).unwrap();
        assert_eq!(chunks.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["0-1", "2-3", "4-4"]);
        assert!(by_count(5, 0).is_err() && by_count(0, 3).unwrap().is_empty());
    }
}
