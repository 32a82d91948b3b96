//! The as-of join: for each point, the latest row of its key that was true, and known, at its time. Pure.
//!
//! Rows are grouped by key and sorted by event time once; each point is a binary search. O((n + m) log m) for n points
//! and m rows. A day counts as its first moment in UTC.

use std::collections::HashMap;

use polars::prelude::{DataFrame, DataType, IdxCa, NamedFrom, PolarsError, TimeUnit};

use crate::row_key::row_keys;
use crate::{Result, StoreError};

/// One side of a join: rows with a key and a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timed<'a> {
    pub(super) rows: &'a DataFrame,
    pub(super) keys: &'a [String],
    pub(super) time: &'a str,
}

/// What else a row must fulfil.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Conditions<'a> {
    /// Microseconds that a row stays true.
    pub(super) max_age: Option<i64>,
    /// Column of the time from which a row could be known.
    pub(super) available_at: Option<&'a str>,
}

fn failed(source: PolarsError) -> StoreError {
    StoreError::Convert { what: "as-of join".to_owned(), source: source.into() }
}

/// A row of one key: when true, when known, which. In this order, so that of rows true at one time the one known last is
/// the latest, and of those the one that comes last.
type Candidate = (i64, i64, usize);

/// For each point the row of `history` that it sees, if any.
pub(super) fn join(points: Timed<'_>, history: Timed<'_>, conditions: Conditions<'_>) -> Result<Vec<Option<usize>>> {
    let times = micros(history.rows, history.time)?;
    let known = match conditions.available_at {
        Some(column) => micros(history.rows, column)?,
        None => times.clone(),
    };
    let mut by_key: HashMap<Vec<u8>, Vec<Candidate>> = HashMap::new();
    for (row, key) in row_keys(history.rows, history.keys)?.into_iter().enumerate() {
        // A row of which it is not said when it was known was never known.
        if let (Some(time), Some(known)) = (times[row], known[row]) {
            by_key.entry(key).or_default().push((time, known, row));
        }
    }
    by_key.values_mut().for_each(|rows| rows.sort_unstable());
    let point_times = micros(points.rows, points.time)?;
    let keys = row_keys(points.rows, points.keys)?;
    Ok(keys.iter().zip(&point_times).map(|(key, at)| latest(by_key.get(key)?, (*at)?, conditions)).collect())
}

fn latest(rows: &[Candidate], at: i64, conditions: Conditions<'_>) -> Option<usize> {
    let until = rows.partition_point(|&(time, _, _)| time <= at);
    let known = |candidate: &&Candidate| conditions.available_at.is_none() || candidate.1 <= at;
    let &(time, _, row) = rows[..until].iter().rev().find(known)?;
    conditions.max_age.is_none_or(|age| at.saturating_sub(time) <= age).then_some(row)
}

fn micros(rows: &DataFrame, column: &str) -> Result<Vec<Option<i64>>> {
    let column = rows.column(column).map_err(failed)?;
    let moments = column.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).map_err(failed)?;
    let numbers = moments.to_physical_repr();
    Ok(numbers.i64().map_err(failed)?.iter().collect())
}

/// The rows at these places; nulls where there is none.
pub(super) fn gather(rows: &DataFrame, places: &[Option<usize>]) -> Result<DataFrame> {
    let places: Vec<Option<u32>> = places.iter().map(|p| p.and_then(|p| u32::try_from(p).ok())).collect();
    rows.take(&IdxCa::new("".into(), places)).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{Column, IntoColumn, Series};
    use proptest::prelude::*;

    fn frame(rows: &[(i64, i64, Option<i64>)]) -> DataFrame {
        let moment = DataType::Datetime(TimeUnit::Microseconds, None);
        let time = Series::new("time".into(), rows.iter().map(|r| r.1).collect::<Vec<_>>()).cast(&moment).unwrap();
        let known = Series::new("known".into(), rows.iter().map(|r| r.2).collect::<Vec<_>>()).cast(&moment).unwrap();
        let id = Column::new("id".into(), rows.iter().map(|r| r.0).collect::<Vec<_>>());
        DataFrame::new(rows.len(), vec![id, time.into_column(), known.into_column()]).unwrap()
    }

    fn joined(
        points: &[(i64, i64)],
        history: &[(i64, i64, Option<i64>)],
        conditions: Conditions<'_>,
    ) -> Vec<Option<usize>> {
        let points = frame(&points.iter().map(|p| (p.0, p.1, None)).collect::<Vec<_>>());
        let history = frame(history);
        let keys = ["id".to_owned()];
        let side = |rows| Timed { rows, keys: &keys, time: "time" };
        join(side(&points), side(&history), conditions).unwrap()
    }

    #[test]
    fn a_point_sees_the_latest_row_at_or_before_it() {
        let history = [(1, 10, None), (1, 20, None), (2, 15, None)];
        let points = [(1, 9), (1, 10), (1, 19), (1, 20), (1, 99), (2, 14), (3, 99)];
        let expected = [None, Some(0), Some(0), Some(1), Some(1), None, None];
        assert_eq!(joined(&points, &history, Conditions::default()), expected);
        let short = Conditions { max_age: Some(5), available_at: None };
        assert_eq!(joined(&[(1, 25), (1, 26)], &history, short), [Some(1), None]);
    }

    #[test]
    fn a_late_correction_is_not_seen_before_it_was_known() {
        let history = [(1, 10, Some(11)), (1, 10, Some(50)), (1, 20, None), (1, 5, Some(5))];
        let conditions = Conditions { max_age: None, available_at: Some("known") };
        let points = [(1, 10), (1, 11), (1, 49), (1, 50)];
        assert_eq!(joined(&points, &history, conditions), [Some(3), Some(0), Some(0), Some(1)]);
    }

    proptest! {
        /// The definition, row by row; and rows of the future move nothing.
        #[test]
        fn it_is_its_definition_and_blind_to_the_future(
            history in prop::collection::vec((0_i64..4, 0_i64..30, prop::option::of(0_i64..40)), 0..40),
            points in prop::collection::vec((0_i64..4, 0_i64..30), 0..20),
            max_age in prop::option::of(0_i64..20),
            bitemporal in any::<bool>(),
            future in prop::collection::vec((0_i64..4, 31_i64..60, prop::option::of(31_i64..60)), 0..10),
        ) {
            let conditions = Conditions { max_age, available_at: bitemporal.then_some("known") };
            let found = joined(&points, &history, conditions);
            for (point, found) in points.iter().zip(&found) {
                let seen = history.iter().enumerate().filter(|(_, r)| {
                    r.0 == point.0 && r.1 <= point.1 && (!bitemporal || r.2.is_some_and(|known| known <= point.1))
                });
                let latest = seen.max_by_key(|(row, r)| (r.1, if bitemporal { r.2 } else { None }, *row));
                let expected = latest.filter(|(_, r)| max_age.is_none_or(|age| point.1 - r.1 <= age)).map(|(row, _)| row);
                prop_assert_eq!(*found, expected);
            }
            let mut later = history.clone();
            later.extend(future);
            prop_assert_eq!(joined(&points, &later, conditions), found);
        }
    }
}
