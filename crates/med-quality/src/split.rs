//! Good rows and broken rows: what may go on, and what goes to quarantine with the names of the rules it broke.

use med_schema::{Report, Severity, Table, TableError};
use polars::prelude::{DataFrame, IntoColumn, NamedFrom, Series};

use crate::evaluation::Evaluation;
use crate::judge::Findings;
use crate::plan::{Plan, PlanOptions, Source};
use crate::result::Level;
use crate::suite::Suite;

/// The column of the quarantine that names the broken rules.
pub const BROKEN_RULES: &str = "broken_rules";

/// A table, split by the rules on its rows.
#[derive(Debug, Clone)]
pub struct Split {
    /// Rows that broke no rule.
    pub good: Table,
    /// All the others, in their order, with a further column [`BROKEN_RULES`]: the rules each broke, as `name(column)`,
    /// separated by `; `. It holds the rows themselves, so it is as private as the table.
    pub quarantine: DataFrame,
    /// For each row of the quarantine its number in the table, from 0.
    pub rows: Vec<u64>,
    /// The report of the suite, rules on statistics and on the table included: no row is to blame for those.
    pub report: Report,
}

impl Suite {
    /// Runs the suite and takes apart the rows that broke one of its rules of this severity or above, whether or not the rule
    /// tolerates some of them (`mostly`). There is no limit to their number.
    ///
    /// A rule that could not run blames no row; it is an error in the report.
    ///
    /// ```
    /// use med_quality::{Suite, column};
    /// use med_schema::{CsvOptions, Severity, Table};
    /// let suite = Suite::new("s", [column("age").values_between(0..=120), column("plan").values_not_null()])?;
    /// let table = Table::from_csv(b"age,plan\n34,gold\n200,\n51,tin\n", &CsvOptions::default())?;
    /// let split = suite.split(&table, Severity::Info)?;
    /// assert_eq!((split.good.n_rows(), split.rows.as_slice()), (2, [1].as_slice()));
    /// let broken = split.quarantine.column("broken_rules")?.str()?.get(0);
    /// assert_eq!(broken, Some("expect_column_values_to_be_between(age); expect_column_values_to_not_be_null(plan)"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the table already has a column of that name.
    pub fn split(&self, table: &Table, at_least: Severity) -> Result<Split, TableError> {
        let options = PlanOptions::from(Level::BooleanOnly).all_rows();
        let evaluation = Plan::evaluate_table(Source::Suite(self), table, options);
        let broken = broken_by_row(&evaluation, at_least, table.n_rows());
        let is_broken = |row: &usize| !broken[*row].is_empty();
        let (bad, good): (Vec<usize>, Vec<usize>) = (0..table.n_rows()).partition(is_broken);
        let names: Vec<String> = bad.iter().map(|row| broken[*row].join("; ")).collect();
        let (mut quarantine, _) = table.take(&bad)?.into_parts();
        if quarantine.column(BROKEN_RULES).is_ok() {
            return Err(TableError::Polars(polars::prelude::PolarsError::Duplicate(
                format!("expected a table without the column {BROKEN_RULES:?}").into(),
            )));
        }
        quarantine.with_column(Series::new(BROKEN_RULES.into(), names).into_column())?;
        let rows = bad.into_iter().map(|row| row as u64).collect();
        Ok(Split { good: table.take(&good)?, quarantine, rows, report: evaluation.report() })
    }
}

/// For each row the rules it broke, in the order of the suite.
fn broken_by_row(evaluation: &Evaluation<'_>, at_least: Severity, rows: usize) -> Vec<Vec<String>> {
    let mut broken: Vec<Vec<String>> = vec![Vec::new(); rows];
    for outcome in &evaluation.outcomes {
        let expectation = outcome.expectation;
        let Ok(Findings::Rows(found)) = &outcome.findings else { continue };
        if expectation.severity < at_least {
            continue;
        }
        let rule = format!("{}({})", expectation.name(), expectation.subject().unwrap_or_default());
        for row in &found.unexpected.rows {
            if let Some(names) = usize::try_from(*row).ok().and_then(|row| broken.get_mut(row)) {
                names.push(rule.clone());
            }
        }
    }
    broken
}
