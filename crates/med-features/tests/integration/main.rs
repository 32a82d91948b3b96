//! The crate through its public API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod fixture;
mod golden;
mod leakage;
mod properties;
mod stored;
