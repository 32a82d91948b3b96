//! One pass over the rows: what a [`Plan`](crate::Plan) asks for is collected chunk by chunk, task by task, in parallel.
//!
//! A task is a column under a row condition, or several columns under one; it goes through the chunks in order, so what it has
//! collected does not depend on the number of threads. [`Metrics`] of parts can be added up, and be written down between.

mod chunk;
mod column;
mod distinct;
mod found;
pub(crate) mod identity;
mod moments;
mod numbers;
mod together;
pub(crate) mod value;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub(crate) use chunk::{Cells, Chunk};
pub(crate) use column::{Look, Metric, Order, State};
pub(crate) use distinct::{Distinct, Tally};
pub(crate) use found::{Found, Keep};
pub(crate) use moments::Moments;
pub(crate) use numbers::{Numbers, RELATIVE_ERROR};
pub(crate) use together::{RowState, RowTest, read_cells};
pub(crate) use value::{Members, Range, ValueTest};

use crate::cells::Field;
use crate::condition::Prepared;
use crate::error::{MergeError, RunError};
use crate::expectation::IgnoreRowIf;
use together::{RowLook, without_ignored};

/// Something to collect, under one of the plan's conditions.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) condition: usize,
    pub(crate) work: Work,
}

/// What a task looks at. Columns are places among the plan's fields.
#[derive(Debug)]
pub(crate) enum Work {
    Rows,
    Column { field: usize, metrics: Vec<Metric> },
    Together { fields: Vec<usize>, test: Result<RowTest, RunError>, ignore: IgnoreRowIf },
}

impl Work {
    /// About how long it takes beside others: the order in which work is begun, and nothing else, depends on it.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Self::Rows => 1,
            Self::Column { metrics, .. } => 2 + metrics.iter().map(Metric::cost).sum::<usize>(),
            Self::Together { test: Ok(RowTest::Unique), fields, .. } => 20 + fields.len(),
            Self::Together { fields, .. } => 2 + fields.len(),
        }
    }
}

/// What a task has collected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TaskState {
    /// Rows under the condition.
    pub(crate) rows: u64,
    /// Of these, rows that hold a value, or are not left out.
    pub(crate) present: u64,
    pub(crate) columns: Vec<State>,
    pub(crate) together: Option<RowState>,
    /// What keeps the task from being done at all.
    pub(crate) error: Option<RunError>,
}

/// What a plan has collected of some rows: additive, and serialisable.
///
/// Metrics of parts of a table, added up in the order of the rows, are those of the whole: the verdict is the same. Sizes
/// are constant but for what asks for every value exactly (uniqueness, distinct counts, modes, quantiles, outliers), which
/// takes 8 to 24 bytes a value; [`PlanOptions::bounded`](crate::PlanOptions::bounded) makes all of it constant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    pub(crate) plan: u64,
    pub(crate) rows: u64,
    pub(crate) keep: Keep,
    pub(crate) tasks: Vec<TaskState>,
}

impl Metrics {
    /// Rows scanned.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Adds the metrics of the rows that come after these.
    ///
    /// # Errors
    /// When they are of another suite, other columns or other options.
    pub fn merge(&mut self, other: Self) -> Result<(), MergeError> {
        if self.plan != other.plan {
            return Err(MergeError::OtherPlan { expected: self.plan, found: other.plan });
        }
        let (offset, keep) = (self.rows, self.keep);
        self.tasks.par_iter_mut().zip(other.tasks).for_each(|(ours, theirs)| ours.merge(theirs, offset, keep));
        self.rows += other.rows;
        Ok(())
    }
}

impl TaskState {
    pub(crate) fn new(task: &Task, fields: &[Field], keep: Keep, bounded: bool) -> Self {
        let mut state = Self { rows: 0, present: 0, columns: Vec::new(), together: None, error: None };
        match &task.work {
            Work::Rows => {}
            Work::Column { field, metrics } => {
                state.columns = metrics.iter().map(|metric| metric.start(&fields[*field], keep, bounded)).collect();
            }
            Work::Together { test, .. } => {
                state.together = Some(match test {
                    Ok(test) => test.start(keep, bounded),
                    Err(error) => RowState::Error(error.clone()),
                });
            }
        }
        state
    }

    /// Adds the chunks of a frame.
    pub(crate) fn add(&mut self, task: &Task, scan: &Scan<'_>, chunks: &[Chunk<'_>]) {
        let mut room = Room::default();
        for chunk in chunks {
            if self.error.is_some() {
                return;
            }
            if let Err(error) = self.add_chunk(task, scan, chunk, &mut room) {
                self.error = Some(error);
            }
        }
    }

    fn add_chunk(&mut self, task: &Task, scan: &Scan<'_>, chunk: &Chunk<'_>, room: &mut Room) -> Result<(), RunError> {
        let prepared = &scan.conditions[task.condition];
        let mask = chunk.mask(task.condition, || match prepared {
            None => Ok(None),
            Some(Ok(condition)) => condition.mask(chunk, scan.fields).map(Some),
            Some(Err(error)) => Err(error.clone()),
        })?;
        room.rows.clear();
        match mask {
            None => room.rows.resize(chunk.rows, 1),
            Some(mask) => room.rows.extend_from_slice(mask),
        }
        self.rows += ones(&room.rows);
        match &task.work {
            Work::Rows => {}
            Work::Column { field, metrics } => {
                let cells = chunk.cells(*field, &scan.fields[*field])?;
                room.present.clear();
                room.present.extend_from_slice(&room.rows);
                if let Some(present) = cells.present() {
                    room.present.iter_mut().zip(present).for_each(|(p, there)| *p &= there);
                }
                self.present += ones(&room.present);
                let look = Look {
                    field: &scan.fields[*field],
                    cells,
                    start: chunk.start,
                    rows: &room.rows,
                    present: &room.present,
                    keep: scan.keep,
                };
                for (state, metric) in self.columns.iter_mut().zip(metrics) {
                    state.add(metric, &look, &mut room.flags);
                }
            }
            Work::Together { fields, test, ignore } => {
                let cells =
                    fields.iter().map(|at| chunk.cells(*at, &scan.fields[*at])).collect::<Result<Vec<&Cells>, _>>()?;
                without_ignored(*ignore, &cells, &room.rows, &mut room.present);
                self.present += ones(&room.present);
                if let (Some(state), Ok(test)) = (&mut self.together, test) {
                    let look = RowLook { cells: &cells, start: chunk.start, rows: &room.present, keep: scan.keep };
                    state.add(test, &look, &mut room.flags);
                }
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Self, offset: u64, keep: Keep) {
        self.rows += other.rows;
        self.present += other.present;
        self.columns.iter_mut().zip(other.columns).for_each(|(ours, theirs)| ours.merge(theirs, offset, keep));
        if let (Some(ours), Some(theirs)) = (&mut self.together, other.together) {
            ours.merge(theirs, offset, keep);
        }
        self.error = self.error.take().or_else(|| other.error.map(|error| error.moved(offset)));
    }
}

/// What all tasks of a plan look at.
pub(crate) struct Scan<'p> {
    pub(crate) fields: &'p [Field],
    pub(crate) conditions: &'p [Option<Result<Prepared, RunError>>],
    pub(crate) keep: Keep,
}

/// Room to work in, one of a task.
#[derive(Default)]
struct Room {
    rows: Vec<u8>,
    present: Vec<u8>,
    flags: Vec<u8>,
}

fn ones(mask: &[u8]) -> u64 {
    mask.chunks(255).map(|part| u64::from(part.iter().sum::<u8>())).sum()
}
