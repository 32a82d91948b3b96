//! What was read and what was changed, in numbers.

use std::collections::BTreeMap;
use std::fmt;

use med_schema::{Fingerprint, ValueType};
use serde::{Deserialize, Serialize};

use crate::Watermark;

/// Where the type of an extracted column comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclaredBy {
    /// The schema given by the caller.
    Schema,
    /// The database's catalogue.
    Catalogue,
    /// Nobody: inferred from all values of the first batch.
    FirstBatch,
}

/// One column of an extraction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtractedColumn {
    /// Its name.
    pub name: String,
    /// How its values are held.
    #[serde(rename = "type")]
    pub value_type: ValueType,
    /// Who says so.
    pub declared_by: DeclaredBy,
    /// Missing values in the database, without those a policy made.
    pub nulls: u64,
}

/// Values of one column that do not fit its type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnMismatch {
    /// The column.
    pub column: String,
    /// The type expected.
    pub expected: ValueType,
    /// Where that type comes from; nothing for a cast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared_by: Option<DeclaredBy>,
    /// What the first such row holds: a storage class, never the value.
    pub found: String,
    /// The first such row, counted from 0 in the order of reading.
    pub first_row: u64,
    /// How many rows.
    pub rows: u64,
}

impl fmt::Display for ColumnMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { column, expected, found, first_row, rows, .. } = self;
        let plural = if *rows == 1 { "row" } else { "rows" };
        write!(
            f,
            "column {column:?} expected {expected}, found {found} in {rows} {plural}, first in row {first_row} (from 0)"
        )?;
        if self.declared_by == Some(DeclaredBy::FirstBatch) {
            write!(f, "; the type was inferred from the first batch, declare it in a schema")?;
        }
        Ok(())
    }
}

/// What an extraction read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtractionReport {
    /// The table or query.
    pub from: String,
    /// Rows read.
    pub rows: u64,
    /// Batches delivered.
    pub batches: u64,
    /// The columns, in order.
    pub columns: Vec<ExtractedColumn>,
    /// Columns of the database that the declared schema does not name; they were not read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
    /// Values that did not fit and were made null by the policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mismatches: Vec<ColumnMismatch>,
    /// Rows that were set aside by the policy; they count among the rows read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub quarantined: u64,
    /// Rows without a cursor, which an incremental extraction did not read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub null_cursors: u64,
    /// Up to where an incremental extraction has read; nothing while there is no row with a cursor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<Watermark>,
    /// Fingerprint of names, types and the multiset of rows: neither the order of the rows nor the size of the batches
    /// changes it. Nothing when it was not asked for.
    ///
    /// The rows' digests are added up modulo 2^64 in four lanes. That finds every accidental change; it is no protection
    /// against somebody who makes up rows on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// How far an extraction has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Rows read so far.
    pub rows: u64,
    /// Batches delivered so far.
    pub batches: u64,
}

/// What a step changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StepReport {
    /// Name of the step.
    pub step: String,
    /// Rows it was given.
    pub rows_before: u64,
    /// Rows it gave.
    pub rows_after: u64,
    /// New columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns_added: Vec<String>,
    /// Columns that are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns_removed: Vec<String>,
    /// Missing values that were filled, by column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cells_filled: BTreeMap<String, u64>,
    /// Values that are held otherwise than before, by column.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cells_cast: BTreeMap<String, u64>,
    /// Rows whose identifying columns are the same as another row's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_not_distinct: Option<u64>,
    /// Rows that stand elsewhere than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_moved: Option<u64>,
}

impl fmt::Display for StepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} rows", self.step, self.rows_after)?;
        if self.rows_before != self.rows_after {
            write!(f, " (of {})", self.rows_before)?;
        }
        if !self.columns_added.is_empty() {
            write!(f, ", added {}", self.columns_added.join(", "))?;
        }
        if !self.columns_removed.is_empty() {
            write!(f, ", removed {}", self.columns_removed.join(", "))?;
        }
        for (column, cells) in &self.cells_filled {
            write!(f, ", filled {cells} of {column}")?;
        }
        for (column, cells) in &self.cells_cast {
            write!(f, ", cast {cells} of {column}")?;
        }
        if let Some(rows) = self.rows_not_distinct.filter(|&rows| rows > 0) {
            write!(f, ", {rows} rows not distinct")?;
        }
        if let Some(rows) = self.rows_moved {
            write!(f, ", moved {rows} rows")?;
        }
        Ok(())
    }
}
