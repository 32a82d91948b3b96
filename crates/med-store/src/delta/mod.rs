//! Delta tables: the only folder that knows delta_kernel.
//!
//! A table is a folder of Parquet files and a log `_delta_log/` of numbered commits; a commit appears by one
//! put-if-absent of the next number, so readers see all of it or nothing. A writer that finds its number taken starts
//! again from the state the winner left: what it wrote was computed from a state that is no longer there.
//!
//! **Idempotence.** Each commit carries the transaction id `med/<run id>`, whose transaction version is the number of
//! the commit itself. Before writing, the id is looked up; a run that is already in the table changes nothing.
//!
//! **Crashes.** A data file is named after its run and its content (`part-<run id>-<blake3>.parquet`). A run killed
//! between file and commit leaves a file no reader sees; run again, it writes the same file under the same name.
//! On reading, files with such names are verified against their digest, and so is the log ([`log_store`]).
//!
//! Tables use no feature beyond the plain format (no deletion vectors, no column mapping), so that every Delta reader
//! opens them. Columns are nullable in Delta, whatever the schema says, because a column that is not would ask for the
//! writer feature `invariants`; nullability is checked by [`Table::parse`] on reading.

mod batch;
mod change;
mod commit;
mod data_file;
mod engine;
mod evolve;
mod gone;
mod history;
mod live_file;
mod log_store;
mod maintain;
mod read;
mod sealed_log;
mod skip;
mod table;
mod table_schema;
mod watermark;

use med_schema::Version;

pub use batch::Batch;
pub(crate) use change::{Change, Plan, Removed, Stored};
pub(crate) use engine::DeltaEngine;
pub(crate) use evolve::refused as evolution_refused;
pub use history::TableVersion;
pub(crate) use history::foreign;
pub use live_file::LiveFile;
pub use maintain::{Compaction, Vacuum, Vacuumed};
pub use table::DeltaTable;
pub(crate) use watermark::value_in as watermark_in;

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The table has a new version.
    Committed,
    /// This run had been committed before; nothing was done.
    AlreadyDone,
    /// The table held all of it already; nothing was done.
    Unchanged,
}

/// A write that is in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// The version in which the data are: the new one, the one the run made before, or the latest.
    pub version: Version,
    /// What became of it.
    pub outcome: Outcome,
    /// Rows added. Zero unless committed.
    pub inserted: u64,
    /// Rows put in the place of others. Zero unless committed.
    pub updated: u64,
    /// Rows offered that were there already.
    pub unchanged: u64,
    /// Rows taken away. Zero unless committed.
    pub removed: u64,
}

impl Commit {
    fn without_effect(version: Version, outcome: Outcome) -> Self {
        Self { version, outcome, inserted: 0, updated: 0, unchanged: 0, removed: 0 }
    }
}
