//! The crate through its public API.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod goldens;
mod integrity;
mod profiles;
mod properties;
mod streams;
mod suites;
