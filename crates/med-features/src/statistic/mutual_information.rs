//! Mutual information by nearest neighbours.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use statrs::function::gamma::digamma;

use super::moments::{mean, variance};

/// Neighbours looked at. Three is the usual choice: less bias than more neighbours, less spread than one.
const NEIGHBOURS: usize = 3;
/// Size of the noise that breaks ties, relative to the mean absolute value.
const NOISE: f64 = 1e-10;
/// Seed of that noise: a constant, so that a score is a function of its column alone.
const NOISE_SEED: u64 = 0x6d69;

/// Mutual information of two numeric columns without missing values, in nats, by Kraskov, Stögbauer and Grassberger's first
/// estimator (2004) with k = 3:
///
/// ```text
/// I = psi(n) + psi(k) - mean psi(n_x + 1) - mean psi(n_y + 1),   at least 0
/// ```
///
/// `n_x`, `n_y`: other rows strictly nearer in x, in y, than the k-th neighbour in the plane (maximum norm). Columns are divided
/// by their standard deviation first. Equal values are told apart by seeded noise of 1e-10 of the size of the column, as the
/// estimator needs; with many ties on both sides another seed can move the result by some hundredths.
///
/// Sees any dependence, curved ones too. About O(n^1.5). `None` with four rows or fewer, or a constant.
pub fn mutual_information(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len();
    if n <= NEIGHBOURS + 1 || n != y.len() {
        return None;
    }
    let (x, y) = (scaled(x, 0)?, scaled(y, 1)?);
    let (sorted_x, sorted_y) = (sorted(&x), sorted(&y));
    // Neighbours are sought outwards along the axis with fewer ties, where few rows lie within reach.
    let (along, sorted_along, across) =
        if distinct(&sorted_x) >= distinct(&sorted_y) { (&x, &sorted_x, &y) } else { (&y, &sorted_y, &x) };
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_unstable_by(|&a, &b| along[a].total_cmp(&along[b]).then(a.cmp(&b)));
    let across: Vec<f64> = order.iter().map(|&row| across[row]).collect();
    let mut digammas = 0.0;
    for (at, &row) in order.iter().enumerate() {
        let radius = reach(sorted_along, &across, at);
        digammas += digamma(nearer(&sorted_x, x[row], radius)) + digamma(nearer(&sorted_y, y[row], radius));
    }
    let estimate = digamma(n as f64) + digamma(NEIGHBOURS as f64) - digammas / n as f64;
    Some(estimate.max(0.0))
}

/// Mutual information of a category and a number without missing values, in nats, by Ross's estimator (2014) with k = 3:
///
/// ```text
/// I = psi(n) + mean psi(k_i) - mean psi(n_level) - mean psi(m_i),   at least 0
/// ```
///
/// `k_i` is the smaller of k and the other rows of the row's level, `m_i` how many rows of any level are strictly nearer in y than the `k_i`-th neighbour of the same level, itself included.
/// Rows of a level without another row are left out. Noise as in [`mutual_information`].
///
/// Ross, B. C. (2014). Mutual information between discrete and continuous data sets. *PLoS ONE* 9, e87357. O(n log n). `None` when no level has two rows, or y is constant.
pub fn mutual_information_of_levels(codes: &[u32], y: &[f64]) -> Option<f64> {
    if codes.len() != y.len() {
        return None;
    }
    let mut levels: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    codes.iter().zip(scaled(y, 1)?).for_each(|(&code, y)| levels.entry(code).or_default().push(y));
    levels.retain(|_, values| values.len() > 1);
    let mut all: Vec<f64> = levels.values().flatten().copied().collect();
    if all.is_empty() {
        return None;
    }
    all.sort_unstable_by(f64::total_cmp);
    let mut digammas = 0.0;
    for values in levels.values_mut() {
        values.sort_unstable_by(f64::total_cmp);
        let k = NEIGHBOURS.min(values.len() - 1);
        let of_level = digamma(k as f64) - digamma(values.len() as f64);
        for at in 0..values.len() {
            digammas += of_level - digamma(nearer(&all, values[at], kth_nearest(values, at, k)));
        }
    }
    Some((digamma(all.len() as f64) + digammas / all.len() as f64).max(0.0))
}

