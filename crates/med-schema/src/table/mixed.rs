//! Columns of numbers that a few other texts have made columns of texts.

use std::fmt;

use super::csv::{is_integer, is_number, is_special};
use super::{Table, TableError};
use crate::{Kind, ValueType};

/// Other texts are few up to this share of the values.
const FEW: f64 = 0.1;

/// A column of texts most of which are numbers. Displayed as a sentence, without a value of the column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MixedColumn {
    /// The column.
    pub column: String,
    /// What it is taken for.
    pub kind: Kind,
    /// Values that are numbers.
    pub numbers: usize,
    /// Values that are not.
    pub others: usize,
    /// The first row with one that is not, from 0.
    pub first_row: usize,
}

impl fmt::Display for MixedColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, kind, numbers, others, first_row } = self;
        write!(
            f,
            "column {column:?}: {others} of {} values (the first in row {first_row}, from 0) are not numbers, which makes it {kind}, not a \
             quantity; if they mean missing, name them as null values, else say the column's kind in a schema",
            numbers + others
        )
    }
}

impl Table {
    /// The columns of texts, identifiers aside, at least nine tenths of whose values are numbers. Codes are none of them: a column with a
    /// number that begins with needless zeros.
    ///
    /// # Errors
    /// Never for a table that exists; the signature follows polars'.
    pub fn mixed_columns(&self) -> Result<Vec<MixedColumn>, TableError> {
        let mut mixed = Vec::new();
        for spec in self.schema().columns() {
            if spec.value_type == ValueType::Text && spec.kind != Kind::Identifier {
                mixed.extend(mixed_column(&spec.name, spec.kind, self.frame().column(&spec.name)?.str()?.iter()));
            }
        }
        Ok(mixed)
    }
}

fn mixed_column<'a>(name: &str, kind: Kind, texts: impl Iterator<Item = Option<&'a str>>) -> Option<MixedColumn> {
    let mut found = MixedColumn { column: name.to_owned(), kind, numbers: 0, others: 0, first_row: 0 };
    for (row, text) in texts.enumerate() {
        let Some(text) = text else { continue };
        if is_integer(text) || is_number(text) || is_special(text) {
            found.numbers += 1;
        } else if is_code(text) {
            return None;
        } else {
            if found.others == 0 {
                found.first_row = row;
            }
            found.others += 1;
        }
    }
    let few = found.others as f64 <= FEW * (found.numbers + found.others) as f64;
    (found.others > 0 && few).then_some(found)
}

/// Digits after needless zeros.
fn is_code(text: &str) -> bool {
    text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CsvOptions;

    fn mixed(values: impl IntoIterator<Item = &'static str>) -> Vec<MixedColumn> {
        let text: String = values.into_iter().map(|value| format!("{value},7\n")).collect();
        Table::from_csv(format!("age,x\n{text}").as_bytes(), &CsvOptions::default()).unwrap().mixed_columns().unwrap()
    }

    #[test]
    fn a_few_words_among_numbers_are_told_by_their_number() {
        let ages = || ["30", "41.0", "", "52"].into_iter().cycle().take(40);
        assert_eq!(mixed(ages()), []);
        let found = mixed(ages().chain(["unknown"]));
        assert_eq!((found.len(), found[0].numbers, found[0].others, found[0].first_row), (1, 30, 1, 40));
        let text = found[0].to_string();
        assert!(text.starts_with("column \"age\": 1 of 31 values (the first in row 40, from 0)"), "{text}");
        assert!(!text.contains("unknown"), "{text}");
    }

    #[test]
    fn names_and_codes_are_what_they_are() {
        assert_eq!(mixed(["gold", "7", "8", "silver", "9"]), []);
        let codes = ["10115", "01067", "20095", "80331"].into_iter().cycle().take(40);
        assert_eq!(mixed(codes.chain(["abroad"])), []);
    }
}
