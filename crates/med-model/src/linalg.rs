//! Least squares: weighted centring, Householder QR with column pivoting, Cholesky of the Gram matrix.
//!
//! Golub and Van Loan, *Matrix Computations*, 4th ed., algorithm 5.4.1 (pivoted QR) and section 5.5 (rank-deficient
//! least squares). Columns are centred and brought to unit length first, so that the rank does not depend on units.
//! Everything runs in a fixed order on one thread: the same input gives the same bits.

pub(crate) mod gram;

use nalgebra::{DMatrix, DVector};

/// Columns whose part that is new is shorter than this share of the whole are linear combinations of those before.
const RANK_TOLERANCE: f64 = 1e-10;
/// Below this reciprocal pivot ratio a Cholesky factor has lost half of its digits, and QR takes over.
const CHOLESKY_CONDITION: f64 = 1e-7;

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Eight partial sums let the compiler use vector registers; the order is fixed.
    let mut sums = [0.0; 8];
    let (a_blocks, b_blocks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_blocks.remainder().iter().zip(b_blocks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_blocks.zip(b_blocks) {
        for k in 0..8 {
            sums[k] += x[k] * y[k];
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// Weighted mean, in two passes so that a large common offset costs no digits.
fn weighted_mean(values: &[f64], weights: Option<&[f64]>) -> f64 {
    let mean_of = |shift: f64| match weights {
        None => values.iter().map(|v| v - shift).sum::<f64>() / values.len() as f64,
        Some(w) => values.iter().zip(w).map(|(v, w)| w * (v - shift)).sum::<f64>() / w.iter().sum::<f64>(),
    };
    let rough = mean_of(0.0);
    rough + mean_of(rough)
}

/// A weighted regression problem without its intercept: columns and target are centred (if there is an intercept)
/// and multiplied by the square root of the weights.
#[derive(Debug)]
pub(crate) struct Centred {
    pub(crate) columns: Vec<Vec<f64>>,
    pub(crate) y: Vec<f64>,
    pub(crate) means: Vec<f64>,
    pub(crate) y_mean: f64,
    /// Sum of the weights.
    pub(crate) total_weight: f64,
    pub(crate) intercept: bool,
}

impl Centred {
    pub(crate) fn new(columns: &[&[f64]], y: &[f64], weights: Option<&[f64]>, intercept: bool) -> Self {
        let roots: Option<Vec<f64>> = weights.map(|w| w.iter().map(|w| w.sqrt()).collect());
        let prepare = |values: &[f64]| {
            let mean = if intercept { weighted_mean(values, weights) } else { 0.0 };
            let mut centred: Vec<f64> = values.iter().map(|v| v - mean).collect();
            let largest = values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
            if intercept && centred.iter().all(|c| c.abs() <= 4.0 * f64::EPSILON * largest) {
                // A constant: what is left of it is the rounding of its mean.
                centred.fill(0.0);
            }
            if let Some(roots) = &roots {
                centred.iter_mut().zip(roots).for_each(|(c, r)| *c *= r);
            }
            (centred, mean)
        };
        let (centred_columns, means) = columns.iter().map(|c| prepare(c)).unzip();
        let (centred_y, y_mean) = prepare(y);
        let total_weight = weights.map_or(y.len() as f64, |w| w.iter().sum());
        Self { columns: centred_columns, y: centred_y, means, y_mean, total_weight, intercept }
    }

    /// Whether the squared lengths of all columns are finite, without which no solver can go on.
    pub(crate) fn is_bounded(&self) -> bool {
        self.columns.iter().chain(std::iter::once(&self.y)).all(|c| dot(c, c).is_finite())
    }

    /// The intercept that belongs to these coefficients.
    pub(crate) fn intercept_of(&self, coefficients: &[f64]) -> f64 {
        if self.intercept { self.y_mean - dot(&self.means, coefficients) } else { 0.0 }
    }

    /// `X'X`.
    pub(crate) fn gram(&self) -> DMatrix<f64> {
        let p = self.columns.len();
        let mut gram = DMatrix::zeros(p, p);
        for i in 0..p {
            for j in 0..=i {
                let value = dot(&self.columns[i], &self.columns[j]);
                gram[(i, j)] = value;
                gram[(j, i)] = value;
            }
        }
        gram
    }

    /// `y - X b`.
    pub(crate) fn residual(&self, coefficients: &[f64]) -> Vec<f64> {
        let mut residual = self.y.clone();
        for (column, &b) in self.columns.iter().zip(coefficients).filter(|(_, b)| **b != 0.0) {
            residual.iter_mut().zip(column).for_each(|(r, x)| *r -= b * x);
        }
        residual
    }
}

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

/// Minimises `|y - X b|^2 + penalty |b|^2` for `penalty > 0`: Cholesky of `X'X + penalty I`, or QR of the stacked
/// problem when that is too badly conditioned for the squared form.
pub(crate) fn ridge(problem: &Centred, penalty: f64) -> Vec<f64> {
    let p = problem.columns.len();
    let mut normal = problem.gram();
    for j in 0..p {
        normal[(j, j)] += penalty;
    }
    // Jacobi scaling makes the pivots a measure of collinearity and not of units.
    let scale: Vec<f64> = (0..p).map(|j| normal[(j, j)].sqrt()).collect();
    let scaled = DMatrix::from_fn(p, p, |i, j| normal[(i, j)] / (scale[i] * scale[j]));
    let factor = scaled.cholesky().filter(|f| f.l_dirty().diagonal().iter().all(|d| d * d > CHOLESKY_CONDITION));
    let Some(factor) = factor else { return stacked_ridge(problem, penalty) };
    let solve = |v: &[f64]| -> Vec<f64> {
        let right = DVector::from_fn(p, |j, _| dot(&problem.columns[j], v) / scale[j]);
        let left = factor.solve(&right);
        (0..p).map(|j| left[j] / scale[j]).collect()
    };
    let mut solution = solve(&problem.y);
    // One step of refinement on the residual of the data, not of the normal equations.
    let residual = problem.residual(&solution);
    let gradient = DVector::from_fn(p, |j, _| (dot(&problem.columns[j], &residual) - penalty * solution[j]) / scale[j]);
    let step = factor.solve(&gradient);
    solution.iter_mut().enumerate().for_each(|(j, b)| *b += step[j] / scale[j]);
    solution
}

fn stacked_ridge(problem: &Centred, penalty: f64) -> Vec<f64> {
    let p = problem.columns.len();
    let root = penalty.sqrt();
    let stacked = problem.columns.iter().enumerate().map(|(j, column)| {
        let mut column = column.clone();
        column.extend((0..p).map(|i| if i == j { root } else { 0.0 }));
        column
    });
    let mut y = problem.y.clone();
    y.resize(y.len() + p, 0.0);
    PivotedQr::new(stacked.collect(), y).solve()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: usize, f: impl Fn(f64) -> f64) -> Vec<f64> {
        (0..n).map(|i| f(i as f64)).collect()
    }

    fn solve(columns: &[Vec<f64>], y: &[f64]) -> (Vec<f64>, PivotedQr) {
        let views: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let problem = Centred::new(&views, y, None, true);
        let qr = PivotedQr::new(problem.columns.clone(), problem.y.clone());
        (qr.solve(), qr)
    }

    #[test]
    fn an_exact_plane_is_found() {
        let columns = [line(20, |i| i), line(20, |i| (i * 1.7).sin() * 1e6)];
        let y: Vec<f64> = (0..20).map(|i| 3.0 + 2.0 * columns[0][i] - 0.5 * columns[1][i]).collect();
        let (b, qr) = solve(&columns, &y);
        assert_eq!(qr.rank, 2);
        assert!((b[0] - 2.0).abs() < 1e-9 && (b[1] + 0.5).abs() < 1e-12, "{b:?}");
    }

    #[test]
    fn redundant_and_constant_columns_are_aliased_whatever_their_scale() {
        let a = line(30, |i| (i * 0.9).cos());
        let columns = [a.clone(), line(30, |_| 1e9 + 0.1), a.iter().map(|v| 1e7 * v + 5.0).collect()];
        let (b, qr) = solve(&columns, &a);
        assert_eq!((qr.rank, qr.aliased()), (1, vec![1, 2]));
        assert!((b[0] - 1.0).abs() < 1e-12 && b[1] == 0.0 && b[2] == 0.0, "{b:?}");
    }

    #[test]
    fn inverse_gram_inverts() {
        let columns = [line(25, |i| i), line(25, |i| i * i), line(25, |i| (i * 2.1).sin())];
        let (_, qr) = solve(&columns, &line(25, |i| i));
        let views: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let problem = Centred::new(&views, &line(25, |i| i), None, true);
        let product = problem.gram() * qr.inverse_gram();
        assert!((product - DMatrix::identity(3, 3)).amax() < 1e-9);
    }

    #[test]
    fn both_ways_to_ridge_agree() {
        let columns = [line(40, |i| i), line(40, |i| i + (i * 3.3).sin())];
        let views: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let y = line(40, |i| 4.0 * i + (i * 1.3).cos());
        let problem = Centred::new(&views, &y, Some(&line(40, |i| 1.0 + i % 3.0)), true);
        for (a, b) in ridge(&problem, 2.5).iter().zip(stacked_ridge(&problem, 2.5)) {
            assert!((a - b).abs() < 1e-11, "{a} {b}");
        }
    }
}
