//! Boruta: every feature against the best of shuffled ones.

use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
use rand::SeedableRng;
use rand_pcg::Pcg64;

use super::learner::{Learner, fit, importance, weighted};
use crate::FeatureError;
use crate::split::shuffle;
use crate::statistic::binomial_upper;

const ROUNDS: u32 = 100;
/// With fewer features, some have a second shadow: the best of one or two is no bar.
const FEWEST_SHADOWS: usize = 5;
const FEWEST_ROWS: usize = 10;
const SEED: u64 = 0x626f_7275;

/// What the rounds say of a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Confirmed,
    Rejected,
    Undecided,
}

/// Rounds that a feature was in until it was decided, and how many of them it won.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Trial {
    pub(super) hits: u32,
    pub(super) rounds: u32,
    pub(super) decision: Decision,
    /// Probability of as many hits or more by the toss of a coin.
    pub(super) p_value: f64,
    /// That times the number of features and of rounds.
    pub(super) p_adjusted: f64,
}

/// Boruta (Kursa and Rudnicki, 2010). In each of at most 100 rounds the model is fitted on the features and a shuffled copy
/// (shadow) of each, with the weights of the rows; a feature scores a hit when its importance is above that of every shadow. With `h` hits in `r` rounds of `p`
/// features it is
///
/// ```text
/// confirmed when  p r P(B >= h) <= alpha        rejected when  p r P(B <= h) <= alpha        B ~ Binomial(r, 1/2)
/// ```
///
/// Bonferroni's bound over features (as in the original) and over rounds looked at (as in BorutaPy). Those rejected leave the
/// model with their shadows; those confirmed stay in it. Seeded. `None` with fewer than ten rows.
///
/// The coin is a convention: rounds share their rows, so what correlates with the target by chance does so in every round. All
/// that is relevant is wanted, near-copies together.
pub(super) fn boruta(
    x: &FeatureMatrix,
    y: &[f64],
    weights: Option<&[f64]>,
    learner: &dyn Learner,
    alpha: f64,
) -> Result<Option<Vec<Trial>>, FeatureError> {
    let p = x.n_columns();
    if y.len() < FEWEST_ROWS || p == 0 {
        return Ok(None);
    }
    let start = Trial { hits: 0, rounds: 0, decision: Decision::Undecided, p_value: 1.0, p_adjusted: 1.0 };
    let mut trials = vec![start; p];
    for round in 1..=ROUNDS {
        if trials.iter().all(|t| t.decision != Decision::Undecided) {
            break;
        }
        let active: Vec<usize> = (0..p).filter(|&j| trials[j].decision != Decision::Rejected).collect();
        let found = one_round(x, (y, weights), learner, &active, u64::from(round))?;
        let (own, shadows) = found.split_at(active.len());
        let bar = shadows.iter().copied().fold(0.0, f64::max);
        for (&j, &own) in active.iter().zip(own) {
            let trial = &mut trials[j];
            if trial.decision != Decision::Undecided {
                continue;
            }
            trial.hits += u32::from(own > bar);
            trial.rounds = round;
            let looks = p as f64 * f64::from(round);
            trial.p_value = binomial_upper(trial.hits, round);
            trial.p_adjusted = (trial.p_value * looks).min(1.0);
            if trial.p_adjusted <= alpha {
                trial.decision = Decision::Confirmed;
            } else if binomial_upper(round - trial.hits, round) * looks <= alpha {
                trial.decision = Decision::Rejected;
            }
        }
    }
    Ok(Some(trials))
}

/// Importances of the active features, then of their shadows.
fn one_round(
    x: &FeatureMatrix,
    (y, weights): (&[f64], Option<&[f64]>),
    learner: &dyn Learner,
    active: &[usize],
    round: u64,
) -> Result<Vec<f64>, FeatureError> {
    let mut generator = Pcg64::seed_from_u64(SEED + round);
    let mut columns: Vec<FeatureColumn> = active.iter().map(|&j| x.columns()[j].clone()).collect();
    for at in 0..active.len().max(FEWEST_SHADOWS) {
        let mut rows: Vec<usize> = (0..y.len()).collect();
        shuffle(&mut rows, &mut generator);
        columns.push(shadow(&columns[at % active.len()], &rows, at)?);
    }
    let n = columns.len();
    // No column has this name: shadows begin with a line feed as well, and a number follows.
    let train = weighted(Dataset::new(FeatureMatrix::new(columns)?, "\n", y.to_vec())?, weights.map(<[f64]>::to_vec))?;
    importance(&*fit(learner, &train)?, n)
}

fn shadow(of: &FeatureColumn, rows: &[usize], number: usize) -> Result<FeatureColumn, FeatureError> {
    let name = format!("\nshadow {number}");
    let shuffled = of.take(rows)?;
    Ok(match (shuffled.as_numeric(), shuffled.as_categorical()) {
        (Some(values), _) => FeatureColumn::numeric(name, values.to_vec()),
        (None, parts) => {
            let (codes, levels) = parts.unwrap_or_default();
            FeatureColumn::categorical(name, codes, levels)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::select::LinearLearner;

    #[test]
    fn what_matters_is_confirmed_with_its_copy_and_noise_is_rejected() {
        let wave = |step: i32| (0..150).map(|i| f64::from(i * step % 149)).collect::<Vec<f64>>();
        let (a, b) = (wave(7), wave(23));
        let copy: Vec<f64> = a.iter().zip(wave(101)).map(|(a, e)| a + e / 2.0).collect();
        let y: Vec<f64> = a.iter().zip(&copy).zip(wave(67)).map(|((a, c), e)| a + c + e / 5.0).collect();
        let texts = (0..150).map(|i| Some(["x", "y", "z"][i % 3]));
        let x = FeatureMatrix::new(vec![
            FeatureColumn::numeric("a", a),
            FeatureColumn::numeric("copy", copy),
            FeatureColumn::numeric("b", b),
            FeatureColumn::from_texts("plan", texts),
        ])
        .unwrap();
        let trials = boruta(&x, &y, None, &LinearLearner, 0.05).unwrap().unwrap();
        let decisions: Vec<Decision> = trials.iter().map(|t| t.decision).collect();
        assert_eq!(decisions[..2], [Decision::Confirmed; 2], "{trials:?}");
        assert_eq!(decisions[2..], [Decision::Rejected; 2], "{trials:?}");
        // 4 features, h hits in h rounds: 4 h / 2^h is first at most 0.05 at h = 10.
        assert_eq!((trials[0].hits, trials[0].rounds), (10, 10));
        assert!((trials[0].p_value - 2_f64.powi(-10)).abs() < 1e-15);
        assert!(boruta(&x.take(&[0]).unwrap(), &y[..1], None, &LinearLearner, 0.05).unwrap().is_none());
    }
}
