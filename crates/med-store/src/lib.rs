#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod arrow;
pub mod blocking;
mod delta;
mod encryption;
mod erasure;
mod error;
mod feature_group;
mod feature_view;
mod filter;
mod forget;
mod lakehouse;
mod layout;
mod lineage;
mod object;
mod parquet;
mod registry;
mod results;
mod row_key;
mod sealed;
mod stage;
mod statistics;
mod training_set;

pub use delta::{Batch, Commit, Compaction, DeltaTable, LiveFile, Outcome, TableVersion, Vacuum, Vacuumed};
#[cfg(feature = "encryption")]
pub use encryption::ColumnKeys;
pub use error::{Cause, Result, StoreError};
pub use feature_group::{FeatureGroup, FeatureGroupDefinition, FeatureGroupListing, InsertRecord};
pub use feature_view::{FeatureView, FeatureViewDefinition, GroupColumns, GroupVersions, JoinedGroup};
pub use filter::{Comparison, Filter, Value};
pub use forget::{Forget, Forgotten, Place, PlaceKind};
pub use lakehouse::Lakehouse;
pub use lineage::{Artifact, ArtifactKind, FailedGate, LineageLog, LineageStep, TimeSpan, open_lineage};
pub use registry::{
    AliasEntry, LogEntry, ModelArtifact, ModelHistory, ModelRegistry, ModelVersion, Move, StagedVersion, Transition,
};
pub use results::{ResultFolder, ResultKind, Written};
pub use stage::Stage;
pub use training_set::{Split, TrainingPart, TrainingSet, TrainingSetManifest};
