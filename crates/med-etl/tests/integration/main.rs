//! Through the public API only, on real SQLite files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod backends;
mod client_year;
mod conformance;
mod database;
mod diesel_query;
mod extraction;
mod servers;
mod transforms;
mod typed;
