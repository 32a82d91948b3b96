//! Permutation importance on rows that the model was not fitted on.

use med_schema::{Dataset, FeatureMatrix};
use rand::SeedableRng;
use rand_pcg::Pcg64;
use rayon::prelude::*;

use super::learner::{Learner, fit, predict, weighted};
use crate::FeatureError;
use crate::split::shuffle;
use crate::statistic::{Tested, mean, one_sided_t, one_sided_weighted_t, variance, weighted_moments};

const FOLDS: usize = 5;
const REPEATS: u64 = 5;
const SEED: u64 = 0x0070_6572;
/// Fewer rows than this cannot be divided.
const FEWEST_ROWS: usize = 2 * FOLDS;

/// Permutation importance (Breiman, 2001; Fisher, Rudin and Dominici, 2019) of each feature, in the unit of R²: with `f` fitted on
/// four fifths of the rows and looked at on the last fifth, five times,
///
/// ```text
/// d_i   = mean over 5 permutations of (y_i - f(x_i with feature j of another row))^2  -  (y_i - f(x_i))^2
/// value = mean d_i / var(y)
/// ```
///
/// Every row is held out once, so the value is over all of them, and no row outside the training part is looked at. The p-value is
/// one-sided: of the paired t-test that the mean of `d` is not above 0 (Watson and Wright, 2021, for predictive impact). With weights `w` the model is
/// fitted with them, both means are weighted, and the squared standard error is `n / (n - 1) sum w_i^2 (d_i - mean)^2 / (sum w)^2`, which holds for weights of sampling as well
/// as of precision. It is about
/// *this* model: with correlated features, rows are made that do not exist, and what the model says of them counts.
///
/// In the order of the columns; `None` for all with fewer than ten rows or a constant target. Seeded.
pub(super) fn permutation(
    x: &FeatureMatrix,
    y: &[f64],
    weights: Option<&[f64]>,
    learner: &dyn Learner,
) -> Result<Vec<Option<Tested>>, FeatureError> {
    let (n, p) = (y.len(), x.n_columns());
    let spread = match weights {
        Some(w) => Some(weighted_moments(y, w).1),
        None => variance(y, 0),
    };
    let spread = spread.filter(|v| *v > 0.0 && v.is_finite());
    let Some(spread) = spread.filter(|_| n >= FEWEST_ROWS) else { return Ok(vec![None; p]) };
    let mut order: Vec<usize> = (0..n).collect();
    shuffle(&mut order, &mut Pcg64::seed_from_u64(SEED));
    // Of each feature, the losses of all rows, fold by fold.
    let mut losses: Vec<Vec<f64>> = vec![Vec::with_capacity(n); p];
    let mut weight_of_loss = Vec::with_capacity(n);
    for fold in 0..FOLDS {
        let part = |held: bool| {
            let mut rows: Vec<usize> =
                order.iter().enumerate().filter(|(i, _)| (i % FOLDS == fold) == held).map(|(_, &row)| row).collect();
            rows.sort_unstable();
            rows
        };
        let (inside, outside) = (part(false), part(true));
        let pick = |values: &[f64], rows: &[usize]| rows.iter().map(|&r| values[r]).collect::<Vec<f64>>();
        let of = |rows: &[usize]| pick(y, rows);
        weight_of_loss.extend(weights.map(|w| pick(w, &outside)).unwrap_or_default());
        // The name is no column's: names of features come from texts of one line.
        let train = weighted(Dataset::new(x.take(&inside)?, "\n", of(&inside))?, weights.map(|w| pick(w, &inside)))?;
        let model = fit(learner, &train)?;
        let (held, truth) = (x.take(&outside)?, of(&outside));
        let base = predict(&*model, &held)?;
        let permutations: Vec<Vec<usize>> = (0..REPEATS)
            .map(|repeat| {
                let mut rows: Vec<usize> = (0..outside.len()).collect();
                shuffle(&mut rows, &mut Pcg64::seed_from_u64(SEED + 1 + fold as u64 * REPEATS + repeat));
                rows
            })
            .collect();
        let of_feature = |j: usize| -> Result<Vec<f64>, FeatureError> {
            let mut lost = vec![0.0; outside.len()];
            for rows in &permutations {
                let mut columns = held.columns().to_vec();
                columns[j] = columns[j].take(rows)?;
                let shuffled = predict(&*model, &FeatureMatrix::new(columns)?)?;
                for (at, lost) in lost.iter_mut().enumerate() {
                    let (own, other) = (truth[at] - base[at], truth[at] - shuffled[at]);
                    *lost += (other * other - own * own) / REPEATS as f64;
                }
            }
            Ok(lost)
        };
        let found: Vec<Vec<f64>> = (0..p).into_par_iter().map(of_feature).collect::<Result<_, _>>()?;
        losses.iter_mut().zip(found).for_each(|(all, of_fold)| all.extend(of_fold));
    }
    let tested = |d: &Vec<f64>| {
        let (average, p_value) = match weights {
            Some(_) => (weighted_moments(d, &weight_of_loss).0, one_sided_weighted_t(d, &weight_of_loss)),
            None => (mean(d)?, one_sided_t(d)),
        };
        let value = average / spread;
        value.is_finite().then(|| Tested { value, p_value: p_value.unwrap_or(1.0) })
    };
    Ok(losses.iter().map(tested).collect())
}

