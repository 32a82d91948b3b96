//! What a category costs on average.

use std::collections::BTreeMap;

use med_schema::{FeatureColumn, FeatureMatrix};
use rand::SeedableRng;
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

use super::levels::{Seen, levels_present, recode, refuse, to_numbers};
use super::{
    Columns, FittedEncoder, InputKind, Inputs, MissingPolicy, Origin, TargetEncoder, UnseenPolicy,
    outputs_are_distinct, replaced,
};
use crate::FeatureError;
use crate::split::shuffle;
use crate::statistic::mean;

/// Replaces each categorical column by one number, the mean target of its level drawn towards the mean of all rows
/// (Micci-Barreca, 2001), called `target_mean(column)`:
///
/// ```text
/// (sum of y over the level + smoothing * mean y) / (rows of the level + smoothing)
/// ```
///
/// New rows get the mean over the whole training part. *Rows of the training part* get the mean over the folds that they are not in:
/// their own target never enters their own feature, which a model would learn to trust too much. So the two differ, and only
/// [`fit_transform`](TargetEncoder::fit_transform) gives what a model may be fitted on; `transform` of the training part does not.
///
/// With several rows a client the rest of the client's rows tell of its target; use folds by client before, or another encoder.
///
/// | parameter | default | range |
/// | --- | --- | --- |
/// | `columns` | all categorical | |
/// | `smoothing` | 10 | rows, finite, >= 0 |
/// | `folds` | 5 | 2 or more, not above the rows |
/// | `seed` | 42 | any; of the shuffle that deals rows to folds |
/// | `unseen` | error | error, ignore (the mean of all rows) |
/// | `missing` | keep (a level of its own; if training had none, the mean of all rows) | error, keep |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TargetMean {
    /// The columns to encode.
    pub columns: Columns,
    /// How many rows of the overall mean each level is given.
    pub smoothing: f64,
    /// Folds of the training part.
    pub folds: usize,
    /// Seed of the folds.
    pub seed: u64,
    /// What becomes of levels not seen in fitting.
    pub unseen: UnseenPolicy,
    /// What becomes of missing values.
    pub missing: MissingPolicy,
}

impl Default for TargetMean {
    fn default() -> Self {
        Self {
            columns: Columns::All,
            smoothing: 10.0,
            folds: 5,
            seed: 42,
            unseen: UnseenPolicy::Error,
            missing: MissingPolicy::Keep,
        }
    }
}

/// A fitted [`TargetMean`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedTargetMean {
    inputs: Inputs,
    columns: BTreeMap<String, Means>,
    /// Mean target of the training part.
    overall: f64,
    unseen: UnseenPolicy,
    missing: MissingPolicy,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Means {
    levels: Vec<String>,
    /// One a level.
    means: Vec<f64>,
    missing: f64,
}

/// Sum of the target and rows of each level, missing last, over some rows; and the mean of all of these.
struct Totals {
    slots: Vec<(f64, f64)>,
    overall: f64,
}

impl Totals {
    fn of(slots: &[usize], y: &[f64], n_slots: usize, counts: &dyn Fn(usize) -> bool) -> Self {
        let mut totals = vec![(0.0, 0.0); n_slots];
        let (mut sum, mut rows) = (0.0, 0.0);
        for row in (0..y.len()).filter(|&row| counts(row)) {
            let total = &mut totals[slots[row]];
            *total = (total.0 + y[row], total.1 + 1.0);
            (sum, rows) = (sum + y[row], rows + 1.0);
        }
        Self { slots: totals, overall: sum / rows }
    }

    /// Of each slot.
    fn means(&self, smoothing: f64) -> Vec<f64> {
        let mean = |&(sum, rows): &(f64, f64)| match rows + smoothing > 0.0 {
            true => (sum + smoothing * self.overall) / (rows + smoothing),
            false => self.overall,
        };
        self.slots.iter().map(mean).collect()
    }
}

impl TargetEncoder for TargetMean {
    type Fitted = FittedTargetMean;

