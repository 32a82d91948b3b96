//! Transforms: named steps from table to table, each of which says what it changed.
//!
//! A step is a value of a small type that implements [`Transform`]. The built-in ones are also the variants of [`Step`],
//! which can be written in a configuration; a service adds its own by implementing the trait. Steps look at no clock,
//! environment or earlier run: the same table and parameters give the same table.

mod event_time;
mod fill;
mod identity;
mod order;
mod reshape;

pub use event_time::EventTime;
pub use fill::{FillMissing, FillValue};
pub use identity::ClientId;
pub use order::SortBy;
pub use reshape::{Cast, Drop, Rename};

use std::fmt;
use std::sync::Arc;

use med_schema::Table;
use serde::{Deserialize, Serialize};

use crate::{EtlError, StepReport};

/// A table after a step, and what the step changed.
#[derive(Debug, Clone)]
pub struct Transformed {
    /// The table.
    pub table: Table,
    /// What was changed.
    pub report: StepReport,
}

/// A named step from table to table.
pub trait Transform: fmt::Debug + Send + Sync {
    /// A stable name, as it stands in reports.
    fn name(&self) -> &str;

    /// Changes the table.
    ///
    /// # Errors
    /// When the table lacks what the step works on.
    fn apply(&self, table: Table) -> Result<Transformed, EtlError>;
}

/// The built-in steps, as a configuration names them.
///
/// ```
/// use med_etl::Step;
/// let step: Step = serde_json::from_str(r#"{"step": "fill_missing", "column": "insurance_type", "value": "No Insurance"}"#)?;
/// assert!(matches!(step, Step::FillMissing(_)));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// See [`FillMissing`].
    FillMissing(FillMissing),
    /// See [`ClientId`].
    ClientId(ClientId),
    /// See [`EventTime`].
    EventTime(EventTime),
    /// See [`SortBy`].
    SortBy(SortBy),
    /// See [`Rename`].
    Rename(Rename),
    /// See [`Drop`].
    Drop(Drop),
    /// See [`Cast`].
    Cast(Cast),
}

impl Step {
    fn as_transform(&self) -> &dyn Transform {
        match self {
            Self::FillMissing(step) => step,
            Self::ClientId(step) => step,
            Self::EventTime(step) => step,
            Self::SortBy(step) => step,
            Self::Rename(step) => step,
            Self::Drop(step) => step,
            Self::Cast(step) => step,
        }
    }
}

impl Transform for Step {
    fn name(&self) -> &str {
        self.as_transform().name()
    }

    fn apply(&self, table: Table) -> Result<Transformed, EtlError> {
        self.as_transform().apply(table)
    }
}

/// Steps one after another.
#[derive(Debug, Clone, Default)]
pub struct Pipeline {
    steps: Vec<Arc<dyn Transform>>,
}

impl Pipeline {
    /// No steps: gives every table back as it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more step at the end.
    #[must_use]
    pub fn with(mut self, step: impl Transform + 'static) -> Self {
        self.steps.push(Arc::new(step));
        self
    }

    /// The steps, in order.
    pub fn steps(&self) -> impl Iterator<Item = &dyn Transform> {
        self.steps.iter().map(AsRef::as_ref)
    }

    /// Runs all steps; one report each.
    ///
    /// # Errors
    /// When a step fails; the error names it.
    pub fn apply(&self, mut table: Table) -> Result<(Table, Vec<StepReport>), EtlError> {
        let mut reports = Vec::with_capacity(self.steps.len());
        for step in self.steps() {
            let failed = |source| EtlError::Step { step: step.name().to_owned(), source: Box::new(source) };
            let transformed = step.apply(table).map_err(failed)?;
            tracing::debug!(%transformed.report, "transformed");
            table = transformed.table;
            reports.push(transformed.report);
        }
        Ok((table, reports))
    }
}

impl FromIterator<Step> for Pipeline {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        steps.into_iter().fold(Self::new(), Self::with)
    }
}

/// A report on a step that keeps all rows.
fn report(step: &str, rows: usize) -> StepReport {
    let rows = rows as u64;
    StepReport { step: step.to_owned(), rows_before: rows, rows_after: rows, ..StepReport::default() }
}

/// Refuses a name that a column has already.
fn free(table: &Table, name: &str) -> Result<(), EtlError> {
    if table.schema().contains(name) {
        return Err(EtlError::ColumnExists { column: name.to_owned() });
    }
    Ok(())
}
