//! med-store through its public interface, on a local folder and in memory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "integration/concurrency.rs"]
mod concurrency;
#[path = "integration/feature_groups.rs"]
mod feature_groups;
#[path = "integration/registry.rs"]
mod registry;
#[path = "integration/results.rs"]
mod results;
#[path = "integration/support.rs"]
mod support;
#[path = "integration/tables.rs"]
mod tables;
