//! Levels of a category: one form for those that name a number, and what of a batch fitting has not seen.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use crate::{FeatureColumn, MISSING};

/// The form of a level in which it is compared: a whole number written as a float (`3.0`) is that number (`3`).
///
/// A program that holds missing numbers as floats writes every code of a column with a gap that way, so the same code comes as `3` in one
/// file and as `3.0` in the next. Only one zero after the point counts: in codes such as `250.00` further digits mean something. Leading
/// zeros, signs but a minus, and exponents make a code, which is left as it is.
///
/// ```
/// assert_eq!(["3.0", "-1.0", "3", "03.0", "250.00", "E11.0"].map(med_schema::canonical_level), ["3", "-1", "3", "03.0", "250.00", "E11.0"]);
/// ```
pub fn canonical_level(text: &str) -> &str {
    let Some(whole) = text.strip_suffix(".0") else { return text };
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    match digits.as_bytes() {
        [b'0'] => digits,
        [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit) => whole,
        _ => text,
    }
}

/// The canonical level of a number; none of what is no number.
#[cfg(feature = "polars")]
pub(crate) fn level_of_number(value: f64) -> Option<String> {
    /// Up to here every whole number is a float of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.is_nan() {
        return None;
    }
    let whole = value.fract() == 0.0 && value.abs() <= EXACT;
    Some(if whole { (value as i64).to_string() } else { format!("{value:?}") })
}

/// Where levels stand in a list of levels: by their text, else by their [canonical form](canonical_level).
#[derive(Debug, Clone)]
pub struct LevelIndex<'a>(HashMap<&'a str, u32>);

impl<'a> LevelIndex<'a> {
    /// Of these levels; codes are their places. O(n).
    pub fn new(levels: &'a [String]) -> Self {
        let mut places = HashMap::with_capacity(levels.len());
        for (level, place) in levels.iter().zip(0..) {
            places.entry(canonical_level(level)).or_insert(place);
        }
        // A level that is there word for word is never another one.
        places.extend(levels.iter().map(String::as_str).zip(0..));
        Self(places)
    }

    /// The place of a level, if it is there.
    pub fn place(&self, level: &str) -> Option<u32> {
        self.0.get(level).or_else(|| self.0.get(canonical_level(level))).copied()
    }
}

/// Share of a column's cells from which on levels that fitting has not seen are no longer a few new ones.
const MOSTLY_UNSEEN: f64 = 0.2;

/// What fitting has not seen of a column of a batch. Displayed as a sentence, without a value of the column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Novelty {
    /// The column.
    pub column: String,
    /// Its rows.
    pub rows: usize,
    /// Rows without a value.
    pub missing: usize,
    /// Rows whose level fitting has not seen; none of a numeric column.
    pub unseen: usize,
    /// Different levels among them.
    pub unseen_levels: usize,
}

impl Novelty {
    /// Of a column, by the levels it was fitted on where it is a category. O(rows).
    pub fn of(column: &FeatureColumn, fitted: Option<&[String]>) -> Self {
        let (name, rows) = (column.name().to_owned(), column.len());
        let mut found = Self { column: name, rows, missing: 0, unseen: 0, unseen_levels: 0 };
        match (column.as_numeric(), column.as_categorical()) {
            (Some(values), _) => found.missing = values.iter().filter(|v| v.is_nan()).count(),
            (None, Some((codes, levels))) => {
                let known = fitted.map(LevelIndex::new);
                let mut counts = vec![0_usize; levels.len()];
                for &code in codes {
                    if code == MISSING { found.missing += 1 } else { counts[code as usize] += 1 }
                }
                let is_new = |level: &str| known.as_ref().is_some_and(|k| k.place(level).is_none());
                for (_, rows) in levels.iter().zip(counts).filter(|(level, rows)| *rows > 0 && is_new(level)) {
                    found.unseen += rows;
                    found.unseen_levels += 1;
                }
            }
            (None, None) => {}
        }
        found
    }

    /// Share of the rows with a value whose level fitting has not seen; 0 where no row has a value.
    pub fn unseen_share(&self) -> f64 {
        let present = self.rows - self.missing;
        if present == 0 { 0.0 } else { self.unseen as f64 / present as f64 }
    }

    /// Whether more than a fifth of the values are of levels that fitting has not seen: the column is likely written in another way.
    pub fn is_mostly_unseen(&self) -> bool {
        self.unseen_share() > MOSTLY_UNSEEN
    }
}

impl fmt::Display for Novelty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "column {:?}: {} of {} values ({} %) are of {} levels that the training part does not have",
            self.column,
            self.unseen,
            self.rows - self.missing,
            (100.0 * self.unseen_share()).round(),
            self.unseen_levels
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_have_one_form_and_codes_keep_theirs() {
        for (text, expected) in [
            ("3.0", "3"),
            ("3", "3"),
            ("0.0", "0"),
            ("-0.0", "0"),
            ("-12.0", "-12"),
            ("1234567890123456.0", "1234567890123456"),
            ("01.0", "01.0"),
            ("250.00", "250.00"),
            ("3.5", "3.5"),
            ("+3.0", "+3.0"),
            (".0", ".0"),
            ("-.0", "-.0"),
            ("1e3.0", "1e3.0"),
            ("E11.0", "E11.0"),
            ("", ""),
        ] {
            assert_eq!(canonical_level(text), expected, "{text:?}");
        }
    }

    #[cfg(feature = "polars")]
    #[test]
    fn numbers_and_their_texts_are_the_same_level() {
        for value in [0.0, -0.0, 1.0, -7.0, 1e15, 9_007_199_254_740_992.0, 1.5, 1e300, f64::INFINITY] {
            let level = level_of_number(value).unwrap();
            assert_eq!(level.parse::<f64>().unwrap(), value);
            if value.abs() < 1e15 {
                assert_eq!(canonical_level(&format!("{value:?}")), level);
            }
        }
        assert_eq!(level_of_number(f64::NAN), None);
    }

    #[test]
    fn a_level_is_found_by_its_text_and_then_by_its_number() {
        let levels = ["3.0", "4", "4.0", "x"].map(str::to_owned);
        let index = LevelIndex::new(&levels);
        let places = ["3", "3.0", "4", "4.0", "x", "x.0", "5"].map(|level| index.place(level));
        assert_eq!(places, [Some(0), Some(0), Some(1), Some(2), Some(3), None, None]);
    }

    #[test]
    fn what_is_new_is_counted_by_rows_and_levels() {
        let texts = ["1.0", "9", "9", "8", "1", "2"].map(Some).into_iter().chain([None]);
        let column = FeatureColumn::from_texts("region", texts);
        let fitted = ["1", "2"].map(str::to_owned);
        let novelty = Novelty::of(&column, Some(&fitted));
        assert_eq!((novelty.missing, novelty.unseen, novelty.unseen_levels), (1, 3, 2));
        assert!(novelty.is_mostly_unseen());
        assert_eq!(
            novelty.to_string(),
            "column \"region\": 3 of 6 values (50 %) are of 2 levels that the training part does not have"
        );
        let numbers = Novelty::of(&FeatureColumn::numeric("age", vec![1.0, f64::NAN]), None);
        assert_eq!((numbers.missing, numbers.unseen, numbers.is_mostly_unseen()), (1, 0, false));
    }
}
