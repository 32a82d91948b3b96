//! Sums of derivatives by bin, in integers.
//!
//! Rows are taken in blocks and features in groups of eight, so that a block's bins, its derivatives and a group's cells
//! stay in the first-level cache however many features there are. Where the second derivative is one, a cell is a single
//! word: the sum of gradients above the number of rows. Otherwise it is two.
//! Time one addition to memory a row and feature.

use rayon::prelude::*;

use super::binning::{Binned, GROUP};
use super::derivatives::{Derivatives, Units, to_integer};
use crate::kernel::vectorised;

/// Rows of a block.
const BLOCK: usize = 256;
/// Rows of a task.
const TASK: usize = 1 << 13;
/// Below so many rows, waking other threads costs more than it saves.
const PARALLEL: usize = 1 << 14;

/// Sums over some rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) gradient: i64,
    pub(super) hessian: i64,
    pub(super) count: u32,
}

impl Sums {
    #[inline(always)]
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            gradient: self.gradient + other.gradient,
            hessian: self.hessian + other.hessian,
            count: self.count + other.count,
        }
    }

    #[inline(always)]
    pub(super) fn less(self, other: Self) -> Self {
        Self {
            gradient: self.gradient - other.gradient,
            hessian: self.hessian - other.hessian,
            count: self.count - other.count,
        }
    }
}

/// One cell of a histogram.
pub(super) trait Cell: Copy + Default + Send + Sync + std::fmt::Debug {
    /// The derivatives of one row.
    fn new(gradient: f32, hessian: f32, units: Units) -> Self;
    fn add(&mut self, other: Self);
    fn subtract(&mut self, other: Self);
    fn sums(self, units: Units) -> Sums;
}

/// Gradient above count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Narrow(u64);

/// Gradient; Hessian above count. Rows without derivatives (weight zero) do not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wide([u64; 2]);

impl Cell for Narrow {
    #[inline(always)]
    fn new(gradient: f32, _: f32, units: Units) -> Self {
        let gradient = to_integer(f64::from(gradient) * units.gradient) as u64;
        Self((gradient << units.count_bits).wrapping_add(1))
    }

    #[inline(always)]
    fn add(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }

    #[inline(always)]
    fn subtract(&mut self, other: Self) {
        self.0 = self.0.wrapping_sub(other.0);
    }

    #[inline(always)]
    fn sums(self, units: Units) -> Sums {
        let count = self.0 & ((1 << units.count_bits) - 1);
        Sums { gradient: (self.0 as i64) >> units.count_bits, hessian: count as i64, count: count as u32 }
    }
}

impl Cell for Wide {
    #[inline(always)]
    fn new(gradient: f32, hessian: f32, units: Units) -> Self {
        let counts = u64::from((hessian > 0.0) | (gradient != 0.0));
        let hessian = to_integer(f64::from(hessian) * units.hessian) as u64;
        let gradient = to_integer(f64::from(gradient) * units.gradient) as u64;
        Self([gradient, (hessian << units.count_bits).wrapping_add(counts)])
    }

    #[inline(always)]
    fn add(&mut self, other: Self) {
        self.0[0] = self.0[0].wrapping_add(other.0[0]);
        self.0[1] = self.0[1].wrapping_add(other.0[1]);
    }

    #[inline(always)]
    fn subtract(&mut self, other: Self) {
        self.0[0] = self.0[0].wrapping_sub(other.0[0]);
        self.0[1] = self.0[1].wrapping_sub(other.0[1]);
    }

    #[inline(always)]
    fn sums(self, units: Units) -> Sums {
        let count = self.0[1] & ((1 << units.count_bits) - 1);
        let hessian = (self.0[1] as i64) >> units.count_bits;
        Sums { gradient: self.0[0] as i64, hessian, count: count as u32 }
    }
}

/// What is summed: the bins, and the derivatives of a round in their units.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) binned: &'a Binned,
    pub(super) derivatives: &'a Derivatives,
    pub(super) units: Units,
}

