//! Domain classifier: can a learner tell the two sides apart?
//!
//! The rows of both sides are pooled and labelled 0 (reference) and 1 (current), and split into folds, each side evenly. Each fold is predicted by a learner fitted on the others.
//! The area under the curve of all out-of-fold predictions is the probability that a current row is predicted higher than one of the reference (ties half): 1/2 when
//! nothing can be learnt. It sees any change that the learner can, interactions too.
//!
//! The p-value is that of Mann and Whitney's test of those predictions, one-sided, as if they were independent: good for verdicts, not for fine print. A column's importance is
//! how much of the area is lost when its values are shuffled within each fold.

use std::sync::Arc;

use med_schema::{FeatureColumn, FeatureMatrix, FeatureValues, MISSING};
use serde::{Deserialize, Serialize};

use crate::random::{generator, sample, shuffle};
use crate::statistics::{midranks, normal_sf};
use crate::{DriftError, Side};

use super::design::Design;
use super::learner::{Learner, LearnerError};

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
    /// How likely so large an area is by chance.
    pub p_value: f64,
    /// Whether the p-value and the score both say so.
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
    let mut predicted = vec![0.0; n + m];
    let mut shuffled = vec![vec![0.0; n + m]; x.n_columns()];
    for (number, test) in folds.iter().enumerate() {
        let train: Vec<usize> = (0..n + m).filter(|row| test.binary_search(row).is_err()).collect();
        let y: Vec<f64> = train.iter().map(|&row| label[row]).collect();
        let fitted = learner.fit(&take(&x, &train)?, &y).map_err(|e| failed(&e))?;
        let held_out = take(&x, test)?;
        let put = |into: &mut Vec<f64>, table: &FeatureMatrix| -> Result<(), DriftError> {
            let values = fitted.predict(table).map_err(|e| failed(&e))?;
            if values.len() != test.len() || values.iter().any(|v| v.is_nan()) {
                return Err(DriftError::Learner { message: "expected a number for each row".to_owned() });
            }
            test.iter().zip(values).for_each(|(&row, v)| into[row] = v);
            Ok(())
        };
        put(&mut predicted, &held_out)?;
        for (place, into) in shuffled.iter_mut().enumerate() {
            let mut order: Vec<usize> = (0..test.len()).collect();
            shuffle(&mut order, &mut generator(params.seed, (10 + number * 10_000 + place) as u64));
            put(into, &with_shuffled(&held_out, place, &order)?)?;
        }
    }
    let (auc, p_value) = area(&predicted, n);
    let mut importances: Vec<ColumnImportance> = x
        .names()
        .zip(&shuffled)
        .map(|(name, values)| ColumnImportance { name: name.to_owned(), importance: auc - area(values, n).0 })
        .collect();
    importances.sort_by(|a, b| b.importance.total_cmp(&a.importance));
    let score = (2.0 * auc - 1.0).max(0.0);
    let drifted = score >= params.threshold && p_value <= params.alpha;
    Ok(ClassifierDrift { score, auc, p_value, drifted, rows: [n, m], importances })
}

impl ClassifierParams {
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

/// Area under the curve, the first n values being of the reference, and its one-sided p-value.
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
    let z = (auc - 0.5) / error;
    (auc, if z.is_nan() { 1.0 } else { normal_sf(z) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_is_that_of_the_pairs() {
        let (auc, p) = area(&[0.1, 0.4, 0.4, 0.2, 0.4, 0.9], 3);
        // Of nine pairs 1 + 2.0 + 3 are won.
        assert!((auc - 6.0 / 9.0).abs() < 1e-15, "{auc}");
        assert!(p > 0.1 && p < 0.5);
        assert_eq!(area(&[1.0; 8], 4), (0.5, 1.0));
        // Without ties the variance of the area is (n + m + 1) / (12 nm).
        let values: Vec<f64> = (0..20).map(f64::from).collect();
        let z = 0.5 / (21.0_f64 / 1200.0).sqrt();
        assert!((area(&values, 10).1 / normal_sf(z) - 1.0).abs() < 1e-9);
    }
}
