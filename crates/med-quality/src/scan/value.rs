//! Rules on single values, made ready for one column: sets as hashes, patterns compiled, bounds in the column's type.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use super::chunk::{Cells, Slice};
use super::distinct::Mix;
use super::identity::{self, Identity};
use crate::bound::{Bound, Bounds};
use crate::cells::{Cell, Field, Held, days_of, micros_of};
use crate::error::RunError;
use crate::expectation::ValueRule;
use crate::python::{dateutil, json, json_schema, regex, strptime};

/// Identities of the members of a set.
pub(crate) type Members = HashSet<Identity, BuildHasherDefault<Mix>>;

/// A rule that looks at one value at a time.
#[derive(Debug)]
pub(crate) enum ValueTest {
    Null,
    NotNull,
    Range(Range),
    Set {
        members: Members,
        inside: bool,
    },
    /// So many of the patterns have to be found; `at_most` if no more may be.
    Patterns {
        patterns: Vec<regex::Pattern>,
        wanted: usize,
        at_most: bool,
    },
    Length(Bounds),
    LengthEqual(f64),
    Strftime(strptime::Format),
    Dateutil,
    Json,
    JsonSchema(Box<json_schema::Schema>),
    /// Every value is unexpected, or none is.
    Always(bool),
}

/// A closed range in the values of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Range {
    Numbers(f64, f64),
    Instants(i64, i64),
}

impl Range {
    /// The bounds as values of this column.
    ///
    /// # Errors
    /// When the column's values cannot be compared with them.
    pub(crate) fn new(field: &Field, bounds: &Bounds) -> Result<Self, RunError> {
        let comparable = |bound: Option<Bound>| match bound {
            None => Ok(()),
            Some(Bound::Number(_)) if field.is_number() => Ok(()),
            Some(Bound::Date(_)) if field.held == Held::Date => Ok(()),
            Some(Bound::Time(_)) if field.held == Held::Time => Ok(()),
            Some(Bound::Number(_)) => Err(field.incomparable("a number")),
            Some(Bound::Date(_)) => Err(field.incomparable("a date; give a date-time where timestamps are meant")),
            Some(Bound::Time(_)) => Err(field.incomparable("a date-time; give a date where dates are meant")),
        };
        comparable(bounds.min)?;
        comparable(bounds.max)?;
        if matches!(field.held, Held::Date | Held::Time) {
            let instant = |bound: Option<Bound>, open: i64, step: i64, strict: bool| match bound {
                Some(Bound::Date(date)) => i64::from(days_of(date)).saturating_add(if strict { step } else { 0 }),
                Some(Bound::Time(time)) => micros_of(time).saturating_add(if strict { step } else { 0 }),
                _ => open,
            };
            return Ok(Self::Instants(
                instant(bounds.min, i64::MIN, 1, bounds.strict_min),
                instant(bounds.max, i64::MAX, -1, bounds.strict_max),
            ));
        }
        let number = |bound: Option<Bound>, open: f64, strict: bool, next: fn(f64) -> f64| match bound {
            // Beyond the largest number nothing is.
            Some(Bound::Number(number)) if strict && number == -open => f64::NAN,
            Some(Bound::Number(number)) if strict => next(number),
            Some(Bound::Number(number)) => number,
            _ => open,
        };
        Ok(Self::Numbers(
            number(bounds.min, f64::NEG_INFINITY, bounds.strict_min, f64::next_up),
            number(bounds.max, f64::INFINITY, bounds.strict_max, f64::next_down),
        ))
    }

    /// Whether a value lies inside. Whole numbers are compared as floats, as the bounds are floats.
    pub(crate) fn holds(self, cell: Cell<'_>) -> bool {
        match (self, cell) {
            (Self::Numbers(min, max), cell) => cell.number().is_none_or(|v| v >= min && v <= max),
            (Self::Instants(min, max), Cell::Date(days)) => (min..=max).contains(&i64::from(days)),
            (Self::Instants(min, max), Cell::Time(micros)) => (min..=max).contains(&micros),
            _ => true,
        }
    }
}

/// The members of a set, as values of a column.
pub(crate) fn members(field: &Field, set: &[serde_json::Value]) -> Result<Members, RunError> {
    let mut members = Members::default();
    for value in set {
        members.extend(field.member(value)?.map(identity::of_key));
    }
    Ok(members)
}

