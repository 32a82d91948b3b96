//! Small linear models on second moments: least squares, ridge and the lasso.

use ndarray::Array2;

use crate::statistic::{centred_products, is_constant, mean, sum, weighted_moments};

/// A feature whose variance given those swept is at or below this share of its own is determined by them.
pub(super) const DETERMINED: f64 = 1e-10;
const PASSES: usize = 10_000;
const CONVERGED: f64 = 1e-9;

/// Products of columns with mean 0 and population variance 1, over n; the target likewise. Over rows complete in all columns.
#[derive(Debug, Clone)]
pub(super) struct Gram {
    /// `X'X / n`, features x features.
    pub(super) xx: Array2<f64>,
    /// `X'y / n`
    pub(super) xy: Vec<f64>,
    /// `y'y / n`, 1 unless swept.
    pub(super) yy: f64,
    /// Rows.
    pub(super) n: usize,
}

impl Gram {
    /// Of columns without missing values, none of them constant. O(n p^2).
    pub(super) fn of(columns: &[Vec<f64>], y: &[f64]) -> Option<Self> {
        let n = y.len();
        if n < 2 || columns.iter().map(Vec::as_slice).chain([y]).any(is_constant) {
            return None;
        }
        let all: Vec<&[f64]> = columns.iter().map(Vec::as_slice).chain([y]).collect();
        let p = columns.len();
        let products = centred_products(&all)?;
        let r = |i: usize, j: usize| match i == j {
            true => 1.0,
            false => products[(i, j)] / (products[(i, i)] * products[(j, j)]).sqrt(),
        };
        let xx = Array2::from_shape_fn((p, p), |(i, j)| r(i, j));
        let xy = (0..p).map(|j| r(j, p)).collect();
        Some(Self { xx, xy, yy: 1.0, n })
    }

    /// The same of weighted rows: means, variances and products are weighted. Weights are not all 0.
    pub(super) fn weighted(columns: &[Vec<f64>], y: &[f64], weights: &[f64]) -> Option<Self> {
        let total: f64 = weights.iter().sum();
        let standard = |values: &[f64]| -> Option<Vec<f64>> {
            let (mean, variance) = weighted_moments(values, weights);
            let scaled = |(v, w): (&f64, &f64)| (v - mean) * (w / (total * variance)).sqrt();
            (variance > 0.0 && variance.is_finite()).then(|| values.iter().zip(weights).map(scaled).collect())
        };
        let all: Vec<Vec<f64>> = columns.iter().map(Vec::as_slice).chain([y]).map(standard).collect::<Option<_>>()?;
        let p = columns.len();
        let r = |i: usize, j: usize| all[i].iter().zip(&all[j]).map(|(a, b)| a * b).sum::<f64>();
        let mut xx = Array2::eye(p);
        for (i, j) in (0..p).flat_map(|i| (0..i).map(move |j| (i, j))) {
            xx[(i, j)] = r(i, j);
            xx[(j, i)] = xx[(i, j)];
        }
        Some(Self { xx, xy: (0..p).map(|j| r(j, p)).collect(), yy: 1.0, n: y.len() })
    }

    /// Takes out of all features and the target what feature `j` says of them (one step of Gauss and Jordan's elimination).
    fn sweep(&mut self, j: usize) {
        let (own, with_y) = (self.xx[(j, j)], self.xy[j]);
        let row = self.xx.row(j).to_owned();
        for a in 0..row.len() {
            let share = row[a] / own;
            self.xx.row_mut(a).scaled_add(-share, &row);
            self.xy[a] -= share * with_y;
        }
        self.yy -= with_y * with_y / own;
    }

    /// The smallest penalty at which all coefficients are 0.
    pub(super) fn largest_penalty(&self) -> f64 {
        self.xy.iter().fold(0.0, |most: f64, c| most.max(c.abs()))
    }

