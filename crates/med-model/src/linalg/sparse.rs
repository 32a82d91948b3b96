//! Sums of products of columns that are 0 in most rows, as those of the levels of a category are.
//!
//! Such a column enters `X'WX` by its few other values alone. Each adds its row of the dense columns to the sums of its
//! column: `m d` operations a row instead of `s d`, with `s` sparse and `d` dense columns of which a row has `m` values that
//! are not 0. Which they are is one bit a row and column; all values are looked at, so that a column may hold anything, and
//! only the time depends on it. How two sparse columns meet is in [`pairs`].

#![allow(clippy::needless_range_loop, reason = "iterators are library calls, which the compiler may leave out of line")]

mod pairs;

use super::gram::{ROWS, RowBlock};
use crate::kernel::{self, Kernel};
use pairs::{Found, Pairs};

/// Numbers of a group of dense columns.
const LANES: usize = 8;
/// Rows whose zeros are found at once.
const WORD: usize = 64;
/// Words of a block of rows.
const WORDS: usize = ROWS / WORD;
/// The bits of the value that makes a column one of zeros and ones.
const ONE: u64 = 1.0_f64.to_bits();

/// Which values of some blocks of rows are not 0.
#[derive(Debug)]
pub(crate) struct SparseStage<'a> {
    columns: &'a [&'a [f64]],
    n_blocks: usize,
    start: usize,
    /// One bit a row, the blocks of a column one after the other.
    masks: Vec<[u64; WORDS]>,
    /// For each column the bits in which one of its values differs from 1, but for the zeros; 0 where there are only ones.
    strange: Vec<u64>,
}

/// What a thread needs for a block of rows.
#[derive(Debug)]
pub(crate) struct SparseBlock {
    /// The dense columns row by row, `groups` times eight numbers a row.
    rows: Vec<[f64; LANES]>,
    found: Found,
}

/// Sums over the rows added so far.
#[derive(Debug, Clone)]
pub(crate) struct SparseSums {
    groups: usize,
    /// Each sparse column with the dense ones.
    dense: Vec<[f64; LANES]>,
    pairs: Pairs,
}

impl<'a> SparseStage<'a> {
    pub(crate) fn new(columns: &'a [&'a [f64]], n_blocks: usize) -> Self {
        let n = columns.len();
        Self { columns, n_blocks, start: 0, masks: vec![[0; WORDS]; n * n_blocks], strange: vec![0; n] }
    }

    /// Takes the rows from `start` on, as many blocks as there is room for.
    pub(crate) fn fill(&mut self, start: usize) {
        self.start = start;
        self.strange.fill(0);
        kernel::run(Find { stage: self });
    }

    /// The masks of one column.
    #[inline(always)]
    fn masks(&self, column: usize) -> &[[u64; WORDS]] {
        &self.masks[column * self.n_blocks..][..self.n_blocks]
    }

    /// Values of a column from the first of this stage on.
    #[inline(always)]
    fn values(&self, column: usize) -> &'a [f64] {
        self.columns[column].get(self.start..).unwrap_or_default()
    }

    /// Calls `take` with each row of a block in which a column is not 0, and the value times the root of the row's weight. Keeps
    /// in which bits values differ from 1.
    #[inline(always)]
    fn for_values(&mut self, (column, block): (usize, usize), roots: &[f64; ROWS], mut take: impl FnMut(usize, f64)) {
        let values = self.values(column).get(block * ROWS..).unwrap_or_default();
        let mut strange = 0;
        for_bits(
            &self.masks(column)[block],
            #[inline(always)]
            |i| {
                strange |= values[i].to_bits() ^ ONE;
                take(i, values[i] * roots[i]);
            },
        );
        self.strange[column] |= strange;
    }
}

impl SparseBlock {
    pub(crate) fn new(n_sparse: usize, n_dense: usize) -> Self {
        Self { rows: vec![[0.0; LANES]; n_dense.div_ceil(LANES) * ROWS], found: Found::new(n_sparse) }
    }
}

impl SparseSums {
    pub(crate) fn new(n_sparse: usize, n_dense: usize) -> Self {
        let groups = n_dense.div_ceil(LANES);
        Self { groups, dense: vec![[0.0; LANES]; groups * n_sparse], pairs: Pairs::new(n_sparse) }
    }

