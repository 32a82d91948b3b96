//! Checks that a test part does not know the training part, and that the two fit together: deepchecks' train-test validation.
//!
//! | check | fails by default when |
//! | --- | --- |
//! | [`SizeRatio`] | the test part has at most 1 % of the training part's rows |
//! | [`NewCategories`] | a test row has a level that the training part has not |
//! | [`StringVariants`] | a text column of the test part has another spelling of a known level |
//! | [`KeyLeakage`] | a test row's key is in the training part |
//! | [`DateDuplicates`] | a test row's time is one of the training part's |
//! | [`DateOverlap`] | a test row is from before the last training row |
//! | [`SamplesMix`] | more than 5 % of the test rows are rows of the training part |
//! | [`CorrelationWithTarget`] | a feature predicts the target much better on one part, or suspiciously well |
//!
//! Each is a [`Check`] of a [`TrainTest`]; what a check needs and the parts do not have makes it an errored result, never a passed one. [`train_test_report`] runs those the parts have
//! the means for. Results hold shares, counts and column names, no value of a row.
//!
//! ```
//! use med_drift::leakage::{Part, TrainTest, train_test_report};
//! use med_schema::{FeatureColumn, FeatureMatrix};
//! let part = |plans: [&'static str; 3]| FeatureMatrix::new(vec![FeatureColumn::from_texts("plan", plans.map(Some))]);
//! let (train, test) = (part(["gold", "silver", "tin"])?, part(["gold", "Gold", "lead"])?);
//! let report = train_test_report(&TrainTest { train: Part::new(&train), test: Part::new(&test) });
//! let failed: Vec<&str> = report.results.iter().filter(|r| !r.passed()).map(|r| r.check.as_str()).collect();
//! assert_eq!(failed, ["new_categories", "string_variants", "samples_mix"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod categories;
mod dates;
mod rows;
mod target;

use med_schema::{Check, CheckResult, FeatureMatrix, Report};

pub use categories::{NewCategories, StringVariants};
pub use dates::{DateDuplicates, DateOverlap};
pub use rows::{KeyLeakage, SamplesMix, SizeRatio};
pub use target::CorrelationWithTarget;

/// One part of a split.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The features.
    pub features: &'a FeatureMatrix,
    /// What is predicted, one a row.
    pub target: Option<&'a [f64]>,
    /// The columns that name a row.
    pub keys: Option<&'a FeatureMatrix>,
    /// When a row is from, one a row, in any unit; `None` where that is not known.
    pub times: Option<&'a [Option<i64>]>,
}

impl<'a> Part<'a> {
    /// Features alone.
    pub fn new(features: &'a FeatureMatrix) -> Self {
        Self { features, target: None, keys: None, times: None }
    }
}

/// A split: both parts must have the same features.
#[derive(Debug, Clone, Copy)]
pub struct TrainTest<'a> {
    /// What is learnt from.
    pub train: Part<'a>,
    /// What is judged on.
    pub test: Part<'a>,
}

/// Runs every check that needs no learner and whose means both parts have, with the default conditions.
pub fn train_test_report(parts: &TrainTest<'_>) -> Report {
    let both = |has: fn(&Part<'_>) -> bool| has(&parts.train) && has(&parts.test);
    let mut report = Report::new("train_test")
        .with(SizeRatio::default().check(parts))
        .with(NewCategories::default().check(parts))
        .with(StringVariants::default().check(parts));
    if both(|p| p.keys.is_some()) {
        report = report.with(KeyLeakage::default().check(parts));
    }
    if both(|p| p.times.is_some()) {
        report = report.with(DateDuplicates::default().check(parts)).with(DateOverlap::default().check(parts));
    }
    report.with(SamplesMix::default().check(parts))
}

/// The result of a check on a share of rows.
fn share(name: &str, unexpected: usize, rows: usize, most: f64) -> CheckResult {
    let share = unexpected as f64 / rows.max(1) as f64;
    CheckResult::judged(name, share <= most)
        .expected(format!("a share of at most {most}"))
        .observed(share)
        .counts(rows as u64, unexpected as u64)
}
