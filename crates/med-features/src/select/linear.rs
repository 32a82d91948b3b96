//! Selection by small linear models: the lasso, stability selection.
//!
//! All work on the second moments of standardised columns (see `gram.rs`), over the rows complete in all numeric features.

use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use rayon::prelude::*;

use super::gram::{Gram, standardise};
use crate::split::shuffle;

/// Penalties on the path of the lasso, falling geometrically to this share of the largest.
const PATH: i32 = 200;
const PATH_END: f64 = 1e-4;
/// Pairs of half-samples of stability selection, and its penalty as a share of the largest.
const PAIRS: u64 = 50;
const STABILITY_PENALTY: f64 = 0.1;
/// Folds of the cross-validated lasso.
const FOLDS: usize = 10;
const SEED: u64 = 0x5e1e_c7ed;

/// Numeric features over their complete rows.
pub(super) struct Complete {
    /// Columns, none of them constant.
    pub(super) columns: Vec<Vec<f64>>,
    /// The target.
    pub(super) y: Vec<f64>,
    /// Which of the given features the columns are.
    pub(super) kept: Vec<usize>,
}

impl Complete {
    pub(super) fn of(features: &[&[f64]], y: &[f64]) -> Self {
        let whole = |row: &usize| y[*row].is_finite() && features.iter().all(|c| c[*row].is_finite());
        let rows: Vec<usize> = (0..y.len()).filter(whole).collect();
        let take = |c: &[f64]| rows.iter().map(|&row| c[row]).collect::<Vec<f64>>();
        let (kept, columns) = features
            .iter()
            .enumerate()
            .map(|(j, c)| (j, take(c)))
            .filter(|(_, c)| !crate::statistic::is_constant(c))
            .unzip();
        Self { columns, y: take(y), kept }
    }

    pub(super) fn gram(&self) -> Option<Gram> {
        Gram::of(&self.columns, &self.y)
    }
}

/// Coefficients (of standardised features, for a target of variance 1) of the lasso (Tibshirani, 1996) at the penalty of its path
/// that has the least
///
/// ```text
/// RSS / s^2 + ln(n) df       df: coefficients not 0; s^2: residual variance of least squares
/// ```
///
/// (Zou, Hastie and Tibshirani, 2007). The path has 200 penalties, from the least that leaves nothing to 1e-4 of it. `None` when
/// there are too few rows for least squares, or they leave no residual.
pub(super) fn lasso(data: &Complete) -> Option<Vec<f64>> {
    let gram = data.gram()?;
    let (residual, rank) = gram.least_squares();
    let n = gram.n as f64;
    let dof = n - rank as f64 - 1.0;
    if dof < 1.0 || residual <= 1e-14 {
        return None;
    }
    let noise = residual * n / dof;
    let mut b = vec![0.0; data.kept.len()];
    let mut best = (f64::INFINITY, b.clone());
    let largest = gram.largest_penalty();
    for step in 0..PATH {
        gram.lasso(largest * PATH_END.powf(f64::from(step) / f64::from(PATH - 1)), &mut b);
        let df = b.iter().filter(|v| **v != 0.0).count() as f64;
        let criterion = n * gram.residual(&b) / noise + n.ln() * df;
        if criterion < best.0 {
            best = (criterion, b.clone());
        }
    }
    Some(best.1)
}

/// As [`lasso`], the penalty by ten-fold cross-validation and the rule of one standard error: the largest penalty whose mean squared
/// error on rows held out is at most the least one plus its standard error over the folds (Breiman, Friedman, Olshen and Stone, 1984;
/// Hastie, Tibshirani and Friedman, 2009, section 7.10).
///
/// Rows fall into folds by a seeded shuffle. Fold by fold, columns are standardised without the rows held out. One pass over the
/// rows: the moments of a training part are those of all rows less those of its fold. `None` with fewer than thirty rows.
pub(super) fn lasso_cv(data: &Complete) -> Option<Vec<f64>> {
    let (n, p) = (data.y.len(), data.kept.len());
    let gram = data.gram().filter(|_| n >= 3 * FOLDS)?;
    let penalties: Vec<f64> = {
        let largest = gram.largest_penalty();
        (0..PATH).map(|step| largest * PATH_END.powf(f64::from(step) / f64::from(PATH - 1))).collect()
    };
    let errors: Vec<Vec<f64>> = {
        let folds = fold_moments(data)?;
        let all = folds.iter().fold(Array2::zeros((p + 2, p + 2)), |sum: Array2<f64>, fold| sum + fold);
        folds.par_iter().map(|fold| held_out_errors(&(&all - fold), fold, &penalties)).collect::<Option<_>>()?
    };
    let folds = FOLDS as f64;
    let of = |step: usize| {
        let mean = errors.iter().map(|e| e[step]).sum::<f64>() / folds;
        let squares: f64 = errors.iter().map(|e| (e[step] - mean).powi(2)).sum();
        (mean, (squares / (folds - 1.0) / folds).sqrt())
    };
    let (least, spread) = (0..penalties.len()).map(of).reduce(|a, b| if b.0 < a.0 { b } else { a })?;
    let chosen = (0..penalties.len()).find(|&step| of(step).0 <= least + spread)?;
    let mut b = vec![0.0; p];
    penalties[..=chosen].iter().for_each(|&penalty| gram.lasso(penalty, &mut b));
    Some(b)
}

