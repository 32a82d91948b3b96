//! Sums of products of columns over blocks of rows: `X'WX`, the heart of least squares and of every Newton step.
//!
//! Rows are taken 256 at a time. A block is copied into a [`RowBlock`], column after column, where it stays in the second-
//! level cache while everything that is needed of it is computed: linear predictor, weights, score, products. The products
//! run over tiles of three by three columns with eight partial sums each, which stay in registers, and only over one half of the
//! matrix: `n p (p + 1)` operations, as many as there must be, at nine tenths of what multiplication and addition without
//! fusing allow. Fused operations would gain 6 % on the processor this was measured on and cost the same bits everywhere.
//!
//! The order of every sum is fixed by the number of columns alone. To use many threads, give each a fixed run of rows and
//! a [`Gram`] of its own, and add these up in the order of the rows with [`Gram::merge`].
//!
//! ```text
//! let mut block = RowBlock::new(p);
//! let mut gram = Gram::new(p);
//! for start in (0..n).step_by(ROWS) {
//!     block.fill(&columns, &shifts, start);      // x - shift; rows past the end are 0
//!     block.times(&coefficients, &mut eta);      // eta = X b
//!     // ... weights and residuals of these rows, 0 past the end ...
//!     block.add_transposed_times(&residuals, &mut score);   // score += X'r
//!     block.scale_rows(&roots);                  // sqrt(w_i) x_i
//!     gram.add(&block);                          // G += X'WX
//! }
//! let xwx = gram.to_matrix();
//! ```

#![allow(clippy::needless_range_loop, reason = "iterators are library calls, which the compiler may leave out of line")]

use nalgebra::DMatrix;

use crate::kernel::{self, Kernel};

/// Rows of a block.
pub(crate) const ROWS: usize = 256;
/// Columns of a tile, each way: nine sums of eight numbers and what they need fit into 16 registers of AVX-512.
const TILE: usize = 3;
/// Partial sums of every product.
const LANES: usize = 8;
/// Tiles of columns that stay in the second-level cache together, 6 KiB each.
const GROUP: usize = 32;
/// Up to this many columns the partial sums are kept from block to block (64 bytes for each pair of columns); beyond, they
/// are added up after every block.
const KEPT: usize = 300;

type Lanes = [f64; LANES];
/// Partial sums of the products of three columns with three others.
type Tile = [[Lanes; TILE]; TILE];

/// A block of rows, column after column, for as many columns as it was made for.
#[derive(Debug, Clone)]
pub(crate) struct RowBlock {
    width: usize,
    /// `width` columns, and zeros up to a whole number of tiles.
    columns: Vec<[f64; ROWS]>,
}

impl RowBlock {
    pub(crate) fn new(width: usize) -> Self {
        Self { width, columns: vec![[0.0; ROWS]; width.next_multiple_of(TILE)] }
    }

    /// All columns, and zeros up to a whole number of tiles.
    pub(crate) fn columns(&self) -> &[[f64; ROWS]] {
        &self.columns
    }

    /// One column.
    pub(crate) fn column(&self, j: usize) -> &[f64; ROWS] {
        &self.columns[j]
    }

    /// One column, to write into it.
    pub(crate) fn column_mut(&mut self, j: usize) -> &mut [f64; ROWS] {
        &mut self.columns[j]
    }

    /// The first `columns.len()` columns become `columns[j][start..start + ROWS] - shifts[j]`, with 0 past the end.
    pub(crate) fn fill(&mut self, columns: &[&[f64]], shifts: &[f64], start: usize) {
        kernel::run(Fill { block: &mut self.columns[..columns.len().min(self.width)], columns, shifts, start });
    }

    /// Column `j` becomes `values[start..start + ROWS] - shift`, with 0 past the end.
    pub(crate) fn fill_column(&mut self, j: usize, values: &[f64], shift: f64, start: usize) {
        kernel::run(Fill { block: &mut self.columns[j..=j], columns: &[values], shifts: &[shift], start });
    }

    /// `out_i = sum_j x_ij b_j` over the first `b.len()` columns.
    pub(crate) fn times(&self, b: &[f64], out: &mut [f64; ROWS]) {
        out.fill(0.0);
        kernel::run(Times { columns: &self.columns, b, out });
    }

    /// `out_j += sum_i x_ij r_i` for the first `out.len()` columns.
    pub(crate) fn add_transposed_times(&self, r: &[f64; ROWS], out: &mut [f64]) {
        kernel::run(TransposedTimes { columns: &self.columns, r, out });
    }

    /// [`scale_rows`](Self::scale_rows) where rows have weights.
    pub(crate) fn scale_rows_if(&mut self, weighted: bool, factors: &[f64; ROWS]) {
        if weighted {
            self.scale_rows(factors);
        }
    }

