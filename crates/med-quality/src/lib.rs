#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod bound;
mod builder;
mod cells;
mod compat;
mod condition;
mod error;
mod evaluation;
mod expectation;
mod judge;
mod kwargs;
mod meta;
mod parameters;
mod plan;
mod python;
mod result;
mod scan;
mod split;
mod suite;

pub use bound::{Bound, Bounds};
pub use builder::{ColumnSubject, ColumnsSubject, TableSubject, column, columns, table};
pub use condition::{Condition, Operator};
pub use error::{MergeError, RunError, SuiteError};
pub use evaluation::Evaluation;
pub use expectation::{
    Expectation, Histogram, IgnoreRowIf, Interpolation, OutlierMethod, Partition, RowRule, Rule, StatisticRule,
    TableRule, ValueRule,
};
pub use meta::{
    MetaSuite, NoErrors, ReportMatchesSuite, RequiredChecksRan, ResultsConsistent, ShareAtLeast, WorstSeverity,
};
pub use plan::{Plan, PlanOptions};
pub use result::{ExceptionInfo, ExpectationResult, Level, ResultFormat, RunStatistics, ValidationResult};
pub use scan::Metrics;
pub use split::{BROKEN_RULES, Split};
pub use suite::{Checklist, Suite};
