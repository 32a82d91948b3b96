//! Rules on rows of several columns, made ready for these columns.

use std::cmp::Ordering;
use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::chunk::{Cells, Slice};
use super::distinct::Distinct;
use super::found::{Found, Keep};
use super::identity::{self, Identity};
use crate::cells::{Cell, Field, Stored};
use crate::error::RunError;
use crate::expectation::{IgnoreRowIf, RowRule};

/// A rule that looks at several columns.
#[derive(Debug)]
pub(crate) enum RowTest {
    Equal,
    Greater { or_equal: bool },
    InSet(HashSet<(Option<Identity>, Option<Identity>)>),
    Unique,
    Sum(f64),
    AllDiffer,
    AllEqual,
}

/// What has been found of a [`RowTest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum RowState {
    Test(Found),
    Unique(Box<Distinct>),
    Error(RunError),
}

/// A chunk of several columns.
pub(crate) struct RowLook<'a> {
    pub(crate) cells: &'a [&'a Cells],
    /// The number of the first row.
    pub(crate) start: u64,
    /// 1 for rows that are looked at.
    pub(crate) rows: &'a [u8],
    pub(crate) keep: Keep,
}

impl RowTest {
    /// The rule for these columns. An inner error is one of the columns' types: it counts only if there are rows to look at.
    pub(crate) fn new(rule: &RowRule, fields: &[&Field]) -> Result<Result<Self, RunError>, RunError> {
        let pair = || match fields {
            [a, b] => Ok((*a, *b)),
            _ => Err(RunError::Parameters { reason: format!("a pair is of two columns, not of {}", fields.len()) }),
        };
        Ok(Ok(match rule {
            RowRule::PairEqual => pair().map(|_| Self::Equal)?,
            RowRule::PairGreater { or_equal } => {
                let (a, b) = pair()?;
                if !(a.is_number() && b.is_number()) && a.held != b.held {
                    return Err(a.incomparable(format!("column {:?}, which holds {}", b.name, b.held.words())));
                }
                Self::Greater { or_equal: *or_equal }
            }
            RowRule::PairInSet(pairs) => {
                let (a, b) = pair()?;
                let mut set = HashSet::new();
                for (left, right) in pairs {
                    let members = (a.member(left)?, b.member(right)?);
                    // A member of another type equals nothing; null stands for missing.
                    if (members.0.is_some() || left.is_null()) && (members.1.is_some() || right.is_null()) {
                        set.insert((members.0.map(identity::of_key), members.1.map(identity::of_key)));
                    }
                }
                Self::InSet(set)
            }
            RowRule::CompoundUnique => Self::Unique,
            RowRule::SumEqual(total) => {
                if let Some(text) = fields.iter().find(|f| !f.is_number()) {
                    return Ok(Err(text.wrong_type("numbers")));
                }
                Self::Sum(*total)
            }
            RowRule::UniqueWithinRecord => Self::AllDiffer,
            RowRule::AllEqual => Self::AllEqual,
        }))
    }

    pub(crate) fn start(&self, keep: Keep, bounded: bool) -> RowState {
        match self {
            Self::Unique => RowState::Unique(Box::new(Distinct::new(Some(keep), bounded))),
            _ => RowState::Test(Found::default()),
        }
    }

    fn flag(&self, look: &RowLook<'_>, flags: &mut Vec<u8>) {
        flags.clear();
        flags.resize(look.rows.len(), 0);
        let cells = look.cells;
        let mut each = |unexpected: &dyn Fn(usize) -> bool| {
            for (row, flag) in flags.iter_mut().enumerate().filter(|(row, _)| look.rows[*row] == 1) {
                *flag = u8::from(unexpected(row));
            }
        };
        match (self, cells) {
            (Self::Greater { or_equal }, [a, b]) => {
                if let (Slice::Floats(x), Slice::Floats(y)) = (a.slice(), b.slice()) {
                    // A value that is missing lies in no order to any other.
                    let missing = |row| a.is_missing(row) || b.is_missing(row);
                    let clean = a.present().is_none() && b.present().is_none();
                    let greater = |row: usize| if *or_equal { x[row] >= y[row] } else { x[row] > y[row] };
                    return each(&|row| !greater(row) || (!clean && missing(row)));
                }
                let greater = |row: usize| {
                    let order = a.get(row)?.order(b.get(row)?)?;
                    Some(order == Ordering::Greater || (*or_equal && order == Ordering::Equal))
                };
                each(&|row| greater(row) != Some(true));
            }
            (Self::Equal, [a, b]) => each(&|row| match (a.get(row), b.get(row)) {
                (Some(a), Some(b)) => a.key() != b.key(),
                _ => true,
            }),
            (Self::InSet(set), [a, b]) => {
                let members = |row| (a.get(row).map(identity::of), b.get(row).map(identity::of));
                each(&|row| !set.contains(&members(row)));
            }
            (Self::Sum(total), _) => {
                let sum = |row| cells.iter().map(|c| c.get(row).and_then(|cell| cell.number())).sum::<Option<f64>>();
                each(&|row| sum(row) != Some(*total));
            }
            (Self::AllDiffer, _) => each(&|row| {
                cells.iter().enumerate().any(|(i, c)| {
                    let own = c.get(row).map(|cell| cell.key());
                    cells[..i].iter().any(|other| other.get(row).map(|cell| cell.key()) == own)
                })
            }),
            (Self::AllEqual, _) => each(&|row| {
                let mut keys = cells.iter().map(|c| c.get(row).map(|cell| cell.key()));
                let first = keys.next();
                keys.any(|key| Some(key) != first)
            }),
            _ => {}
        }
    }
}

