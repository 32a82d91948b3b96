#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod base_form;
mod check;
mod checked;
mod dataset;
mod difference;
mod error;
mod field;
mod fingerprint;
mod infer_kind;
mod level;
mod lineage;
mod matrix;
mod near;
mod profile;
mod schema;
mod sorted_keys;
mod suite;
#[cfg(feature = "polars")]
mod table;

pub use base_form::base_form;
pub use check::{Check, CheckResult, Report, Severity, Statistics, Verdict};
pub use checked::{Admitted, Checked, GatePolicy, Reason, Rejected};
pub use dataset::Dataset;
pub use difference::{ColumnDifference, SchemaDifference};
pub use error::{DatasetError, MatrixError, SchemaError};
pub use field::{Column, ColumnPatch, Domain, Kind, Role, ValueType};
pub use fingerprint::{Fingerprint, FingerprintHasher};
pub use level::{LevelIndex, Novelty, canonical_level};
pub use lineage::{Input, Lineage, RunId, Version};
pub use matrix::{
    FeatureColumn, FeatureKind, FeatureMatrix, FeatureSchema, FeatureSpec, FeatureValues, MISSING, NumericValues,
};
pub use near::near_names;
pub use profile::{
    Cardinality, ColumnProfile, Item, Moments, Profile, ProfileError, ProfileOptions, QuantileSketch, ValueCounts,
};
pub use schema::Schema;
pub use sorted_keys::sorted_keys;
pub use suite::SuiteDocument;
#[cfg(feature = "polars")]
pub use table::{
    CsvOptions, MixedColumn, ParquetBatches, ParquetFile, ParquetParts, Table, TableError, TableMismatch, Written,
    infer_schema, write_file,
};
