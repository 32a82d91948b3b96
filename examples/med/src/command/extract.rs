//! `med extract`

use std::ops::ControlFlow;
use std::time::Instant;

use anyhow::{Context, ensure};
use med_etl::{EtlError, Extract, ExtractOptions, Source};
use med_schema::{ParquetFile, TableError};
use serde_json::json;

use crate::cli::ExtractArgs;
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

pub(crate) fn run(args: &ExtractArgs) -> anyhow::Result<Outcome> {
    ensure!(
        args.out.extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet")),
        "--out {}: expected a file that ends in .parquet",
        args.out.display()
    );
    let selection = match (&args.table, &args.query) {
        (Some(table), _) => Extract::table(table),
        (None, Some(query)) => Extract::query(query),
        (None, None) => anyhow::bail!("expected --table or --query"),
    };
    // The fingerprint needs every value twice; nobody asks for it here.
    let extract = selection.options(ExtractOptions { fingerprint: false, ..ExtractOptions::default() });
    let progress = Steps::new(1);
    progress.begin("extract");
    let started = Instant::now();
    let mut connection = Source::parse(&args.database_url)?.connect()?;
    let mut file = ParquetFile::create(&args.out);
    let told = |done: med_etl::Progress| {
        progress.rows("extract", done.rows);
        ControlFlow::Continue(())
    };
    connection.for_each_batch(&extract, told, |batch| file.write(&batch).map_err(Stopped::Writing)).map_err(
        |e| match e {
            Stopped::Reading(error) => anyhow::Error::from(error),
            Stopped::Writing(error) => anyhow::Error::from(error),
        },
    )?;
    let written = file.finish().context("finishing the file")?;
    output::json(&json!({
        "rows": written.rows,
        "seconds": started.elapsed().as_secs_f64(),
        "bytes": written.bytes,
    }))?;
    Ok(Outcome::Passed)
}