/// Distance from the value at `at` to the k-th nearest other one; there are more than k.
fn kth_nearest(sorted: &[f64], at: usize, k: usize) -> f64 {
    // The k nearest stand together about it: of the windows of k + 1 values with it in, the one that reaches least far.
    let first = at.saturating_sub(k)..=at.min(sorted.len() - 1 - k);
    first.map(|i| (sorted[at] - sorted[i]).max(sorted[i + k] - sorted[at])).fold(f64::INFINITY, f64::min)
}

/// Divided by the population standard deviation, with noise.
fn scaled(values: &[f64], stream: u64) -> Option<Vec<f64>> {
    if super::is_constant(values) {
        return None;
    }
    let std = variance(values, 0)?.sqrt();
    let divided: Vec<f64> = values.iter().map(|v| v / std).collect();
    let sizes: Vec<f64> = divided.iter().map(|v| v.abs()).collect();
    let noise = NOISE * mean(&sizes)?.max(1.0);
    let mut generator = Pcg64::seed_from_u64(NOISE_SEED + stream);
    // 53 random bits as a number in [-1, 1).
    let mut draw = || (generator.next_u64() >> 11) as f64 * 2_f64.powi(-52) - 1.0;
    let noisy: Vec<f64> = divided.iter().map(|v| v + noise * draw()).collect();
    noisy.iter().all(|v| v.is_finite()).then_some(noisy)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// Values that are more than the noise apart from the one before.
fn distinct(sorted: &[f64]) -> usize {
    sorted.windows(2).filter(|w| w[1] - w[0] > 1e-6).count()
}

/// Distance to the k-th nearest other row from the row at `at` of the axis sorted, in the maximum norm.
fn reach(along: &[f64], across: &[f64], at: usize) -> f64 {
    let mut nearest = [f64::INFINITY; NEIGHBOURS];
    let (mut below, mut above) = (at, at + 1);
    loop {
        let farthest = nearest[NEIGHBOURS - 1];
        let down = if below > 0 { along[at] - along[below - 1] } else { f64::INFINITY };
        let up = if above < along.len() { along[above] - along[at] } else { f64::INFINITY };
        let step = down.min(up);
        // Nothing further out along this axis can be nearer in the plane. Also ends when both sides are used up.
        if step >= farthest || step == f64::INFINITY {
            return farthest;
        }
        let other = if down <= up {
            below -= 1;
            below
        } else {
            above += 1;
            above - 1
        };
        let distance = step.max((across[at] - across[other]).abs());
        if distance < farthest {
            let slot = nearest.partition_point(|&d| d <= distance);
            nearest[slot..].rotate_right(1);
            nearest[slot] = distance;
        }
    }
}

/// Rows strictly within `radius` of `value`, itself included.
fn nearer(sorted: &[f64], value: f64, radius: f64) -> f64 {
    let from = sorted.partition_point(|&v| value - v >= radius);
    let to = sorted.partition_point(|&v| v - value < radius);
    to.saturating_sub(from).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn even(seed: u64, n: usize) -> Vec<f64> {
        let mut generator = Pcg64::seed_from_u64(seed);
        (0..n).map(|_| (generator.next_u64() >> 11) as f64 * 2_f64.powi(-53)).collect()
    }

    #[test]
    fn independence_has_none_and_a_curve_has_much() {
        let (x, e) = (even(1, 2000), even(2, 2000));
        assert!(mutual_information(&x, &e).unwrap() < 0.05);
        let curve: Vec<f64> = x.iter().zip(&e).map(|(x, e)| (x - 0.5).powi(2) + 0.01 * e).collect();
        assert!(mutual_information(&x, &curve).unwrap() > 1.0);
    }

    #[test]
    fn the_search_finds_what_all_pairs_find() {
        let (x, y) = (even(3, 300), even(4, 300));
        let (sx, order) = (sorted(&x), {
            let mut order: Vec<usize> = (0..300).collect();
            order.sort_unstable_by(|&a, &b| x[a].total_cmp(&x[b]));
            order
        });
        let across: Vec<f64> = order.iter().map(|&row| y[row]).collect();
        for at in 0..300 {
            let mut all: Vec<f64> = (0..300)
                .filter(|&j| j != at)
                .map(|j| (sx[at] - sx[j]).abs().max((across[at] - across[j]).abs()))
                .collect();
            all.sort_unstable_by(f64::total_cmp);
            assert_eq!(reach(&sx, &across, at), all[NEIGHBOURS - 1]);
        }
    }

    #[test]
    fn a_level_says_what_its_rows_share() {
        let (x, e) = (even(7, 3000), even(8, 3000));
        let halves: Vec<u32> = x.iter().map(|&x| u32::from(x > 0.5)).collect();
        // Of two equal halves that do not overlap the level is known: ln 2.
        let found = mutual_information_of_levels(&halves, &x).unwrap();
        assert!((found - 2_f64.ln()).abs() < 0.02, "{found}");
        assert!(mutual_information_of_levels(&halves, &e).unwrap() < 0.02);
        let mut with_single = halves.clone();
        with_single[0] = 9;
        let without = mutual_information_of_levels(&halves[1..], &x[1..]).unwrap();
        assert!((mutual_information_of_levels(&with_single, &x).unwrap() - without).abs() < 1e-6);
        assert_eq!(mutual_information_of_levels(&[0, 1, 2], &[1.0, 2.0, 3.0]), None);
        assert_eq!(mutual_information_of_levels(&halves, &[1.0; 3000]), None);
        // The formula row by row, on values that are far apart next to the noise.
        let (codes, y): (Vec<u32>, Vec<f64>) = (0..40).map(|i| (i * i % 7, f64::from(i * 17 % 41))).unzip();
        let std = variance(&y, 0).unwrap().sqrt();
        let rows: Vec<usize> = (0..40).filter(|&i| codes.iter().filter(|&&c| c == codes[i]).count() > 1).collect();
        let mut total = 0.0;
        for &i in &rows {
            let distance = |&j: &usize| (y[i] - y[j]).abs() / std;
            let mut same: Vec<f64> = rows.iter().filter(|&&j| j != i && codes[j] == codes[i]).map(distance).collect();
            same.sort_unstable_by(f64::total_cmp);
            let k = same.len().min(3);
            let near = rows.iter().filter(|j| distance(j) < same[k - 1] - 1e-6).count();
            total += digamma(k as f64) - digamma(same.len() as f64 + 1.0) - digamma(near as f64);
        }
        let expected = (digamma(rows.len() as f64) + total / rows.len() as f64).max(0.0);
        let found = mutual_information_of_levels(&codes, &y).unwrap();
        // Ties of distances on both sides of a value are broken by noise.
        assert!((found - expected).abs() < 0.1, "{found} {expected}");
        let sorted = [0.0_f64, 1.0, 1.5, 4.0, 9.0];
        let brute = |at: usize, k: usize| {
            let mut all: Vec<f64> = (0..5).filter(|&j| j != at).map(|j| (sorted[at] - sorted[j]).abs()).collect();
            all.sort_unstable_by(f64::total_cmp);
            all[k - 1]
        };
        (0..5).for_each(|at| (1..4).for_each(|k| assert_eq!(kth_nearest(&sorted, at, k), brute(at, k))));
    }

    #[test]
    fn shared_information_is_mutual() {
        let x = even(5, 400);
        let y: Vec<f64> = x.iter().zip(even(6, 400)).map(|(x, e)| x + e).collect();
        let (a, b) = (mutual_information(&x, &y).unwrap(), mutual_information(&y, &x).unwrap());
        assert!((a - b).abs() < 1e-6, "{a} {b}");
        assert_eq!(mutual_information(&x, &[1.0; 400]), None);
    }
}
