//! From a suite and a table to findings: columns are unpacked once, row conditions evaluated once, and expectations that
//! look at the same columns under the same condition share their metrics.
//!
//! The groups run in parallel; findings come back in the order of the suite, and no number depends on the thread count.

use std::collections::HashMap;

use med_schema::Table;
use rayon::prelude::*;

use crate::cells::Column;
use crate::condition::Condition;
use crate::error::RunError;
use crate::expectation::{Expectation, Partition, Rule, StatisticRule, TableRule, ValueRule};
use crate::judge::{self, Findings};
use crate::metrics::Sample;

/// The columns of a table that a suite needs, unpacked.
#[derive(Debug)]
pub(crate) struct Columns<'t> {
    names: Vec<&'t str>,
    rows: u32,
    unpacked: HashMap<&'t str, Result<Column, RunError>>,
}

/// The work of a suite: indices of expectations, grouped by the columns and the condition that they share.
#[derive(Debug)]
struct Plan<'s> {
    conditions: Vec<Option<&'s Condition>>,
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Group {
    /// The column whose metrics the members share, resolved; `None` where they share none.
    column: Option<String>,
    condition: usize,
    members: Vec<usize>,
}

/// One finding for each expectation, in their order.
pub(crate) fn run<'t>(
    expectations: &[Expectation],
    table: &'t Table,
) -> (Columns<'t>, Vec<Result<Findings, RunError>>) {
    let columns = Columns::unpack(table, expectations);
    let plan = Plan::new(expectations, &columns);
    let rows: Vec<Result<Vec<u32>, RunError>> =
        plan.conditions.par_iter().map(|condition| columns.rows_under(*condition)).collect();
    let judged: Vec<Vec<(usize, Result<Findings, RunError>)>> = plan
        .groups
        .par_iter()
        .map(|group| judge_group(group, expectations, &columns, &rows[group.condition]))
        .collect();
    let mut findings: Vec<Option<Result<Findings, RunError>>> = expectations.iter().map(|_| None).collect();
    for (index, finding) in judged.into_iter().flatten() {
        findings[index] = Some(finding);
    }
    // Every expectation is in exactly one group; one that were in none would be an error, not a pass.
    let unplanned = || Err(RunError::Parameters { reason: "the expectation was not planned".to_owned() });
    (columns, findings.into_iter().map(|finding| finding.unwrap_or_else(unplanned)).collect())
}

fn judge_group(
    group: &Group,
    expectations: &[Expectation],
    columns: &Columns<'_>,
    rows: &Result<Vec<u32>, RunError>,
) -> Vec<(usize, Result<Findings, RunError>)> {
    let judge_all = |judge: &dyn Fn(&Rule) -> Result<Findings, RunError>| {
        group.members.iter().map(|index| (*index, judge(&expectations[*index].rule))).collect()
    };
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => return judge_all(&|_| Err(error.clone())),
    };
    let shared = group.column.as_deref().and_then(|name| columns.unpacked.get(name));
    let sample = match shared {
        Some(Err(error)) => return judge_all(&|_| Err(error.clone())),
        Some(Ok(column)) => Some(Sample::new(column, rows)),
        None => None,
    };
    judge_all(&|rule| match (rule, &sample) {
        (Rule::Values { rule, .. }, Some(sample)) => judge::values(rule, sample),
        (Rule::Statistic { rule, .. }, Some(sample)) => judge::statistic(rule, sample),
        (Rule::Values { column, .. } | Rule::Statistic { column, .. }, None) => {
            Err(columns.find(column, is_exact(rule)).err().unwrap_or_else(|| RunError::no_column(column, [])))
        }
        (Rule::Rows { columns: names, rule, ignore }, _) => {
            judge::rows(rule, &columns.resolve(names, rule.is_pair())?, *ignore, rows)
        }
        (Rule::Table(rule), _) => {
            let column = match rule {
                TableRule::ColumnType { column, .. } => Some(columns.find(column, false)?),
                _ => None,
            };
            judge::table(rule, &columns.names, rows.len(), column)
        }
    })
}

/// Rules that take the column's name as it is written, without regard to how other rules fold its case.
fn is_exact(rule: &Rule) -> bool {
    matches!(
        rule,
        Rule::Values { rule: ValueRule::OfType(_) | ValueRule::InTypeList(_), .. }
            | Rule::Statistic {
                rule: StatisticRule::KlDivergence { partition: Some(Partition::Categorical { .. }), .. },
                ..
            }
    )
}

