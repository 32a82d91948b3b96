//! Rules on every row of two or more columns.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::{Findings, RowFindings};
use crate::cells::{Column, Key};
use crate::error::RunError;
use crate::expectation::{IgnoreRowIf, RowRule};

/// Judges a rule on the rows of some columns.
pub(crate) fn rows(
    rule: &RowRule,
    columns: &[&Column],
    ignore: IgnoreRowIf,
    rows: &[u32],
) -> Result<Findings, RunError> {
    let ignored = |row: u32| match ignore {
        IgnoreRowIf::AllMissing => columns.iter().all(|c| c.is_missing(row)),
        IgnoreRowIf::AnyMissing => columns.iter().any(|c| c.is_missing(row)),
        IgnoreRowIf::Never => false,
    };
    let considered: Vec<u32> = rows.iter().copied().filter(|row| !ignored(*row)).collect();
    let missing = rows.len() - considered.len();
    let unexpected =
        |unexpected: &dyn Fn(u32) -> bool| considered.iter().copied().filter(|row| unexpected(*row)).collect();
    let unexpected: Vec<u32> = match rule {
        RowRule::PairEqual => {
            let (a, b) = pair(columns)?;
            unexpected(&|row| match (a.get(row), b.get(row)) {
                (Some(a), Some(b)) => a.key() != b.key(),
                _ => true,
            })
        }
        RowRule::PairGreater { or_equal } => {
            let (a, b) = pair(columns)?;
            let comparable = (a.is_number() && b.is_number()) || a.held_as() == b.held_as();
            if !comparable {
                return Err(a.incomparable(format!("column {:?}, which holds {}", b.name, b.held_as())));
            }
            let greater = |row: u32| {
                let order = a.get(row)?.order(b.get(row)?)?;
                Some(order == Ordering::Greater || (*or_equal && order == Ordering::Equal))
            };
            unexpected(&|row| greater(row) != Some(true))
        }
        RowRule::PairInSet(pairs) => {
            let (a, b) = pair(columns)?;
            let mut set: HashSet<(Option<Key<'_>>, Option<Key<'_>>)> = HashSet::new();
            for (left, right) in pairs {
                let members = (a.member(left)?, b.member(right)?);
                // A member of another type equals nothing; null stands for missing.
                if (members.0.is_some() || left.is_null()) && (members.1.is_some() || right.is_null()) {
                    set.insert(members);
                }
            }
            let members = |row| (a.get(row).map(|c| c.key()), b.get(row).map(|c| c.key()));
            considered.iter().copied().filter(|row| !set.contains(&members(*row))).collect()
        }
        RowRule::CompoundUnique => {
            let mut groups: HashMap<Vec<Option<Key<'_>>>, u32> = HashMap::new();
            let tuple = |row: u32| columns.iter().map(|c| c.get(row).map(|cell| cell.key())).collect::<Vec<_>>();
            for &row in &considered {
                *groups.entry(tuple(row)).or_default() += 1;
            }
            considered.iter().copied().filter(|row| groups.get(&tuple(*row)).is_some_and(|count| *count > 1)).collect()
        }
        RowRule::SumEqual(total) => {
            if let Some(text) = columns.iter().find(|c| !c.is_number())
                && !considered.is_empty()
            {
                return Err(text.wrong_type("numbers"));
            }
            let sum = |row: u32| columns.iter().map(|c| c.get(row).and_then(|cell| cell.number())).sum::<Option<f64>>();
            unexpected(&|row| sum(row) != Some(*total))
        }
        RowRule::UniqueWithinRecord => unexpected(&|row| {
            let keys: Vec<_> = columns.iter().map(|c| c.get(row).map(|cell| cell.key())).collect();
            keys.iter().enumerate().any(|(i, key)| keys[..i].contains(key))
        }),
        RowRule::AllEqual => unexpected(&|row| {
            let mut keys = columns.iter().map(|c| c.get(row).map(|cell| cell.key()));
            let first = keys.next();
            keys.any(|key| Some(key) != first)
        }),
    };
    Ok(Findings::Rows(RowFindings { rows: rows.len(), missing: Some(missing), unexpected }))
}

fn pair<'c>(columns: &[&'c Column]) -> Result<(&'c Column, &'c Column), RunError> {
    match columns {
        [a, b] => Ok((a, b)),
        _ => Err(RunError::Parameters { reason: format!("a pair is of two columns, not of {}", columns.len()) }),
    }
}
