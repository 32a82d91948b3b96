//! Statistics that look at all features together: variance inflation and partial correlation.

use ndarray::{Array2, s};
use rayon::prelude::*;

use super::matrix::correlations;
use super::tail::correlation_p;
use super::{Tested, all_finite, is_constant};

/// Eigenvalues of a correlation matrix at or below this share of its size count as zero: the columns are linearly dependent.
const RANK_TOLERANCE: f64 = 1e-12;
/// A column takes part in a linear dependence when its share of the null space is above this.
const SHARE_TOLERANCE: f64 = 1e-8;

/// Variance inflation of features and their partial correlation with the target.
#[derive(Debug, Clone, PartialEq)]
pub struct Joint {
    /// `1 / (1 - R_j^2)` with R_j^2 of the regression (with intercept) of feature j on the others; infinite when it is an exact
    /// linear combination of them. `None` for a constant.
    pub vif: Vec<Option<f64>>,
    /// Correlation of feature j and target after both were regressed on all other features. `None` for a constant, for a
    /// feature that the others determine, and when the features determine the target. Empty without a target.
    pub partial: Vec<Option<Tested>>,
    /// Rows without a missing value, over which all of it is.
    pub rows: usize,
}

/// Variance inflation factors (Marquardt, 1970) and partial correlations (Yule, 1907) over the rows complete in all columns.
///
/// With `C` the correlation matrix of the features that vary, `vif_j = (C^-1)_jj`; with `P` the inverse correlation matrix of
/// features and target, the partial correlation is `-P_jy / sqrt(P_jj P_yy)`, tested on `n - 2 - q` degrees of freedom, `q` the
/// rank of the other features. Inverses are by eigenvalues (Jacobi's method); where features are linearly dependent, the
/// null space is left out, which gives the right value for every feature that takes no part in the dependence. O(n p^2 + p^3).
pub fn joint(features: &[&[f64]], target: Option<&[f64]>) -> Joint {
    let p = features.len();
    let n = features.first().map_or(0, |f| f.len());
    let all: Vec<&[f64]> = features.iter().copied().chain(target).collect();
    let whole = all.par_iter().all(|c| all_finite(c));
    let complete: Vec<usize> =
        if whole { Vec::new() } else { (0..n).filter(|&row| all.iter().all(|c| c[row].is_finite())).collect() };
    let rows = if whole { n } else { complete.len() };
    let taken = |c: &&'_ [f64]| complete.iter().map(|&row| c[row]).collect::<Vec<f64>>();
    let copies: Vec<Vec<f64>> = if whole { Vec::new() } else { all.iter().map(taken).collect() };
    let columns: Vec<&[f64]> = if whole { all } else { copies.iter().map(Vec::as_slice).collect() };
    let varies: Vec<usize> = (0..p).filter(|&j| rows >= 3 && !is_constant(columns[j])).collect();

    let mut vif = vec![None; p];
    let y = columns.get(p).filter(|y| rows >= 3 && !is_constant(y));
    let with_target: Vec<&[f64]> = varies.iter().map(|&j| columns[j]).chain(y.copied()).collect();
    let r = correlations(&with_target);
    let last = varies.len();
    let inverse = PseudoInverse::of(r.slice(s![..last, ..last]).to_owned());
    for (at, &j) in varies.iter().enumerate() {
        let dependent = inverse.null_share[at] > SHARE_TOLERANCE;
        vif[j] = Some(if dependent { f64::INFINITY } else { inverse.values[(at, at)].max(1.0) });
    }
    let mut partial = vec![None; if target.is_some() { p } else { 0 }];
    if y.is_some() {
        let both = PseudoInverse::of(r);
        for (at, &j) in varies.iter().enumerate() {
            if inverse.null_share[at] > SHARE_TOLERANCE || both.null_share[last] > SHARE_TOLERANCE {
                continue;
            }
            let r = -both.values[(at, last)] / (both.values[(at, at)] * both.values[(last, last)]).sqrt();
            // A feature outside every dependence adds one to the rank, so the others have one less.
            let others = inverse.rank.saturating_sub(1);
            let p_value = correlation_p(r.clamp(-1.0, 1.0), rows as f64 - 2.0 - others as f64);
            partial[j] = p_value.filter(|_| r.is_finite()).map(|p_value| Tested { value: r.clamp(-1.0, 1.0), p_value });
        }
    }
    Joint { vif, partial, rows }
}

/// The inverse of a symmetric matrix on the complement of its null space.
struct PseudoInverse {
    values: Array2<f64>,
    /// Squared length of each unit vector's part in the null space.
    null_share: Vec<f64>,
    rank: usize,
}

