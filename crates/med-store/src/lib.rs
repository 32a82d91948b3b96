#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod arrow;
pub mod blocking;
mod delta;
mod error;
mod feature_group;
mod lakehouse;
mod layout;
mod object;
mod parquet;
mod registry;
mod results;
mod sealed;
mod stage;

pub use delta::{Batch, Commit, DeltaTable, Outcome, TableVersion};
pub use error::{Cause, Result, StoreError};
pub use feature_group::{FeatureGroup, FeatureGroupDefinition, FeatureGroupListing};
pub use lakehouse::Lakehouse;
pub use registry::{
    LogEntry, ModelArtifact, ModelHistory, ModelRegistry, ModelVersion, Move, StagedVersion, Transition,
};
pub use results::{ResultFolder, ResultKind, Written};
pub use stage::Stage;
