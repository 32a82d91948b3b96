//! `X'WX` of features, target and the constant 1 about a shift: dense columns by blocks, those that are 0 in most rows by
//! the few other values.

use std::ops::Range;

use nalgebra::DMatrix;

use super::gram::{Gram, ROWS, RowBlock};
use super::moments::{CHUNK, Problem, Sums, for_chunks};
use super::sparse::{SparseBlock, SparseStage, SparseSums};

/// Blocks of one column that are read together with those of all others: 2 MiB of the second and third level cache.
const STAGE: usize = 1024;
/// Rows looked at for the shift, and for zeros.
const SAMPLE: usize = 256;
/// A column of which no more than this share of the sample is other than 0 is taken for sparse.
const SPARSE: f64 = 0.25;

/// Positions of the features by how they are summed.
#[derive(Debug)]
struct Split<'a> {
    dense: Vec<usize>,
    sparse: Vec<usize>,
    dense_columns: Vec<&'a [f64]>,
    sparse_columns: Vec<&'a [f64]>,
    /// Shifts of the dense features and of the target.
    shifts: Vec<f64>,
}

/// Sums of products of a chunk of rows: of the dense columns, the target and the constant 1, and of the sparse ones.
#[derive(Debug)]
struct Products {
    dense: Gram,
    sparse: SparseSums,
}

impl<'a> Problem<'a> {
    /// Up to 256 rows at equal distances.
    pub(super) fn sample(&self) -> impl Iterator<Item = usize> {
        let n = self.y.len();
        (0..n).step_by(n.div_ceil(SAMPLE).max(1))
    }

    /// Whether this feature is 0 in most rows of the sample.
    pub(super) fn is_sparse(&self, values: &[f64]) -> bool {
        let (occupied, all) = self.sample().fold((0.0, 0.0), |(o, a), i| (o + f64::from(values[i] != 0.0), a + 1.0));
        occupied <= SPARSE * all
    }

    fn split(&self, shifts: &[f64]) -> Split<'a> {
        let sparse = |j: &usize| shifts[*j] == 0.0 && self.is_sparse(self.columns[*j]);
        let (sparse, dense): (Vec<usize>, Vec<usize>) = (0..self.columns.len()).partition(sparse);
        Split {
            dense_columns: dense.iter().map(|&j| self.columns[j]).collect(),
            sparse_columns: sparse.iter().map(|&j| self.columns[j]).collect(),
            shifts: dense.iter().chain([&self.columns.len()]).map(|&j| shifts[j]).collect(),
            dense,
            sparse,
        }
    }

    /// Sums about these shifts.
    pub(crate) fn sums(&self, shifts: Vec<f64>) -> Sums {
        let split = self.split(&shifts);
        let (width, n_sparse) = (split.dense.len() + 2, split.sparse.len());
        let mut total: Option<Products> = None;
        // Columns are read in long runs, which memory is twice as quick with.
        let n_blocks = (STAGE / self.columns.len().max(1)).clamp(1, CHUNK / ROWS);
        // A power of two: chunks are whole stages.
        let n_blocks = (1 << n_blocks.ilog2()).min(self.y.len().div_ceil(ROWS));
        let buffers = || {
            let blocks = vec![RowBlock::new(width); n_blocks];
            (blocks, SparseStage::new(&split.sparse_columns, n_blocks), SparseBlock::new(n_sparse, width))
        };
        let part = |buffers: &mut (Vec<RowBlock>, SparseStage<'_>, SparseBlock), rows: Range<usize>| {
            let (blocks, stage, sparse_block) = buffers;
            let (mut gram, mut sparse) = (Gram::new(width), SparseSums::new(n_sparse, width));
            let mut roots = [0.0; ROWS];
            for first in rows.clone().step_by(n_blocks * ROWS) {
                for (j, (values, &shift)) in split.dense_columns.iter().chain([&self.y]).zip(&split.shifts).enumerate()
                {
                    for (k, block) in blocks.iter_mut().enumerate() {
                        block.fill_column(j, values, shift, first + k * ROWS);
                    }
                }
                stage.fill(first);
                for (k, block) in blocks.iter_mut().enumerate() {
                    let start = first + k * ROWS;
                    if start >= rows.end {
                        break;
                    }
                    self.weigh(block.column_mut(width - 1), &mut roots, start);
                    block.scale_rows_if(self.weights.is_some(), &roots);
                    gram.add(block);
                    if n_sparse > 0 {
                        sparse.add(stage, k, block, &roots, sparse_block);
                    }
                }
                sparse.add_pairs(stage, self.weights);
            }
            Products { dense: gram, sparse }
        };
        for_chunks(self.y.len(), width * width / 2, buffers, part, |part| match &mut total {
            Some(total) => {
                total.dense.merge(&part.dense);
                total.sparse.merge(&part.sparse);
            }
            None => total = Some(part),
        });
        let width = self.columns.len() + 2;
        let products = total.map_or_else(|| DMatrix::zeros(width, width), |t| t.to_matrix(&split, width));
        Sums { shifts, products }
    }
}

impl Products {
    /// The whole symmetric matrix, the columns in their own order.
    fn to_matrix(&self, split: &Split<'_>, width: usize) -> DMatrix<f64> {
        let mut matrix = DMatrix::zeros(width, width);
        let mut set = |i: usize, j: usize, value: f64| {
            matrix[(i, j)] = value;
            matrix[(j, i)] = value;
        };
        let dense: Vec<usize> = split.dense.iter().copied().chain([width - 2, width - 1]).collect();
        for (a, &i) in dense.iter().enumerate() {
            dense[..=a].iter().enumerate().for_each(|(b, &j)| set(i, j, self.dense.at(a, b)));
        }
        for (a, &i) in split.sparse.iter().enumerate() {
            dense.iter().enumerate().for_each(|(b, &j)| set(i, j, self.sparse.with_dense(a, b)));
            split.sparse[..=a].iter().enumerate().for_each(|(b, &j)| set(i, j, self.sparse.with_sparse(a, b)));
        }
        matrix
    }
}