    /// Adds a block of the stage with its dense columns, which are times the roots of the weights already.
    pub(crate) fn add(
        &mut self,
        stage: &mut SparseStage<'_>,
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
        block.found.clear();
        kernel::run(Add { sums: self, stage, k, roots, block });
    }

    /// Adds the products of two sparse columns in the rows of the stage, after all of its blocks.
    pub(crate) fn add_pairs(&mut self, stage: &SparseStage<'_>, weights: Option<&[f64]>) {
        self.pairs.add_stage(stage, weights);
    }

    /// Adds the sums of another part of the rows.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.dense.as_flattened_mut().iter_mut().zip(other.dense.as_flattened()).for_each(|(a, b)| *a += b);
        self.pairs.merge(&other.pairs);
    }

    /// The sum of products of a sparse column and a dense one.
    pub(crate) fn with_dense(&self, sparse: usize, dense: usize) -> f64 {
        self.dense[sparse * self.groups + dense / LANES][dense % LANES]
    }

    /// The sum of products of two sparse columns.
    pub(crate) fn with_sparse(&self, i: usize, j: usize) -> f64 {
        self.pairs.at(i, j)
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

struct Find<'s, 'a> {
    stage: &'s mut SparseStage<'a>,
}

/// Which of 64 values are not 0, the first in the lowest bit. What is no number is not 0.
#[inline(always)]
fn occupied(values: &[f64; WORD]) -> u64 {
    let mut hits = [0_u8; WORD];
    for k in 0..WORD {
        hits[k] = u8::from(values[k] != 0.0);
    }
    kernel::bits(&hits)
}

impl Kernel for Find<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { stage: SparseStage { columns, n_blocks, start, masks, .. } } = self;
        for (column, masks) in columns.iter().zip(masks.chunks_exact_mut(*n_blocks)) {
            let mut values = column.get(*start..).unwrap_or_default();
            for word in masks.as_flattened_mut() {
                *word = match values.split_first_chunk::<WORD>() {
                    Some((chunk, rest)) => {
                        values = rest;
                        occupied(chunk)
                    }
                    None => {
                        let mut padded = [0.0; WORD];
                        padded[..values.len()].copy_from_slice(values);
                        values = &[];
                        occupied(&padded)
                    }
                };
            }
        }
    }
}

struct Add<'s, 'a> {
    sums: &'s mut SparseSums,
    stage: &'s mut SparseStage<'a>,
    k: usize,
    roots: &'s [f64; ROWS],
    block: &'s mut SparseBlock,
}

impl Add<'_, '_> {
    /// With a number of groups that the compiler knows, so that the sums of a column stay in registers.
    #[inline(always)]
    fn fixed<const GROUPS: usize>(self) {
        let Self { sums, stage, k, roots, block } = self;
        let rows = block.rows.as_chunks::<GROUPS>().0;
        for (s, own) in sums.dense.as_chunks_mut::<GROUPS>().0.iter_mut().enumerate() {
            let mut total = *own;
            stage.for_values(
                (s, k),
                roots,
                #[inline(always)]
                |i, value| {
                    let row = &rows[i];
                    for g in 0..GROUPS {
                        for l in 0..LANES {
                            total[g][l] += value * row[g][l];
                        }
                    }
                    sums.pairs.add(&mut block.found, s, i, value);
                },
            );
            *own = total;
        }
    }

    #[inline(always)]
    fn any(self) {
        let Self { sums, stage, k, roots, block } = self;
        let groups = sums.groups;
        for (s, own) in sums.dense.chunks_exact_mut(groups).enumerate() {
            stage.for_values(
                (s, k),
                roots,
                #[inline(always)]
                |i, value| {
                    for (own, row) in own.iter_mut().zip(&block.rows[i * groups..]) {
                        for l in 0..LANES {
                            own[l] += value * row[l];
                        }
                    }
                    sums.pairs.add(&mut block.found, s, i, value);
                },
            );
        }
    }
}

/// Calls `take` with the places of the bits that are set, in order.
#[inline(always)]
fn for_bits(mask: &[u64], mut take: impl FnMut(usize)) {
    for (w, &word) in mask.iter().enumerate() {
        let mut left = word;
        while left != 0 {
            take(w * WORD + left.trailing_zeros() as usize);
            left &= left - 1;
        }
    }
}

impl Kernel for Add<'_, '_> {
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