impl Source<'_> {
    /// Adds all rows of a range.
    fn add_range<C: Cell>(&self, range: std::ops::Range<usize>, cells: &mut [C]) {
        vectorised(
            #[inline(always)]
            || {
                let mut start = range.start;
                while start < range.end {
                    let n = BLOCK.min(range.end - start);
                    self.add_block(n, |i| start + i, cells);
                    start += n;
                }
            },
        );
    }

    /// Adds the rows of a list.
    pub(super) fn add_list<C: Cell>(&self, rows: &[u32], cells: &mut [C]) {
        vectorised(
            #[inline(always)]
            || {
                for rows in rows.chunks(BLOCK) {
                    self.add_block(rows.len(), |i| rows[i] as usize, cells);
                }
            },
        );
    }

    /// Adds up to [`BLOCK`] rows. Called within `vectorised`.
    #[inline(always)]
    fn add_block<C: Cell>(&self, n: usize, row: impl Fn(usize) -> usize, cells: &mut [C]) {
        let (offsets, bins) = (self.binned.offsets(), self.binned.rows());
        let stride = offsets.len();
        let mut values = [C::default(); BLOCK];
        let values = &mut values[..n.min(BLOCK)];
        let gradients = &self.derivatives.gradients;
        // Also fetches the lines of the bins: many loads are under way at once, for none waits for another.
        let mut touched = 0;
        match self.derivatives.hessians() {
            None => {
                for (i, value) in values.iter_mut().enumerate() {
                    let row = row(i);
                    touched ^= bins[row * stride] ^ bins[row * stride + stride - 1];
                    *value = C::new(gradients[row], 1.0, self.units);
                }
            }
            Some(hessians) => {
                for (i, value) in values.iter_mut().enumerate() {
                    let row = row(i);
                    touched ^= bins[row * stride] ^ bins[row * stride + stride - 1];
                    *value = C::new(gradients[row], hessians[row], self.units);
                }
            }
        }
        std::hint::black_box(touched);
        let (groups, _) = offsets.as_chunks::<GROUP>();
        for (g, offsets) in groups.iter().enumerate() {
            let first = offsets[0] as usize;
            let cells = &mut cells[first..];
            let offsets = offsets.map(|o| o as usize - first);
            for (i, &value) in values.iter().enumerate() {
                let place = row(i) * stride + g * GROUP;
                let Some(bins) = bins[place..].first_chunk::<GROUP>() else { continue };
                for k in 0..GROUP {
                    cells[offsets[k] + bins[k] as usize].add(value);
                }
            }
        }
    }

    /// Sums all rows.
    pub(super) fn sum_all<C: Cell>(&self, cells: &mut [C]) {
        let n = self.binned.n_rows();
        self.sum_tasks(n.div_ceil(TASK), n, cells, |task, cells| {
            self.add_range(task * TASK..n.min((task + 1) * TASK), cells);
        });
    }

    /// Sums the rows of a list.
    pub(super) fn sum_list<C: Cell>(&self, rows: &[u32], cells: &mut [C]) {
        self.sum_tasks(rows.len().div_ceil(TASK), rows.len(), cells, |task, cells| {
            self.add_list(&rows[task * TASK..rows.len().min((task + 1) * TASK)], cells);
        });
    }

    /// Sums by tasks that each add some rows, in parallel when there are many.
    pub(super) fn sum_tasks<C: Cell>(
        &self,
        n_tasks: usize,
        n_rows: usize,
        cells: &mut [C],
        add: impl Fn(usize, &mut [C]) + Sync,
    ) {
        cells.fill(C::default());
        if n_rows < PARALLEL || rayon::current_num_threads() == 1 {
            (0..n_tasks).for_each(|task| add(task, cells));
            return;
        }
        let empty = || vec![C::default(); cells.len()];
        let sum = (0..n_tasks)
            .into_par_iter()
            .fold(empty, |mut sum, task| {
                add(task, &mut sum);
                sum
            })
            .reduce_with(|mut a, b| {
                a.iter_mut().zip(b).for_each(|(a, b)| a.add(b));
                a
            });
        if let Some(sum) = sum {
            cells.copy_from_slice(&sum);
        }
    }
}

/// Takes away the sums of some of the rows; exact, for integers.
pub(super) fn subtract<C: Cell>(whole: &mut [C], part: &[C]) {
    vectorised(
        #[inline(always)]
        || whole.iter_mut().zip(part).for_each(|(whole, &part)| whole.subtract(part)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gbm::binning::BinOptions;
    use crate::gbm::derivatives::Hessians;
    use med_schema::{FeatureColumn, FeatureMatrix};

    fn check<C: Cell + PartialEq>(hessians: Hessians, expected: impl Fn(usize) -> (f64, u32)) {
        let n = 40_000;
        let columns = (0..11_usize).map(|j| {
            let values: Vec<f64> = (0..n).map(|i| ((i * (j + 3)) % (j * 40 + 2)) as f64).collect();
            FeatureColumn::numeric(j.to_string(), values)
        });
        let x = FeatureMatrix::new(columns.collect()).unwrap();
        let binned = Binned::new(&x, &BinOptions { max_bin: 255, min_data_in_bin: 1 }).unwrap();
        let gradients = (0..n).map(|i| ((i * 7919) % 1001) as f32 - 500.0).collect();
        let derivatives = Derivatives { gradients, hessians };
        let units = Units::new(&derivatives).unwrap();
        let source = Source { binned: &binned, derivatives: &derivatives, units };
        let mut all = vec![C::default(); binned.n_cells()];
        source.sum_all(&mut all);
        let (odd, even): (Vec<u32>, Vec<u32>) = (0..n as u32).partition(|i| i % 2 == 1);
        let mut part = all.clone();
        source.sum_list(&odd, &mut part);
        let mut rest = all.clone();
        source.sum_list(&even, &mut rest);
        for j in 0..11 {
            let mut plain = vec![(0.0, 0.0, 0); binned.cells(j).len()];
            for row in 0..n {
                let cell = &mut plain[binned.column(j)[row] as usize];
                let (h, count) = expected(row);
                *cell = (cell.0 + f64::from(derivatives.gradients[row]), cell.1 + h, cell.2 + count);
            }
            for (cell, plain) in all[binned.cells(j)].iter().zip(plain) {
                let Sums { gradient, hessian, count } = cell.sums(units);
                assert!((gradient as f64 / units.gradient - plain.0).abs() < 1e-3 && count == plain.2);
                assert!((hessian as f64 / units.hessian - plain.1).abs() < 1e-3 * (1.0 + plain.1));
            }
        }
        subtract(&mut all, &part);
        assert!(all == rest);
    }

    #[test]
    fn a_parent_is_the_sum_of_its_children_to_the_last_bit() {
        check::<Narrow>(Hessians::One, |_| (1.0, 1));
        let hessians: Vec<f32> = (0..40_000).map(|i| (i % 13) as f32 * 0.25 + 0.125).collect();
        check::<Wide>(Hessians::Each(hessians.clone()), |row| (f64::from(hessians[row]), 1));
    }
}