    /// Multiplies every row, in all columns, by its factor.
    pub(crate) fn scale_rows(&mut self, factors: &[f64; ROWS]) {
        kernel::run(Scale { columns: &mut self.columns[..self.width], factors });
    }
}

struct Scale<'a> {
    columns: &'a mut [[f64; ROWS]],
    factors: &'a [f64; ROWS],
}

impl Kernel for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for column in self.columns {
            for i in 0..ROWS {
                column[i] *= self.factors[i];
            }
        }
    }
}

struct Fill<'a> {
    block: &'a mut [[f64; ROWS]],
    columns: &'a [&'a [f64]],
    shifts: &'a [f64],
    start: usize,
}

impl Kernel for Fill<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for ((out, values), &shift) in self.block.iter_mut().zip(self.columns).zip(self.shifts) {
            let values = values.get(self.start..).unwrap_or_default();
            match values.first_chunk::<ROWS>() {
                Some(values) => {
                    for i in 0..ROWS {
                        out[i] = values[i] - shift;
                    }
                }
                None => {
                    out.fill(0.0);
                    out.iter_mut().zip(values).for_each(|(o, v)| *o = v - shift);
                }
            }
        }
    }
}

struct Times<'a> {
    columns: &'a [[f64; ROWS]],
    b: &'a [f64],
    out: &'a mut [f64; ROWS],
}

impl Kernel for Times<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        // Four columns at a time: the result is read and written once for all of them.
        let (columns, rest) = self.columns[..self.b.len()].as_chunks::<4>();
        let (b, b_rest) = self.b.as_chunks::<4>();
        for ([x0, x1, x2, x3], [b0, b1, b2, b3]) in columns.iter().zip(b) {
            for i in 0..ROWS {
                self.out[i] += (x0[i] * b0 + x1[i] * b1) + (x2[i] * b2 + x3[i] * b3);
            }
        }
        for (x, b) in rest.iter().zip(b_rest) {
            for i in 0..ROWS {
                self.out[i] += x[i] * b;
            }
        }
    }
}

struct TransposedTimes<'a> {
    columns: &'a [[f64; ROWS]],
    r: &'a [f64; ROWS],
    out: &'a mut [f64],
}

impl Kernel for TransposedTimes<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (column, out) in self.columns.iter().zip(self.out) {
            let mut sums = [[0.0; LANES]; 2];
            for k in 0..ROWS / (2 * LANES) {
                for l in 0..LANES {
                    let (i, j) = (2 * k * LANES + l, (2 * k + 1) * LANES + l);
                    sums[0][l] += column[i] * self.r[i];
                    sums[1][l] += column[j] * self.r[j];
                }
            }
            *out += total(&sums[0]) + total(&sums[1]);
        }
    }
}

/// The sum of all lanes, in a fixed order.
#[inline(always)]
fn total(v: &Lanes) -> f64 {
    ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]))
}

/// `sum_i x_i x_i'` of the rows added so far.
#[derive(Debug, Clone)]
pub(crate) struct Gram {
    width: usize,
    /// Tiles of the lower half, row after row. Empty when sums are not kept.
    tiles: Vec<Tile>,
    /// The same, added up. Empty when partial sums are kept.
    sums: Vec<[[f64; TILE]; TILE]>,
}

impl Gram {
    pub(crate) fn new(width: usize) -> Self {
        let side = width.div_ceil(TILE);
        let n = side * (side + 1) / 2;
        if width <= KEPT {
            Self { width, tiles: vec![[[[0.0; LANES]; TILE]; TILE]; n], sums: Vec::new() }
        } else {
            Self { width, tiles: Vec::new(), sums: vec![[[0.0; TILE]; TILE]; n] }
        }
    }

    /// Adds the products of the rows of this block, which has as many columns.
    pub(crate) fn add(&mut self, block: &RowBlock) {
        debug_assert_eq!(block.width, self.width);
        kernel::run(Products {
            columns: block.columns.as_chunks::<TILE>().0,
            tiles: &mut self.tiles,
            sums: &mut self.sums,
        });
    }

    /// Adds the sums of another part of the rows.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (a, b) in self.tiles.iter_mut().flatten().flatten().zip(other.tiles.iter().flatten().flatten()) {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
        }
        for (a, b) in self.sums.iter_mut().flatten().flatten().zip(other.sums.iter().flatten().flatten()) {
            *a += b;
        }
    }

    /// The sum of products of two columns.
    pub(crate) fn at(&self, i: usize, j: usize) -> f64 {
        let (i, j) = (i.max(j), i.min(j));
        let (row, column) = (i / TILE, j / TILE);
        let tile = row * (row + 1) / 2 + column;
        if self.width <= KEPT {
            total(&self.tiles[tile][i % TILE][j % TILE])
        } else {
            self.sums[tile][i % TILE][j % TILE]
        }
    }

    /// The whole symmetric matrix.
    pub(crate) fn to_matrix(&self) -> DMatrix<f64> {
        let mut matrix = DMatrix::zeros(self.width, self.width);
        for i in 0..self.width {
            for j in 0..=i {
                let value = self.at(i, j);
                matrix[(i, j)] = value;
                matrix[(j, i)] = value;
            }
        }
        matrix
    }
}