    fn fit_transform(
        &self,
        train: &FeatureMatrix,
        y: &[f64],
    ) -> Result<(FittedTargetMean, FeatureMatrix), FeatureError> {
        let rows = train.n_rows();
        self.check(rows, y)?;
        // A row's fold by its place in a shuffle.
        let mut order: Vec<usize> = (0..rows).collect();
        shuffle(&mut order, &mut Pcg64::seed_from_u64(self.seed));
        let mut fold_of = vec![0; rows];
        order.into_iter().enumerate().for_each(|(at, row)| fold_of[row] = at % self.folds);

        let mut columns = BTreeMap::new();
        let mut out_of_fold: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for column in self.columns.pick(train, InputKind::Categorical)? {
            let (codes, texts) = column.as_categorical().unwrap_or_default();
            let levels = levels_present(codes, texts);
            if self.missing == MissingPolicy::Error {
                refuse(column, &levels, Seen::Missing)?;
            }
            let slots: Vec<usize> = recode(column, &levels)
                .map(|seen| if let Seen::Level(at) = seen { at } else { levels.len() })
                .collect();
            let totals = |counts: &dyn Fn(usize) -> bool| Totals::of(&slots, y, levels.len() + 1, counts);
            let mut values = vec![0.0; rows];
            for fold in 0..self.folds {
                let means = totals(&|row| fold_of[row] != fold).means(self.smoothing);
                (0..rows).filter(|&row| fold_of[row] == fold).for_each(|row| values[row] = means[slots[row]]);
            }
            let mut means = totals(&|_| true).means(self.smoothing);
            let missing = means.pop().unwrap_or_default();
            columns.insert(column.name().to_owned(), Means { levels, means, missing });
            out_of_fold.insert(column.name().to_owned(), values);
        }
        let (inputs, overall) = (Inputs::of(train), mean(y).unwrap_or_default());
        let fitted = FittedTargetMean { inputs, columns, overall, unseen: self.unseen, missing: self.missing };
        outputs_are_distinct(&fitted)?;
        let encoded = replaced(&fitted.inputs, train, |column| {
            let values = out_of_fold.get(column.name())?.clone();
            Some(Ok(vec![FeatureColumn::numeric(output(column.name()), values)]))
        })?;
        Ok((fitted, encoded))
    }
}

impl TargetMean {
    fn check(&self, rows: usize, y: &[f64]) -> Result<(), FeatureError> {
        let refuse = |parameter, expected, found: String| Err(FeatureError::Parameter { parameter, expected, found });
        if !(self.smoothing >= 0.0 && self.smoothing.is_finite()) {
            return refuse("smoothing", "a finite number of rows >= 0", self.smoothing.to_string());
        }
        if !(2..=rows).contains(&self.folds) {
            return refuse("folds", "2 or more, not above the rows", self.folds.to_string());
        }
        if y.len() != rows {
            return Err(FeatureError::Rows { part: "the target", found: y.len(), expected: rows });
        }
        match y.iter().position(|v| !v.is_finite()) {
            Some(row) => Err(FeatureError::Missing { column: "the target".to_owned(), row, rows: 1 }),
            None => Ok(()),
        }
    }
}

impl FittedTargetMean {
    /// The levels of a column that was encoded, ascending by text.
    pub fn levels(&self, column: &str) -> Option<&[String]> {
        self.columns.get(column).map(|means| means.levels.as_slice())
    }
}