impl ValueTest {
    /// The rule for this column, where it looks at one value at a time. An inner error is one of the column's type: it
    /// counts only if there are values.
    pub(crate) fn new(rule: &ValueRule, field: &Field) -> Result<Option<Result<Self, RunError>>, RunError> {
        let patterns = |patterns: &[String], wanted: usize, at_most: bool| {
            let patterns = patterns.iter().map(|p| regex::Pattern::new(p)).collect::<Result<Vec<_>, _>>()?;
            Ok(Some(Ok(Self::Patterns { patterns, wanted, at_most })))
        };
        let one = std::slice::from_ref;
        let of_text = |test: Self, expected: &'static str| {
            Ok(Some(if field.held == Held::Text { Ok(test) } else { Err(field.wrong_type(expected)) }))
        };
        Ok(Some(Ok(match rule {
            ValueRule::NotNull => Self::NotNull,
            ValueRule::Null => Self::Null,
            ValueRule::Between(bounds) => return Ok(Some(Range::new(field, bounds).map(Self::Range))),
            // The original compares moments with the texts as they stand, which are never equal.
            ValueRule::InSet(_) if field.compat && field.held == Held::Time => {
                Self::Set { members: Members::default(), inside: true }
            }
            ValueRule::InSet(set) => Self::Set { members: members(field, set)?, inside: true },
            ValueRule::NotInSet(set) => Self::Set { members: members(field, set)?, inside: false },
            ValueRule::MatchRegex(pattern) => return patterns(one(pattern), 1, false),
            ValueRule::NotMatchRegex(pattern) => return patterns(one(pattern), 0, true),
            ValueRule::MatchRegexList { patterns: list, all } => {
                return patterns(list, if *all { list.len() } else { 1 }, false);
            }
            ValueRule::NotMatchRegexList(list) => return patterns(list, 0, true),
            ValueRule::LengthBetween(bounds) => Self::Length(bounds.clone()),
            ValueRule::LengthEqual(wanted) => Self::LengthEqual(*wanted),
            ValueRule::StrftimeFormat(format) => {
                let expected = "text; a strftime format reads text, not values that are already dates or numbers";
                let format = strptime::Format::new(format).map_err(|reason| RunError::Parameters { reason })?;
                return of_text(Self::Strftime(format), expected);
            }
            ValueRule::DateutilParseable => return of_text(Self::Dateutil, "text to read dates from"),
            ValueRule::Json => Self::Json,
            ValueRule::JsonSchema(schema) => {
                let schema = json_schema::Schema::new(schema).map_err(|reason| RunError::JsonSchema { reason })?;
                return of_text(Self::JsonSchema(Box::new(schema)), "text that is JSON");
            }
            _ => return Ok(None),
        })))
    }

    /// All rows are looked at, not only those with a value.
    pub(crate) fn is_about_missing(&self) -> bool {
        matches!(self, Self::Null | Self::NotNull)
    }

    /// Writes 1 into `flags` where the row is under `mask` and not as expected. `start` is the number of the first row.
    pub(crate) fn flag(
        &self,
        cells: &Cells,
        mask: &[u8],
        flags: &mut Vec<u8>,
        field: &Field,
        start: u64,
    ) -> Result<(), RunError> {
        flags.clear();
        flags.resize(mask.len(), 0);
        match (self, cells.slice()) {
            (Self::Null, _) => match cells.present() {
                Some(present) => flags.copy_from_slice(present),
                None => flags.fill(1),
            },
            (Self::NotNull, _) => {
                if let Some(present) = cells.present() {
                    flags.iter_mut().zip(present).for_each(|(f, p)| *f = 1 - p);
                }
            }
            (Self::Range(Range::Numbers(min, max)), Slice::Floats(values)) => {
                flags.iter_mut().zip(values).for_each(|(f, v)| *f = u8::from(!(v >= min && v <= max)));
            }
            (Self::Range(Range::Numbers(min, max)), Slice::Ints(values)) => {
                let outside = |v: f64| u8::from(!(v >= *min && v <= *max));
                flags.iter_mut().zip(values).for_each(|(f, v)| *f = outside(*v as f64));
            }
            (Self::Range(Range::Instants(min, max)), Slice::Micros(values)) => {
                flags.iter_mut().zip(values).for_each(|(f, v)| *f = u8::from(!(v >= min && v <= max)));
            }
            (Self::Range(Range::Instants(min, max)), Slice::Days(values)) => {
                let outside = |v: i64| u8::from(!(v >= *min && v <= *max));
                flags.iter_mut().zip(values).for_each(|(f, v)| *f = outside(i64::from(*v)));
            }
            (Self::Always(unexpected), _) => flags.fill(u8::from(*unexpected)),
            (Self::JsonSchema(schema), _) => {
                // The first text that is no JSON is named by its row, so texts are not decided by code.
                for row in (0..mask.len()).filter(|row| mask[*row] == 1) {
                    if let Some(Cell::Text(text)) = cells.get(row) {
                        let not_json = || RunError::NotJson { column: field.name.clone(), row: start + row as u64 };
                        let value = json::parse(text).ok_or_else(not_json)?;
                        let accepted = schema.accepts(&value).map_err(|reason| RunError::JsonSchema { reason })?;
                        flags[row] = u8::from(!accepted);
                    }
                }
            }
            _ => cells.decide(mask, flags, |cell| self.is_unexpected(cell))?,
        }
        flags.iter_mut().zip(mask).for_each(|(f, m)| *f &= m);
        Ok(())
    }

    fn is_unexpected(&self, cell: Cell<'_>) -> Result<bool, RunError> {
        let owned;
        let text = match cell {
            Cell::Text(text) => text,
            _ if matches!(self, Self::Patterns { .. }) => {
                owned = cell.to_text();
                &owned
            }
            _ => "",
        };
        Ok(match self {
            Self::Range(range) => !range.holds(cell),
            Self::Set { members, inside } => members.contains(&identity::of(cell)) != *inside,
            Self::Patterns { patterns, wanted, at_most } => {
                let mut found = 0;
                for pattern in patterns {
                    found += usize::from(pattern.is_found_in(text)?);
                    if found > *wanted || (found == *wanted && !at_most) {
                        break;
                    }
                }
                if *at_most { found > *wanted } else { found < *wanted }
            }
            Self::Length(bounds) => !bounds.holds(length(cell)),
            Self::LengthEqual(wanted) => length(cell) != *wanted,
            Self::Strftime(format) => !format.reads(text),
            Self::Dateutil => !dateutil::is_date(text),
            Self::Json => !matches!(cell, Cell::Text(text) if json::parse(text).is_some()),
            Self::Null | Self::NotNull | Self::JsonSchema(_) => false,
            Self::Always(unexpected) => *unexpected,
        })
    }
}

/// Code points of the value's text.
fn length(cell: Cell<'_>) -> f64 {
    match cell {
        Cell::Text(text) => text.chars().count() as f64,
        other => other.to_text().chars().count() as f64,
    }
}
