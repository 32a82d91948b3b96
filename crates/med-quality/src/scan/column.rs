//! What is collected of one column under one row condition: each metric once, whoever asks for it.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::chunk::{Cells, Slice};
use super::distinct::Distinct;
use super::found::{Found, Keep};
use super::moments::Moments;
use super::numbers::Numbers;
use super::value::ValueTest;
use crate::cells::{Cell, Field, Held, Stored};
use crate::error::RunError;

/// One metric of a column.
#[derive(Debug)]
pub(crate) enum Metric {
    /// Smallest and largest value.
    Extremes,
    /// Count, sum and, where `squares`, spread of numbers.
    Moments { squares: bool },
    /// All numbers; with their rows where `rows`.
    Numbers { rows: bool },
    /// The distinct values; where `rows`, rows of those that repeat.
    Distinct { rows: bool },
    /// Numbers per bin, below and above.
    Bins(Vec<f64>),
    /// Rows whose value is not as expected.
    Test(ValueTest),
    /// Rows whose value is not in order with the one before.
    Order(Order),
    /// The rule cannot be applied to the column's type.
    Unfit(RunError),
}

/// The order that values should be in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) falling: bool,
    pub(crate) strictly: bool,
}

impl Order {
    fn is_broken_by(self, cell: Cell<'_>, before: Cell<'_>) -> bool {
        let bad = if self.falling { Ordering::Greater } else { Ordering::Less };
        cell.order(before).is_some_and(|order| order == bad || (self.strictly && order == Ordering::Equal))
    }
}

/// What has been collected for a [`Metric`]. Of a column that has no such metric, nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum State {
    Extremes(Option<(Stored, Stored)>),
    /// `whole` is the exact sum of whole numbers, or of moments in time.
    Moments {
        moments: Box<Moments>,
        whole: Option<i128>,
    },
    Numbers(Numbers),
    Distinct(Box<Distinct>),
    Bins {
        counts: Vec<u64>,
        below: u64,
        above: u64,
    },
    Test(Found),
    Order {
        order: Order,
        first: Option<(u64, Stored)>,
        last: Option<Stored>,
        found: Found,
    },
    /// The metric cannot be had; the error counts if there are values.
    Error(RunError),
}

impl Metric {
    /// Takes over what another expectation asks for, if one metric can serve both.
    pub(crate) fn absorb(&mut self, wanted: &Self) -> bool {
        match (self, wanted) {
            (Self::Extremes, Self::Extremes) => true,
            (Self::Moments { squares: a }, Self::Moments { squares: b })
            | (Self::Numbers { rows: a }, Self::Numbers { rows: b })
            | (Self::Distinct { rows: a }, Self::Distinct { rows: b }) => {
                *a |= *b;
                true
            }
            (Self::Bins(a), Self::Bins(b)) => a == b,
            (Self::Order(a), Self::Order(b)) => a == b,
            (Self::Test(ValueTest::NotNull), Self::Test(ValueTest::NotNull)) => true,
            _ => false,
        }
    }

    /// About how long it takes beside others.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Self::Distinct { rows: true } => 10,
            Self::Distinct { rows: false } | Self::Numbers { .. } => 4,
            Self::Moments { .. } | Self::Test(_) | Self::Order(_) | Self::Bins(_) => 2,
            Self::Extremes | Self::Unfit(_) => 1,
        }
    }

    pub(crate) fn start(&self, field: &Field, keep: Keep, bounded: bool) -> State {
        match self {
            Self::Extremes => State::Extremes(None),
            Self::Moments { squares } => State::Moments {
                moments: Box::new(Moments::new(*squares)),
                whole: matches!(field.held, Held::Bool | Held::Int | Held::Time).then_some(0),
            },
            Self::Numbers { rows } => {
                State::Numbers(Numbers::new(matches!(field.held, Held::Int | Held::Time), *rows, bounded))
            }
            Self::Distinct { rows } => State::Distinct(Box::new(Distinct::new(rows.then_some(keep), bounded))),
            Self::Bins(bins) => State::Bins { counts: vec![0; bins.len() - 1], below: 0, above: 0 },
            Self::Test(_) => State::Test(Found::default()),
            Self::Unfit(error) => State::Error(error.clone()),
            Self::Order(order) => State::Order { order: *order, first: None, last: None, found: Found::default() },
        }
    }
}

