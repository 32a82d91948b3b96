//! Products of two sparse columns: sums over the rows in which neither is 0.
//!
//! Few columns meet by their masks, 64 rows at a time: of zeros and ones without weights the sum is a number of rows, counted
//! bit by bit; of other values those are added that both have. That is `s^2 / 128` operations a row for `s` columns. Of many
//! columns a row holds few, so there each value meets those of its row that were found before: `m^2 / 2` operations a row
//! for `m` values that are not 0, of which most are branches that are guessed wrong.

use super::super::gram::ROWS;
use super::{SparseStage, for_bits};
use crate::kernel::{self, Kernel};

/// Up to so many columns meet by their masks.
const MASKED: usize = 128;

/// Sums of products of each column with itself and those before it.
#[derive(Debug, Clone)]
pub(super) struct Pairs {
    n: usize,
    sums: Vec<f64>,
}

/// Columns and values of each row of a block found so far; empty where masks meet.
#[derive(Debug)]
pub(super) struct Found {
    n: usize,
    columns: Vec<u32>,
    values: Vec<f64>,
    lengths: [usize; ROWS],
}

impl Found {
    pub(super) fn new(n_columns: usize) -> Self {
        let n = if n_columns > MASKED { n_columns } else { 0 };
        Self { n, columns: vec![0; ROWS * n], values: vec![0.0; ROWS * n], lengths: [0; ROWS] }
    }

    pub(super) fn clear(&mut self) {
        self.lengths.fill(0);
    }
}

/// Where the sums of a column begin.
#[inline(always)]
fn first(column: usize) -> usize {
    column * (column + 1) / 2
}

impl Pairs {
    pub(super) fn new(n: usize) -> Self {
        Self { n, sums: vec![0.0; first(n)] }
    }

    pub(super) fn at(&self, i: usize, j: usize) -> f64 {
        self.sums[first(i.max(j)) + i.min(j)]
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.sums.iter_mut().zip(&other.sums).for_each(|(a, b)| *a += b);
    }

    /// Adds the products of a value with itself and those of its row found before, and keeps it for those to come; nothing
    /// where masks meet later.
    #[inline(always)]
    pub(super) fn add(&mut self, found: &mut Found, column: usize, row: usize, value: f64) {
        if self.n <= MASKED {
            return;
        }
        let length = &mut found.lengths[row];
        let own = row * found.n..(row + 1) * found.n;
        let (columns, values) = (&mut found.columns[own.clone()], &mut found.values[own]);
        (columns[*length], values[*length]) = (column as u32, value);
        *length += 1;
        let sums = &mut self.sums[first(column)..=first(column) + column];
        for (&other, &with) in columns[..*length].iter().zip(&values[..*length]) {
            sums[other as usize] += value * with;
        }
    }

    /// Adds the products in the rows of a stage.
    pub(super) fn add_stage(&mut self, stage: &SparseStage<'_>, weights: Option<&[f64]>) {
        if self.n <= MASKED {
            kernel::run(Meet { pairs: self, stage, weights });
        }
    }
}

struct Meet<'s, 'a> {
    pairs: &'s mut Pairs,
    stage: &'s SparseStage<'a>,
    weights: Option<&'s [f64]>,
}

impl Kernel for Meet<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { pairs, stage, weights } = self;
        let weights = weights.map(|w| w.get(stage.start..).unwrap_or_default());
        for i in 0..pairs.n {
            let (a, strange) = (stage.masks(i).as_flattened(), stage.strange[i]);
            for j in 0..=i {
                let b = stage.masks(j).as_flattened();
                let sum = &mut pairs.sums[first(i) + j];
                if (strange | stage.strange[j]) == 0 && weights.is_none() {
                    *sum += f64::from(count_both(a, b));
                } else {
                    *sum += sum_both((a, b), (stage.values(i), stage.values(j)), weights);
                }
            }
        }
    }
}

/// In how many places both have a bit.
#[inline(always)]
fn count_both(a: &[u64], b: &[u64]) -> u32 {
    let mut count = 0;
    for k in 0..a.len().min(b.len()) {
        count += (a[k] & b[k]).count_ones();
    }
    count
}

/// The sum of weighted products over the rows in which both have a bit.
#[inline(always)]
fn sum_both(masks: (&[u64], &[u64]), values: (&[f64], &[f64]), weights: Option<&[f64]>) -> f64 {
    let mut sum = 0.0;
    for (w, (a, b)) in masks.0.iter().zip(masks.1).enumerate() {
        let both = a & b;
        if both != 0 {
            for_bits(
                &[both],
                #[inline(always)]
                |k| {
                    let row = w * 64 + k;
                    // The weight first: it may keep the product of large values, or of small ones, within the range of numbers.
                    sum += weights.map_or(values.0[row], |weights| weights[row] * values.0[row]) * values.1[row];
                },
            );
        }
    }
    sum
}
