//! Knockoffs: false-discovery control without p-values.

use ndarray::{Array2, Axis};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;

use super::gram::{Gram, standardise};
use super::linear::Complete;
use crate::statistic::symmetric_eigen;

/// A correlation matrix with an eigenvalue at or below this leaves knockoffs nothing to differ by.
const SINGULAR: f64 = 1e-8;
/// Where the noise in knockoffs comes from, and so what their bound on false finds rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Knockoffs {
    /// Second-order Gaussian (Candès, Fan, Janson and Lv, 2018): `E` is independent standard normal numbers. For any relation to the
    /// target, if the features are Gaussian.
    ModelX,
    /// Of the columns as they are (Barber and Candès, 2015): `E` is orthogonal to them. For any features, if the target is linear
    /// in them with equal normal errors. At least twice as many rows as features, and one.
    FixedX,
}

const PATH: i32 = 200;
const PATH_END: f64 = 1e-3;
const SEED: u64 = 0x0006_0cc0;

/// The smallest `t` among the `|w| > 0` with
///
/// ```text
/// (offset + #{w <= -t}) / max(1, #{w >= t}) <= q
/// ```
///
/// Barber and Candès (2015): offset 1 (knockoff+) keeps the false-discovery rate at or below `q`, offset 0 a slightly smaller
/// quantity. `None` when there is none: nothing is kept. With offset 1 that is sure with fewer than `1 / q` features of
/// positive `w`.
///
/// ```
/// use med_features::select::knockoff_threshold;
/// assert_eq!(knockoff_threshold(&[3.0, 2.0, -0.5, 1.0], 0.34, 1), Some(1.0));
/// assert_eq!(knockoff_threshold(&[3.0, 2.0, -0.5, 1.0], 0.1, 1), None);
/// ```
pub fn knockoff_threshold(w: &[f64], q: f64, offset: usize) -> Option<f64> {
    let mut sizes: Vec<f64> = w.iter().map(|w| w.abs()).filter(|t| *t > 0.0).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    sizes.into_iter().find(|&t| {
        let against = offset + w.iter().filter(|w| **w <= -t).count();
        let for_it = w.iter().filter(|w| **w >= t).count().max(1);
        against as f64 / for_it as f64 <= q
    })
}

/// `W_j` of each feature: positive when it enters the lasso before its knockoff, and then the penalty at which it does,
/// `max(Z, Z~) sign(Z - Z~)`.
///
/// Knockoffs have equal `s = min(1, 2 least eigenvalue)` for all features: with `S = V L V'` the correlation matrix,
///
/// ```text
/// X~ = ( X V (1 - s / L) + E sqrt(2 s - s^2 / L) ) V'
/// ```
///
/// where `E` is noise of the [`Knockoffs`]. Seeded. `None` when features determine each other or there are too few rows. O(n p^2)
/// and 200 small lassos.
pub(super) fn knockoff(data: &Complete, kind: Knockoffs) -> Option<Vec<f64>> {
    let (p, n) = (data.columns.len(), data.y.len());
    let fewest = match kind {
        Knockoffs::ModelX => p + 3,
        Knockoffs::FixedX => 2 * p + 1,
    };
    if p == 0 || n < fewest {
        return None;
    }
    let originals: Vec<Vec<f64>> = data.columns.iter().map(|c| standardise(c)).collect::<Option<_>>()?;
    let x = Array2::from_shape_vec((p, n), originals.concat()).ok()?;
    let (eigenvalues, vectors) = symmetric_eigen(x.dot(&x.t()) / n as f64);
    let least = eigenvalues.iter().copied().fold(f64::INFINITY, f64::min);
    if !least.is_finite() || least <= SINGULAR {
        return None;
    }
    // A hair less than the bound, so that rounding leaves no negative variance.
    let s = (2.0 * least * (1.0 - 1e-9)).min(1.0);
    let mut turned = vectors.t().dot(&x);
    let mut generator = Pcg64::seed_from_u64(SEED);
    let mut noise = Array2::from_shape_simple_fn((p, n), || normal(&mut generator));
    if kind == Knockoffs::FixedX {
        orthogonalise(&mut noise, &turned)?;
    }
    for ((mut row, noise), eigenvalue) in turned.rows_mut().into_iter().zip(noise.rows()).zip(&eigenvalues) {
        let (kept, spread) = (1.0 - s / eigenvalue, (2.0 * s - s * s / eigenvalue).max(0.0).sqrt());
        row.zip_mut_with(&noise, |v, e| *v = kept * *v + spread * e);
    }
    let knockoffs = vectors.dot(&turned);
    let both = originals.into_iter().chain(knockoffs.rows().into_iter().map(|row| row.to_vec())).collect::<Vec<_>>();
    let gram = Gram::of(&both, &data.y)?;
    let mut entry = vec![0.0; 2 * p];
    let mut b = vec![0.0; 2 * p];
    let largest = gram.largest_penalty();
    for step in 0..PATH {
        let penalty = largest * PATH_END.powf(f64::from(step) / f64::from(PATH - 1));
        gram.lasso(penalty, &mut b);
        entry.iter_mut().zip(&b).filter(|(z, b)| **z == 0.0 && **b != 0.0).for_each(|(z, _)| *z = penalty);
    }
    let statistic = |j: usize| {
        let (own, copy): (f64, f64) = (entry[j], entry[p + j]);
        if own == copy { 0.0 } else { own.max(copy) * (own - copy).signum() }
    };
    Some((0..p).map(statistic).collect())
}