/// A chunk of a column as a metric sees it.
pub(crate) struct Look<'a> {
    pub(crate) field: &'a Field,
    pub(crate) cells: &'a Cells,
    /// The number of the first row.
    pub(crate) start: u64,
    /// 1 for rows under the condition.
    pub(crate) rows: &'a [u8],
    /// 1 for those of them that hold a value.
    pub(crate) present: &'a [u8],
    pub(crate) keep: Keep,
}

impl Look<'_> {
    /// Rows with a value, and the value.
    fn each(&self, mut each: impl FnMut(u64, Cell<'_>)) {
        for (row, _) in self.present.iter().enumerate().filter(|(_, p)| **p == 1) {
            if let Some(cell) = self.cells.get(row) {
                each(self.start + row as u64, cell);
            }
        }
    }
}

impl State {
    /// Adds a chunk. `flags` is room to work in.
    pub(crate) fn add(&mut self, metric: &Metric, look: &Look<'_>, flags: &mut Vec<u8>) {
        match (self, metric) {
            (Self::Extremes(extremes), _) => add_extremes(extremes, look),
            (Self::Moments { moments, whole }, _) => add_moments(moments, whole, look),
            (Self::Numbers(numbers), _) => match look.cells.slice() {
                Slice::Floats(values) => {
                    let there = values.iter().zip(look.present).enumerate().filter(|(_, (_, p))| **p == 1);
                    there.for_each(|(row, (v, _))| numbers.add_float(look.start + row as u64, *v));
                }
                Slice::Ints(values) | Slice::Micros(values) => {
                    let there = values.iter().zip(look.present).enumerate().filter(|(_, (_, p))| **p == 1);
                    there.for_each(|(row, (v, _))| numbers.add_int(look.start + row as u64, *v));
                }
                _ => look.each(|row, cell| {
                    if let Some(number) = cell.number() {
                        numbers.add_float(row, number);
                    }
                }),
            },
            (Self::Distinct(distinct), Metric::Distinct { rows }) => add_distinct(distinct, look, *rows),
            (Self::Bins { counts, below, above }, Metric::Bins(bins)) => {
                let (low, high) = (bins[0], bins[bins.len() - 1]);
                look.each(|_, cell| match cell.number() {
                    Some(v) if v < low => *below += 1,
                    Some(v) if v > high => *above += 1,
                    Some(v) => {
                        let bin = if v == high { counts.len() } else { bins.partition_point(|edge| *edge <= v) };
                        counts[bin - 1] += 1;
                    }
                    None => {}
                });
            }
            (state @ Self::Test(_), Metric::Test(test)) => {
                let mask = if test.is_about_missing() { look.rows } else { look.present };
                match (test.flag(look.cells, mask, flags, look.field, look.start), &mut *state) {
                    (Ok(()), Self::Test(found)) => found.collect(look.start, flags, look.keep, &[look.cells]),
                    (Err(error), state) => *state = Self::Error(error),
                    _ => {}
                }
            }
            (Self::Order { order, first, last, found }, _) => {
                look.each(|row, cell| {
                    if first.is_none() {
                        *first = Some((row, Stored::from(cell)));
                    }
                    if let Some(before) = last
                        && order.is_broken_by(cell, before.cell())
                    {
                        found.count += 1;
                        found.keep(row, look.keep, || vec![Some(Stored::from(cell))]);
                    }
                    *last = Some(Stored::from(cell));
                });
            }
            _ => {}
        }
    }

    /// Adds what was collected of a later part, whose rows begin at `offset`.
    pub(crate) fn merge(&mut self, other: Self, offset: u64, keep: Keep) {
        match (&mut *self, other) {
            (Self::Error(_), _) => {}
            (_, Self::Error(error)) => *self = Self::Error(error.moved(offset)),
            (Self::Extremes(ours), Self::Extremes(Some((min, max)))) => {
                widen(ours, min.cell());
                widen(ours, max.cell());
            }
            (Self::Moments { moments, whole }, Self::Moments { moments: theirs, whole: their_whole }) => {
                moments.merge(*theirs);
                *whole = whole.zip(their_whole).and_then(|(a, b)| a.checked_add(b));
            }
            (Self::Numbers(ours), Self::Numbers(theirs)) => ours.merge(theirs, offset),
            (Self::Distinct(ours), Self::Distinct(theirs)) => ours.merge(*theirs, offset),
            (Self::Bins { counts, below, above }, Self::Bins { counts: c, below: b, above: a }) => {
                counts.iter_mut().zip(c).for_each(|(ours, theirs)| *ours += theirs);
                *below += b;
                *above += a;
            }
            (Self::Test(ours), Self::Test(theirs)) => ours.merge(theirs, offset, keep),
            (Self::Order { order, first, last, found }, Self::Order { first: f, last: l, found: theirs, .. }) => {
                if let (Some(before), Some((row, value))) = (&*last, &f)
                    && order.is_broken_by(value.cell(), before.cell())
                {
                    found.count += 1;
                    found.keep(row + offset, keep, || vec![Some(value.clone())]);
                }
                found.merge(theirs, offset, keep);
                if first.is_none() {
                    *first = f.map(|(row, value)| (row + offset, value));
                }
                if l.is_some() {
                    *last = l;
                }
            }
            _ => {}
        }
    }
}