impl RowState {
    /// Adds a chunk. `flags` is room to work in.
    pub(crate) fn add(&mut self, test: &RowTest, look: &RowLook<'_>, flags: &mut Vec<u8>) {
        match self {
            Self::Test(found) => {
                test.flag(look, flags);
                found.collect(look.start, flags, look.keep, look.cells);
            }
            Self::Unique(distinct) => {
                for row in (0..look.rows.len()).filter(|row| look.rows[*row] == 1) {
                    let parts = look.cells.iter().map(|c| c.get(row).map(identity::of));
                    let content = |into: &mut Vec<u8>| look.cells.iter().for_each(|c| write_cell(c.get(row), into));
                    distinct.add(look.start + row as u64, identity::of_tuple(parts), content);
                }
            }
            Self::Error(_) => {}
        }
    }

    /// Adds what was found in a later part, whose rows begin at `offset`.
    pub(crate) fn merge(&mut self, other: Self, offset: u64, keep: Keep) {
        match (&mut *self, other) {
            (Self::Test(ours), Self::Test(theirs)) => ours.merge(theirs, offset, keep),
            (Self::Unique(ours), Self::Unique(theirs)) => ours.merge(*theirs, offset),
            (Self::Error(_), _) => {}
            (_, Self::Error(error)) => *self = Self::Error(error.moved(offset)),
            _ => {}
        }
    }
}

/// Rows that are left out, of `rows` under the condition: writes 1 into `looked_at` for the others.
pub(crate) fn without_ignored(ignore: IgnoreRowIf, cells: &[&Cells], rows: &[u8], looked_at: &mut Vec<u8>) {
    looked_at.clear();
    looked_at.extend_from_slice(rows);
    let clean = cells.iter().any(|c| c.present().is_none());
    let missing = |row: usize| match ignore {
        IgnoreRowIf::AllMissing => cells.iter().all(|c| c.is_missing(row)),
        IgnoreRowIf::AnyMissing => cells.iter().any(|c| c.is_missing(row)),
        IgnoreRowIf::Never => false,
    };
    let never = ignore == IgnoreRowIf::Never || (ignore == IgnoreRowIf::AllMissing && clean);
    if !never {
        looked_at.iter_mut().enumerate().for_each(|(row, flag)| *flag &= u8::from(!missing(row)));
    }
}

/// A cell in bytes: its type, and its bits or its text.
fn write_cell(cell: Option<Cell<'_>>, into: &mut Vec<u8>) {
    let (tag, bits) = match cell {
        None => return into.push(0),
        Some(Cell::Bool(v)) => (1, u64::from(v)),
        Some(Cell::Int(v)) => (2, v as u64),
        Some(Cell::Float(v)) => (3, v.to_bits()),
        Some(Cell::Date(v)) => (4, v as u64),
        Some(Cell::Time(v)) => (5, v as u64),
        Some(Cell::Text(text)) => {
            into.push(6);
            into.extend_from_slice(&(text.len() as u32).to_le_bytes());
            return into.extend_from_slice(text.as_bytes());
        }
    };
    into.push(tag);
    into.extend_from_slice(&bits.to_le_bytes());
}

/// Cells as [`write_cell`] wrote them.
pub(crate) fn read_cells(mut bytes: &[u8]) -> Vec<Option<Stored>> {
    let mut cells = Vec::new();
    while let Some((tag, rest)) = bytes.split_first() {
        if *tag == 0 {
            cells.push(None);
            bytes = rest;
            continue;
        }
        if *tag == 6 {
            let Some((length, rest)) = rest.split_first_chunk::<4>() else { break };
            let length = u32::from_le_bytes(*length) as usize;
            let Some((text, rest)) = rest.split_at_checked(length) else { break };
            cells.push(Some(Stored::Text(String::from_utf8_lossy(text).into_owned())));
            bytes = rest;
            continue;
        }
        let Some((bits, rest)) = rest.split_first_chunk::<8>() else { break };
        let bits = u64::from_le_bytes(*bits);
        cells.push(Some(match tag {
            1 => Stored::Bool(bits == 1),
            2 => Stored::Int(bits as i64),
            3 => Stored::Float(f64::from_bits(bits)),
            4 => Stored::Date(bits as i32),
            _ => Stored::Time(bits as i64),
        }));
        bytes = rest;
    }
    cells
}
