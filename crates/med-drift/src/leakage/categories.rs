//! Levels of the test part that the training part does not have.

use std::collections::{BTreeMap, BTreeSet};

use med_schema::{Check, CheckResult, FeatureColumn, base_form};
use serde_json::{Map, Value, json};

use crate::detect::{by_name, kind_of};
use crate::{CategoricalSample, DriftError};

use super::TrainTest;

/// In no categorical feature have more than this share of all test rows a level that the training part has not. Missing values are no level.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct NewCategories {
    /// Default 0.
    pub most: f64,
}

impl Check<TrainTest<'_>> for NewCategories {
    fn name(&self) -> &str {
        "new_categories"
    }

    fn check(&self, parts: &TrainTest<'_>) -> CheckResult {
        let columns = match levels(parts) {
            Ok(columns) => columns,
            Err(error) => return CheckResult::error(self.name(), error),
        };
        let mut found = Map::new();
        let mut largest = 0.0_f64;
        for Levels { name, train, test, rows } in &columns {
            let new = || test.iter().filter(|(level, _)| !train.contains_key(*level));
            let ratio = new().map(|(_, n)| n).sum::<u64>() as f64 / *rows as f64;
            largest = largest.max(ratio);
            found.insert(name.clone(), json!({ "new_levels": new().count(), "ratio": ratio }));
        }
        judged(self.name(), format!("at most {} of the test rows with new levels", self.most), largest <= self.most)
            .observed(largest)
            .detail("columns", Value::Object(found))
    }
}

/// In no categorical feature are there more than this many spellings in the test part that the training part does not have, of texts that it has.
///
/// Two texts are spellings of one when they are the same in lower case and without white space and ASCII punctuation; of a text that has nothing else, only itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StringVariants {
    /// Default 0.
    pub most: usize,
}

impl Check<TrainTest<'_>> for StringVariants {
    fn name(&self) -> &str {
        "string_variants"
    }

    fn check(&self, parts: &TrainTest<'_>) -> CheckResult {
        let columns = match levels(parts) {
            Ok(columns) => columns,
            Err(error) => return CheckResult::error(self.name(), error),
        };
        let mut found = Map::new();
        let mut most = 0;
        for Levels { name, train, test, .. } in &columns {
            let known: BTreeSet<String> = train.keys().map(|level| base_form(level)).collect();
            let variants =
                test.keys().filter(|level| !train.contains_key(*level) && known.contains(&base_form(level))).count();
            most = most.max(variants);
            found.insert(name.clone(), json!(variants));
        }
        judged(
            self.name(),
            format!("at most {} new spellings of known texts in a column", self.most),
            most <= self.most,
        )
        .observed(most)
        .detail("columns", Value::Object(found))
    }
}

fn judged(name: &str, expected: String, passed: bool) -> CheckResult {
    CheckResult::judged(name, passed).expected(expected)
}

/// Rows by level of one column.
struct Levels {
    name: String,
    train: BTreeMap<String, u64>,
    test: BTreeMap<String, u64>,
    /// All rows of the test part.
    rows: usize,
}

fn levels(parts: &TrainTest<'_>) -> Result<Vec<Levels>, DriftError> {
    let train = parts.train.features.columns();
    let sides: Vec<_> = train.iter().map(|c| (c.name(), kind_of(c))).collect();
    let counted = |column: &FeatureColumn| -> Result<Option<BTreeMap<String, u64>>, DriftError> {
        let Some((codes, levels)) = column.as_categorical() else { return Ok(None) };
        let sample = CategoricalSample::new(codes, levels)?;
        Ok(Some(sample.counts().map(|(level, n)| (level.to_owned(), n)).collect()))
    };
    let mut found = Vec::new();
    for (train, test) in train.iter().zip(by_name(&sides, parts.test.features)?) {
        if let (Some(counts), Some(of_test)) = (counted(train)?, counted(test)?) {
            found.push(Levels { name: train.name().to_owned(), train: counts, test: of_test, rows: test.len().max(1) });
        }
    }
    Ok(found)
}
