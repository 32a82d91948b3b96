//! Cholesky factor with pivoting of a Gram matrix brought to a unit diagonal.

use nalgebra::DMatrix;

use super::dot;

/// `P'DGDP = LL'` for the columns whose pivot is above a bound; `D` brings the diagonal of `G` to 1.
#[derive(Debug, Clone)]
pub(crate) struct Cholesky {
    /// Row `k` of `L`, in pivot order. The rows beyond the rank belong to the columns left out.
    rows: Vec<Vec<f64>>,
    /// Original position of the k-th pivot.
    order: Vec<usize>,
    /// Roots of the diagonal of `G`.
    lengths: Vec<f64>,
    pub(crate) rank: usize,
    /// The smallest pivot taken, from 0 to 1: squared length of what was new in that column.
    pub(crate) smallest: f64,
}

impl Cholesky {
    /// Factorises, `O(p^3)`; columns whose pivot is not above `bound` are left out.
    pub(crate) fn new(gram: &DMatrix<f64>, bound: f64) -> Self {
        let p = gram.nrows();
        let lengths: Vec<f64> = (0..p).map(|j| gram[(j, j)].max(0.0).sqrt()).collect();
        let scaled = |i: usize, j: usize| gram[(i, j)] / (lengths[i] * lengths[j]);
        let mut order: Vec<usize> = (0..p).collect();
        let mut left: Vec<f64> = lengths.iter().map(|&l| if l > 0.0 { 1.0 } else { 0.0 }).collect();
        let mut rows: Vec<Vec<f64>> = vec![Vec::new(); p];
        let (mut rank, mut smallest) = (0, 1.0_f64);
        for k in 0..p {
            let mut pivot = k;
            for j in k + 1..p {
                // Only a clear win swaps, so that equal columns keep their order and the later one is the alias.
                if left[j] > left[pivot] * (1.0 + 1e-12) {
                    pivot = j;
                }
            }
            if left[pivot] <= bound {
                break;
            }
            smallest = smallest.min(left[pivot]);
            left.swap(k, pivot);
            order.swap(k, pivot);
            rows.swap(k, pivot);
            let diagonal = left[k].sqrt();
            let (head, tail) = rows.split_at_mut(k + 1);
            let own = &mut head[k];
            for (i, row) in tail.iter_mut().enumerate() {
                let (i, at) = (order[k + 1 + i], k + 1 + i);
                let value = if lengths[i] > 0.0 { (scaled(i, order[k]) - dot(row, own)) / diagonal } else { 0.0 };
                row.push(value);
                left[at] -= value * value;
            }
            own.push(diagonal);
            rank += 1;
        }
        Self { rows, order, lengths, rank, smallest }
    }

    /// Solves `G b = right` with 0 for the columns left out.
    pub(crate) fn solve(&self, right: &[f64]) -> Vec<f64> {
        let scaled: Vec<f64> = self.order[..self.rank].iter().map(|&j| right[j] / self.lengths[j]).collect();
        let mut b = vec![0.0; self.order.len()];
        for (value, &j) in self.solve_scaled(scaled).iter().zip(&self.order) {
            b[j] = value / self.lengths[j];
        }
        b
    }

    fn solve_scaled(&self, mut z: Vec<f64>) -> Vec<f64> {
        for k in 0..z.len() {
            z[k] = (z[k] - dot(&self.rows[k][..k], &z[..k])) / self.rows[k][k];
        }
        self.back(z)
    }

    /// Solves `L'b = z`.
    fn back(&self, mut z: Vec<f64>) -> Vec<f64> {
        for k in (0..z.len()).rev() {
            z[k] /= self.rows[k][k];
            let zk = z[k];
            z[..k].iter_mut().zip(&self.rows[k]).for_each(|(z, l)| *z -= l * zk);
        }
        z
    }

    /// The columns left out, ascending.
    pub(crate) fn left_out(&self) -> Vec<usize> {
        let mut columns = self.order[self.rank..].to_vec();
        columns.sort_unstable();
        columns
    }

    /// Column `j`, which was left out, as a combination of those that were not.
    pub(crate) fn combination(&self, j: usize) -> Vec<f64> {
        let mut b = vec![0.0; self.order.len()];
        let Some(row) = self.order.iter().position(|&o| o == j).map(|k| &self.rows[k]) else { return b };
        if self.lengths[j] == 0.0 {
            return b;
        }
        for (value, &k) in self.back(row[..self.rank].to_vec()).iter().zip(&self.order) {
            b[k] = value * self.lengths[j] / self.lengths[k];
        }
        b
    }

    /// `G^-1` of the columns within the rank, in the original order; rows and columns of those left out are 0.
    pub(crate) fn inverse(&self) -> DMatrix<f64> {
        let p = self.order.len();
        let mut inverse = DMatrix::zeros(p, p);
        for (unit, &j) in self.order[..self.rank].iter().enumerate() {
            let mut right = vec![0.0; self.rank];
            right[unit] = 1.0;
            for (value, &i) in self.solve_scaled(right).iter().zip(&self.order) {
                inverse[(i, j)] = value / (self.lengths[i] * self.lengths[j]);
            }
        }
        // Symmetric to the last bit.
        0.5 * (&inverse + inverse.transpose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Features of which the third is the sum of the first two, and the last is 0.
    fn gram() -> DMatrix<f64> {
        let x = DMatrix::from_fn(30, 5, |i, j| match j {
            0 => (i as f64).sin(),
            1 => 1e4 * (i as f64 * 1.7).cos(),
            2 => (i as f64).sin() + 1e4 * (i as f64 * 1.7).cos(),
            3 => (i as f64 * 0.3).sin(),
            _ => 0.0,
        });
        x.transpose() * x
    }

    #[test]
    fn solves_within_the_rank_and_tells_what_is_beyond() {
        let gram = gram();
        let factor = Cholesky::new(&gram, 1e-8);
        assert_eq!((factor.rank, factor.left_out().len()), (3, 2));
        let wanted = factor.solve(&[1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!(factor.left_out().iter().all(|&j| wanted[j] == 0.0));
        let product = &gram * nalgebra::DVector::from_vec(wanted);
        for j in 0..5 {
            if !factor.left_out().contains(&j) {
                assert!((product[j] - (j + 1) as f64).abs() < 1e-6, "{product}");
            }
        }
        assert_eq!(factor.combination(4), [0.0; 5]);
        let left_out = factor.left_out()[0];
        let combination = factor.combination(left_out);
        let through = &gram * nalgebra::DVector::from_vec(combination);
        assert!((through - gram.column(left_out)).amax() < 1e-6 * gram.amax());
    }

    #[test]
    fn the_inverse_inverts() {
        let gram = gram().view((0, 0), (2, 2)).into_owned();
        let inverse = Cholesky::new(&gram, 1e-8).inverse();
        assert!((&gram * inverse - DMatrix::identity(2, 2)).amax() < 1e-12);
    }
}
