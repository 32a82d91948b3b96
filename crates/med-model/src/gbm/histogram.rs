//! Sums of derivatives by bin, in integers.
//!
//! Rows are taken one by one and their bytes (see `binning::tracks`) eight at a time; rows of a list are fetched some
//! places ahead. Where the second derivative is one, a cell is a single word: the sum of gradients above the number of
//! rows. Otherwise it is two. A track has 256 cells, so that a byte is a place in it without a check. Time one addition to
//! memory a row and track.

use rayon::prelude::*;

use super::binning::{Binned, Tracks};
use super::derivatives::{Derivatives, Units, Values, to_integer};
use crate::kernel::{add_both, prefetch, vectorised};
use crate::threads::alone;

/// Cells of a track: one for each value of a byte.
pub(super) const CELLS: usize = 256;
/// Bytes that come from memory together.
const LINE: usize = 64;
/// How many rows ahead one is fetched.
const AHEAD: usize = 24;
/// Fewer bytes of rows stay in a cache.
const WORTH_FETCHING: usize = 1 << 18;
/// Rows of a task.
const TASK: usize = 1 << 12;
/// Below so many rows, waking other threads costs more than it saves: the more so where their cores are busy with other
/// work, and a tree on few rows has too little of it to make up for a wait.
const PARALLEL: usize = 1 << 15;
/// The same of a tree on at least [`MANY`] rows.
const PARALLEL_OF_MANY: usize = 1 << 13;
const MANY: usize = 1 << 18;

/// Sums of some rows, a track after another.
pub(super) type Histogram<C> = Vec<[C; CELLS]>;

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
    /// What takes this away when it is added.
    fn negated(self) -> Self {
        let mut negated = Self::default();
        negated.subtract(self);
        negated
    }
    fn sums(self, units: Units) -> Sums;
    /// The cell with these sums.
    fn from_sums(sums: Sums, units: Units) -> Self;
}

/// Gradient above count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Narrow(u64);

/// Gradient; Hessian above count. Rows without derivatives (weight zero) do not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(align(16))]
pub(super) struct Wide([u64; 2]);

