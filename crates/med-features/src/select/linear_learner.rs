//! The model of those who bring none: ridge regression.

use std::collections::BTreeMap;

use med_schema::{Dataset, FeatureColumn, FeatureMatrix, MISSING};

use super::gram::{Gram, standardise};
use super::learner::{Learner, LearnerError, Learnt};
use crate::statistic::{mean, variance, weighted_moments};

/// Ridge penalty on standardised columns, per row.
const PENALTY: f64 = 1e-3;
/// Levels of a category that have a term of their own, those with most rows first.
const MOST_LEVELS: usize = 50;

/// Ridge regression on standardised columns, `||y - Xb||^2 / n + 0.001 ||b||^2`: missing numbers at the mean, a 0/1 column for each of
/// the 50 most frequent levels of a category.
///
/// Rows count by their weights: a weight of 2 is the row twice.
///
/// Importance of a feature: the standard deviation of what it adds to the predictions of the training rows. It sees lines and
/// levels only: curves and interactions need another [`Learner`].
#[derive(Debug, Clone, Copy, Default)]
pub struct LinearLearner;

#[derive(Debug)]
struct Ridge {
    /// Mean of the target.
    base: f64,
    terms: Vec<Term>,
    importance: Vec<f64>,
}

/// `coefficient * (value - centre)` of one feature; the value is 0 or 1 for a level.
#[derive(Debug)]
struct Term {
    feature: usize,
    level: Option<String>,
    centre: f64,
    coefficient: f64,
}

impl Learner for LinearLearner {
    fn fit(&self, train: &Dataset) -> Result<Box<dyn Learnt>, LearnerError> {
        let (y, weights) = (train.y().to_vec(), train.weights().map(|w| w.to_vec()));
        let weights = weights.as_deref();
        let (base, variance) = moments(&y, weights).unwrap_or_default();
        let spread = variance.sqrt();
        let mut terms = Vec::new();
        let mut columns = Vec::new();
        for (feature, column) in train.x().columns().iter().enumerate() {
            for (level, values) in candidates(column, weights) {
                let (Some(standard), Some((centre, variance))) = (standardise(&values), moments(&values, weights))
                else {
                    continue;
                };
                // Varies, but not where the weight is.
                if variance > 0.0 {
                    terms.push(Term { feature, level, centre, coefficient: 1.0 / variance.sqrt() });
                    columns.push(standard);
                }
            }
        }
        let mut importance = vec![0.0; train.x().n_columns()];
        let gram = match weights {
            Some(weights) => Gram::weighted(&columns, &y, weights),
            None => Gram::of(&columns, &y),
        };
        match gram.and_then(|gram| Some((gram.ridge(PENALTY)?, gram))) {
            Some((b, gram)) => {
                for (j, share) in importance.iter_mut().enumerate() {
                    let own: Vec<usize> = (0..terms.len()).filter(|&t| terms[t].feature == j).collect();
                    let squared: f64 = own
                        .iter()
                        .flat_map(|&s| own.iter().map(move |&t| (s, t)))
                        .map(|(s, t)| b[s] * b[t] * gram.xx[(s, t)])
                        .sum();
                    *share = spread * squared.max(0.0).sqrt();
                }
                terms.iter_mut().zip(b).for_each(|(term, b)| term.coefficient *= b * spread);
            }
            // A constant target, or no column that varies.
            None => terms.clear(),
        }
        Ok(Box::new(Ridge { base, terms, importance }))
    }
}

/// Mean and population variance; `None` without rows, or when none has a weight.
fn moments(values: &[f64], weights: Option<&[f64]>) -> Option<(f64, f64)> {
    match weights {
        Some(w) => Some(weighted_moments(values, w)).filter(|(mean, _)| mean.is_finite()),
        None => Some((mean(values)?, variance(values, 0).unwrap_or(0.0))),
    }
}

/// The columns that a feature may become: itself with missing values at the mean, or 0/1 columns of its levels.
fn candidates(column: &FeatureColumn, weights: Option<&[f64]>) -> Vec<(Option<String>, Vec<f64>)> {
    if let Some(values) = column.as_numeric() {
        let present: Vec<usize> = (0..values.len()).filter(|&row| values[row].is_finite()).collect();
        let of = |all: &[f64]| present.iter().map(|&row| all[row]).collect::<Vec<f64>>();
        let Some((fill, _)) = moments(&of(values), weights.map(of).as_deref()) else { return Vec::new() };
        return vec![(None, values.iter().map(|&v| if v.is_finite() { v } else { fill }).collect())];
    }
    let (codes, levels) = column.as_categorical().unwrap_or_default();
    let mut rows = vec![0_usize; levels.len()];
    codes.iter().filter(|&&c| c != MISSING).for_each(|&c| rows[c as usize] += 1);
    let mut order: Vec<usize> = (0..levels.len()).filter(|&l| rows[l] > 0).collect();
    order.sort_by(|&a, &b| rows[b].cmp(&rows[a]).then_with(|| levels[a].cmp(&levels[b])));
    order.truncate(MOST_LEVELS);
    let of = |&l: &usize| {
        let indicator = codes.iter().map(|&c| f64::from(u8::from(c as usize == l))).collect();
        (Some(levels[l].clone()), indicator)
    };
    order.iter().map(of).collect()
}

