//! Test rows that are not from after the training rows.

use std::collections::HashSet;

use med_schema::{Check, CheckResult};

use super::{TrainTest, share};

/// At most this share of the test rows have a time that a training row has. Rows without a time have none.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DateDuplicates {
    /// Default 0.
    pub most: f64,
}

impl Check<TrainTest<'_>> for DateDuplicates {
    fn name(&self) -> &str {
        "date_duplicates"
    }

    fn check(&self, parts: &TrainTest<'_>) -> CheckResult {
        let Some((train, test)) = times(parts) else { return CheckResult::error(self.name(), NEEDED) };
        let known: HashSet<i64> = train.iter().flatten().copied().collect();
        share(self.name(), test.iter().flatten().filter(|t| known.contains(t)).count(), test.len(), self.most)
    }
}

/// At most this share of the test rows are from before the last training row.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DateOverlap {
    /// Default 0.
    pub most: f64,
}

impl Check<TrainTest<'_>> for DateOverlap {
    fn name(&self) -> &str {
        "date_overlap"
    }

    fn check(&self, parts: &TrainTest<'_>) -> CheckResult {
        let Some((train, test)) = times(parts) else { return CheckResult::error(self.name(), NEEDED) };
        let last = train.iter().flatten().max();
        let before = test.iter().flatten().filter(|t| last.is_some_and(|last| *t < last)).count();
        share(self.name(), before, test.len(), self.most)
    }
}

const NEEDED: &str = "both parts need times";

type Times<'a> = &'a [Option<i64>];

fn times<'a>(parts: &TrainTest<'a>) -> Option<(Times<'a>, Times<'a>)> {
    parts.train.times.zip(parts.test.times)
}
