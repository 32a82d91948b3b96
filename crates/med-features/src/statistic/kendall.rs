//! Kendall's rank correlation.

use super::Tested;
use super::tail::normal_p;

/// Kendall's tau-b of two columns without missing values:
///
/// ```text
/// tau_b = (P - Q) / sqrt( (n0 - n1) (n0 - n2) )      n0 = n (n - 1) / 2
/// ```
///
/// `P`, `Q`: concordant and discordant pairs; `n1`, `n2`: pairs tied in x, in y. Pairs are counted by merge sort in
/// O(n log n) (Knight, 1966). The p-value is two-sided from the normal limit with the variance corrected for ties (Kendall,
/// 1970); for fewer than about ten rows it is rough. `None` with fewer than three rows or a constant.
pub fn kendall(x: &[f64], y: &[f64]) -> Option<Tested> {
    let n = x.len();
    if n < 3 || n != y.len() || x.iter().chain(y).any(|v| v.is_nan()) {
        return None;
    }
    let mut order: Vec<usize> = (0..n).collect();
    // Adding 0 makes -0 a 0, so that total_cmp agrees with ==.
    order.sort_unstable_by(|&a, &b| (x[a] + 0.0).total_cmp(&(x[b] + 0.0)).then((y[a] + 0.0).total_cmp(&(y[b] + 0.0))));
    let x_ties = Ties::of(order.chunk_by(|&a, &b| x[a] == x[b]).map(<[usize]>::len));
    let both = Ties::of(order.chunk_by(|&a, &b| x[a] == x[b] && y[a] == y[b]).map(<[usize]>::len));
    let mut by_x: Vec<f64> = order.iter().map(|&row| y[row]).collect();
    let discordant = sort_counting_swaps(&mut by_x, &mut vec![0.0; n]) as f64;
    let y_ties = Ties::of(by_x.chunk_by(|a, b| a == b).map(<[f64]>::len));

    let n = n as f64;
    let all = n * (n - 1.0) / 2.0;
    if x_ties.pairs == all || y_ties.pairs == all {
        return None;
    }
    let difference = all - x_ties.pairs - y_ties.pairs + both.pairs - 2.0 * discordant;
    let tau = difference / (all - x_ties.pairs).sqrt() / (all - y_ties.pairs).sqrt();
    let m = n * (n - 1.0);
    let variance = (m * (2.0 * n + 5.0) - x_ties.cubic - y_ties.cubic) / 18.0
        + 2.0 * x_ties.pairs * y_ties.pairs / m
        + x_ties.triples * y_ties.triples / (9.0 * m * (n - 2.0));
    Some(Tested { value: tau.clamp(-1.0, 1.0), p_value: normal_p(difference / variance.sqrt()) })
}

/// Sums over groups of `t` equal values.
struct Ties {
    /// `t (t - 1) / 2`
    pairs: f64,
    /// `t (t - 1) (t - 2)`
    triples: f64,
    /// `t (t - 1) (2 t + 5)`
    cubic: f64,
}

impl Ties {
    fn of(sizes: impl Iterator<Item = usize>) -> Self {
        sizes.fold(Self { pairs: 0.0, triples: 0.0, cubic: 0.0 }, |sums, size| {
            let t = size as f64;
            let m = t * (t - 1.0);
            Self {
                pairs: sums.pairs + m / 2.0,
                triples: sums.triples + m * (t - 2.0),
                cubic: sums.cubic + m * (2.0 * t + 5.0),
            }
        })
    }
}

/// Merge sort that counts the pairs out of order.
fn sort_counting_swaps(values: &mut [f64], buffer: &mut [f64]) -> u64 {
    let n = values.len();
    if n < 2 {
        return 0;
    }
    let half = n / 2;
    let mut swaps = {
        let (left, right) = values.split_at_mut(half);
        let (left_buffer, right_buffer) = buffer.split_at_mut(half);
        sort_counting_swaps(left, left_buffer) + sort_counting_swaps(right, right_buffer)
    };
    let (mut left, mut right) = (0, half);
    for slot in buffer.iter_mut() {
        if right == n || (left < half && values[left] <= values[right]) {
            *slot = values[left];
            left += 1;
        } else {
            *slot = values[right];
            right += 1;
            swaps += (half - left) as u64;
        }
    }
    values.copy_from_slice(buffer);
    swaps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_pairs(x: &[f64], y: &[f64]) -> f64 {
        let (mut difference, mut x_free, mut y_free) = (0.0, 0.0, 0.0);
        for i in 0..x.len() {
            for j in 0..i {
                let sign = |d: f64| if d == 0.0 { 0.0 } else { d.signum() };
                let (dx, dy) = (sign(x[i] - x[j]), sign(y[i] - y[j]));
                difference += dx * dy;
                x_free += dx.abs();
                y_free += dy.abs();
            }
        }
        difference / f64::sqrt(x_free * y_free)
    }

    #[test]
    fn merging_counts_what_pairs_count() {
        let x: Vec<f64> = (0..50).map(|i| f64::from(i * 7 % 11)).collect();
        let y: Vec<f64> = (0..50).map(|i| f64::from(i * 13 % 17) - f64::from(i % 3)).collect();
        assert!((kendall(&x, &y).unwrap().value - by_pairs(&x, &y)).abs() < 1e-14);
    }

    #[test]
    fn constants_have_none() {
        assert_eq!(kendall(&[1.0; 4], &[1.0, 2.0, 3.0, 4.0]), None);
        assert_eq!(kendall(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]).unwrap().value, 1.0);
    }
}