impl Learnt for Ridge {
    fn predict(&self, x: &FeatureMatrix) -> Result<Vec<f64>, LearnerError> {
        let mut predicted = vec![self.base; x.n_rows()];
        for terms in self.terms.chunk_by(|a, b| a.feature == b.feature) {
            let column = &x.columns()[terms[0].feature];
            if let Some(values) = column.as_numeric() {
                let Term { centre, coefficient, .. } = terms[0];
                for (p, v) in predicted.iter_mut().zip(values).filter(|(_, v)| v.is_finite()) {
                    *p += coefficient * (v - centre);
                }
                continue;
            }
            let (codes, levels) = column.as_categorical().unwrap_or_default();
            let nothing: f64 = terms.iter().map(|t| -t.coefficient * t.centre).sum();
            let known: BTreeMap<&str, f64> =
                terms.iter().filter_map(|t| Some((t.level.as_deref()?, t.coefficient))).collect();
            let added: Vec<f64> =
                levels.iter().map(|l| nothing + known.get(l.as_str()).copied().unwrap_or(0.0)).collect();
            for (p, &code) in predicted.iter_mut().zip(codes) {
                *p += added.get(code as usize).copied().unwrap_or(nothing);
            }
        }
        Ok(predicted)
    }

    fn importance(&self) -> Result<Vec<f64>, LearnerError> {
        Ok(self.importance.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_levels_are_learnt() {
        let n = 200;
        let age: Vec<f64> = (0..n).map(|i| f64::from(i * 37 % 61)).collect();
        let noise: Vec<f64> = (0..n).map(|i| f64::from(i * 53 % 47)).collect();
        let plan: Vec<Option<&str>> = (0..n).map(|i| [Some("a"), Some("b"), None][i as usize % 3]).collect();
        let cost = |age: f64, plan: Option<&str>| 2.0 * age + if plan == Some("a") { 100.0 } else { 0.0 };
        let y: Vec<f64> = age.iter().zip(&plan).map(|(a, p)| cost(*a, *p)).collect();
        let x = FeatureMatrix::new(vec![
            FeatureColumn::numeric("age", age.clone()),
            FeatureColumn::from_texts("plan", plan.clone()),
            FeatureColumn::numeric("noise", noise),
            FeatureColumn::numeric("constant", vec![1.0; n as usize]),
        ])
        .unwrap();
        let model = LinearLearner.fit(&Dataset::new(x.clone(), "cost", y.clone()).unwrap()).unwrap();
        let predicted = model.predict(&x).unwrap();
        assert!(predicted.iter().zip(&y).all(|(p, y)| (p - y).abs() < 1.0));
        let importance = model.importance().unwrap();
        assert!(importance[0] > 20.0 && importance[1] > 20.0 && importance[2] < 1.0, "{importance:?}");
        assert_eq!(importance[3], 0.0);
        // A weight of 2 is the row twice, one of 0 is no row.
        let n = n as usize;
        let noisy: Vec<f64> = y.iter().zip(0_u32..).map(|(y, i)| y + f64::from(i * 29 % 31)).collect();
        let weights: Vec<f64> = (0..n).map(|i| [1.0, 2.0, 0.0, 1.0][i % 4]).collect();
        let rows: Vec<usize> = (0..n).flat_map(|i| vec![i; weights[i] as usize]).collect();
        let once = Dataset::new(x.clone(), "cost", noisy.clone()).unwrap();
        let twice = LinearLearner.fit(&once.take(&rows).unwrap()).unwrap();
        let weighted = LinearLearner.fit(&once.with_weights(weights).unwrap()).unwrap();
        let (a, b) = (twice.predict(&x).unwrap(), weighted.predict(&x).unwrap());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-9), "{a:?} {b:?}");
        let constant = LinearLearner.fit(&Dataset::new(x.clone(), "cost", vec![3.0; n]).unwrap()).unwrap();
        assert_eq!(constant.predict(&x).unwrap()[0], 3.0);
    }
}
