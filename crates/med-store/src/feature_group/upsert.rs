//! What an insert makes of the rows that are there. Pure.

use std::collections::{HashMap, HashSet};

use polars::prelude::{ChunkCompareEq, DataFrame, IdxCa, IdxSize, NamedFrom, PolarsError};

use crate::row_key::row_keys;
use crate::{Result, StoreError};

/// Stored rows and incoming ones, told apart by key and content.
#[derive(Debug)]
pub(super) struct Merged {
    stored: DataFrame,
    /// For each stored row whether it stays.
    stays: Vec<bool>,
    /// Incoming rows that replace stored ones.
    changed: DataFrame,
    /// Incoming rows whose key is new.
    pub(super) new_rows: DataFrame,
    pub(super) inserted: u64,
    pub(super) updated: u64,
    pub(super) unchanged: u64,
    /// Stored rows of the incoming times that are not among the incoming ones.
    pub(super) removed: u64,
    /// Stored rows whose key another stored row has.
    pub(super) repeated: usize,
}

impl Merged {
    /// Stored files, given by their numbers of rows in order, that lose a row.
    pub(super) fn touched(&self, files: &[usize]) -> Vec<bool> {
        let mut start = 0;
        files
            .iter()
            .map(|rows| {
                let lost = self.stays[start..start + rows].contains(&false);
                start += rows;
                lost
            })
            .collect()
    }

    /// The rows that take the place of the touched files, unsorted: what stays of them, what changed and what is new.
    pub(super) fn rewritten(&self, files: &[usize], touched: &[bool]) -> Result<DataFrame> {
        let in_touched = files.iter().zip(touched).flat_map(|(rows, touched)| std::iter::repeat_n(*touched, *rows));
        let kept: Vec<usize> = self
            .stays
            .iter()
            .zip(in_touched)
            .enumerate()
            .filter(|(_, (stays, touched))| **stays && *touched)
            .map(|(row, _)| row)
            .collect();
        let kept = take(&self.stored, kept.into_iter())?;
        kept.vstack(&self.changed).and_then(|rows| rows.vstack(&self.new_rows)).map_err(failed)
    }
}

fn failed(source: PolarsError) -> StoreError {
    StoreError::Convert { what: "merge by key".to_owned(), source: source.into() }
}

/// Finds, for each incoming row, the stored one of its key, and compares their content. Keys of either side must be
/// unique and without nulls; stored rows of which that is not true are counted. Linear in both.
pub(super) fn merge(stored: &DataFrame, incoming: &DataFrame, keys: &[String]) -> Result<Merged> {
    let stored = stored.select(incoming.get_column_names()).map_err(failed)?;
    let stored_keys = row_keys(&stored, keys)?;
    let places: HashMap<&[u8], usize> =
        stored_keys.iter().enumerate().map(|(row, key)| (key.as_slice(), row)).collect();
    let (mut pairs, mut new) = (Vec::new(), Vec::new());
    for (row, key) in row_keys(incoming, keys)?.iter().enumerate() {
        match places.get(key.as_slice()) {
            Some(&place) => pairs.push((place, row)),
            None => new.push(row),
        }
    }
    let differs = rows_differ(&stored, incoming, &pairs)?;
    let changed: Vec<(usize, usize)> = pairs.iter().zip(&differs).filter(|(_, d)| **d).map(|(pair, _)| *pair).collect();
    let mut stays = vec![true; stored.height()];
    for &(place, _) in &changed {
        stays[place] = false;
    }
    Ok(Merged {
        changed: take(incoming, changed.iter().map(|&(_, row)| row))?,
        inserted: new.len() as u64,
        updated: changed.len() as u64,
        unchanged: (pairs.len() - changed.len()) as u64,
        removed: 0,
        repeated: stored_keys.len() - places.len(),
        new_rows: take(incoming, new.into_iter())?,
        stored,
        stays,
    })
}

/// As [`merge`], and stored rows whose `event_time` is among the incoming ones go if no incoming row has their key: the
/// incoming rows are all there is to know of these times. Linear in both.
pub(super) fn replace(stored: &DataFrame, incoming: &DataFrame, keys: &[String], event_time: &str) -> Result<Merged> {
    let mut merged = merge(stored, incoming, keys)?;
    if stored.height() == 0 {
        return Ok(merged);
    }
    let time = [event_time.to_owned()];
    let incoming_times: HashSet<Vec<u8>> = row_keys(incoming, &time)?.into_iter().collect();
    let incoming_keys: HashSet<Vec<u8>> = row_keys(incoming, keys)?.into_iter().collect();
    let times = row_keys(&merged.stored, &time)?;
    let stored_keys = row_keys(&merged.stored, keys)?;
    for ((stays, time), key) in merged.stays.iter_mut().zip(&times).zip(&stored_keys) {
        if *stays && incoming_times.contains(time) && !incoming_keys.contains(key) {
            *stays = false;
            merged.removed += 1;
        }
    }
    Ok(merged)
}

