//! Rows that are not as expected: how many, which, and the values in the first of them.

use serde::{Deserialize, Serialize};

use super::chunk::Cells;
use crate::cells::Stored;

/// How much of unexpected rows is kept; counts are always exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Keep {
    /// Numbers of the first rows.
    pub(crate) rows: usize,
    /// Values of the first rows.
    pub(crate) cells: usize,
}

/// Rows in ascending order.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) count: u64,
    pub(crate) rows: Vec<u64>,
    pub(crate) cells: Vec<Vec<Option<Stored>>>,
}

impl Found {
    /// Takes the rows whose flag is 1.
    pub(crate) fn collect(&mut self, start: u64, flags: &[u8], keep: Keep, cells: &[&Cells]) {
        let count: u64 = flags.chunks(255).map(|part| u64::from(part.iter().sum::<u8>())).sum();
        let full = self.rows.len() >= keep.rows && self.cells.len() >= keep.cells;
        if count > 0 && !full {
            let mut left = count;
            for (row, _) in flags.iter().enumerate().filter(|(_, flag)| **flag == 1) {
                self.keep(start + row as u64, keep, || cells.iter().map(|c| c.get(row).map(Stored::from)).collect());
                left -= 1;
                if left == 0 || (self.rows.len() >= keep.rows && self.cells.len() >= keep.cells) {
                    break;
                }
            }
        }
        self.count += count;
    }

    /// Takes one row, which the caller counts.
    pub(crate) fn keep(&mut self, row: u64, keep: Keep, cells: impl FnOnce() -> Vec<Option<Stored>>) {
        if self.rows.len() < keep.rows {
            self.rows.push(row);
        }
        if self.cells.len() < keep.cells {
            self.cells.push(cells());
        }
    }

    /// Adds the rows of a later part, whose rows begin at `offset`.
    pub(crate) fn merge(&mut self, other: Self, offset: u64, keep: Keep) {
        self.count += other.count;
        let (rows, cells) = (keep.rows.saturating_sub(self.rows.len()), keep.cells.saturating_sub(self.cells.len()));
        self.rows.extend(other.rows.into_iter().take(rows).map(|row| row + offset));
        self.cells.extend(other.cells.into_iter().take(cells));
    }
}