/// Makes the rows of `noise` orthogonal to a constant, to the rows of `others` (orthogonal to each other) and to one another, of
/// squared length `n`: Gram and Schmidt's method, twice, which is enough (Giraud and others, 2005).
fn orthogonalise(noise: &mut Array2<f64>, others: &Array2<f64>) -> Option<()> {
    let n = noise.ncols() as f64;
    for _ in 0..2 {
        for at in 0..noise.nrows() {
            let (done, mut rest) = noise.view_mut().split_at(Axis(0), at);
            let mut row = rest.row_mut(0);
            row -= row.sum() / n;
            for other in others.rows().into_iter().chain(done.rows()) {
                let share = row.dot(&other) / other.dot(&other);
                row.scaled_add(-share, &other);
            }
            let length = (row.dot(&row) / n).sqrt();
            if !(length > 1e-8 && length.is_finite()) {
                return None;
            }
            row /= length;
        }
    }
    Some(())
}

/// A standard normal number (Box and Muller, 1958).
fn normal(generator: &mut Pcg64) -> f64 {
    let mut even = || ((generator.next_u64() >> 11) as f64 + 0.5) * 2_f64.powi(-53);
    let (radius, angle) = (even(), even());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 40 seeded draws of 300 rows and 30 features, 15 of which matter, the features correlated with those beside them: false finds at
    /// most the rate asked for on average (with three standard errors of the mean), and most of the 15 found.
    #[track_caller]
    fn keeps_its_rate(kind: Knockoffs, correlation: f64) {
        let (q, runs) = (0.2, 40);
        let (mut rates, mut found) = (Vec::new(), 0);
        for run in 0..runs {
            let mut generator = Pcg64::seed_from_u64(run);
            let mut columns: Vec<Vec<f64>> = Vec::new();
            for j in 0..30 {
                let own = |row: usize, e: f64| match j {
                    0 => e,
                    _ => correlation * columns[j - 1][row] + (1.0 - correlation * correlation).sqrt() * e,
                };
                let column = (0..300).map(|row| own(row, normal(&mut generator))).collect();
                columns.push(column);
            }
            let y: Vec<f64> = (0..300)
                .map(|row| (0..15).map(|j| 0.3 * columns[2 * j][row]).sum::<f64>() + normal(&mut generator))
                .collect();
            let w = knockoff(&Complete { columns, y, kept: (0..30).collect() }, kind).unwrap();
            let t = knockoff_threshold(&w, q, 1).unwrap_or(f64::INFINITY);
            let kept: Vec<usize> = (0..30).filter(|&j| w[j] >= t).collect();
            let wrong = kept.iter().filter(|&&j| j % 2 == 1).count();
            rates.push(wrong as f64 / kept.len().max(1) as f64);
            found += kept.len() - wrong;
        }
        let mean = rates.iter().sum::<f64>() / runs as f64;
        let spread = (rates.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (runs as f64).powi(2)).sqrt();
        assert!(mean <= q + 3.0 * spread, "{mean}");
        assert!(found as u64 > runs * 15 / 2, "{found}");
    }

    #[test]
    fn model_x_keeps_the_false_discovery_rate() {
        keeps_its_rate(Knockoffs::ModelX, 0.3);
    }

    #[test]
    fn fixed_x_keeps_the_false_discovery_rate() {
        keeps_its_rate(Knockoffs::FixedX, 0.3);
    }

    /// What makes fixed-X knockoffs: their products among themselves are the features', with the features the features' less `s` on
    /// the diagonal.
    #[test]
    fn noise_is_orthogonal() {
        let mut generator = Pcg64::seed_from_u64(3);
        let mut draw = |rows: usize| Array2::from_shape_simple_fn((rows, 40), || normal(&mut generator));
        let (mut others, mut noise) = (draw(3), draw(3));
        orthogonalise(&mut others, &Array2::zeros((0, 40))).unwrap();
        orthogonalise(&mut noise, &others).unwrap();
        let products = noise.dot(&noise.t()) / 40.0 - Array2::<f64>::eye(3);
        assert!(products.iter().chain(&noise.dot(&others.t())).all(|v| v.abs() < 1e-10));
        assert!(noise.rows().into_iter().all(|row| row.sum().abs() < 1e-10));
    }
}