/// These rows, in this order. All of them in their own order are the frame itself, without a copy.
fn take(frame: &DataFrame, rows: impl Iterator<Item = usize>) -> Result<DataFrame> {
    let rows: Vec<IdxSize> = rows.map(|row| row as IdxSize).collect();
    if rows.iter().copied().eq(0..frame.height() as IdxSize) {
        return Ok(frame.clone());
    }
    frame.take(&IdxCa::new("".into(), rows)).map_err(failed)
}

/// For each pair of a stored and an incoming row: whether any column differs. NaN equals NaN, null equals null.
fn rows_differ(stored: &DataFrame, incoming: &DataFrame, pairs: &[(usize, usize)]) -> Result<Vec<bool>> {
    let before = take(stored, pairs.iter().map(|&(place, _)| place))?;
    let after = take(incoming, pairs.iter().map(|&(_, row)| row))?;
    let mut differs = vec![false; pairs.len()];
    for (old, new) in before.columns().iter().zip(after.columns()) {
        let mask = old.as_materialized_series().not_equal_missing(new.as_materialized_series()).map_err(failed)?;
        for (flag, column_differs) in differs.iter_mut().zip(mask.iter()) {
            *flag |= column_differs.unwrap_or(true);
        }
    }
    Ok(differs)
}

/// Rows of a frame sorted by `keys` that have the key of the row before.
pub(super) fn repeated(sorted: &DataFrame, keys: &[String]) -> Result<usize> {
    let Some(last) = sorted.height().checked_sub(1) else { return Ok(0) };
    let mut same = vec![true; last];
    for name in keys {
        let column = sorted.column(name).map_err(failed)?.as_materialized_series();
        let differs = column.head(Some(last)).not_equal_missing(&column.tail(Some(last))).map_err(failed)?;
        for (same, differs) in same.iter_mut().zip(differs.iter()) {
            *same &= differs == Some(false);
        }
    }
    Ok(same.iter().filter(|same| **same).count())
}

