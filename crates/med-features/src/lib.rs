#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod encode;
mod error;
mod pipeline;
pub mod select;
pub mod split;
pub mod statistic;

pub use encode::{Encoder, FittedEncoder, Impute, Log1p, OneHot, Ordinal, Origin, Scale};
pub use error::FeatureError;
pub use pipeline::{FeaturePipeline, FittedPipeline, FittedStep, Step};
pub use select::{
    Evidence, FeatureScore, FittedRedundancy, Keep, RedundancyFilter, Selection, SelectionMethod, Selector,
};
pub use split::{GroupSplit, KeyedSplit, RandomSplit, Side, Split, TimeSplit};
