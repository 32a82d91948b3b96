//! Domain classifier: can a learner tell the two sides apart?
//!
//! The rows of both sides are pooled and labelled 0 (reference) and 1 (current), and split into folds, each side evenly. Each fold is predicted by a learner fitted on the others.
//! The area under the curve of all out-of-fold predictions is the probability that a current row is predicted higher than one of the reference (ties half): 1/2 when
//! nothing can be learnt. It sees any change that the learner can, interactions too.
//!
//! Those predictions depend on one another, as each fold's rows taught the learners of the others; taken for independent they alarm far more often than they should. The p-value
//! therefore has learners of its own: fold k (from the second on) is predicted by one fitted on the folds before it. Given those, the rows of fold k are fresh, and its Mann-Whitney
//! statistic z_k is standard normal without drift, whatever was learnt: the z_k are independent. The test is one-sided, of sum w_k z_k / sqrt(sum w_k^2) with w_k = sqrt(k - 1), as
//! the learners that have seen more rows have more to say. It holds for any learner. A column's importance is how much of the area is lost when its values are shuffled within each fold.
//!
//! Lopez-Paz, D. and Oquab, M. (2017). Revisiting classifier two-sample tests. *ICLR*. Dawid, A. P. (1984). Statistical theory: the prequential approach. *J. R. Statistical Society A*
//! 147, 278-292.

use std::sync::Arc;

use med_schema::{FeatureColumn, FeatureMatrix, FeatureValues, MISSING};
use serde::{Deserialize, Serialize};

use crate::random::{generator, sample, shuffle};
use crate::statistics::{midranks, normal_sf};
use crate::{DriftError, Side};

use super::design::Design;
use super::learner::{Learner, LearnerError, Predictor};

/// Parameters of [`domain_classifier`].
///
/// | field | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `folds` | of the cross-validation | 5 | 2 to rows of the smaller side |
/// | `max_rows` | rows of a side, drawn at random from more | 20,000 | >= 10 |
/// | `threshold` | smallest score that counts | 0.1 | \[0, 1\] |
/// | `alpha` | largest p-value that counts | 0.05 | (0, 1) |
/// | `seed` | of folds, draws and shuffles | 0 | |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClassifierParams {
    /// Folds.
    pub folds: usize,
    /// Most rows of a side.
    pub max_rows: usize,
    /// Smallest score that counts.
    pub threshold: f64,
    /// Largest p-value that counts.
    pub alpha: f64,
    /// Seed.
    pub seed: u64,
}

