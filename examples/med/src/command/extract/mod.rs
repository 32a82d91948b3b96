//! `med extract`

mod gate;
mod lake;

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use med_etl::{Connection, EtlError, Extract, ExtractOptions, ExtractionReport, MismatchPolicy, Source};
use med_schema::{ParquetFile, TableError};
use serde_json::{Value, json};

use crate::cli::{ExtractArgs, OnMismatch};
use crate::output::{self, Outcome};
use crate::progress::Steps;

/// Why an extraction stopped: the database's side or the file's.
#[derive(Debug)]
enum Stopped {
    Reading(EtlError),
    Writing(TableError),
}

impl From<EtlError> for Stopped {
    fn from(error: EtlError) -> Self {
        Self::Reading(error)
    }
}

impl From<Stopped> for anyhow::Error {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Reading(error) => error.into(),
            Stopped::Writing(error) => error.into(),
        }
    }
}

/// Tells how many rows came, and how quickly.
struct Pace {
    steps: Steps,
    started: Instant,
}

impl Pace {
    fn start() -> Self {
        let steps = Steps::new(1);
        steps.begin("extract");
        Self { steps, started: Instant::now() }
    }

    fn told(&self, done: med_etl::Progress) -> ControlFlow<()> {
        self.steps.pace("extract", done.rows, self.started.elapsed());
        ControlFlow::Continue(())
    }

    /// Tells the end on stderr too, where no terminal shows the way there.
    fn end(self, rows: u64) -> Duration {
        let took = self.started.elapsed();
        drop(self.steps);
        let pace = rows as f64 / took.as_secs_f64().max(1e-9);
        output::note(&format!("{rows} rows in {:.1} s ({pace:.0} rows/s)", took.as_secs_f64()));
        took
    }
}

pub(crate) fn run(args: &ExtractArgs) -> anyhow::Result<Outcome> {
    let file = args.out.iter().chain(&args.quarantine);
    for path in file {
        ensure!(
            path.extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet")),
            "{}: expected a file that ends in .parquet",
            path.display()
        );
    }
    ensure!(
        args.quarantine.is_none() || matches!(args.on_mismatch, OnMismatch::Quarantine),
        "--quarantine needs --on-mismatch quarantine"
    );
    let selection = match (&args.table, &args.query) {
        (Some(table), _) => Extract::table(table),
        (None, Some(query)) => Extract::query(query),
        (None, None) => anyhow::bail!("expected --table or --query"),
    };
    let options = ExtractOptions {
        on_mismatch: match args.on_mismatch {
            OnMismatch::Fail => MismatchPolicy::Fail,
            OnMismatch::Null => MismatchPolicy::Null,
            OnMismatch::Quarantine => MismatchPolicy::Quarantine,
        },
        partitions: args.partitions,
        // The fingerprint needs every value twice; a file has no use for it.
        fingerprint: args.lake.is_some(),
        ..ExtractOptions::default()
    };
    let mut extract = selection.options(options).key(&args.key);
    for column in &args.cents {
        extract = extract.minor_units(column, 2);
    }
    let connection = Source::parse(&args.database_url)?.connect()?;
    match (&args.out, &args.lake) {
        (Some(out), _) => to_file(args, connection, &extract, out),
        (None, Some(lake)) => lake::bring(args, connection, extract, lake),
        (None, None) => anyhow::bail!("expected --out or --lake"),
    }
}

fn to_file(args: &ExtractArgs, mut connection: Connection, extract: &Extract, out: &Path) -> anyhow::Result<Outcome> {
    ensure!(
        args.quarantine.is_some() || !matches!(args.on_mismatch, OnMismatch::Quarantine),
        "--on-mismatch quarantine needs --quarantine FILE"
    );
    let pace = Pace::start();
    let mut file = ParquetFile::create(out);
    let mut aside = args.quarantine.as_ref().map(ParquetFile::create);
    let report = connection.for_each_batch_or_quarantine(
        extract,
        |done| pace.told(done),
        |batch| file.write(&batch).map_err(Stopped::Writing),
        |rows| aside.as_mut().map_or(Ok(()), |file| file.write(&rows)).map_err(Stopped::Writing),
    )?;
    let written = file.finish().context("finishing the file")?;
    if report.quarantined > 0
        && let Some(aside) = aside
    {
        aside.finish().context("finishing the quarantine's file")?;
    }
    let took = pace.end(report.rows);
    let mut summary = json!({
        "rows": written.rows,
        "seconds": took.as_secs_f64(),
        "bytes": written.bytes,
    });
    unfit(&report, &mut summary);
    output::json(&summary)?;
    Ok(Outcome::Passed)
}

/// Says what did not fit, where something did not.
fn unfit(report: &ExtractionReport, summary: &mut Value) {
    if !report.mismatches.is_empty() {
        summary["mismatches"] = json!(report.mismatches);
    }
    if report.quarantined > 0 {
        summary["quarantined"] = json!(report.quarantined);
    }
}
