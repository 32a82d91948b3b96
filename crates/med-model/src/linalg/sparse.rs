//! Sums of products of columns that are 0 in most rows, as those of the levels of a category are.
//!
//! Such a column enters `X'WX` by its few other values alone: each adds its row of the dense columns to the sums of its
//! column, and one product for every sparse column before it that is not 0 in the same row. With `s` sparse and `d` dense
//! columns of which a row has `m` values that are not 0, that is `m (d + m / 2)` operations a row instead of
//! `s (d + s / 2)`. All values are looked at, 64 at a time, so that a column may hold anything; only the time depends on it.

#![allow(clippy::needless_range_loop, reason = "iterators are library calls, which the compiler may leave out of line")]

use super::gram::{ROWS, RowBlock};
use crate::kernel::{self, Kernel};

/// Numbers of a group of dense columns.
const LANES: usize = 8;
/// Rows whose zeros are found at once.
const WORD: usize = 64;

/// The values other than 0 of some blocks of rows.
#[derive(Debug)]
pub(crate) struct SparseStage {
    n_blocks: usize,
    /// Rows within their block, column after column, with room for all values.
    rows: Vec<u8>,
    values: Vec<f64>,
    /// Where the values of each column and block end.
    ends: Vec<usize>,
}

/// What a thread needs for a block of rows.
#[derive(Debug)]
pub(crate) struct SparseBlock {
    /// The dense columns row by row, `groups` times eight numbers a row.
    rows: Vec<[f64; LANES]>,
    /// Columns of the values of each row found so far, with room for all sparse columns.
    columns: Vec<u32>,
    values: Vec<f64>,
    lengths: [usize; ROWS],
}

/// Sums over the rows added so far.
#[derive(Debug, Clone)]
pub(crate) struct SparseSums {
    groups: usize,
    /// Each sparse column with the dense ones.
    dense: Vec<[f64; LANES]>,
    /// Each sparse column with itself and those before it, row after row.
    pairs: Vec<f64>,
}

impl SparseStage {
    pub(crate) fn new(n_sparse: usize, n_blocks: usize) -> Self {
        let room = n_sparse * n_blocks * ROWS;
        Self { n_blocks, rows: vec![0; room], values: vec![0.0; room], ends: vec![0; n_sparse * n_blocks] }
    }

    /// Takes the rows from `start` on, as many blocks as there is room for.
    pub(crate) fn fill(&mut self, columns: &[&[f64]], start: usize) {
        kernel::run(Find { stage: self, columns, start });
    }

    #[inline(always)]
    fn of(&self, column: usize, block: usize) -> (&[u8], &[f64]) {
        let k = column * self.n_blocks + block;
        let own = if k == 0 { 0 } else { self.ends[k - 1] }..self.ends[k];
        (&self.rows[own.clone()], &self.values[own])
    }
}

impl SparseBlock {
    pub(crate) fn new(n_sparse: usize, n_dense: usize) -> Self {
        let rows = vec![[0.0; LANES]; n_dense.div_ceil(LANES) * ROWS];
        Self { rows, columns: vec![0; ROWS * n_sparse], values: vec![0.0; ROWS * n_sparse], lengths: [0; ROWS] }
    }
}

impl SparseSums {
    pub(crate) fn new(n_sparse: usize, n_dense: usize) -> Self {
        let groups = n_dense.div_ceil(LANES);
        let dense = vec![[0.0; LANES]; groups * n_sparse];
        Self { groups, dense, pairs: vec![0.0; n_sparse * (n_sparse + 1) / 2] }
    }

    /// Adds a block of the stage with its dense columns, which are times the roots of the weights already.
    pub(crate) fn add(
        &mut self,
        stage: &SparseStage,
        k: usize,
        dense: &RowBlock,
        roots: &[f64; ROWS],
        block: &mut SparseBlock,
    ) {
        let zeros = [0.0; ROWS];
        for group in 0..self.groups {
            let columns = std::array::from_fn(|k| dense.columns().get(group * LANES + k).unwrap_or(&zeros));
            kernel::run(Transpose { columns, out: &mut block.rows[group..], stride: self.groups });
        }
        block.lengths.fill(0);
        kernel::run(Add { sums: self, stage, k, roots, block });
    }

    /// Adds the sums of another part of the rows.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.dense.as_flattened_mut().iter_mut().zip(other.dense.as_flattened()).for_each(|(a, b)| *a += b);
        self.pairs.iter_mut().zip(&other.pairs).for_each(|(a, b)| *a += b);
    }

    /// The sum of products of a sparse column and a dense one.
    pub(crate) fn with_dense(&self, sparse: usize, dense: usize) -> f64 {
        self.dense[sparse * self.groups + dense / LANES][dense % LANES]
    }

    /// The sum of products of two sparse columns.
    pub(crate) fn with_sparse(&self, i: usize, j: usize) -> f64 {
        let (i, j) = (i.max(j), i.min(j));
        self.pairs[i * (i + 1) / 2 + j]
    }
}

/// Eight columns to rows of eight, `stride` groups apart.
struct Transpose<'a> {
    columns: [&'a [f64; ROWS]; LANES],
    out: &'a mut [[f64; LANES]],
    stride: usize,
}

