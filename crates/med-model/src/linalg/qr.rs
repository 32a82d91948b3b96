//! Householder QR with column pivoting, and the reduction of many rows to as many as there are columns.
//!
//! Backward stable: the condition number is not squared, so it decides what the normal equations cannot. `O(n p^2)`. Tall
//! problems are reduced block by block (Demmel, Grigori, Hoemmen and Langou 2012, SIAM J Sci Comput 34:A206): the triangle of
//! the rows so far and the next rows give the next triangle, so that the rows are never copied as a whole.

use nalgebra::DMatrix;

use super::moments::{Moments, Problem};
use super::{RANK_TOLERANCE, dot};
use crate::kernel::{self, Kernel};

/// `X P = Q R` with unit-length columns: `R` and what is needed to use it.
#[derive(Debug)]
pub(crate) struct PivotedQr {
    /// Column `k` of `R`, `k + 1` values, in pivot order; only the first `rank` are used.
    r: Vec<Vec<f64>>,
    /// `Q'y`, the first `rank` values.
    qty: Vec<f64>,
    /// Original position of the k-th pivot column.
    order: Vec<usize>,
    /// Length of each original column.
    lengths: Vec<f64>,
    pub(crate) rank: usize,
}

impl PivotedQr {
    /// Factorises; `O(n p^2)`. Takes the columns because it overwrites them.
    pub(crate) fn new(mut columns: Vec<Vec<f64>>, mut y: Vec<f64>) -> Self {
        let p = columns.len();
        let n = y.len();
        let lengths: Vec<f64> = columns.iter().map(|c| dot(c, c).sqrt()).collect();
        for (column, &length) in columns.iter_mut().zip(&lengths).filter(|(_, l)| **l > 0.0) {
            column.iter_mut().for_each(|v| *v /= length);
        }
        let mut order: Vec<usize> = (0..p).collect();
        let (mut r, mut qty, mut rank) = (Vec::with_capacity(p), Vec::with_capacity(p), 0);
        for k in 0..p.min(n) {
            // What is left of each column below row k; computed anew, since updating it loses digits.
            let left = |c: &Vec<f64>| dot(&c[k..], &c[k..]).sqrt();
            let mut pivot = (k, left(&columns[k]));
            for (j, column) in columns.iter().enumerate().skip(k + 1) {
                let length = left(column);
                // Only a clear win swaps, so that equal columns keep their order and the later one is the alias.
                if length > pivot.1 * (1.0 + 1e-12) {
                    pivot = (j, length);
                }
            }
            let (j, length) = pivot;
            if length <= RANK_TOLERANCE {
                break;
            }
            columns.swap(k, j);
            order.swap(k, j);
            let (head, tail) = columns.split_at_mut(k + 1);
            let reflector = &mut head[k];
            // Reflects onto -sign(x) |x| e_k, which avoids cancellation.
            let diagonal = if reflector[k] > 0.0 { -length } else { length };
            reflector[k] -= diagonal;
            let scale = 2.0 / dot(&reflector[k..], &reflector[k..]);
            for target in tail.iter_mut().chain(std::iter::once(&mut y)) {
                let share = scale * dot(&reflector[k..], &target[k..]);
                target[k..].iter_mut().zip(&reflector[k..]).for_each(|(t, v)| *t -= share * v);
            }
            let mut column = reflector[..k].to_vec();
            column.push(diagonal);
            r.push(column);
            qty.push(y[k]);
            rank += 1;
        }
        Self { r, qty, order, lengths, rank }
    }

    /// The least-squares solution; columns beyond the rank get 0.
    pub(crate) fn solve(&self) -> Vec<f64> {
        let mut z = self.qty.clone();
        for k in (0..self.rank).rev() {
            z[k] /= self.r[k][k];
            let zk = z[k];
            z.iter_mut().zip(&self.r[k][..k]).for_each(|(z, r)| *z -= r * zk);
        }
        let mut solution = vec![0.0; self.order.len()];
        for (value, &j) in z.iter().zip(&self.order) {
            solution[j] = value / self.lengths[j];
        }
        solution
    }

    /// Positions of the columns beyond the rank, ascending.
    pub(crate) fn aliased(&self) -> Vec<usize> {
        let mut aliased = self.order[self.rank..].to_vec();
        aliased.sort_unstable();
        aliased
    }

