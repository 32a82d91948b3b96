#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod bound;
mod builder;
mod by_column;
mod cells;
mod compat;
mod condition;
mod contract;
mod detailed;
mod error;
mod evaluation;
mod expectation;
mod history;
mod integrity;
mod judge;
mod kwargs;
mod meta;
mod parameters;
mod plan;
mod profile;
mod python;
mod result;
mod scan;
mod split;
mod suggest;
mod suite;

pub use bound::{Bound, Bounds};
pub use builder::{ColumnSubject, ColumnsSubject, TableSubject, column, columns, table};
pub use condition::{Condition, Operator};
pub use detailed::DetailedFormat;
pub use error::{MergeError, RunError, SuiteError};
pub use evaluation::Evaluation;
pub use expectation::{
    Expectation, Histogram, IgnoreRowIf, Interpolation, OutlierMethod, Partition, RowRule, Rule, StatisticRule,
    TableRule, ValueRule,
};
pub use history::{HistoryCheck, HistoryRule, HistorySuite, InHistory, MetricHistory, RunMetrics};
pub use integrity::{
    ConflictingTargets, DuplicateRows, FeatureCorrelation, IdentifierLeakage, IntegritySuite, MixedNulls, MixedTypes,
    OutlierRows, SingleValue, SpecialCharacters, StringLength, StringVariants, TargetCorrelation,
};
pub use meta::{
    ColumnsChecked, MetaSuite, NoErrors, ReportIsOf, ReportMatchesSuite, RequiredChecksRan, ResultsConsistent,
    ShareAtLeast, WorstSeverity,
};
pub use plan::{Plan, PlanOptions};
pub use profile::{Profiler, profile, profile_columns, profile_with};
pub use result::{ExceptionInfo, ExpectationResult, Level, ResultFormat, RunStatistics, ValidationResult};
pub use scan::Metrics;
pub use split::{BROKEN_RULES, Split};
pub use suggest::{Margins, SuggestError, suggest};
pub use suite::{Checklist, Suite};