impl<'s> Plan<'s> {
    fn new(expectations: &'s [Expectation], columns: &Columns<'_>) -> Self {
        let mut plan = Self { conditions: Vec::new(), groups: Vec::new() };
        for (index, expectation) in expectations.iter().enumerate() {
            let wanted = expectation.condition.as_ref();
            let condition = plan.conditions.iter().position(|known| *known == wanted).unwrap_or_else(|| {
                plan.conditions.push(wanted);
                plan.conditions.len() - 1
            });
            let column = match &expectation.rule {
                Rule::Values { column, .. } | Rule::Statistic { column, .. } => {
                    columns.name_of(column, is_exact(&expectation.rule)).ok()
                }
                _ => None,
            };
            let shared =
                plan.groups.iter_mut().find(|g| column.is_some() && g.column == column && g.condition == condition);
            match shared {
                Some(group) => group.members.push(index),
                None => plan.groups.push(Group { column, condition, members: vec![index] }),
            }
        }
        plan
    }
}

impl<'t> Columns<'t> {
    fn unpack(table: &'t Table, expectations: &[Expectation]) -> Self {
        let frame = table.frame();
        let names: Vec<&'t str> = frame.get_column_names().into_iter().map(|name| name.as_str()).collect();
        let mut columns = Self { names, rows: frame.height() as u32, unpacked: HashMap::new() };
        let mut needed: Vec<&str> = Vec::new();
        for expectation in expectations {
            match &expectation.rule {
                Rule::Values { column, .. } | Rule::Statistic { column, .. } => needed.push(column),
                Rule::Rows { columns, .. } => needed.extend(columns.iter().map(String::as_str)),
                Rule::Table(rule) => needed.extend(rule.column()),
            }
            if let Some(condition) = &expectation.condition {
                condition.columns(&mut needed);
            }
        }
        let mut places: Vec<usize> = needed.iter().filter_map(|name| columns.place(name, false).ok()).collect();
        places.sort_unstable();
        places.dedup();
        let unpacked: Vec<_> = places
            .par_iter()
            .filter_map(|place| Some((columns.names[*place], Column::read(frame.select_at_idx(*place)?))))
            .collect();
        columns.unpacked = unpacked.into_iter().collect();
        columns
    }

    /// The place of a column: the exact name first, else the only one that is the same when case is ignored.
    fn place(&self, name: &str, exact: bool) -> Result<usize, RunError> {
        if let Some(place) = self.names.iter().position(|known| *known == name) {
            return Ok(place);
        }
        let folded = name.to_lowercase();
        let same: Vec<usize> =
            (0..self.names.len()).filter(|place| self.names[*place].to_lowercase() == folded).collect();
        match same.as_slice() {
            [place] if !exact => Ok(*place),
            [_, _, ..] if !exact => Err(RunError::Ambiguous {
                column: name.to_owned(),
                candidates: same.iter().map(|place| self.names[*place].to_owned()).collect(),
            }),
            _ => Err(RunError::no_column(name, self.names.iter().copied())),
        }
    }

    fn name_of(&self, name: &str, exact: bool) -> Result<String, RunError> {
        self.place(name, exact).map(|place| self.names[place].to_owned())
    }

    /// The column of this name.
    pub(crate) fn find(&self, name: &str, exact: bool) -> Result<&Column, RunError> {
        let place = self.place(name, exact)?;
        match self.unpacked.get(self.names[place]) {
            Some(Ok(column)) => Ok(column),
            Some(Err(error)) => Err(error.clone()),
            None => Err(RunError::no_column(name, self.names.iter().copied())),
        }
    }

    /// The columns of these names; one that is listed twice counts once, except in a pair.
    pub(crate) fn resolve(&self, names: &[String], pair: bool) -> Result<Vec<&Column>, RunError> {
        let mut columns: Vec<&Column> = Vec::new();
        for name in names {
            let column = self.find(name, false)?;
            if pair || !columns.iter().any(|known| known.name == column.name) {
                columns.push(column);
            }
        }
        Ok(columns)
    }

    fn rows_under(&self, condition: Option<&Condition>) -> Result<Vec<u32>, RunError> {
        let Some(condition) = condition else { return Ok((0..self.rows).collect()) };
        let mask = condition.mask(self.rows, &|name: &str| self.find(name, true))?;
        Ok((0..self.rows).zip(mask).filter(|(_, holds)| *holds).map(|(row, _)| row).collect())
    }
}
