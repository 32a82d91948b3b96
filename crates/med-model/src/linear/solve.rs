//! From moments to coefficients: the normal equations where they hold enough digits, else QR of the rows.
//!
//! The Gram matrix holds the squares of what is new in each column, so a pivot of `1e-8` means that a column is new to
//! `1e-4` of its length, and below about `1e-15` rounding is all there is. Columns whose pivot is not above `1e-8` are
//! looked at on the rows: if they are combinations of the others to `1e-10` of their length they are aliased, which is what
//! dummies of all levels, or a column twice, come to. If not, the problem is ill conditioned and the QR decides.

use nalgebra::DMatrix;

use crate::linalg::RANK_TOLERANCE;
use crate::linalg::cholesky::Cholesky;
use crate::linalg::moments::{Moments, Problem};
use crate::linalg::qr::{self, PivotedQr};

/// Pivots down to this leave half of the digits, which a refinement step brings back.
const TRUSTED: f64 = 1e-8;
/// Pivots above this leave enough digits without one.
const WELL_CONDITIONED: f64 = 1e-4;
/// Refinement steps; each multiplies the error by about `1e-16 / TRUSTED`.
const REFINEMENTS: usize = 2;

/// A refinement step below this share of the coefficients is the last.
const SETTLED: f64 = 1e-9;

/// What a least-squares problem was solved by.
#[derive(Debug)]
pub(super) enum Factor {
    Cholesky(Cholesky),
    Qr(PivotedQr),
}

impl Factor {
    /// Positions of the columns that carry nothing new, ascending.
    pub(super) fn aliased(&self) -> Vec<usize> {
        match self {
            Self::Cholesky(factor) => factor.left_out(),
            Self::Qr(qr) => qr.aliased(),
        }
    }

    pub(super) fn rank(&self) -> usize {
        match self {
            Self::Cholesky(factor) => factor.rank,
            Self::Qr(qr) => qr.rank,
        }
    }

    /// `(X'WX)^-1` of the centred features; rows and columns of the aliased ones are 0.
    pub(super) fn inverse(&self) -> DMatrix<f64> {
        match self {
            Self::Cholesky(factor) => factor.inverse(),
            Self::Qr(qr) => qr.inverse_gram(),
        }
    }
}

/// Least squares: coefficients, 0 for the aliased ones.
pub(super) fn least_squares(problem: &Problem<'_>, moments: &Moments) -> (Vec<f64>, Factor) {
    let factor = Cholesky::new(&moments.gram, TRUSTED);
    let explained = |&j: &usize| {
        moments.is_constant(j) || problem.unexplained(moments, j, &factor.combination(j)) <= RANK_TOLERANCE
    };
    if factor.left_out().iter().all(explained) {
        let b = refined(problem, moments, &factor, 0.0);
        return (b, Factor::Cholesky(factor));
    }
    let qr = qr::of_problem(problem, moments, 0.0);
    (qr.solve(), Factor::Qr(qr))
}

/// Ridge, which without a penalty is least squares and may have aliased columns.
pub(super) fn ridge(problem: &Problem<'_>, moments: &Moments, penalty: f64) -> (Vec<f64>, Vec<usize>) {
    if penalty == 0.0 {
        let (b, factor) = least_squares(problem, moments);
        return (b, factor.aliased());
    }
    let mut normal = moments.gram.clone();
    (0..normal.nrows()).for_each(|j| normal[(j, j)] += penalty);
    let factor = Cholesky::new(&normal, TRUSTED);
    if factor.rank == normal.nrows() {
        (refined(problem, moments, &factor, penalty), Vec::new())
    } else {
        (qr::of_problem(problem, moments, penalty).solve(), Vec::new())
    }
}

