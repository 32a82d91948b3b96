//! Several spellings of one category.

use std::collections::{BTreeMap, BTreeSet};

use med_schema::{Check, CheckResult, Severity, Table};

use super::values::texts;
use super::{Finding, result_of};

/// At most so many base forms of a text column have more than one spelling: `Semi-Urban`, `semi urban` and `SEMIURBAN` are one.
///
/// deepchecks: StringMismatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StringVariants {
    /// The most base forms with several spellings. Default 0.
    pub most: usize,
    /// How much a failure matters. Default warning.
    pub severity: Severity,
}

impl Default for StringVariants {
    fn default() -> Self {
        Self { most: 0, severity: Severity::Warning }
    }
}

impl Check<Table> for StringVariants {
    fn name(&self) -> &str {
        "string_variants"
    }

    fn check(&self, table: &Table) -> CheckResult {
        let finding = |(spec, values): (&med_schema::Column, &polars::prelude::StringChunked)| {
            let distinct: BTreeSet<&str> = values.iter().flatten().collect();
            let mut spellings: BTreeMap<String, usize> = BTreeMap::new();
            distinct.into_iter().for_each(|text| *spellings.entry(med_schema::base_form(text)).or_default() += 1);
            let several = spellings.values().filter(|n| **n > 1).count();
            Finding { column: spec.name.clone(), observed: several.into(), expected: several <= self.most }
        };
        let expected = format!("at most {} base forms with more than one spelling", self.most);
        result_of(self.name(), self.severity, expected, texts(table).map(finding).collect())
    }
}
