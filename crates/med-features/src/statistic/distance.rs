//! Distance correlation.

use super::moments::{mean, sum};
use super::tail::normal_p;
use super::{Tested, is_constant};

/// Distance correlation of two columns without missing values (Székely, Rizzo and Bakirov, 2007), zero only under independence
/// in the limit. With `a_ij = |x_i - x_j|`, `b_ij = |y_i - y_j|` and dots for sums over an index:
///
/// ```text
/// dCov^2(x, y) = sum a_ij b_ij / n^2 - 2 sum a_i. b_i. / n^3 + a.. b.. / n^4
/// value        = sqrt( dCov^2(x, y) / sqrt(dCov^2(x, x) dCov^2(y, y)) )
/// ```
///
/// The value (a V-statistic) is above 0 under independence too, the more the fewer rows. The p-value is that of the bias-corrected
/// `R` (Székely and Rizzo, 2013), by the bound `P(chi^2_1 > n R + 1)` of Shen, Panda and Vogelstein (2022): a little too large,
/// never asking for permutations. The double sums are by one sort and a tree of partial sums (Huo and Székely, 2016):
/// O(n log n). `None` with fewer than four rows, a constant, or an infinite value.
pub fn distance_correlation(x: &[f64], y: &[f64]) -> Option<Tested> {
    let n = x.len();
    if n != y.len() || n < 4 || is_constant(x) || is_constant(y) {
        return None;
    }
    // Scaled by the mean absolute deviation: products of costs lose digits otherwise.
    let (x, y) = (scaled(x)?, scaled(y)?);
    let (a, b) = (Distances::of(&x), Distances::of(&y));
    let cross = cross_sum(&x, &y, &a.order);
    let (xx, yy) = (squares(&x), squares(&y));
    let rows = n as f64;
    let biased = |products: f64, p: &Distances, q: &Distances| {
        products / rows.powi(2) - 2.0 * p.dot(q) / rows.powi(3) + p.total * q.total / rows.powi(4)
    };
    let unbiased = |products: f64, p: &Distances, q: &Distances| {
        products - 2.0 * p.dot(q) / (rows - 2.0) + p.total * q.total / ((rows - 1.0) * (rows - 2.0))
    };
    let ratio =
        |of: &dyn Fn(f64, &Distances, &Distances) -> f64| of(cross, &a, &b) / (of(xx, &a, &a) * of(yy, &b, &b)).sqrt();
    let value = ratio(&biased).clamp(0.0, 1.0).sqrt();
    let corrected = ratio(&unbiased);
    // The correction leaves no spread with few rows and many ties; nothing can be said then.
    let excess = if corrected.is_finite() { (rows * corrected + 1.0).max(0.0) } else { 0.0 };
    value.is_finite().then(|| Tested { value, p_value: normal_p(excess.sqrt()) })
}

/// Sums of the distances of each row to all others.
struct Distances {
    order: Vec<usize>,
    rows: Vec<f64>,
    total: f64,
}

impl Distances {
    fn of(x: &[f64]) -> Self {
        let n = x.len();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_unstable_by(|&i, &j| x[i].total_cmp(&x[j]).then(i.cmp(&j)));
        let all = sum(x);
        let (mut rows, mut below) = (vec![0.0; n], 0.0);
        for (rank, &row) in order.iter().enumerate() {
            // Those below: rank x - sum; those above: sum - count x.
            rows[row] = (2.0 * rank as f64 - n as f64) * x[row] + all - 2.0 * below;
            below += x[row];
        }
        let total = sum(&rows);
        Self { order, rows, total }
    }

    fn dot(&self, other: &Self) -> f64 {
        sum(&self.rows.iter().zip(&other.rows).map(|(a, b)| a * b).collect::<Vec<_>>())
    }
}

fn scaled(x: &[f64]) -> Option<Vec<f64>> {
    let centre = mean(x)?;
    let sizes: Vec<f64> = x.iter().map(|v| (v - centre).abs()).collect();
    let scale = mean(&sizes).filter(|s| s.is_finite() && *s > 0.0)?;
    Some(x.iter().map(|v| (v - centre) / scale).collect())
}

/// `sum over i, j of (x_i - x_j)^2`, of values with mean 0.
fn squares(x: &[f64]) -> f64 {
    let of_squares = sum(&x.iter().map(|v| v * v).collect::<Vec<_>>());
    2.0 * x.len() as f64 * of_squares - 2.0 * sum(x).powi(2)
}

/// `sum over i, j of |x_i - x_j| |y_i - y_j|`: rows in the order of x, those before each split at its y.
fn cross_sum(x: &[f64], y: &[f64], order: &[usize]) -> f64 {
    let mut levels = y.to_vec();
    levels.sort_unstable_by(f64::total_cmp);
    levels.dedup();
    let mut tree = vec![[0.0_f64; 4]; levels.len() + 1];
    let mut all = [0.0_f64; 4];
    let mut terms = Vec::with_capacity(order.len());
    for &row in order {
        let (x, y) = (x[row], y[row]);
        let level = levels.partition_point(|&v| v < y) + 1;
        let mut below = [0.0_f64; 4];
        let mut at = level.min(levels.len());
        while at > 0 {
            add(&mut below, &tree[at]);
            at &= at - 1;
        }
        let product = |s: &[f64; 4]| s[0] * x * y - x * s[2] - y * s[1] + s[3];
        terms.push(2.0 * product(&below) - product(&all));
        let own = [1.0, x, y, x * y];
        add(&mut all, &own);
        let mut at = level;
        while at < tree.len() {
            add(&mut tree[at], &own);
            at += at & at.wrapping_neg();
        }
    }
    2.0 * sum(&terms)
}

fn add(to: &mut [f64; 4], other: &[f64; 4]) {
    to.iter_mut().zip(other).for_each(|(a, b)| *a += b);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_all_pairs() {
        let x: Vec<f64> = (0..90).map(|i| f64::from(i * 37 % 41)).collect();
        let y: Vec<f64> = (0..90).map(|i| f64::from(i * i % 23) - 5.0).collect();
        let a = Distances::of(&x);
        let pairs = || (0..90).flat_map(|i| (0..90).map(move |j| (i, j)));
        let expected: f64 = pairs().map(|(i, j)| (x[i] - x[j]).abs() * (y[i] - y[j]).abs()).sum();
        assert!((cross_sum(&x, &y, &a.order) - expected).abs() < 1e-6 * expected);
        let to_first: f64 = x.iter().map(|v| (v - x[0]).abs()).sum();
        assert!((a.rows[0] - to_first).abs() < 1e-9);
    }

    #[test]
    fn a_curve_is_seen_and_noise_is_not() {
        let x: Vec<f64> = (-50..50).map(f64::from).collect();
        let curve: Vec<f64> = x.iter().map(|v| v * v).collect();
        let noise: Vec<f64> = (0..100).map(|i| f64::from(i * 61 % 101)).collect();
        assert!(distance_correlation(&x, &curve).unwrap().p_value < 1e-4);
        assert!(distance_correlation(&x, &noise).unwrap().p_value > 0.05);
        assert!((distance_correlation(&x, &x).unwrap().value - 1.0).abs() < 1e-12);
        assert_eq!(distance_correlation(&x, &[1.0; 100]), None);
        assert_eq!(distance_correlation(&x[..3], &x[..3]), None);
    }
}