impl Default for ClassifierParams {
    fn default() -> Self {
        Self { folds: 5, max_rows: 20_000, threshold: 0.1, alpha: 0.05, seed: 0 }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassifierDrift {
    /// max(0, 2 `auc` - 1), in \[0, 1\].
    pub score: f64,
    /// Area under the curve of the out-of-fold predictions.
    pub auc: f64,
    /// How likely it is by chance that rows are told apart so well; of learners that saw only the folds before.
    pub p_value: f64,
    /// Adjusted for the other measures of [`multivariate`](super::multivariate).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adjusted_p_value: Option<f64>,
    /// Whether the p-value (the adjusted one, where there is one) and the score both say so.
    pub drifted: bool,
    /// Rows used of each side.
    pub rows: [usize; 2],
    /// Area lost without each column, those that drive the drift first.
    pub importances: Vec<ColumnImportance>,
}

/// How much a column helps to tell the sides apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnImportance {
    /// The column.
    pub name: String,
    /// Area under the curve that is lost when its values are shuffled.
    pub importance: f64,
}

/// Compares two tables.
///
/// # Errors
/// When the sides have other columns, one has fewer rows than folds, a parameter is outside its range, or the learner fails.
pub fn domain_classifier(
    reference: &FeatureMatrix,
    current: &FeatureMatrix,
    learner: &dyn Learner,
    params: &ClassifierParams,
) -> Result<ClassifierDrift, DriftError> {
    params.validate()?;
    for (side, found) in [(Side::Reference, reference.n_rows()), (Side::Current, current.n_rows())] {
        if found < params.folds {
            return Err(DriftError::TooFewRows { method: "domain_classifier", side, found, needed: params.folds });
        }
    }
    let rows = [reference, current].map(|t| t.n_rows());
    let drawn = [0, 1].map(|side| sample(rows[side], params.max_rows, &mut generator(params.seed, side as u64)));
    let x = pooled(reference, current, [&drawn[0], &drawn[1]])?;
    let (n, m) = (drawn[0].len(), drawn[1].len());
    let label: Vec<f64> = (0..n + m).map(|i| if i < n { 0.0 } else { 1.0 }).collect();
    let folds = folds([n, m], params);
    let fit = |train: &[usize]| {
        let y: Vec<f64> = train.iter().map(|&row| label[row]).collect();
        learner.fit(&take(&x, train)?, &y).map_err(|e| failed(&e))
    };
    let mut predicted = vec![0.0; n + m];
    let mut shuffled = vec![vec![0.0; n + m]; x.n_columns()];
    let mut z = Vec::new();
    for (number, test) in folds.iter().enumerate() {
        let train: Vec<usize> = (0..n + m).filter(|row| test.binary_search(row).is_err()).collect();
        let fitted = fit(&train)?;
        let held_out = take(&x, test)?;
        let put = |into: &mut Vec<f64>, values: Vec<f64>| test.iter().zip(values).for_each(|(&row, v)| into[row] = v);
        let cross_validated = predictions(fitted.as_ref(), &held_out)?;
        if number + 1 == folds.len() {
            z.push(standardised(&cross_validated, test, n));
        } else if number > 0 {
            let mut before = folds[..number].concat();
            before.sort_unstable();
            z.push(standardised(&predictions(fit(&before)?.as_ref(), &held_out)?, test, n));
        }
        put(&mut predicted, cross_validated);
        for (place, into) in shuffled.iter_mut().enumerate() {
            let mut order: Vec<usize> = (0..test.len()).collect();
            shuffle(&mut order, &mut generator(params.seed, (10 + number * 10_000 + place) as u64));
            put(into, predictions(fitted.as_ref(), &with_shuffled(&held_out, place, &order)?)?);
        }
    }
    let auc = area(&predicted, n).0;
    let p_value = combined(&z);
    let mut importances: Vec<ColumnImportance> = x
        .names()
        .zip(&shuffled)
        .map(|(name, values)| ColumnImportance { name: name.to_owned(), importance: auc - area(values, n).0 })
        .collect();
    importances.sort_by(|a, b| b.importance.total_cmp(&a.importance));
    let score = (2.0 * auc - 1.0).max(0.0);
    let drifted = params.counts(score, p_value);
    Ok(ClassifierDrift { score, auc, p_value, adjusted_p_value: None, drifted, rows: [n, m], importances })
}

impl ClassifierParams {
    /// Whether a score counts, by its size and its p-value.
    pub(super) fn counts(&self, score: f64, p_value: f64) -> bool {
        score >= self.threshold && p_value <= self.alpha
    }

