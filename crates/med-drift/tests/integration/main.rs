//! Through the public API: goldens, invariants and whole tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod calibration;
mod golden;
mod leakage;
mod many_levels;
mod monitor;
mod multivariate;
mod no_drift;
mod presets;
mod profiles;
mod properties;
mod tables;
