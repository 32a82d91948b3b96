//! Integrity checks of a table that expectations do not express, after those of deepchecks 0.19: each a type with the trait
//! [`Check<Table>`](med_schema::Check), each alone or all by [`IntegritySuite`].
//!
//! A check answers with one result over all columns it is about: `observed` holds its number for each of them, `message` names those
//! that are not as expected. Numbers and names of columns, never a value of a cell. Missing is null or not-a-number. A check that has
//! nothing to look at (no rows, no text column) passes, except where a role is needed that no column has; that is an error.
//!
//! The *base form* of a text is its lower case without white space and ASCII punctuation; of a text that has nothing else, the text
//! itself.

mod conflicting_targets;
mod duplicates;
mod feature_correlation;
mod identifier_leakage;
mod mixed_nulls;
mod mixed_types;
mod outlier_rows;
mod predictive_power;
mod single_value;
mod special_characters;
mod string_length;
mod string_variants;
mod target_correlation;
mod values;

use med_schema::{Check, CheckResult, Report, Role, Severity, Table};
use rayon::prelude::*;
use serde_json::{Map, Value};

pub use conflicting_targets::ConflictingTargets;
pub use duplicates::DuplicateRows;
pub use feature_correlation::FeatureCorrelation;
pub use identifier_leakage::IdentifierLeakage;
pub use mixed_nulls::MixedNulls;
pub use mixed_types::MixedTypes;
pub use outlier_rows::OutlierRows;
pub use single_value::SingleValue;
pub use special_characters::SpecialCharacters;
pub use string_length::StringLength;
pub use string_variants::StringVariants;
pub use target_correlation::TargetCorrelation;

/// All integrity checks at once, run in parallel, answered in a fixed order.
///
/// ```
/// use med_quality::IntegritySuite;
/// use med_schema::{CsvOptions, Table};
/// let csv = "plan,score\ngold,1.5\nGold,2.5\ntin,3.5\ntin,1.5\n";
/// let report = IntegritySuite::default().report(&Table::from_csv(csv.as_bytes(), &CsvOptions::default())?);
/// let failed: Vec<&str> = report.failures().map(|r| r.check.as_str()).collect();
/// assert_eq!(failed, ["string_variants"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IntegritySuite {
    /// A column with one value only.
    pub single_value: SingleValue,
    /// Texts of special characters only.
    pub special_characters: SpecialCharacters,
    /// Several ways of writing nothing.
    pub mixed_nulls: MixedNulls,
    /// Numbers among other texts.
    pub mixed_types: MixedTypes,
    /// Several spellings of one category.
    pub string_variants: StringVariants,
    /// Rows that occur again.
    pub duplicate_rows: DuplicateRows,
    /// Texts that are far too long or short.
    pub string_length: StringLength,
    /// Equal features, different targets.
    pub conflicting_targets: ConflictingTargets,
    /// Features that say nearly the same.
    pub feature_correlation: FeatureCorrelation,
    /// Features that tell the target too well.
    pub target_correlation: TargetCorrelation,
    /// Identifiers and times that tell the target.
    pub identifier_leakage: IdentifierLeakage,
    /// Rows far from all others.
    pub outlier_rows: OutlierRows,
}

impl IntegritySuite {
    /// The checks that apply to a table: those about a target only where it has one, those about rows among others only where there are
    /// enough.
    pub fn checks(&self, table: &Table) -> Vec<&dyn Check<Table>> {
        let mut checks: Vec<&dyn Check<Table>> = vec![
            &self.single_value,
            &self.special_characters,
            &self.mixed_nulls,
            &self.mixed_types,
            &self.string_variants,
            &self.duplicate_rows,
            &self.string_length,
            &self.feature_correlation,
        ];
        if table.schema().with_role(Role::Target).next().is_some() {
            checks.push(&self.conflicting_targets);
            checks.push(&self.target_correlation);
            checks.push(&self.identifier_leakage);
        }
        if self.outlier_rows.applies(table) {
            checks.push(&self.outlier_rows);
        }
        checks
    }

    /// Runs the checks that apply.
    pub fn report(&self, table: &Table) -> Report {
        let results = self.checks(table).par_iter().map(|check| check.check(table)).collect();
        Report { results, ..Report::new("integrity") }
    }
}

/// What was found of one column.
struct Finding {
    column: String,
    observed: Value,
    expected: bool,
}

/// One result of all columns.
fn result_of(name: &str, severity: Severity, expected: String, findings: Vec<Finding>) -> CheckResult {
    let odd: Vec<&str> = findings.iter().filter(|f| !f.expected).map(|f| f.column.as_str()).collect();
    let message = odd.join(", ");
    let result = CheckResult::judged(name, odd.is_empty()).severity(severity).expected(expected);
    let result = if odd.is_empty() { result } else { result.message(format!("not so: {message}")) };
    let observed: Map<String, Value> = findings.into_iter().map(|f| (f.column, f.observed)).collect();
    result.observed(observed)
}

/// An answer that says which column could not be read.
fn unreadable(name: &str, severity: Severity, error: &crate::RunError) -> CheckResult {
    CheckResult::error(name, error).severity(severity)
}

/// The error of a parameter that must be a share from 0 to 1 and is none.
fn not_a_share(name: &str, severity: Severity, value: f64) -> Option<CheckResult> {
    let error = || CheckResult::error(name, format!("expected a threshold from 0 to 1, found {value}"));
    (!(0.0..=1.0).contains(&value)).then(|| error().severity(severity))
}