impl Kernel for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let [a, b, c, d, e, f, g, h] = self.columns;
        for (i, out) in self.out.iter_mut().step_by(self.stride).take(ROWS).enumerate() {
            *out = [a[i], b[i], c[i], d[i], e[i], f[i], g[i], h[i]];
        }
    }
}

struct Find<'a> {
    stage: &'a mut SparseStage,
    columns: &'a [&'a [f64]],
    start: usize,
}

/// Which of 64 values are not 0, the first in the lowest bit. What is no number is not 0.
#[inline(always)]
fn occupied(values: &[f64; WORD]) -> u64 {
    let mut lanes = [0_u64; LANES];
    for k in 0..WORD / LANES {
        for l in 0..LANES {
            let bit = 1 << (k * LANES + l);
            lanes[l] |= if values[k * LANES + l] != 0.0 { bit } else { 0 };
        }
    }
    ((lanes[0] | lanes[1]) | (lanes[2] | lanes[3])) | ((lanes[4] | lanes[5]) | (lanes[6] | lanes[7]))
}

impl Kernel for Find<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { stage, columns, start } = self;
        let mut end = 0;
        for (column, ends) in columns.iter().zip(stage.ends.chunks_exact_mut(stage.n_blocks)) {
            let mut values = column.get(start..).unwrap_or_default();
            let mut padded = [0.0; WORD];
            for own_end in ends {
                for word in 0..ROWS / WORD {
                    let chunk = match values.split_first_chunk::<WORD>() {
                        Some((chunk, rest)) => {
                            values = rest;
                            chunk
                        }
                        None => {
                            padded.fill(0.0);
                            padded[..values.len()].copy_from_slice(values);
                            values = &[];
                            &padded
                        }
                    };
                    let mut left = occupied(chunk);
                    while left != 0 {
                        let k = left.trailing_zeros() as usize;
                        left &= left - 1;
                        stage.rows[end] = (word * WORD + k) as u8;
                        stage.values[end] = chunk[k];
                        end += 1;
                    }
                }
                *own_end = end;
            }
        }
    }
}

struct Add<'a> {
    sums: &'a mut SparseSums,
    stage: &'a SparseStage,
    k: usize,
    roots: &'a [f64; ROWS],
    block: &'a mut SparseBlock,
}

impl Add<'_> {
    /// With a number of groups that the compiler knows, so that the sums of a column stay in registers.
    #[inline(always)]
    fn fixed<const GROUPS: usize>(self) {
        let Self { sums, stage, k, roots, block } = self;
        let rows = block.rows.as_chunks::<GROUPS>().0;
        let all = sums.dense.as_chunks_mut::<GROUPS>().0;
        let n = all.len();
        for (s, own) in all.iter_mut().enumerate() {
            let pairs = &mut sums.pairs[s * (s + 1) / 2..][..=s];
            let mut total = *own;
            let (places, values) = stage.of(s, k);
            for (&i, &value) in places.iter().zip(values) {
                let i = i as usize;
                let value = value * roots[i];
                let row = &rows[i];
                for g in 0..GROUPS {
                    for l in 0..LANES {
                        total[g][l] += value * row[g][l];
                    }
                }
                let found = (&mut block.columns[i * n..], &mut block.values[i * n..]);
                add_pairs(found, &mut block.lengths[i], s, value, pairs);
            }
            *own = total;
        }
    }

    #[inline(always)]
    fn any(self) {
        let Self { sums, stage, k, roots, block } = self;
        let groups = sums.groups;
        let n = sums.dense.len() / groups;
        for s in 0..n {
            let own = &mut sums.dense[s * groups..(s + 1) * groups];
            let pairs = &mut sums.pairs[s * (s + 1) / 2..][..=s];
            let (places, values) = stage.of(s, k);
            for (&i, &value) in places.iter().zip(values) {
                let i = i as usize;
                let value = value * roots[i];
                for (own, row) in own.iter_mut().zip(&block.rows[i * groups..]) {
                    for l in 0..LANES {
                        own[l] += value * row[l];
                    }
                }
                let found = (&mut block.columns[i * n..], &mut block.values[i * n..]);
                add_pairs(found, &mut block.lengths[i], s, value, pairs);
            }
        }
    }
}

/// Adds the products of a value with itself and those of its row found before, and keeps it for those to come.
#[inline(always)]
fn add_pairs(found: (&mut [u32], &mut [f64]), length: &mut usize, s: usize, value: f64, pairs: &mut [f64]) {
    let (columns, values) = found;
    (columns[*length], values[*length]) = (s as u32, value);
    *length += 1;
    for (&column, &other) in columns[..*length].iter().zip(&values[..*length]) {
        pairs[column as usize] += value * other;
    }
}

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match self.sums.groups {
            1 => self.fixed::<1>(),
            2 => self.fixed::<2>(),
            3 => self.fixed::<3>(),
            4 => self.fixed::<4>(),
            5 => self.fixed::<5>(),
            6 => self.fixed::<6>(),
            _ => self.any(),
        }
    }
}
