//! How well each feature predicts the target by itself, on either part.
//!
//! The predictive power of a feature is max(0, 1 - E / E_0): E the mean absolute error of out-of-fold predictions by a learner that sees this feature alone, E_0 that of
//! the median of all targets. A feature that predicts the target almost perfectly often *is* the target in other words; one that does so on the training part alone leaks.

use std::fmt;

use med_schema::{Check, CheckResult, FeatureMatrix, Severity};
use serde_json::{Map, Value, json};

use crate::DriftError;
use crate::multivariate::{Learner, failed, take};
use crate::random::{generator, sample, shuffle};

use super::{Part, TrainTest};

/// The predictive power of no feature differs by this much or more between the parts, and none reaches `most_train` in the training part.
pub struct CorrelationWithTarget<'a> {
    /// What learns; a decision tree is deepchecks' choice.
    pub learner: &'a dyn Learner,
    /// Smallest difference that fails. Default 0.2.
    pub least_change: f64,
    /// Smallest power in the training part that fails. Default 0.7.
    pub most_train: f64,
    /// Rows of a part, drawn at random from more. Default 5000.
    pub max_rows: usize,
    /// Folds of the cross-validation. Default 4.
    pub folds: usize,
    /// Of draws and folds. Default 0.
    pub seed: u64,
}

impl<'a> CorrelationWithTarget<'a> {
    /// With the default conditions.
    pub fn new(learner: &'a dyn Learner) -> Self {
        Self { learner, least_change: 0.2, most_train: 0.7, max_rows: 5000, folds: 4, seed: 0 }
    }

    fn powers(&self, part: &Part<'_>, target: &[f64]) -> Result<Vec<(String, f64)>, DriftError> {
        let columns = part.features.columns().iter();
        columns.map(|c| Ok((c.name().to_owned(), self.power(part.features, c.name(), target)?))).collect()
    }

    fn power(&self, features: &FeatureMatrix, name: &str, target: &[f64]) -> Result<f64, DriftError> {
        let x = features.select([name]).map_err(|_| DriftError::NoColumns)?;
        let column = &x.columns()[0];
        let there = |row: &usize| {
            let value = match column.as_numeric() {
                Some(values) => !values[*row].is_nan(),
                None => column.as_categorical().is_some_and(|(codes, levels)| (codes[*row] as usize) < levels.len()),
            };
            value && target.get(*row).is_some_and(|y| y.is_finite())
        };
        let rows: Vec<usize> = (0..x.n_rows()).filter(there).collect();
        let mut rows: Vec<usize> =
            sample(rows.len(), self.max_rows, &mut generator(self.seed, 1)).into_iter().map(|i| rows[i]).collect();
        if rows.len() < self.folds.max(2) {
            return Ok(0.0);
        }
        shuffle(&mut rows, &mut generator(self.seed, 2));
        let of = |rows: &[usize]| rows.iter().map(|&row| target[row]).collect::<Vec<f64>>();
        let mut y = of(&rows);
        let middle = rows.len() / 2;
        let median = *y.select_nth_unstable_by(middle, f64::total_cmp).1;
        let error = |predicted: f64, y: f64| (predicted - y).abs();
        let naive: f64 = y.iter().map(|&y| error(median, y)).sum();
        if naive == 0.0 {
            return Ok(0.0);
        }
        let mut lost = 0.0;
        for fold in 0..self.folds.max(2) {
            let (mut train, mut test) = (Vec::new(), Vec::new());
            for (i, &row) in rows.iter().enumerate() {
                if i % self.folds.max(2) == fold { test.push(row) } else { train.push(row) }
            }
            let fitted = self.learner.fit(&take(&x, &train)?, &of(&train)).map_err(|e| failed(&e))?;
            let predicted = fitted.predict(&take(&x, &test)?).map_err(|e| failed(&e))?;
            lost += predicted.iter().zip(of(&test)).map(|(&p, y)| error(p, y)).sum::<f64>();
        }
        Ok((1.0 - lost / naive).max(0.0))
    }
}

impl fmt::Debug for CorrelationWithTarget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorrelationWithTarget")
            .field("least_change", &self.least_change)
            .field("most_train", &self.most_train)
            .finish_non_exhaustive()
    }
}

impl Check<TrainTest<'_>> for CorrelationWithTarget<'_> {
    fn name(&self) -> &str {
        "correlation_with_target"
    }

    fn check(&self, parts: &TrainTest<'_>) -> CheckResult {
        let (Some(train), Some(test)) = (parts.train.target, parts.test.target) else {
            return CheckResult::error(self.name(), "both parts need targets");
        };
        let powers = self.powers(&parts.train, train).and_then(|r| Ok((r, self.powers(&parts.test, test)?)));
        let (of_train, of_test) = match powers {
            Ok(powers) => powers,
            Err(error) => return CheckResult::error(self.name(), error),
        };
        let mut columns = Map::new();
        let mut failed = Vec::new();
        for (name, train) in of_train {
            let test = of_test.iter().find(|(n, _)| *n == name).map_or(0.0, |(_, power)| *power);
            if (train - test).abs() >= self.least_change || train >= self.most_train {
                failed.push(name.clone());
            }
            columns.insert(name, json!({ "train": train, "test": test, "difference": train - test }));
        }
        let result = CheckResult::judged(self.name(), failed.is_empty())
            .severity(Severity::Warning)
            .expected(format!(
                "a change of the predictive power below {}, and a power below {} on the training part",
                self.least_change, self.most_train
            ))
            .observed(failed.len())
            .detail("columns", Value::Object(columns));
        if failed.is_empty() { result } else { result.message(failed.join(", ")) }
    }
}
