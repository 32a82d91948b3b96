//! Selection by small linear models: stepwise regression, the lasso, stability selection.
//!
//! All work on the second moments of standardised columns (see `gram.rs`), over the rows complete in all numeric features.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use rayon::prelude::*;

use super::gram::Gram;

/// Penalties on the path of the lasso, falling geometrically to this share of the largest.
const PATH: i32 = 200;
const PATH_END: f64 = 1e-4;
/// Pairs of half-samples of stability selection, and its penalty as a share of the largest.
const PAIRS: u64 = 50;
const STABILITY_PENALTY: f64 = 0.1;
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

    fn gram(&self) -> Option<Gram> {
        Gram::of(&self.columns, &self.y)
    }
}

/// Forward stepwise regression (Efroymson, 1960): from the intercept alone, the feature is added that lowers
///
/// ```text
/// n ln(RSS / n) + c q        c = 2 (Akaike, 1974) or ln n (Schwarz, 1978), q coefficients
/// ```
///
/// most, until none lowers it. Gives, in order of choice, how much each lowered the criterion; then the others with how much
/// adding them to the final model would lower it, which is at most 0. A feature that those chosen determine has no number.
pub(super) fn stepwise(data: &Complete, bayes: bool) -> Vec<(usize, Option<f64>)> {
    let Some(mut gram) = data.gram() else { return Vec::new() };
    let n = gram.n as f64;
    let price = if bayes { n.ln() } else { 2.0 };
    let mut left: Vec<usize> = (0..data.kept.len()).collect();
    let mut found: Vec<(usize, Option<f64>)> = Vec::new();
    loop {
        let lowered = |j: usize| gram.gain(j).map(|share| -n * (-share).ln_1p() - price);
        let best = left.iter().filter_map(|&j| Some((j, lowered(j)?))).reduce(|a, b| if b.1 > a.1 { b } else { a });
        match best {
            // Each coefficient takes a degree of freedom; one must stay for the residuals.
            Some((j, by)) if by > 0.0 && found.len() + 2 < gram.n => {
                found.push((data.kept[j], Some(by)));
                left.retain(|&k| k != j);
                gram.sweep(j);
            }
            _ => {
                let mut rest: Vec<_> = left.iter().map(|&j| (data.kept[j], lowered(j).map(|v| v.min(0.0)))).collect();
                rest.sort_by(|a, b| b.1.unwrap_or(f64::NEG_INFINITY).total_cmp(&a.1.unwrap_or(f64::NEG_INFINITY)));
                found.append(&mut rest);
                return found;
            }
        }
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
