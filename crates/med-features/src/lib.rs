#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod encode;
mod error;
mod pipeline;
pub mod select;
pub mod split;
pub mod statistic;

pub use encode::{
    Clip, DateParts, Encoder, FittedEncoder, Frequency, Impute, Interact, Log1p, OneHot, Ordinal, Origin, Scale,
    Spline, TargetEncoder, TargetMean, YeoJohnson,
};
pub use error::FeatureError;
pub use pipeline::{FeaturePipeline, FittedPipeline, FittedStep, Step};
pub use select::{
    Evidence, FeatureScore, FittedRedundancy, Keep, RedundancyFilter, Selection, SelectionMethod, Selector,
};
pub use split::{
    GroupSplit, KFold, KeyedSplit, NestedSplit, RandomSplit, Side, Split, StratifiedSplit, TimeFolds, TimeSplit,
};
