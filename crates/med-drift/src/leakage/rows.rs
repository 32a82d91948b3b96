//! Rows of one part that are rows of the other.

use std::collections::{HashMap, HashSet};

use med_schema::{Check, CheckResult, FeatureColumn, FeatureMatrix};
use rayon::prelude::*;

use crate::DriftError;
use crate::detect::{by_name, kind_of};

use super::{TrainTest, share};

/// The test part has more than this share of the training part's rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SizeRatio {
    /// Default 0.01.
    pub least: f64,
}

impl Default for SizeRatio {
    fn default() -> Self {
        Self { least: 0.01 }
    }
}

impl Check<TrainTest<'_>> for SizeRatio {
    fn name(&self) -> &str {
        "size_ratio"
    }

    fn check(&self, parts: &TrainTest<'_>) -> CheckResult {
        let (train, test) = (parts.train.features.n_rows(), parts.test.features.n_rows());
        if train == 0 {
            return CheckResult::error(self.name(), "the training part has no rows");
        }
        let ratio = test as f64 / train as f64;
        CheckResult::judged(self.name(), ratio > self.least)
            .expected(format!("more than {} rows for each row of the training part", self.least))
            .observed(ratio)
            .detail("train_rows", train)
            .detail("test_rows", test)
    }
}

/// At most this share of the test rows have a key that the training part has. Rows without any part of a key have none, and leak nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct KeyLeakage {
    /// Default 0.
    pub most: f64,
}

impl Check<TrainTest<'_>> for KeyLeakage {
    fn name(&self) -> &str {
        "key_leakage"
    }

    fn check(&self, parts: &TrainTest<'_>) -> CheckResult {
        let (Some(train), Some(test)) = (parts.train.keys, parts.test.keys) else {
            return CheckResult::error(self.name(), "both parts need keys");
        };
        match shared_rows(&[train], &[test], true) {
            Ok(shared) => share(self.name(), shared, test.n_rows(), self.most),
            Err(error) => CheckResult::error(self.name(), error),
        }
    }
}

/// At most this share of the test rows are equal to a training row in all features, and the target where both parts have one. Missing values are equal to one another, -0 to 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplesMix {
    /// Default 0.05.
    pub most: f64,
}

impl Default for SamplesMix {
    fn default() -> Self {
        Self { most: 0.05 }
    }
}

impl Check<TrainTest<'_>> for SamplesMix {
    fn name(&self) -> &str {
        "samples_mix"
    }

    fn check(&self, parts: &TrainTest<'_>) -> CheckResult {
        let targets = match (parts.train.target, parts.test.target) {
            (Some(train), Some(test)) => {
                let target =
                    |values: &[f64]| FeatureMatrix::new(vec![FeatureColumn::numeric("target", values.to_vec())]);
                [target(train), target(test)].into_iter().collect::<Result<Vec<_>, _>>()
            }
            _ => Ok(Vec::new()),
        };
        let targets = match targets {
            Ok(targets) => targets,
            Err(error) => return CheckResult::error(self.name(), error),
        };
        let train: Vec<&FeatureMatrix> = std::iter::once(parts.train.features).chain(targets.first()).collect();
        let test: Vec<&FeatureMatrix> = std::iter::once(parts.test.features).chain(targets.get(1)).collect();
        match shared_rows(&train, &test, false) {
            Ok(shared) => share(self.name(), shared, parts.test.features.n_rows(), self.most),
            Err(error) => CheckResult::error(self.name(), error),
        }
    }
}

/// Code of a missing value.
const NONE: u32 = 0;

/// Test rows that are training rows, over the columns of all these matrices side by side; with `whole` rows that miss a value are nobody's.
///
/// Every column's values are numbered over both parts, and rows are compared by those numbers. Time and memory O(rows times columns).
fn shared_rows(train: &[&FeatureMatrix], test: &[&FeatureMatrix], whole: bool) -> Result<usize, DriftError> {
    let mut pairs = Vec::new();
    for (train, test) in train.iter().zip(test) {
        let sides: Vec<_> = train.columns().iter().map(|c| (c.name(), kind_of(c))).collect();
        pairs.extend(train.columns().iter().zip(by_name(&sides, test)?));
    }
    let coded: Vec<[Vec<u32>; 2]> = pairs.into_par_iter().map(|(train, test)| codes([train, test])).collect();
    let rows = |side: usize| -> Result<Vec<u32>, DriftError> {
        let count = coded.first().map_or(0, |c| c[side].len());
        if let Some(other) = coded.iter().find(|c| c[side].len() != count) {
            return Err(DriftError::Length { what: "target", expected: count, found: other[side].len() });
        }
        Ok((0..count).flat_map(|row| coded.iter().map(move |c| c[side][row])).collect())
    };
    let (train, test) = (rows(0)?, rows(1)?);
    let known: HashSet<&[u32]> = train.chunks(coded.len()).collect();
    let shared = |row: &&[u32]| !(whole && row.contains(&NONE)) && known.contains(row);
    Ok(test.par_chunks(coded.len()).filter(shared).count())
}

/// The values of a column on both sides, numbered.
fn codes(sides: [&FeatureColumn; 2]) -> [Vec<u32>; 2] {
    let mut of_numbers: HashMap<u64, u32> = HashMap::new();
    let mut of_texts: HashMap<&str, u32> = HashMap::new();
    sides.map(|column| {
        if let Some(values) = column.as_numeric() {
            let mut code = |v: f64| {
                let next = of_numbers.len() as u32 + 1;
                // Adding 0.0 makes one zero of the two.
                if v.is_nan() { NONE } else { *of_numbers.entry((v + 0.0).to_bits()).or_insert(next) }
            };
            return values.iter().map(|&v| code(v)).collect();
        }
        let (codes, levels) = column.as_categorical().unwrap_or_default();
        let numbered: Vec<u32> = levels
            .iter()
            .map(|level| {
                let next = of_texts.len() as u32 + 1;
                *of_texts.entry(level).or_insert(next)
            })
            .collect();
        codes.iter().map(|&code| numbered.get(code as usize).copied().unwrap_or(NONE)).collect()
    })
}