    /// `(X'X)^-1` of the columns within the rank, in the original order; rows and columns of the aliased ones are 0.
    pub(crate) fn inverse_gram(&self) -> DMatrix<f64> {
        let (p, rank) = (self.order.len(), self.rank);
        // Rows of R^-1, by back substitution on unit vectors.
        let mut inverse = DMatrix::<f64>::zeros(rank, rank);
        for unit in 0..rank {
            for k in (0..=unit).rev() {
                let known: f64 = (k + 1..=unit).map(|m| self.r[m][k] * inverse[(m, unit)]).sum();
                inverse[(k, unit)] = (f64::from(k == unit) - known) / self.r[k][k];
            }
        }
        let product = &inverse * inverse.transpose();
        let mut gram = DMatrix::zeros(p, p);
        for a in 0..rank {
            for b in 0..rank {
                let (i, j) = (self.order[a], self.order[b]);
                gram[(i, j)] = product[(a, b)] / (self.lengths[i] * self.lengths[j]);
            }
        }
        gram
    }
}

/// Rows taken at a time when a tall problem is reduced.
const REDUCED_ROWS: usize = 1024;

/// Householder QR of columns without pivoting, in place: what is left are the first rows of `R`.
struct Triangularise<'a> {
    columns: &'a mut [Vec<f64>],
}

impl Kernel for Triangularise<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let height = self.columns.first().map_or(0, Vec::len);
        for k in 0..self.columns.len().min(height) {
            let (head, tail) = self.columns.split_at_mut(k + 1);
            let reflector = &mut head[k];
            let length = product(&reflector[k..], &reflector[k..]).sqrt();
            if length == 0.0 {
                continue;
            }
            let diagonal = if reflector[k] > 0.0 { -length } else { length };
            reflector[k] -= diagonal;
            let scale = 2.0 / product(&reflector[k..], &reflector[k..]);
            for target in tail {
                let share = scale * product(&reflector[k..], &target[k..]);
                target[k..].iter_mut().zip(&reflector[k..]).for_each(|(t, v)| *t -= share * v);
            }
            reflector[k] = diagonal;
            reflector[k + 1..].fill(0.0);
        }
    }
}

/// [`dot`], inlined.
#[inline(always)]
fn product(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 16];
    let (a, a_rest) = a.as_chunks::<16>();
    let (b, b_rest) = b.as_chunks::<16>();
    for (a, b) in a.iter().zip(b) {
        for l in 0..16 {
            sums[l] += a[l] * b[l];
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

/// QR of the centred and weighted columns of a problem, with `sqrt(penalty) I` below them for ridge. One thread.
pub(crate) fn of_problem(problem: &Problem<'_>, moments: &Moments, penalty: f64) -> PivotedQr {
    let (n, p) = (problem.y.len(), problem.columns.len());
    let mut columns: Vec<Vec<f64>> = vec![Vec::with_capacity(REDUCED_ROWS + p + 1); p + 1];
    let mut roots = Vec::with_capacity(REDUCED_ROWS);
    for start in (0..n).step_by(REDUCED_ROWS) {
        let end = (start + REDUCED_ROWS).min(n);
        roots.clear();
        roots.extend(problem.weights.iter().flat_map(|w| &w[start..end]).map(|w| w.sqrt()));
        for (j, column) in columns.iter_mut().enumerate() {
            let (values, mean, constant) = match problem.columns.get(j) {
                Some(values) => (&values[start..end], moments.means[j], moments.is_constant(j)),
                None => (&problem.y[start..end], moments.y_mean, false),
            };
            let first = column.len();
            column.extend(values.iter().map(|v| if constant { 0.0 } else { v - mean }));
            column[first..].iter_mut().zip(&roots).for_each(|(v, r)| *v *= r);
        }
        if end < n {
            kernel::run(Triangularise { columns: &mut columns });
            columns.iter_mut().for_each(|c| c.truncate(p + 1));
        }
    }
    if penalty > 0.0 {
        let root = penalty.sqrt();
        for (j, column) in columns.iter_mut().enumerate() {
            column.extend((0..p).map(|i| if i == j { root } else { 0.0 }));
        }
    }
    let y = columns.pop().unwrap_or_default();
    PivotedQr::new(columns, y)
}
