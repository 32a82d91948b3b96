//! Levels of a category: those in the training part, and what to do about others.

use med_schema::{FeatureColumn, LevelIndex, MISSING};
use serde::{Deserialize, Serialize};

use crate::FeatureError;

/// What becomes of a level that was not in the training part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnseenPolicy {
    /// An error that names column and row.
    #[default]
    Error,
    /// It counts as no level: all zeros from one-hot, missing (NaN) from ordinal.
    Ignore,
}

/// What becomes of a missing category.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissingPolicy {
    /// An error that names column and row.
    Error,
    /// It is a level of its own: a column from one-hot if the training part has missing values (otherwise it is an unseen
    /// level), missing (NaN) from ordinal.
    #[default]
    Keep,
}

/// What a value of a categorical column is to a fitted encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// The level at this position.
    Level(usize),
    /// Missing.
    Missing,
    /// A level that fitting did not see.
    Unseen,
}

/// The levels that occur in a column's rows, ascending by text.
///
/// Not the column's list of levels: after a split both parts still share the list of the whole table, and a level that only
/// the test part has must not be known.
pub(super) fn levels_present(codes: &[u32], levels: &[String]) -> Vec<String> {
    let mut present = vec![false; levels.len()];
    codes.iter().filter(|&&c| c != MISSING).for_each(|&c| present[c as usize] = true);
    let mut found: Vec<String> =
        levels.iter().zip(present).filter(|(_, present)| *present).map(|(level, _)| level.clone()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Each row of a column in terms of the fitted levels, matched by [`LevelIndex`].
pub(super) fn recode<'a>(column: &'a FeatureColumn, fitted: &[String]) -> impl Iterator<Item = Seen> + use<'a> {
    let (codes, levels) = column.as_categorical().unwrap_or_default();
    let places = LevelIndex::new(fitted);
    let meaning: Vec<Seen> =
        levels.iter().map(|l| places.place(l).map_or(Seen::Unseen, |at| Seen::Level(at as usize))).collect();
    codes.iter().map(move |&code| if code == MISSING { Seen::Missing } else { meaning[code as usize] })
}

/// The first row for which a verdict holds and how many there are, if there is one.
pub(super) fn first_and_count<T>(values: impl Iterator<Item = T>, is: impl Fn(&T) -> bool) -> Option<(usize, usize)> {
    values.enumerate().filter(|(_, value)| is(value)).fold(None, |found, (row, _)| match found {
        None => Some((row, 1)),
        Some((first, rows)) => Some((first, rows + 1)),
    })
}

/// Refuses rows that are unseen levels or missing.
pub(super) fn refuse(column: &FeatureColumn, fitted: &[String], what: Seen) -> Result<(), FeatureError> {
    let Some((row, rows)) = first_and_count(recode(column, fitted), |seen| *seen == what) else { return Ok(()) };
    let column = column.name().to_owned();
    Err(if what == Seen::Missing {
        FeatureError::Missing { column, row, rows }
    } else {
        FeatureError::UnseenLevel { column, row, rows }
    })
}

/// A categorical column as one number a row, and rows refused that the policies do not let through.
pub(super) fn to_numbers(
    column: &FeatureColumn,
    fitted: &[String],
    (unseen, missing): (UnseenPolicy, MissingPolicy),
    output: String,
    number: impl Fn(Seen) -> f64,
) -> Result<Vec<FeatureColumn>, FeatureError> {
    if unseen == UnseenPolicy::Error {
        refuse(column, fitted, Seen::Unseen)?;
    }
    if missing == MissingPolicy::Error {
        refuse(column, fitted, Seen::Missing)?;
    }
    let values: Vec<f64> = recode(column, fitted).map(number).collect();
    Ok(vec![FeatureColumn::numeric(output, values)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_those_of_the_rows_and_matched_by_text() {
        let whole = FeatureColumn::from_texts("c", [Some("z"), Some("a"), None, Some("m")]);
        let train = whole.take(&[0, 2, 3]).unwrap();
        let (codes, levels) = train.as_categorical().unwrap();
        let fitted = levels_present(codes, levels);
        assert_eq!(fitted, ["m", "z"]);
        let other = FeatureColumn::from_texts("c", [Some("z"), Some("a"), None]);
        let seen: Vec<Seen> = recode(&other, &fitted).collect();
        assert_eq!(seen, [Seen::Level(1), Seen::Unseen, Seen::Missing]);
        let floats = FeatureColumn::from_texts("c", [Some("2.0"), Some("3.0")]);
        let seen: Vec<Seen> = recode(&floats, &["1".to_owned(), "2".to_owned()]).collect();
        assert_eq!(seen, [Seen::Level(1), Seen::Unseen]);
        let error = refuse(&other, &fitted, Seen::Unseen).unwrap_err();
        assert_eq!(error, FeatureError::UnseenLevel { column: "c".to_owned(), row: 1, rows: 1 });
    }
}