impl FittedEncoder for FittedTargetMean {
    fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    fn transform(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, FeatureError> {
        replaced(&self.inputs, x, |column| {
            let Means { levels, means, missing } = self.columns.get(column.name())?;
            let of = |seen| match seen {
                Seen::Level(at) => means.get(at).copied().unwrap_or(self.overall),
                Seen::Missing => *missing,
                Seen::Unseen => self.overall,
            };
            Some(to_numbers(column, levels, (self.unseen, self.missing), output(column.name()), of))
        })
    }

    fn provenance(&self) -> Vec<Origin> {
        let of = |name: &str| match self.columns.contains_key(name) {
            true => Origin::of(output(name), name),
            false => Origin::of(name, name),
        };
        self.inputs.names().map(of).collect()
    }
}

fn output(column: &str) -> String {
    format!("target_mean({column})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(texts: &[Option<&str>]) -> FeatureMatrix {
        FeatureMatrix::new(vec![FeatureColumn::from_texts("plan", texts.iter().copied())]).unwrap()
    }

    const PLANS: [Option<&str>; 6] = [Some("a"), Some("a"), Some("b"), Some("b"), Some("b"), None];
    const Y: [f64; 6] = [1.0, 3.0, 10.0, 20.0, 30.0, 8.0];

    #[test]
    fn new_rows_get_smoothed_means_of_all_rows() {
        let encoder = TargetMean { smoothing: 2.0, unseen: UnseenPolicy::Ignore, ..TargetMean::default() };
        let (fitted, _) = encoder.fit_transform(&matrix(&PLANS), &Y).unwrap();
        let out = fitted.transform(&matrix(&[Some("a"), Some("b"), None, Some("zz")])).unwrap();
        // The overall mean is 12.
        let expected = [(4.0 + 24.0) / 4.0, (60.0 + 24.0) / 5.0, (8.0 + 24.0) / 3.0, 12.0];
        assert_eq!(out.numeric("target_mean(plan)").unwrap().to_vec(), expected);
        assert_eq!(fitted.provenance(), [Origin::of("target_mean(plan)", "plan")]);
    }

    /// Leave one out: as many folds as rows.
    #[test]
    fn a_row_of_the_training_part_never_sees_its_own_target() {
        let encoder = TargetMean { smoothing: 0.0, folds: 6, ..TargetMean::default() };
        let (_, encoded) = encoder.fit_transform(&matrix(&PLANS), &Y).unwrap();
        // The one missing value has no other: the mean of the other rows.
        assert_eq!(encoded.numeric("target_mean(plan)").unwrap().to_vec(), [3.0, 1.0, 25.0, 20.0, 15.0, 64.0 / 5.0]);
        for row in 0..6 {
            let mut other = Y;
            other[row] = 1e6;
            let (_, again) = encoder.fit_transform(&matrix(&PLANS), &other).unwrap();
            assert_eq!(again.columns()[0].as_numeric().unwrap()[row], encoded.columns()[0].as_numeric().unwrap()[row]);
        }
    }

    /// A category that says nothing must not predict the target it was made from.
    #[test]
    fn noise_of_many_levels_does_not_predict() {
        let texts: Vec<String> = (0..400).map(|i| format!("l{}", i * 7919 % 150)).collect();
        let y: Vec<f64> = (0..400).map(|i| f64::from(i * 613 % 397)).collect();
        let x = FeatureMatrix::new(vec![FeatureColumn::from_texts("code", texts.iter().map(|t| Some(t.as_str())))])
            .unwrap();
        let encoder = TargetMean { smoothing: 1.0, ..TargetMean::default() };
        let (fitted, encoded) = encoder.fit_transform(&x, &y).unwrap();
        let r = |m: &FeatureMatrix| crate::statistic::pearson(m.columns()[0].as_numeric().unwrap(), &y).unwrap().value;
        assert!(r(&encoded) < 0.15, "{}", r(&encoded));
        assert!(r(&fitted.transform(&x).unwrap()) > 0.4, "what it would be without folds");
    }

    #[test]
    fn parameters_and_targets_that_do_not_fit_are_refused() {
        let x = matrix(&PLANS);
        for encoder in [
            TargetMean { smoothing: f64::NAN, ..TargetMean::default() },
            TargetMean { folds: 1, ..TargetMean::default() },
            TargetMean { folds: 7, ..TargetMean::default() },
            TargetMean { missing: MissingPolicy::Error, ..TargetMean::default() },
        ] {
            assert!(encoder.fit_transform(&x, &Y).is_err(), "{encoder:?}");
        }
        assert!(TargetMean::default().fit_transform(&x, &Y[..3]).is_err());
        let strict = TargetMean::default().fit_transform(&x, &Y).unwrap().0;
        assert!(matches!(strict.transform(&matrix(&[Some("zz")])), Err(FeatureError::UnseenLevel { .. })));
    }
}
