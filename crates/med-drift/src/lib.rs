#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod calibrate;
mod chunks;
mod decide;
mod detect;
mod error;
pub mod leakage;
mod levels;
pub mod measure;
mod method;
mod monitor;
pub mod multivariate;
mod pair;
mod params;
mod periods;
mod profiles;
mod random;
mod report;
mod sample;
mod scores;
mod statistics;

pub use calibrate::Calibration;
pub use chunks::{ChunkScores, ChunkSize, Chunking};
pub use decide::benjamini_hochberg;
pub use detect::DriftDetector;
pub use error::{DriftError, Side};
pub use levels::{LevelMerge, LevelRank};
pub use measure::{Drift, DriftMeasure};
pub use method::{Decision, Method};
pub use monitor::Monitor;
pub use pair::Pair;
pub use params::{DriftParams, Preset, Rule, TableRule};
pub use periods::{Period, TimeChunk, by_count, by_period};
pub use report::{ColumnDrift, DriftReason, DriftReport};
pub use sample::{CategoricalSample, ColumnSample, NumericSample, Sample, SampleKind};
pub use scores::{ColumnScores, measure_columns};