#[cfg(test)]
impl Narrow {
    /// A row with this gradient.
    pub(super) fn of(gradient: i64) -> Self {
        Self(((gradient as u64) << 32).wrapping_add(1))
    }
}

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

    #[inline(always)]
    fn from_sums(sums: Sums, units: Units) -> Self {
        Self(((sums.gradient as u64) << units.count_bits).wrapping_add(u64::from(sums.count)))
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
        add_both(&mut self.0, other.0);
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

    #[inline(always)]
    fn from_sums(sums: Sums, units: Units) -> Self {
        let hessian = ((sums.hessian as u64) << units.count_bits).wrapping_add(u64::from(sums.count));
        Self([sums.gradient as u64, hessian])
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
    fn add_range<C: Cell>(&self, range: std::ops::Range<usize>, cells: &mut [[C; CELLS]]) {
        vectorised(
            #[inline(always)]
            || self.change_rows::<_, false>(range.len(), |i| range.start + i, |_| {}, cells),
        );
    }

    /// Adds the rows of a list.
    pub(super) fn add_list<C: Cell>(&self, rows: &[u32], cells: &mut [[C; CELLS]]) {
        self.change_by::<_, false>(rows, cells);
    }

    /// Takes the rows of a short list away.
    pub(super) fn take_list<C: Cell>(&self, rows: &[u32], cells: &mut [[C; CELLS]]) {
        self.change_by::<_, true>(rows, cells);
    }

    fn change_by<C: Cell, const AWAY: bool>(&self, rows: &[u32], cells: &mut [[C; CELLS]]) {
        let (stride, bytes) = (cells.len(), self.binned.rows());
        if bytes.len() < WORTH_FETCHING {
            vectorised(
                #[inline(always)]
                || self.change_rows::<_, AWAY>(rows.len(), |i| rows[i] as usize, |_| {}, cells),
            );
            return;
        }
        let fetch = |i: usize| {
            if let Some(&row) = rows.get(i + AHEAD) {
                let row = row as usize;
                (0..stride).step_by(LINE).for_each(|line| prefetch(bytes, row * stride + line));
                // Few rows begin where a line does.
                prefetch(bytes, row * stride + stride - 1);
                match &self.derivatives.values {
                    Values::Gradients(gradients) => prefetch(gradients, row),
                    Values::Pairs(pairs, _) => prefetch(pairs, row),
                }
            }
        };
        vectorised(
            #[inline(always)]
            || self.change_rows::<_, AWAY>(rows.len(), |i| rows[i] as usize, fetch, cells),
        );
    }

    /// Adds some rows or takes them away. Called within `vectorised`.
    #[inline(always)]
    fn change_rows<C: Cell, const AWAY: bool>(
        &self,
        n: usize,
        row: impl Fn(usize) -> usize,
        fetch: impl Fn(usize),
        cells: &mut [[C; CELLS]],
    ) {
        let signed = |value: C| if AWAY { value.negated() } else { value };
        match &self.derivatives.values {
            Values::Gradients(gradients) => {
                let value = |row: usize| signed(C::new(gradients[row], 1.0, self.units));
                self.add_values(n, row, fetch, value, cells);
            }
            Values::Pairs(pairs, _) => {
                let value = |row: usize| signed(C::new(pairs[row][0], pairs[row][1], self.units));
                self.add_values(n, row, fetch, value, cells);
            }
        }
    }

    #[inline(always)]
    fn add_values<C: Cell>(
        &self,
        n: usize,
        row: impl Fn(usize) -> usize,
        fetch: impl Fn(usize),
        value: impl Fn(usize) -> C,
        cells: &mut [[C; CELLS]],
    ) {
        let (stride, bytes) = (cells.len(), self.binned.rows());
        let (eights, rest) = cells.as_chunks_mut::<8>();
        let (fours, rest) = rest.as_chunks_mut::<4>();
        let (twos, ones) = rest.as_chunks_mut::<2>();
        for i in 0..n {
            fetch(i);
            let row = row(i);
            let value = value(row);
            let places = &bytes[row * stride..][..stride];
            let places = add_groups(eights, places, value);
            let places = add_groups(fours, places, value);
            let places = add_groups(twos, places, value);
            for (cells, &place) in ones.iter_mut().zip(places) {
                cells[place as usize].add(value);
            }
        }
    }

    /// Sums all rows.
    pub(super) fn sum_all<C: Cell>(&self, cells: &mut [[C; CELLS]]) {
        let n = self.binned.n_rows();
        self.sum_tasks(n.div_ceil(TASK), n, cells, |task, cells| {
            self.add_range(task * TASK..n.min((task + 1) * TASK), cells);
        });
    }

    /// Sums the rows of a list.
    pub(super) fn sum_list<C: Cell>(&self, rows: &[u32], cells: &mut [[C; CELLS]]) {
        self.sum_tasks(rows.len().div_ceil(TASK), rows.len(), cells, |task, cells| {
            self.add_list(&rows[task * TASK..rows.len().min((task + 1) * TASK)], cells);
        });
    }

    /// Sums by tasks that each add some rows, in parallel when there are many.
    pub(super) fn sum_tasks<C: Cell>(
        &self,
        n_tasks: usize,
        n_rows: usize,
        cells: &mut [[C; CELLS]],
        add: impl Fn(usize, &mut [[C; CELLS]]) + Sync,
    ) {
        cells.iter_mut().zip(self.binned.tracks().sizes()).for_each(|(cells, n)| cells[..n].fill(C::default()));
        let least = if self.binned.n_rows() < MANY { PARALLEL } else { PARALLEL_OF_MANY };
        if n_rows < least || alone() {
            (0..n_tasks).for_each(|task| add(task, cells));
            return;
        }
        let empty = || vec![[C::default(); CELLS]; cells.len()];
        let sum = (0..n_tasks)
            .into_par_iter()
            .fold(empty, |mut sum, task| {
                add(task, &mut sum);
                sum
            })
            .reduce_with(|mut a, b| {
                a.as_flattened_mut().iter_mut().zip(b.as_flattened()).for_each(|(a, &b)| a.add(b));
                a
            });
        if let Some(sum) = sum {
            cells.copy_from_slice(&sum);
        }
    }
}

/// Adds a value to one cell of each track, in groups that are compiled as one; the places that are left.
#[inline(always)]
fn add_groups<'p, C: Cell, const N: usize>(groups: &mut [[[C; CELLS]; N]], mut places: &'p [u8], value: C) -> &'p [u8] {
    for cells in groups {
        let Some((group, rest)) = places.split_first_chunk::<N>() else { break };
        for k in 0..N {
            cells[k][group[k] as usize].add(value);
        }
        places = rest;
    }
    places
}

