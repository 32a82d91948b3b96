//! Rules that look at every row of two or more columns.

use serde_json::{Map, Value};

use crate::error::SuiteError;
use crate::kwargs::Kwargs;

/// Rows that are left out and counted as missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum IgnoreRowIf {
    /// Where all of the columns are missing.
    #[default]
    AllMissing,
    /// Where one of them is.
    AnyMissing,
    /// None.
    Never,
}

const PAIR: [&str; 3] = ["both_values_are_missing", "either_value_is_missing", "neither"];
const MULTI: [&str; 3] = ["all_values_are_missing", "any_value_is_missing", "never"];
const IGNORE: [IgnoreRowIf; 3] = [IgnoreRowIf::AllMissing, IgnoreRowIf::AnyMissing, IgnoreRowIf::Never];

/// What is expected of every row.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum RowRule {
    /// The first equals the second; a missing value equals nothing.
    PairEqual,
    /// The first is greater than the second; a missing value is not.
    PairGreater {
        /// Equal will do.
        or_equal: bool,
    },
    /// The two are one of these pairs, where null stands for missing.
    PairInSet(Vec<(Value, Value)>),
    /// The combination occurs once; missing equals missing.
    CompoundUnique,
    /// They add up to this, exactly; with a missing value they do not.
    SumEqual(f64),
    /// They differ from one another; two missing values do not.
    UniqueWithinRecord,
    /// They are all equal; missing equals missing.
    AllEqual,
}

impl RowRule {
    pub(crate) const NAMES: [&'static str; 7] = [
        "expect_column_pair_values_to_be_equal",
        "expect_column_pair_values_a_to_be_greater_than_b",
        "expect_column_pair_values_to_be_in_set",
        "expect_compound_columns_to_be_unique",
        "expect_multicolumn_sum_to_equal",
        "expect_select_column_values_to_be_unique_within_record",
        "expect_multicolumn_values_to_be_equal",
    ];

    pub(crate) fn name(&self) -> &'static str {
        Self::NAMES[match self {
            Self::PairEqual => 0,
            Self::PairGreater { .. } => 1,
            Self::PairInSet(_) => 2,
            Self::CompoundUnique => 3,
            Self::SumEqual(_) => 4,
            Self::UniqueWithinRecord => 5,
            Self::AllEqual => 6,
        }]
    }

    /// Of two named columns, not of a list.
    pub(crate) fn is_pair(&self) -> bool {
        matches!(self, Self::PairEqual | Self::PairGreater { .. } | Self::PairInSet(_))
    }

    pub(crate) fn read(
        name: &str,
        kwargs: &mut Kwargs<'_>,
    ) -> Result<Option<(Self, Vec<String>, IgnoreRowIf)>, SuiteError> {
        let rule = match Self::NAMES.iter().position(|known| *known == name) {
            Some(0) => Self::PairEqual,
            Some(1) => Self::PairGreater { or_equal: kwargs.flag("or_equal")? },
            Some(2) => Self::PairInSet(pairs(kwargs)?),
            Some(3) => Self::CompoundUnique,
            Some(4) => Self::SumEqual(kwargs.required_number("sum_total")?),
            Some(5) => Self::UniqueWithinRecord,
            Some(6) => Self::AllEqual,
            _ => return Ok(None),
        };
        let (columns, words) = if rule.is_pair() {
            (vec![kwargs.required_string("column_A")?, kwargs.required_string("column_B")?], PAIR)
        } else {
            let list = "a list of at least two columns";
            let columns = kwargs.strings("column_list")?.ok_or_else(|| kwargs.missing("column_list", list))?;
            if columns.len() < 2 {
                return Err(kwargs.wrong("column_list", list, &Value::from(columns)));
            }
            (columns, MULTI)
        };
        let ignore = match kwargs.string("ignore_row_if")? {
            None => IgnoreRowIf::default(),
            Some(word) => match words.iter().position(|w| *w == word) {
                Some(index) => IGNORE[index],
                None => return Err(kwargs.wrong("ignore_row_if", words.join(", "), &Value::from(word))),
            },
        };
        Ok(Some((rule, columns, ignore)))
    }

    pub(crate) fn write(&self, columns: &[String], ignore: IgnoreRowIf, kwargs: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Value| kwargs.insert(name.to_owned(), value);
        let words = if self.is_pair() {
            for (name, column) in ["column_A", "column_B"].into_iter().zip(columns) {
                put(name, Value::from(column.as_str()));
            }
            PAIR
        } else {
            put("column_list", Value::from(columns.to_vec()));
            MULTI
        };
        match self {
            Self::PairGreater { or_equal: true } => {
                put("or_equal", Value::Bool(true));
            }
            Self::PairInSet(set) => {
                put("value_pairs_set", set.iter().map(|(a, b)| Value::from(vec![a.clone(), b.clone()])).collect());
            }
            Self::SumEqual(total) => {
                put("sum_total", Value::from(*total));
            }
            _ => {}
        }
        if ignore != IgnoreRowIf::default()
            && let Some(index) = IGNORE.iter().position(|i| *i == ignore)
        {
            put("ignore_row_if", Value::from(words[index]));
        }
    }
}

fn pairs(kwargs: &mut Kwargs<'_>) -> Result<Vec<(Value, Value)>, SuiteError> {
    let expected = "a list of pairs";
    let value = kwargs.required("value_pairs_set", expected)?;
    let pair = |v: &Value| match v.as_array().map(Vec::as_slice) {
        Some([a, b]) if ![a, b].iter().any(|v| v.is_array() || v.is_object()) => Some((a.clone(), b.clone())),
        _ => None,
    };
    let pairs = value.as_array().and_then(|list| list.iter().map(pair).collect::<Option<Vec<_>>>());
    pairs.ok_or_else(|| kwargs.wrong("value_pairs_set", expected, &value))
}