/// Checks that key columns have no nulls and that no key is there twice.
pub(super) fn check_keys(group: &str, frame: &DataFrame, keys: &[String]) -> Result<()> {
    for name in keys {
        let column = frame.column(name).map_err(failed)?;
        let nulls = column.null_count();
        if nulls > 0 {
            let first_row = column.is_null().iter().position(|null| null == Some(true)).unwrap_or(0);
            return Err(StoreError::NullKey { group: group.to_owned(), column: name.clone(), nulls, first_row });
        }
    }
    let rows = row_keys(frame, keys)?;
    let mut seen: HashMap<&[u8], usize> = HashMap::with_capacity(rows.len());
    let (mut repeated, mut pair) = (0, None);
    for (row, key) in rows.iter().enumerate() {
        if let Some(&first) = seen.get(key.as_slice()) {
            repeated += 1;
            pair = pair.or(Some((first, row)));
        } else {
            seen.insert(key, row);
        }
    }
    match pair {
        None => Ok(()),
        Some((first, second)) => Err(StoreError::DuplicateKey {
            group: group.to_owned(),
            columns: keys.to_vec(),
            rows: repeated,
            first,
            second,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::Series;
    use polars::prelude::{Column, IntoColumn};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn frame(rows: &[(i64, &str, Option<f64>)]) -> DataFrame {
        let ids: Vec<i64> = rows.iter().map(|r| r.0).collect();
        let texts: Vec<&str> = rows.iter().map(|r| r.1).collect();
        let values: Vec<Option<f64>> = rows.iter().map(|r| r.2).collect();
        let columns = vec![
            Series::new("id".into(), ids).into_column(),
            Series::new("text".into(), texts).into_column(),
            Series::new("value".into(), values).into_column(),
        ];
        DataFrame::new(rows.len(), columns).unwrap()
    }

    impl Merged {
        fn all_rows(&self) -> Result<DataFrame> {
            self.rewritten(&[self.stored.height()], &[true])
        }
    }

    fn keys() -> Vec<String> {
        vec!["id".to_owned(), "text".to_owned()]
    }

    fn counts(stored: &[(i64, &str, Option<f64>)], incoming: &[(i64, &str, Option<f64>)]) -> (u64, u64, u64) {
        let merged = merge(&frame(stored), &frame(incoming), &keys()).unwrap();
        (merged.inserted, merged.updated, merged.unchanged)
    }

    #[test]
    fn rows_are_told_apart_by_key_and_content() {
        let stored = [(1, "a", Some(1.0)), (2, "b", None), (3, "c", Some(f64::NAN))];
        assert_eq!(counts(&stored, &stored), (0, 0, 3));
        assert_eq!(counts(&stored, &[(1, "a", None), (2, "b", Some(0.0)), (3, "d", None)]), (1, 2, 0));
        assert_eq!(counts(&[], &stored), (3, 0, 0));
        assert_eq!(counts(&stored, &[]), (0, 0, 0));
    }

    #[test]
    fn replacing_takes_away_what_a_time_no_longer_has() {
        let (stored, incoming) =
            ([(1, "a", Some(1.0)), (2, "a", None), (3, "b", None)], [(1, "a", Some(2.0)), (4, "a", None)]);
        // The text stands for the time here: `a` is replaced, `b` is another time.
        let merged = replace(&frame(&stored), &frame(&incoming), &keys(), "text").unwrap();
        assert_eq!((merged.inserted, merged.updated, merged.unchanged, merged.removed), (1, 1, 0, 1));
        let ids: Vec<Option<i64>> = merged.all_rows().unwrap().column("id").unwrap().i64().unwrap().iter().collect();
        assert_eq!(ids, [Some(3), Some(1), Some(4)]);
        let again = replace(&merged.all_rows().unwrap(), &frame(&incoming), &keys(), "text").unwrap();
        assert_eq!((again.inserted, again.updated, again.removed), (0, 0, 0));
    }

    #[test]
    fn repeated_rows_are_counted() {
        let rows =
            [(1, "a", None), (1, "a", Some(1.0)), (1, "b", None), (2, "b", None), (2, "b", None), (2, "b", None)];
        assert_eq!(repeated(&frame(&rows), &keys()).unwrap(), 3);
        assert_eq!(repeated(&frame(&rows[..1]), &keys()).unwrap(), 0);
        assert_eq!(repeated(&frame(&[]), &keys()).unwrap(), 0);
        assert_eq!(merge(&frame(&rows), &frame(&[(2, "b", None)]), &keys()).unwrap().repeated, 3);
    }

    #[test]
    fn columns_of_a_key_do_not_run_together() {
        let two_texts = |a: &str, b: &str| {
            let columns = vec![Column::new("a".into(), [a]), Column::new("b".into(), [b])];
            row_keys(&DataFrame::new(1, columns).unwrap(), &["a".to_owned(), "b".to_owned()]).unwrap()
        };
        assert_ne!(two_texts("ab", "c"), two_texts("a", "bc"));
    }

    #[test]
    fn repeated_and_missing_keys_are_named() {
        let twice = frame(&[(1, "a", None), (2, "b", None), (1, "a", Some(1.0))]);
        let error = check_keys("g_v1", &twice, &keys()).unwrap_err().to_string();
        assert_eq!(error, "feature group g_v1: 1 rows repeat a key (id; text); rows 0 and 2 are the first two");
        let missing = frame(&[(1, "a", Some(1.0)), (1, "b", None)]);
        let error = check_keys("g_v1", &missing, &["value".to_owned()]).unwrap_err().to_string();
        assert_eq!(error, "feature group g_v1: key column \"value\" has 1 missing values, the first in row 1");
    }

    proptest! {
        /// The rows afterwards are those of a map that is overwritten key by key, and merging again changes nothing.
        #[test]
        fn merging_is_overwriting_a_map(
            stored in prop::collection::btree_map(0_i64..20, 0_i32..3, 0..15),
            incoming in prop::collection::btree_map(0_i64..20, 0_i32..3, 0..15),
        ) {
            let rows = |m: &BTreeMap<i64, i32>| {
                frame(&m.iter().map(|(k, v)| (*k, "t", Some(f64::from(*v)))).collect::<Vec<_>>())
            };
            let merged = merge(&rows(&stored), &rows(&incoming), &keys()).unwrap();
            let all = merged.all_rows().unwrap();
            let mut expected = stored.clone();
            expected.extend(incoming.clone());
            let found: BTreeMap<i64, i32> = all.column("id").unwrap().i64().unwrap().iter()
                .zip(all.column("value").unwrap().f64().unwrap().iter())
                .map(|(k, v)| (k.unwrap(), v.unwrap() as i32)).collect();
            prop_assert_eq!(all.height(), expected.len());
            prop_assert_eq!(found, expected);
            prop_assert_eq!(merged.inserted + merged.updated + merged.unchanged, incoming.len() as u64);
            let again = merge(&all, &rows(&incoming), &keys()).unwrap();
            prop_assert_eq!((again.inserted, again.updated), (0, 0));
        }
    }
}
