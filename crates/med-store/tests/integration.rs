//! med-store through its public interface, on a local folder, in memory, and on the servers of `MED_TEST_STORE_URLS`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

#[path = "integration/concurrency.rs"]
mod concurrency;
#[path = "integration/crash.rs"]
mod crash;
#[cfg(feature = "encryption")]
#[path = "integration/encryption.rs"]
mod encryption;
#[path = "integration/evolution.rs"]
mod evolution;
#[path = "integration/faulty.rs"]
mod faulty;
#[path = "integration/feature_groups.rs"]
mod feature_groups;
#[path = "integration/foreign.rs"]
mod foreign;
#[path = "integration/forget.rs"]
mod forget;
#[path = "integration/interop.rs"]
mod interop;
#[path = "integration/log.rs"]
mod log;
#[path = "integration/maintenance.rs"]
mod maintenance;
#[path = "integration/race.rs"]
mod race;
#[path = "integration/registry.rs"]
mod registry;
#[path = "integration/results.rs"]
mod results;
#[path = "integration/served.rs"]
mod served;
#[path = "integration/support.rs"]
mod support;
#[path = "integration/tables.rs"]
mod tables;
#[path = "integration/views.rs"]
mod views;
