//! What the rules of one column share: each metric is computed when first asked for, and once.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::cells::{Column, Key};

/// One column, under one row condition.
#[derive(Debug)]
pub(crate) struct Sample<'a> {
    pub(crate) column: &'a Column,
    /// The rows looked at, ascending.
    pub(crate) rows: &'a [u32],
    present: OnceLock<Vec<u32>>,
    numbers: OnceLock<Vec<f64>>,
    sorted: OnceLock<Vec<f64>>,
    moments: OnceLock<Moments>,
    distinct: OnceLock<Distinct>,
}

/// Sum, mean and sample standard deviation. Not a number where undefined.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moments {
    pub(crate) sum: f64,
    pub(crate) mean: f64,
    pub(crate) std: f64,
}

/// Distinct values, in order of first appearance.
#[derive(Debug)]
pub(crate) struct Distinct {
    /// For each present row, which value it holds.
    pub(crate) group: Vec<u32>,
    /// How often each value occurs.
    pub(crate) counts: Vec<u32>,
    /// The row where each value occurs first.
    pub(crate) first: Vec<u32>,
}

impl<'a> Sample<'a> {
    pub(crate) fn new(column: &'a Column, rows: &'a [u32]) -> Self {
        Self {
            column,
            rows,
            present: OnceLock::new(),
            numbers: OnceLock::new(),
            sorted: OnceLock::new(),
            moments: OnceLock::new(),
            distinct: OnceLock::new(),
        }
    }

    /// The rows that hold a value.
    pub(crate) fn present(&self) -> &[u32] {
        self.present.get_or_init(|| self.rows.iter().copied().filter(|row| !self.column.is_missing(*row)).collect())
    }

    pub(crate) fn missing(&self) -> usize {
        self.rows.len() - self.present().len()
    }

    /// The values as numbers, in row order. Empty for columns that hold none.
    pub(crate) fn numbers(&self) -> &[f64] {
        self.numbers.get_or_init(|| {
            self.present().iter().filter_map(|row| self.column.get(*row).and_then(|cell| cell.number())).collect()
        })
    }

    /// The numbers, ascending.
    pub(crate) fn sorted(&self) -> &[f64] {
        self.sorted.get_or_init(|| {
            let mut sorted = self.numbers().to_vec();
            sorted.sort_unstable_by(f64::total_cmp);
            sorted
        })
    }

    pub(crate) fn moments(&self) -> Moments {
        *self.moments.get_or_init(|| Moments::of(self.numbers()))
    }

    pub(crate) fn distinct(&self) -> &Distinct {
        self.distinct.get_or_init(|| {
            let mut groups: HashMap<Key<'_>, u32> = HashMap::new();
            let mut distinct = Distinct { group: Vec::new(), counts: Vec::new(), first: Vec::new() };
            for &row in self.present() {
                let Some(cell) = self.column.get(row) else { continue };
                let group = *groups.entry(cell.key()).or_insert_with(|| {
                    distinct.counts.push(0);
                    distinct.first.push(row);
                    distinct.counts.len() as u32 - 1
                });
                distinct.counts[group as usize] += 1;
                distinct.group.push(group);
            }
            distinct
        })
    }
}

impl Moments {
    /// Two passes; sums run over chunks of fixed size, so that long columns lose no digits.
    fn of(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let sum = chunked_sum(values, |v| v);
        let mean = sum / count;
        let squares = chunked_sum(values, |v| (v - mean) * (v - mean));
        let std = if values.len() < 2 { f64::NAN } else { (squares / (count - 1.0)).sqrt() };
        Self { sum, mean, std }
    }
}

fn chunked_sum(values: &[f64], term: impl Fn(f64) -> f64) -> f64 {
    values.chunks(1024).map(|chunk| chunk.iter().map(|v| term(*v)).sum::<f64>()).fold(0.0, |a, b| a + b)
}