#[cfg(test)]
mod tests {
    use med_schema::FeatureColumn;
    use rand::Rng;

    use super::*;
    use crate::select::LinearLearner;

    fn even(generator: &mut Pcg64) -> f64 {
        (generator.next_u64() >> 11) as f64 * 2_f64.powi(-53) - 0.5
    }

    fn problem(seed: u64, effect: f64) -> (FeatureMatrix, Vec<f64>) {
        let mut generator = Pcg64::seed_from_u64(seed);
        let mut column = || (0..120).map(|_| even(&mut generator)).collect::<Vec<f64>>();
        let (a, b, e) = (column(), column(), column());
        let y = a.iter().zip(&e).map(|(a, e)| effect * a + e).collect();
        let x = FeatureMatrix::new(vec![FeatureColumn::numeric("a", a), FeatureColumn::numeric("b", b)]).unwrap();
        (x, y)
    }

    /// A line of slope 1 in noise of the same spread: permuting costs twice the variance it explains.
    #[test]
    fn what_predicts_is_worth_twice_its_share() {
        let mut sum = 0.0;
        for seed in 0..20 {
            let (x, y) = problem(seed, 1.0);
            let found = permutation(&x, &y, None, &LinearLearner).unwrap();
            assert!(found[0].unwrap().p_value < 1e-4 && found[1].unwrap().value.abs() < 0.1);
            sum += found[0].unwrap().value;
        }
        assert!((sum / 20.0 - 1.0).abs() < 0.1, "{}", sum / 20.0);
    }

    #[test]
    fn a_feature_without_effect_is_rarely_found() {
        let small = |seed: u64| {
            let (x, y) = problem(seed, 0.0);
            permutation(&x, &y, None, &LinearLearner).unwrap().iter().filter(|t| t.unwrap().p_value < 0.05).count()
        };
        let found: usize = (100..200).map(small).sum();
        // Five standard errors above a twentieth of 200.
        assert!(found <= 25, "{found} of 200");
    }

    #[test]
    fn equal_weights_are_none_and_rows_of_little_weight_say_little() {
        let (x, y) = problem(3, 1.0);
        let plain = permutation(&x, &y, None, &LinearLearner).unwrap();
        let equal = permutation(&x, &y, Some(&[2.5; 120]), &LinearLearner).unwrap();
        for (a, b) in plain.iter().zip(&equal).map(|(a, b)| (a.unwrap(), b.unwrap())) {
            assert!((a.value - b.value).abs() < 1e-10 && (a.p_value - b.p_value).abs() < 1e-10, "{a:?} {b:?}");
        }
        // In the first half the target follows `a`, in the second `b`.
        let [a, b] = ["a", "b"].map(|name| x.numeric(name).unwrap());
        let turned: Vec<f64> = (0..120).map(|i| if i < 60 { a[i] } else { b[i] }).collect();
        let weights: Vec<f64> = (0..120).map(|i| if i < 60 { 1.0 } else { 1e-3 }).collect();
        let found = permutation(&x, &turned, Some(&weights), &LinearLearner).unwrap();
        let [a, b] = [found[0].unwrap(), found[1].unwrap()];
        assert!(a.value > 1.5 && a.p_value < 1e-6 && b.value.abs() < 0.05, "{a:?} {b:?}");
    }

    #[test]
    fn nothing_is_said_of_a_constant_or_a_handful() {
        let (x, _) = problem(1, 0.0);
        assert_eq!(permutation(&x, &[2.0; 120], None, &LinearLearner).unwrap(), [None, None]);
        let few = x.take(&[0, 1, 2]).unwrap();
        assert_eq!(permutation(&few, &[1.0, 2.0, 3.0], None, &LinearLearner).unwrap(), [None, None]);
    }
}