struct Products<'a> {
    columns: &'a [[[f64; ROWS]; TILE]],
    tiles: &'a mut [Tile],
    sums: &'a mut [[[f64; TILE]; TILE]],
}

impl Kernel for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let n = self.columns.len();
        // One group of columns at a time meets all later ones, so that wide matrices do not stream through the cache.
        for first in (0..n).step_by(GROUP) {
            for i in first..n {
                let row = i * (i + 1) / 2;
                for j in first..(first + GROUP).min(i + 1) {
                    match self.tiles.get_mut(row + j) {
                        Some(tile) => products(&self.columns[i], &self.columns[j], tile),
                        None => {
                            let mut tile = [[[0.0; LANES]; TILE]; TILE];
                            products(&self.columns[i], &self.columns[j], &mut tile);
                            for (sums, tile) in self.sums[row + j].iter_mut().zip(&tile) {
                                sums.iter_mut().zip(tile).for_each(|(s, t)| *s += total(t));
                            }
                        }
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn products(a: &[[f64; ROWS]; TILE], b: &[[f64; ROWS]; TILE], tile: &mut Tile) {
    let mut sums = *tile;
    // Plain indices: library calls that the compiler leaves out of line cost six times as much.
    for k in 0..ROWS / LANES {
        let mut x = [[0.0; LANES]; TILE];
        let mut y = [[0.0; LANES]; TILE];
        for t in 0..TILE {
            for l in 0..LANES {
                x[t][l] = a[t][k * LANES + l];
                y[t][l] = b[t][k * LANES + l];
            }
        }
        for i in 0..TILE {
            for j in 0..TILE {
                for l in 0..LANES {
                    sums[i][j][l] += x[i][l] * y[j][l];
                }
            }
        }
    }
    *tile = sums;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(n: usize, p: usize) -> Vec<Vec<f64>> {
        (0..p).map(|j| (0..n).map(|i| ((i * (j + 3)) as f64 * 0.37).sin() + j as f64).collect()).collect()
    }

    fn check(n: usize, p: usize) {
        let columns = columns(n, p);
        let views: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let shifts: Vec<f64> = (0..p).map(|j| 0.5 * j as f64).collect();
        let weights: Vec<f64> = (0..n).map(|i| 0.5 + (i % 3) as f64).collect();
        let (mut block, mut gram) = (RowBlock::new(p), Gram::new(p));
        let (mut parts, b) = (Gram::new(p), vec![0.25; p]);
        let mut score = vec![0.0; p];
        for start in (0..n).step_by(ROWS) {
            let (mut roots, mut eta) = ([0.0; ROWS], [0.0; ROWS]);
            roots.iter_mut().zip(&weights[start..]).for_each(|(r, w)| *r = w.sqrt());
            block.fill(&views, &shifts, start);
            block.times(&b, &mut eta);
            for (i, eta) in eta.iter().enumerate().take(n - start) {
                let expected: f64 = (0..p).map(|j| 0.25 * (columns[j][start + i] - shifts[j])).sum();
                assert!((eta - expected).abs() <= 1e-12 * (1.0 + expected.abs()), "{eta} {expected}");
            }
            block.add_transposed_times(&eta, &mut score);
            block.scale_rows(&roots);
            gram.add(&block);
            let mut part = Gram::new(p);
            part.add(&block);
            parts.merge(&part);
        }
        let (matrix, merged) = (gram.to_matrix(), parts.to_matrix());
        let centred = |i: usize, j: usize| columns[j][i] - shifts[j];
        for a in 0..p {
            let expected: f64 = (0..n).map(|i| centred(i, a) * (0..p).map(|j| 0.25 * centred(i, j)).sum::<f64>()).sum();
            assert!((score[a] - expected).abs() <= 1e-11 * (n * p * p) as f64, "{} {expected}", score[a]);
            for b in 0..p {
                let expected: f64 = (0..n).map(|i| weights[i] * centred(i, a) * centred(i, b)).sum();
                for found in [matrix[(a, b)], merged[(a, b)], gram.at(a, b)] {
                    assert!((found - expected).abs() <= 1e-13 * (n * p * p) as f64, "{a} {b}: {found} {expected}");
                }
            }
        }
    }

    #[test]
    fn products_of_all_shapes() {
        for p in [1, 2, 3, 4, 7, 97, 100] {
            check(300, p);
        }
        for n in [1, 255, 256, 257, 1000] {
            check(n, 5);
        }
    }

    #[test]
    fn products_of_many_columns_are_added_up_after_every_block() {
        check(260, KEPT + 2);
    }
}