/// Solves the normal equations, and corrects the solution by the residuals of the rows if digits are at stake.
fn refined(problem: &Problem<'_>, moments: &Moments, factor: &Cholesky, penalty: f64) -> Vec<f64> {
    let mut b = factor.solve(&moments.xty);
    if factor.smallest < WELL_CONDITIONED {
        for _ in 0..REFINEMENTS {
            let mut gradient = problem.residual_sums(moments, &b).gradient;
            gradient.iter_mut().zip(&b).for_each(|(g, b)| *g -= penalty * b);
            let step = factor.solve(&gradient);
            b.iter_mut().zip(&step).for_each(|(b, step)| *b += step);
            // Each column in its own units: what is left is less than this step by as much as the step is less than `b`.
            if b.iter().zip(&step).all(|(b, step)| step.abs() <= SETTLED * b.abs()) {
                break;
            }
        }
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: usize, f: impl Fn(f64) -> f64) -> Vec<f64> {
        (0..n).map(|i| f(i as f64)).collect()
    }

    fn with<T>(columns: &[Vec<f64>], y: &[f64], work: impl Fn(&Problem<'_>, &Moments) -> T) -> T {
        let views: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let problem = Problem { columns: &views, y, weights: None, intercept: true };
        work(&problem, &problem.moments())
    }

    #[test]
    fn an_exact_plane_is_found() {
        let columns = [line(20, |i| i), line(20, |i| (i * 1.7).sin() * 1e6)];
        let y: Vec<f64> = (0..20).map(|i| 3.0 + 2.0 * columns[0][i] - 0.5 * columns[1][i]).collect();
        let (b, factor) = with(&columns, &y, least_squares);
        assert_eq!(factor.rank(), 2);
        assert!((b[0] - 2.0).abs() < 1e-9 && (b[1] + 0.5).abs() < 1e-12, "{b:?}");
    }

    #[test]
    fn redundant_and_constant_columns_are_aliased_whatever_their_scale() {
        let a = line(30, |i| (i * 0.9).cos());
        let columns = [a.clone(), line(30, |_| 1e9 + 0.1), a.iter().map(|v| 1e7 * v + 5.0).collect()];
        let (b, factor) = with(&columns, &a, least_squares);
        assert!(matches!(factor, Factor::Cholesky(_)), "an alias is no reason for QR");
        assert_eq!((factor.rank(), factor.aliased()), (1, vec![1, 2]));
        assert!((b[0] - 1.0).abs() < 1e-12 && b[1] == 0.0 && b[2] == 0.0, "{b:?}");
    }

    /// Columns that differ in the sixth digit: the squared problem has none left.
    fn ill_conditioned(n: usize) -> (Vec<Vec<f64>>, Vec<f64>) {
        let a = line(n, |i| (i * 0.9).cos());
        let b: Vec<f64> = a.iter().enumerate().map(|(i, v)| v + 1e-6 * (i as f64 * 2.3).sin()).collect();
        let c = line(n, |i| (i * 0.05).sin());
        let y = (0..n).map(|i| 2.0 * a[i] - b[i] + 3.0 * c[i] + 4.0).collect();
        (vec![a, b, c], y)
    }

    #[test]
    fn ill_conditioned_columns_are_solved_by_qr() {
        for n in [50, 5000] {
            let (columns, y) = ill_conditioned(n);
            let (b, factor) = with(&columns, &y, least_squares);
            assert!(matches!(factor, Factor::Qr(_)));
            assert_eq!(factor.rank(), 3);
            for (found, expected) in b.iter().zip([2.0, -1.0, 3.0]) {
                assert!((found - expected).abs() < 1e-8, "{b:?}");
            }
        }
    }

    #[test]
    fn refinement_brings_the_digits_back() {
        // New to 1e-3 of its length: a pivot of 1e-6.
        let a = line(400, |i| (i * 0.9).cos());
        let b: Vec<f64> = a.iter().enumerate().map(|(i, v)| v + 1e-3 * (i as f64 * 2.3).sin()).collect();
        let y: Vec<f64> = (0..400).map(|i| 2.0 * a[i] - b[i]).collect();
        let (found, factor) = with(&[a, b], &y, least_squares);
        assert!(matches!(factor, Factor::Cholesky(_)));
        assert!((found[0] - 2.0).abs() < 1e-11 && (found[1] + 1.0).abs() < 1e-11, "{found:?}");
    }

    #[test]
    fn inverses_of_both_ways_agree() {
        let columns = [line(25, |i| i), line(25, |i| i * i), line(25, |i| (i * 2.1).sin())];
        with(&columns, &columns[0], |problem, moments| {
            let (b, factor) = least_squares(problem, moments);
            let qr = qr::of_problem(problem, moments, 0.0);
            assert!(matches!(factor, Factor::Cholesky(_)));
            let scale = qr.inverse_gram().amax();
            assert!((factor.inverse() - qr.inverse_gram()).amax() < 1e-9 * scale);
            assert!((&moments.gram * qr.inverse_gram() - DMatrix::identity(3, 3)).amax() < 1e-9);
            assert!(b.iter().zip(qr.solve()).all(|(a, b)| (a - b).abs() < 1e-10));
        });
    }

    #[test]
    fn both_ways_to_ridge_agree() {
        let columns = [line(40, |i| i), line(40, |i| i + (i * 3.3).sin())];
        let y = line(40, |i| 4.0 * i + (i * 1.3).cos());
        let weights = line(40, |i| 1.0 + i % 3.0);
        let views: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let problem = Problem { columns: &views, y: &y, weights: Some(&weights), intercept: true };
        let moments = problem.moments();
        for (a, b) in ridge(&problem, &moments, 2.5).0.iter().zip(qr::of_problem(&problem, &moments, 2.5).solve()) {
            assert!((a - b).abs() < 1e-11, "{a} {b}");
        }
    }

    #[test]
    fn more_columns_than_rows() {
        let columns: Vec<Vec<f64>> = (0..12).map(|j| line(6, |i| (i * (j as f64 + 1.3)).sin())).collect();
        let y = line(6, |i| i * i);
        let (b, factor) = with(&columns, &y, least_squares);
        assert_eq!((factor.rank(), factor.aliased().len()), (5, 7));
        with(&columns, &y, |problem, moments| {
            assert!(problem.residual_sums(moments, &b).square < 1e-16 * moments.yty);
            let b = ridge(problem, moments, 0.1).0;
            let gradient = problem.residual_sums(moments, &b).gradient;
            assert!(gradient.iter().zip(&b).all(|(g, b)| (g - 0.1 * b).abs() < 1e-10));
        });
    }
}