    fn validate(&self) -> Result<(), DriftError> {
        let wrong = |parameter, expected, found| Err(DriftError::Parameter { parameter, expected, found });
        match self {
            Self { folds, .. } if *folds < 2 => wrong("folds", "at least 2", *folds as f64),
            Self { max_rows, folds, .. } if *max_rows < 10.max(*folds) => {
                wrong("max_rows", "at least 10 and at least the folds", *max_rows as f64)
            }
            Self { alpha, .. } if !(0.0 < *alpha && *alpha < 1.0) => wrong("alpha", "between 0 and 1", *alpha),
            Self { threshold, .. } if !(0.0..=1.0).contains(threshold) => {
                wrong("threshold", "between 0 and 1", *threshold)
            }
            _ => Ok(()),
        }
    }
}

pub(crate) fn failed(error: &LearnerError) -> DriftError {
    DriftError::Learner { message: error.to_string() }
}

pub(crate) fn take(x: &FeatureMatrix, rows: &[usize]) -> Result<FeatureMatrix, DriftError> {
    x.take(rows).map_err(|_| DriftError::ChunkRows { table: x.n_rows() })
}

/// Rows of each fold, ascending, each side spread evenly.
fn folds(rows: [usize; 2], params: &ClassifierParams) -> Vec<Vec<usize>> {
    let mut folds = vec![Vec::new(); params.folds];
    for (side, from) in [0, rows[0]].into_iter().enumerate() {
        let mut order: Vec<usize> = (from..from + rows[side]).collect();
        shuffle(&mut order, &mut generator(params.seed, 2 + side as u64));
        order.into_iter().enumerate().for_each(|(i, row)| folds[i % params.folds].push(row));
    }
    folds.iter_mut().for_each(|fold| fold.sort_unstable());
    folds
}

/// The rows of both sides one below the other; levels of both.
fn pooled(
    reference: &FeatureMatrix,
    current: &FeatureMatrix,
    rows: [&[usize]; 2],
) -> Result<FeatureMatrix, DriftError> {
    let aligned = Design::fit(reference)?.align(current)?.into_iter().cloned().collect();
    let current = FeatureMatrix::new(aligned).map_err(|_| DriftError::NoColumns)?;
    let (r, c) = (take(reference, rows[0])?, take(&current, rows[1])?);
    let columns = r.columns().iter().zip(c.columns()).map(|(r, c)| joined(r, c)).collect();
    FeatureMatrix::new(columns).map_err(|_| DriftError::NoColumns)
}

fn joined(r: &FeatureColumn, c: &FeatureColumn) -> FeatureColumn {
    if let (Some(r_values), Some(c_values)) = (r.as_numeric(), c.as_numeric()) {
        return FeatureColumn::numeric(r.name(), [r_values, c_values].concat());
    }
    let texts = |column: &FeatureColumn| -> Vec<Option<String>> {
        let (codes, levels) = column.as_categorical().unwrap_or_default();
        codes.iter().map(|&code| levels.get(code as usize).cloned()).collect()
    };
    let both = [texts(r), texts(c)].concat();
    FeatureColumn::from_texts(r.name(), both.iter().map(Option::as_deref))
}

fn with_shuffled(x: &FeatureMatrix, place: usize, order: &[usize]) -> Result<FeatureMatrix, DriftError> {
    let mut columns = x.columns().to_vec();
    let shuffled = match columns[place].values() {
        FeatureValues::Numeric(values) => {
            let values = values.as_slice();
            FeatureColumn::numeric(columns[place].name(), order.iter().map(|&i| values[i]).collect::<Vec<_>>())
        }
        FeatureValues::Categorical { codes, levels } => {
            let codes: Arc<[u32]> = order.iter().map(|&i| codes.get(i).copied().unwrap_or(MISSING)).collect();
            FeatureColumn::categorical(columns[place].name(), codes, Arc::clone(levels))
                .map_err(|_| DriftError::NoColumns)?
        }
    };
    columns[place] = shuffled;
    FeatureMatrix::new(columns).map_err(|_| DriftError::NoColumns)
}

/// A number for each row.
fn predictions(fitted: &dyn Predictor, x: &FeatureMatrix) -> Result<Vec<f64>, DriftError> {
    let values = fitted.predict(x).map_err(|e| failed(&e))?;
    if values.len() != x.n_rows() || values.iter().any(|v| v.is_nan()) {
        return Err(DriftError::Learner { message: "expected a number for each row".to_owned() });
    }
    Ok(values)
}

/// Area under the curve of a fold in standard errors from 1/2; its rows ascend, those below n are of the reference.
fn standardised(predicted: &[f64], rows: &[usize], n: usize) -> f64 {
    area(predicted, rows.partition_point(|&row| row < n)).1
}

/// The one-sided p-value of the folds' statistics, the first of which was learnt on one fold, the next on two, and so on.
fn combined(z: &[f64]) -> f64 {
    let weights = (1..=z.len()).map(|folds| folds as f64);
    let sum: f64 = z.iter().zip(weights.clone()).map(|(z, w)| w.sqrt() * z).sum();
    normal_sf(sum / weights.sum::<f64>().sqrt())
}

/// Area under the curve, the first n values being of the reference, and how many standard errors it is above 1/2 (0 when all are equal).
fn area(predicted: &[f64], n: usize) -> (f64, f64) {
    let ranks = midranks(predicted);
    let (rows, m) = (predicted.len() as f64, (predicted.len() - n) as f64);
    let n = n as f64;
    let sum: f64 = ranks[n as usize..].iter().sum();
    let auc = (sum - m * (m + 1.0) / 2.0) / (n * m);
    // The variance of ranks with ties is that of the ranks themselves.
    let mean = (rows + 1.0) / 2.0;
    let spread: f64 = ranks.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>() / (rows - 1.0);
    let error = (spread * rows / (n * m)).sqrt() / rows;
    (auc, if error > 0.0 { (auc - 0.5) / error } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_is_that_of_the_pairs() {
        let (auc, z) = area(&[0.1, 0.4, 0.4, 0.2, 0.4, 0.9], 3);
        // Of nine pairs 1 + 2.0 + 3 are won.
        assert!((auc - 6.0 / 9.0).abs() < 1e-15, "{auc}");
        assert!(z > 0.0 && z < 1.3, "{z}");
        assert_eq!(area(&[1.0; 8], 4), (0.5, 0.0));
        // Without ties the variance of the area is (n + m + 1) / (12 nm).
        let values: Vec<f64> = (0..20).map(f64::from).collect();
        let z = 0.5 / (21.0_f64 / 1200.0).sqrt();
        assert!((area(&values, 10).1 / z - 1.0).abs() < 1e-9);
    }
}