/// Of each fold, the products of `(1, features, target)` over its rows, features and target standardised over all rows.
fn fold_moments(data: &Complete) -> Option<Vec<Array2<f64>>> {
    let n = data.y.len();
    let mut order: Vec<usize> = (0..n).collect();
    shuffle(&mut order, &mut Pcg64::seed_from_u64(SEED));
    let columns: Vec<Vec<f64>> = data.columns.iter().chain([&data.y]).map(|c| standardise(c)).collect::<Option<_>>()?;
    let of = |fold: usize| {
        let rows: Vec<usize> = order.iter().skip(fold).step_by(FOLDS).copied().collect();
        let mut held = Array2::ones((columns.len() + 1, rows.len()));
        for (mut to, column) in held.rows_mut().into_iter().skip(1).zip(&columns) {
            to.iter_mut().zip(&rows).for_each(|(to, &row)| *to = column[row]);
        }
        held.dot(&held.t())
    };
    Some((0..FOLDS).into_par_iter().map(of).collect())
}

/// Mean squared error on a fold of the lasso at each penalty on the other rows, from the moments of both.
fn held_out_errors(train: &Array2<f64>, fold: &Array2<f64>, penalties: &[f64]) -> Option<Vec<f64>> {
    let p = train.nrows() - 2;
    let n = train[(0, 0)];
    let mean: Vec<f64> = (0..p + 2).map(|j| train[(0, j)] / n).collect();
    let covariance = |i: usize, j: usize| train[(i, j)] / n - mean[i] * mean[j];
    // A column constant on these rows stays out of the model.
    let std: Vec<Option<f64>> =
        (1..p + 2).map(|j| Some(covariance(j, j)).filter(|v| *v > 1e-12).map(f64::sqrt)).collect();
    let of_y = std[p]?;
    let scaled = |i: usize, j: usize| match (std[i], std[j]) {
        (Some(a), Some(b)) if i != j => covariance(i + 1, j + 1) / (a * b),
        _ => f64::from(u8::from(i == j)),
    };
    let gram = Gram {
        xx: Array2::from_shape_fn((p, p), |(i, j)| scaled(i, j)),
        xy: (0..p).map(|j| if std[j].is_some() { scaled(j, p) } else { 0.0 }).collect(),
        yy: 1.0,
        n: n as usize,
    };
    let mut b = vec![0.0; p];
    let mut weights = vec![0.0; p + 2];
    let of = |&penalty: &f64| {
        gram.lasso(penalty, &mut b);
        // The residual is a weighted sum of (1, features, target).
        weights[p + 1] = 1.0;
        weights[0] = -mean[p + 1];
        for j in 0..p {
            weights[j + 1] = std[j].map_or(0.0, |std| -b[j] * of_y / std);
            weights[0] -= weights[j + 1] * mean[j + 1];
        }
        let w = ndarray::ArrayView1::from(&weights);
        (w.dot(&fold.dot(&w)) / fold[(0, 0)]).max(0.0)
    };
    Some(penalties.iter().map(of).collect())
}

