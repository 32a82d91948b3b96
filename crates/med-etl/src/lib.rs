#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod builder;
pub mod client_year;
#[cfg(feature = "sqlite")]
pub mod clients;
mod content;
mod csv_batches;
mod error;
mod iso;
mod report;
pub mod source;
pub mod transform;

pub use csv_batches::CsvBatches;
pub use error::{EtlError, MissingColumn};
pub use report::{ColumnMismatch, DeclaredBy, ExtractedColumn, ExtractionReport, Progress, StepReport};
pub use source::{
    Connection, CursorValue, DieselQuery, Extract, ExtractOptions, Extracted, Incremental, MismatchPolicy, NullCursor,
    Partitions, Retry, Selection, Source, Watermark,
};
pub use transform::{Pipeline, Step, Transform, Transformed};
