#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod cell;
mod error;
mod html;
mod page;
mod svg;
mod view;

pub use error::ReportError;
pub use html::{render, render_report};
pub use page::{Artifact, DriftRow, ModelRow, PhaseRow, RunPage, SelectionRow};
pub use svg::{Bar, BarChart, Calibration, CalibrationBin, Emphasis, Histogram};