/// Stability selection (Meinshausen and Bühlmann, 2010; complementary pairs: Shah and Samworth, 2013): the share of 100 random
/// half-samples, in 50 pairs without a row in common, on which the lasso at a tenth of the largest penalty keeps the feature.
/// Seeded. `None` with fewer than eight rows.
pub(super) fn stability(data: &Complete) -> Option<Vec<f64>> {
    let n = data.y.len();
    if n < 8 {
        return None;
    }
    let penalty = STABILITY_PENALTY * data.gram()?.largest_penalty();
    let p = data.kept.len();
    let counts: Vec<Vec<u32>> = (0..PAIRS)
        .into_par_iter()
        .map(|pair| {
            let mut generator = Pcg64::seed_from_u64(SEED + pair);
            let mut drawn: Vec<(u64, usize)> = (0..n).map(|row| (generator.next_u64(), row)).collect();
            drawn.sort_unstable();
            let mut kept = vec![0; p];
            for half in [&drawn[..n / 2], &drawn[n / 2..2 * (n / 2)]] {
                let mut rows: Vec<usize> = half.iter().map(|d| d.1).collect();
                rows.sort_unstable();
                on_rows(data, &rows, penalty).into_iter().for_each(|j| kept[j] += 1);
            }
            kept
        })
        .collect();
    Some((0..p).map(|j| f64::from(counts.iter().map(|c| c[j]).sum::<u32>()) / (2 * PAIRS) as f64).collect())
}

/// Features that the lasso keeps on some rows; those constant on them are not kept.
fn on_rows(data: &Complete, rows: &[usize], penalty: f64) -> Vec<usize> {
    let take = |c: &[f64]| rows.iter().map(|&row| c[row]).collect::<Vec<f64>>();
    let (at, columns): (Vec<usize>, Vec<Vec<f64>>) = data
        .columns
        .iter()
        .enumerate()
        .map(|(j, c)| (j, take(c)))
        .filter(|(_, c)| !crate::statistic::is_constant(c))
        .unzip();
    let Some(gram) = Gram::of(&columns, &take(&data.y)) else { return Vec::new() };
    let mut b = vec![0.0; at.len()];
    gram.lasso(penalty, &mut b);
    at.into_iter().zip(b).filter(|(_, b)| b.abs() > 1e-8).map(|(j, _)| j).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(step: i32) -> Vec<f64> {
        (0..90).map(|i| f64::from(i * step % 89)).collect()
    }

    /// Errors from moments are those of predictions made row by row.
    #[test]
    fn errors_of_folds_are_those_of_rows() {
        let columns = vec![wave(7), wave(11)];
        let y: Vec<f64> = columns[0].iter().zip(wave(31)).map(|(a, e)| 2.0 * a + e).collect();
        let data = Complete { columns, y, kept: vec![0, 1] };
        let moments = fold_moments(&data).unwrap();
        let all = moments.iter().fold(Array2::zeros((4, 4)), |sum: Array2<f64>, fold| sum + fold);
        let found = held_out_errors(&(&all - &moments[0]), &moments[0], &[0.1]).unwrap()[0];

        let mut order: Vec<usize> = (0..90).collect();
        shuffle(&mut order, &mut Pcg64::seed_from_u64(SEED));
        let held: Vec<usize> = order.iter().step_by(FOLDS).copied().collect();
        let inside: Vec<usize> = (0..90).filter(|r| !held.contains(r)).collect();
        let y = standardise(&data.y).unwrap();
        let take = |c: &[f64], rows: &[usize]| rows.iter().map(|&r| c[r]).collect::<Vec<f64>>();
        let train: Vec<Vec<f64>> = data.columns.iter().map(|c| take(c, &inside)).collect();
        let gram = Gram::of(&train, &take(&y, &inside)).unwrap();
        let mut b = vec![0.0; 2];
        gram.lasso(0.1, &mut b);
        let moments_of = |c: &[f64]| {
            let m = c.iter().sum::<f64>() / c.len() as f64;
            (m, (c.iter().map(|v| (v - m).powi(2)).sum::<f64>() / c.len() as f64).sqrt())
        };
        let (my, sy) = moments_of(&take(&y, &inside));
        let error = |&row: &usize| {
            let at = |j: usize| {
                let (m, s) = moments_of(&train[j]);
                b[j] * (data.columns[j][row] - m) / s
            };
            (y[row] - my - sy * (at(0) + at(1))).powi(2)
        };
        let expected = held.iter().map(error).sum::<f64>() / held.len() as f64;
        assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
    }

    #[test]
    fn one_standard_error_keeps_what_matters_and_drops_noise() {
        let columns = vec![wave(7), wave(11), wave(23), wave(53)];
        let y: Vec<f64> = columns[0].iter().zip(&columns[1]).zip(wave(31)).map(|((a, b), e)| a - b + e / 2.0).collect();
        let b = lasso_cv(&Complete { columns, y, kept: vec![0, 1, 2, 3] }).unwrap();
        assert!(b[0] > 0.3 && b[1] < -0.3 && b[2].abs() < 0.02 && b[3].abs() < 0.02, "{b:?}");
    }
}