    /// Moves `b` to the minimum of `||y - Xb||^2 / (2n) + penalty ||b||_1` by cyclic coordinate descent on the products (Friedman,
    /// Hastie and Tibshirani, 2010), from where it is.
    pub(super) fn lasso(&self, penalty: f64, b: &mut [f64]) {
        let p = b.len();
        let mut left: Vec<f64> =
            (0..p).map(|j| self.xy[j] - (0..p).map(|k| self.xx[(j, k)] * b[k]).sum::<f64>()).collect();
        for _ in 0..PASSES {
            let mut moved = 0.0_f64;
            for j in 0..p {
                let own = self.xx[(j, j)];
                let pull = left[j] + own * b[j];
                let new = pull.signum() * (pull.abs() - penalty).max(0.0) / own;
                let step = new - b[j];
                if step != 0.0 {
                    (0..p).for_each(|k| left[k] -= self.xx[(k, j)] * step);
                    b[j] = new;
                    moved = moved.max(step.abs());
                }
            }
            if moved <= CONVERGED {
                break;
            }
        }
    }

    /// `||y - Xb||^2 / n`
    pub(super) fn residual(&self, b: &[f64]) -> f64 {
        let p = b.len();
        let fitted: f64 = (0..p).map(|j| b[j] * (0..p).map(|k| self.xx[(j, k)] * b[k]).sum::<f64>()).sum();
        let shared: f64 = b.iter().zip(&self.xy).map(|(b, c)| b * c).sum();
        (self.yy - 2.0 * shared + fitted).max(0.0)
    }

    /// What least squares on all features leave of the target's variance, and how many of them were independent.
    pub(super) fn least_squares(&self) -> (f64, usize) {
        let mut left = self.clone();
        let mut rank = 0;
        for j in 0..self.xy.len() {
            if left.xx[(j, j)] > DETERMINED {
                left.sweep(j);
                rank += 1;
            }
        }
        (left.yy.max(0.0), rank)
    }
}

impl Gram {
    /// The minimum of `||y - Xb||^2 / n + penalty ||b||^2`, by Cholesky's decomposition; `penalty` above 0. `None` when a number is not
    /// finite.
    pub(super) fn ridge(&self, penalty: f64) -> Option<Vec<f64>> {
        let p = self.xy.len();
        let mut l = self.xx.clone();
        let mut b = self.xy.clone();
        for j in 0..p {
            for i in j..p {
                let known: f64 = (0..j).map(|k| l[(i, k)] * l[(j, k)]).sum();
                let value = l[(i, j)] - known;
                if i == j {
                    let pivot = value + penalty;
                    if !(pivot > 0.0 && pivot.is_finite()) {
                        return None;
                    }
                    l[(j, j)] = pivot.sqrt();
                } else {
                    l[(i, j)] = value / l[(j, j)];
                }
            }
        }
        for i in 0..p {
            let known: f64 = (0..i).map(|k| l[(i, k)] * b[k]).sum();
            b[i] = (b[i] - known) / l[(i, i)];
        }
        for i in (0..p).rev() {
            let known: f64 = (i + 1..p).map(|k| l[(k, i)] * b[k]).sum();
            b[i] = (b[i] - known) / l[(i, i)];
        }
        b.iter().all(|v| v.is_finite()).then_some(b)
    }
}

/// To mean 0 and population standard deviation 1; `None` of a constant or an infinite value.
pub(super) fn standardise(x: &[f64]) -> Option<Vec<f64>> {
    if x.len() < 2 || is_constant(x) {
        return None;
    }
    let centre = mean(x)?;
    let centred: Vec<f64> = x.iter().map(|v| v - centre).collect();
    let squares: Vec<f64> = centred.iter().map(|v| v * v).collect();
    let std = (sum(&squares) / x.len() as f64).sqrt();
    (std.is_finite() && std > 0.0).then(|| centred.iter().map(|v| v / std).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ridge_solves_its_equations() {
        let wave = |step: i32| (0..60).map(|i| f64::from(i * step % 59)).collect::<Vec<f64>>();
        let gram = Gram::of(&[wave(7), wave(11), wave(23)], &wave(31)).unwrap();
        let b = gram.ridge(0.5).unwrap();
        for j in 0..3 {
            let left: f64 = (0..3).map(|k| gram.xx[(j, k)] * b[k]).sum::<f64>() + 0.5 * b[j] - gram.xy[j];
            assert!(left.abs() < 1e-14, "{left}");
        }
    }
}