/// Takes away the sums of some of the rows; exact, for integers.
pub(super) fn subtract<C: Cell>(whole: &mut [[C; CELLS]], part: &[[C; CELLS]], tracks: &Tracks) {
    vectorised(
        #[inline(always)]
        || {
            for ((whole, part), n) in whole.iter_mut().zip(part).zip(tracks.sizes()) {
                whole[..n].iter_mut().zip(&part[..n]).for_each(|(whole, &part)| whole.subtract(part));
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gbm::BinLayout;
    use crate::gbm::binning::{BinOptions, LevelOptions};
    use crate::gbm::derivatives::Hessians;
    use med_schema::{FeatureColumn, FeatureMatrix};

    fn check<C: Cell + PartialEq>(hessians: Option<&[f32]>) {
        let n = 40_000;
        let columns = (0..11_usize).map(|j| {
            let values: Vec<f64> = (0..n).map(|i| ((i * (j + 3)) % (j * 40 + 2)) as f64).collect();
            FeatureColumn::numeric(j.to_string(), values)
        });
        let x = FeatureMatrix::new(columns.collect()).unwrap();
        let binned = Binned::new(
            &x,
            &BinOptions { max_bin: 255, min_data_in_bin: 1, levels: LevelOptions::ONE },
            BinLayout::Double,
        )
        .unwrap();
        let gradients: Vec<f32> = (0..n).map(|i| ((i * 7919) % 1001) as f32 - 500.0).collect();
        let derivatives = Derivatives::of(&gradients, hessians.map(|h| (h, Hessians::Each)));
        let units = Units::new(&derivatives).unwrap();
        let source = Source { binned: &binned, derivatives: &derivatives, units };
        let mut all = vec![[C::default(); CELLS]; binned.tracks().len()];
        source.sum_all(&mut all);
        let (odd, even): (Vec<u32>, Vec<u32>) = (0..n as u32).partition(|i| i % 2 == 1);
        let mut part = all.clone();
        source.sum_list(&odd, &mut part);
        let mut rest = all.clone();
        source.sum_list(&even, &mut rest);
        for j in 0..11 {
            let mut shared = binned.tracks().shared_histogram();
            binned.tracks().marginals(&all, |_| true, &mut shared);
            let (cells, n_bins) = binned.tracks().cells(j, &all, &shared);
            let mut plain = vec![(0.0, 0.0, 0); n_bins];
            for row in 0..n {
                let cell = &mut plain[binned.bin(j, row) as usize];
                let [g, h] = derivatives.row(row);
                *cell = (cell.0 + g, cell.1 + h, cell.2 + 1);
            }
            for (cell, plain) in cells.iter().zip(plain) {
                let Sums { gradient, hessian, count } = cell.sums(units);
                assert!((gradient as f64 / units.gradient - plain.0).abs() < 1e-3 && count == plain.2);
                assert!((hessian as f64 / units.hessian - plain.1).abs() < 1e-3 * (1.0 + plain.1));
            }
        }
        let mut taken = all.clone();
        source.take_list(&odd, &mut taken);
        subtract(&mut all, &part, binned.tracks());
        assert!(all == rest && taken == rest);
    }

    #[test]
    fn a_parent_is_the_sum_of_its_children_to_the_last_bit() {
        check::<Narrow>(None);
        let hessians: Vec<f32> = (0..40_000).map(|i| (i % 13) as f32 * 0.25 + 0.125).collect();
        check::<Wide>(Some(&hessians));
    }
}
