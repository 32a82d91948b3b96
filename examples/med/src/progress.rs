//! Progress for a person at a terminal; silent when stderr is none.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The steps of a run, one line that moves.
#[derive(Debug)]
pub(crate) struct Steps(ProgressBar);

impl Steps {
    /// Progress over this many steps.
    pub(crate) fn new(steps: u64) -> Self {
        let target =
            if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(steps), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos:>2}/{len} {msg}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Begins a step.
    pub(crate) fn begin(&self, step: &str) {
        self.0.set_message(step.to_owned());
        self.0.tick();
    }

    /// Ends a step.
    pub(crate) fn end(&self) {
        self.0.inc(1);
    }

    /// How far a step of unknown length has come, and how quickly.
    pub(crate) fn pace(&self, step: &str, rows: u64, took: Duration) {
        let pace = rows as f64 / took.as_secs_f64().max(1e-9);
        self.0.set_message(format!("{step}: {rows} rows, {pace:.0} rows/s"));
    }

    /// How far a step of unknown length has come.
    pub(crate) fn rows(&self, step: &str, rows: u64) {
        self.0.set_message(format!("{step}: {rows} rows"));
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
