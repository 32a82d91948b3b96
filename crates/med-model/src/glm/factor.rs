//! Cholesky factor of an information matrix, with the coefficients that nothing is known about left out.

use nalgebra::DMatrix;

/// A column of which less than this share is new, given those before it, is an alias of them.
const ALIAS: f64 = 1e-11;

/// `L L' = S A S` with `S` the roots of the diagonal: independent of units.
#[derive(Debug, Clone)]
pub(super) struct Factor {
    /// Rows of `L`, packed: row `i` has `i + 1` values.
    rows: Vec<f64>,
    scales: Vec<f64>,
    /// Which coefficients these are.
    free: Vec<usize>,
}

fn start(row: usize) -> usize {
    row * (row + 1) / 2
}

impl Factor {
    /// Factorises these rows and columns of a matrix in their order. Gives back those it had to leave out: they are
    /// linear combinations of the ones before. `O(p^3 / 6)`.
    pub(super) fn new(matrix: &DMatrix<f64>, free: &[usize], ridge: &[f64]) -> (Self, Vec<usize>) {
        let (mut rows, mut scales, mut kept, mut aliased) = (Vec::new(), Vec::new(), Vec::<usize>::new(), Vec::new());
        for &i in free {
            let diagonal = matrix[(i, i)] + ridge[i];
            if !(diagonal > 0.0 && diagonal.is_finite()) {
                aliased.push(i);
                continue;
            }
            let scale = diagonal.sqrt();
            let begin = rows.len();
            let mut pivot = 1.0;
            for (j, &column) in kept.iter().enumerate() {
                let known = crate::linalg::dot(&rows[start(j)..start(j) + j], &rows[begin..begin + j]);
                let value = (matrix[(i, column)] / (scale * scales[j]) - known) / rows[start(j) + j];
                rows.push(value);
                pivot -= value * value;
            }
            if pivot > ALIAS {
                rows.push(pivot.sqrt());
                scales.push(scale);
                kept.push(i);
            } else {
                rows.truncate(begin);
                aliased.push(i);
            }
        }
        (Self { rows, scales, free: kept }, aliased)
    }

    /// The coefficients it knows about, ascending.
    pub(super) fn free(&self) -> &[usize] {
        &self.free
    }

    /// `A^-1 v`, 0 for the coefficients left out.
    pub(super) fn solve(&self, v: &[f64]) -> Vec<f64> {
        let mut z: Vec<f64> = self.free.iter().zip(&self.scales).map(|(&i, s)| v[i] / s).collect();
        for i in 0..z.len() {
            let row = &self.rows[start(i)..start(i) + i + 1];
            z[i] = (z[i] - crate::linalg::dot(&row[..i], &z[..i])) / row[i];
        }
        for i in (0..z.len()).rev() {
            let row = &self.rows[start(i)..start(i) + i + 1];
            let value = z[i] / row[i];
            z[i] = value;
            z[..i].iter_mut().zip(&row[..i]).for_each(|(z, l)| *z -= l * value);
        }
        let mut solution = vec![0.0; v.len()];
        for ((&i, s), z) in self.free.iter().zip(&self.scales).zip(z) {
            solution[i] = z / s;
        }
        solution
    }

    /// `A^-1`, rows and columns of the coefficients left out 0.
    pub(super) fn inverse(&self, width: usize) -> DMatrix<f64> {
        let mut inverse = DMatrix::zeros(width, width);
        let mut unit = vec![0.0; width];
        for &i in &self.free {
            unit[i] = 1.0;
            inverse.column_mut(i).copy_from_slice(&self.solve(&unit));
            unit[i] = 0.0;
        }
        // Symmetric to the last bit.
        for i in 0..width {
            for j in 0..i {
                let mean = 0.5 * (inverse[(i, j)] + inverse[(j, i)]);
                inverse[(i, j)] = mean;
                inverse[(j, i)] = mean;
            }
        }
        inverse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_solves_and_inverts() {
        let a = DMatrix::from_row_slice(3, 3, &[4.0, 1.0, 0.5, 1.0, 3.0, 0.2, 0.5, 0.2, 2.0]);
        let (factor, aliased) = Factor::new(&a, &[0, 1, 2], &[0.0; 3]);
        assert!(aliased.is_empty());
        let x = factor.solve(&[1.0, 2.0, 3.0]);
        let back = &a * nalgebra::DVector::from_vec(x);
        assert!((back - nalgebra::DVector::from_vec(vec![1.0, 2.0, 3.0])).amax() < 1e-14);
        assert!((&a * factor.inverse(3) - DMatrix::identity(3, 3)).amax() < 1e-14);
    }

    #[test]
    fn the_later_of_two_equal_columns_is_the_alias_whatever_the_units() {
        let columns =
            DMatrix::from_row_slice(4, 4, &[1., 2., 2e6, 0., 1., 3., 3e6, 0., 1., 5., 5e6, 0., 1., 1., 1e6, 0.]);
        let gram = columns.transpose() * &columns;
        let (factor, aliased) = Factor::new(&gram, &[0, 1, 2, 3], &[0.0; 4]);
        assert_eq!((factor.free(), aliased), (&[0, 1][..], vec![2, 3]));
        // With a quadratic penalty there are no aliases.
        assert!(Factor::new(&gram, &[0, 1, 2, 3], &[1e9; 4]).1.is_empty());
    }
}