impl PseudoInverse {
    fn of(matrix: Array2<f64>) -> Self {
        let n = matrix.nrows();
        let (eigenvalues, vectors) = symmetric_eigen(matrix);
        let is_null = |k: usize| eigenvalues[k] <= RANK_TOLERANCE * n as f64;
        let mut values = Array2::zeros((n, n));
        for i in 0..n {
            for j in 0..=i {
                let entry: f64 =
                    (0..n).filter(|&k| !is_null(k)).map(|k| vectors[(i, k)] * vectors[(j, k)] / eigenvalues[k]).sum();
                values[(i, j)] = entry;
                values[(j, i)] = entry;
            }
        }
        let null_share =
            (0..n).map(|i| (0..n).filter(|&k| is_null(k)).map(|k| vectors[(i, k)] * vectors[(i, k)]).sum()).collect();
        Self { values, null_share, rank: (0..n).filter(|&k| !is_null(k)).count() }
    }
}

/// Eigenvalues and (in columns) eigenvectors by cyclic Jacobi rotations: slow beyond some hundred columns, and accurate for
/// the small eigenvalues that variance inflation hangs on.
pub(crate) fn symmetric_eigen(mut a: Array2<f64>) -> (Vec<f64>, Array2<f64>) {
    const SWEEPS: usize = 60;
    let n = a.nrows();
    let mut vectors = Array2::<f64>::eye(n);
    for _ in 0..SWEEPS {
        let off: f64 = (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|at| a[at] * a[at]).sum();
        // No rotation would ever remove a NaN.
        if off.is_nan() || off <= f64::MIN_POSITIVE {
            break;
        }
        for i in 1..n {
            for j in 0..i {
                rotate(&mut a, &mut vectors, i, j);
            }
        }
    }
    (a.diag().to_vec(), vectors)
}

/// One rotation in the plane of `i` and `j` that makes `a[i][j]` zero (Golub and Van Loan, section 8.5).
fn rotate(a: &mut Array2<f64>, vectors: &mut Array2<f64>, i: usize, j: usize) {
    if a[(i, j)] == 0.0 {
        return;
    }
    let theta = (a[(j, j)] - a[(i, i)]) / (2.0 * a[(i, j)]);
    let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..a.nrows() {
        let (ki, kj) = (a[(k, i)], a[(k, j)]);
        a[(k, i)] = c * ki - s * kj;
        a[(k, j)] = s * ki + c * kj;
    }
    for k in 0..a.nrows() {
        let (ik, jk) = (a[(i, k)], a[(j, k)]);
        a[(i, k)] = c * ik - s * jk;
        a[(j, k)] = s * ik + c * jk;
        let (ki, kj) = (vectors[(k, i)], vectors[(k, j)]);
        vectors[(k, i)] = c * ki - s * kj;
        vectors[(k, j)] = s * ki + c * kj;
    }
    a[(i, j)] = 0.0;
    a[(j, i)] = 0.0;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(step: i32) -> Vec<f64> {
        (0..60).map(|i| f64::from(i * step % 59)).collect()
    }

    #[test]
    fn a_dependence_is_infinite_for_those_in_it_only() {
        let (a, b, c) = (wave(7), wave(11), wave(23));
        let doubled: Vec<f64> = a.iter().map(|v| 2.0 * v - 5.0).collect();
        let constant = vec![0.1; 60];
        let y: Vec<f64> = b.iter().zip(wave(31)).map(|(b, e)| b + e).collect();
        let with = joint(&[&a, &b, &doubled, &c, &constant], Some(&y));
        let without = joint(&[&a, &b, &c], Some(&y));
        assert_eq!((with.vif[0], with.vif[2], with.vif[4]), (Some(f64::INFINITY), Some(f64::INFINITY), None));
        assert!((with.vif[1].unwrap() / without.vif[1].unwrap() - 1.0).abs() < 1e-9);
        let (found, expected) = (with.partial[3].unwrap(), without.partial[2].unwrap());
        assert!((found.value - expected.value).abs() < 1e-9 && (found.p_value - expected.p_value).abs() < 1e-9);
        assert_eq!(with.partial[0], None);
    }

    #[test]
    fn two_features_have_a_closed_form() {
        let (a, b) = (wave(7), wave(11));
        let r = correlations(&[&a, &b])[(0, 1)];
        let vif = joint(&[&a, &b], None).vif;
        assert!((vif[0].unwrap() - 1.0 / (1.0 - r * r)).abs() < 1e-12);
        assert_eq!(joint(&[&a[..2]], None).vif, [None]);
        assert_eq!(joint(&[], None).vif, []);
    }
}