fn widen(extremes: &mut Option<(Stored, Stored)>, cell: Cell<'_>) {
    match extremes {
        None => *extremes = Some((Stored::from(cell), Stored::from(cell))),
        Some((min, max)) => {
            if cell.order(min.cell()) == Some(Ordering::Less) {
                *min = Stored::from(cell);
            }
            if cell.order(max.cell()) == Some(Ordering::Greater) {
                *max = Stored::from(cell);
            }
        }
    }
}

fn add_extremes(extremes: &mut Option<(Stored, Stored)>, look: &Look<'_>) {
    fn of<T: Copy + PartialOrd>(values: &[T], present: &[u8]) -> Option<(T, T)> {
        let mut there = values.iter().zip(present).filter(|(_, p)| **p == 1).map(|(v, _)| *v);
        let first = there.next()?;
        Some(there.fold((first, first), |(min, max), v| (if v < min { v } else { min }, if v > max { v } else { max })))
    }
    let mut both = |pair: Option<(Cell<'_>, Cell<'_>)>| {
        if let Some((min, max)) = pair {
            widen(extremes, min);
            widen(extremes, max);
        }
    };
    match look.cells.slice() {
        Slice::Floats(values) => both(of(values, look.present).map(|(a, b)| (Cell::Float(a), Cell::Float(b)))),
        Slice::Ints(values) => both(of(values, look.present).map(|(a, b)| (Cell::Int(a), Cell::Int(b)))),
        Slice::Days(values) => both(of(values, look.present).map(|(a, b)| (Cell::Date(a), Cell::Date(b)))),
        Slice::Micros(values) => both(of(values, look.present).map(|(a, b)| (Cell::Time(a), Cell::Time(b)))),
        Slice::Other => look.each(|_, cell| widen(extremes, cell)),
    }
}

fn add_moments(moments: &mut Moments, whole: &mut Option<i128>, look: &Look<'_>) {
    match look.cells.slice() {
        Slice::Floats(values) => {
            let there = values.iter().zip(look.present).filter(|(_, p)| **p == 1);
            there.for_each(|(v, _)| moments.add(*v));
        }
        Slice::Ints(values) => {
            moments.add_ints(values, look.present);
            let sum: i128 = values.iter().zip(look.present).map(|(v, p)| i128::from(*v) * i128::from(*p)).sum();
            *whole = whole.and_then(|total| total.checked_add(sum));
        }
        Slice::Micros(values) => {
            let sum: i128 = values.iter().zip(look.present).map(|(v, p)| i128::from(*v) * i128::from(*p)).sum();
            *whole = whole.and_then(|total| total.checked_add(sum));
        }
        _ => look.each(|_, cell| {
            if let Some(number) = cell.number() {
                moments.add(number);
                *whole = whole.map(|total| total + number as i128);
            }
        }),
    }
}

fn add_distinct(distinct: &mut Distinct, look: &Look<'_>, rows: bool) {
    let cells = look.cells;
    let content = |row: usize, into: &mut Vec<u8>| {
        if let Some(Cell::Text(text)) = cells.get(row)
            && text.len() > 12
        {
            into.extend_from_slice(text.as_bytes());
        }
    };
    if !rows && let Some(codes) = cells.codes() {
        let mut counts = vec![(0u64, 0usize); codes.first.len()];
        for (row, code) in codes.of_row.iter().enumerate() {
            if look.present[row] == 1 {
                let (count, first) = &mut counts[usize::from(*code)];
                if *count == 0 {
                    *first = row;
                }
                *count += 1;
            }
        }
        for (count, row) in counts {
            if let Some(cell) = cells.get(row).filter(|_| count > 0) {
                let identity = super::identity::of(cell);
                distinct.add_many(look.start + row as u64, count, identity, |into| content(row, into));
            }
        }
        return;
    }
    cells.identities(look.present, |row, identity| {
        distinct.add(look.start + row as u64, identity, |into| content(row, into));
    });
}
